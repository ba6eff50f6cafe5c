"""
What the model says: a script instead of a model, so that it costs nothing and is the same always.

A round is a list of tool calls that a model makes at once. It sees the answers before the next.
"""

from __future__ import annotations

from typing import Any

Call = tuple[str, dict[str, Any]]

SEARCH: Call = ("search_code", {"pattern": r"\bdef decode", "package": "email"})
NOTES: Call = ("notes", {"topic": "owls"})


def script(name: str) -> list[list[Call]]:
    """
    The rounds of the agent that works for *name*.
    """
    return [
        # Agents ask for the same thing twice, even at once.
        [SEARCH, ("price", {"product": "owl"}), ("price", {"product": "owl"}), NOTES],
        [
            ("add_note", {"topic": "owls", "text": f"{name} saw one"}),
            ("price", {"product": "wren"}),
        ],
        # What was written has to be seen; what was only read need not be read again.
        [NOTES, SEARCH, ("price", {"product": "owl"})],
        # One asks for what does not exist.
        [("price", {"product": "gryphon" if name == "ann" else "owl"}), NOTES, SEARCH],
    ]


def after(name: str, done: int) -> list[Call]:
    """
    The calls that follow *done* rounds; none: the model gives its answer.
    """
    rounds = script(name)
    return rounds[done] if done < len(rounds) else []
