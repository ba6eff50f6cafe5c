"""
Two agents with the same tools work for two users at once: without a framework, and in three.

    python examples/agents [plain | pydantic_ai | openai_agents | langchain] ...

Without a name, all that are installed.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import importlib.util
import time

import world
from report import table
from tools import forget, user

#: Each framework's package, by the module that runs the agents in it.
FRAMEWORKS = {
    "plain": None,
    "pydantic_ai": "pydantic_ai",
    "openai_agents": "agents",
    "langchain": "langchain",
}
USERS = ("ann", "bob")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("framework", nargs="*", choices=[[], *FRAMEWORKS], default=[])
    names = parser.parse_args().framework or [name for name in FRAMEWORKS if is_there(name)]
    world.start()
    try:
        answers = [show(name) for name in names]
    finally:
        world.stop()
    assert answers.count(answers[0]) == len(answers), "agents must be told the same everywhere"
    if len(answers) > 1:
        print(f"\nThe agents were told the same in all {len(answers)}.")


def is_there(name: str) -> bool:
    package = FRAMEWORKS[name]
    return package is None or importlib.util.find_spec(package) is not None


def show(name: str) -> dict[str, list[str]]:
    """
    Run the agents of all users at once, and tell what the cache did.
    """
    forget()
    run = importlib.import_module(f"in_{name}").run

    async def work(who: str) -> list[str]:
        user.set(who)  # a task has a context of its own
        return sorted(await run(who))

    async def together() -> list[list[str]]:
        return await asyncio.gather(*map(work, USERS))

    begin = time.perf_counter()
    told = dict(zip(USERS, asyncio.run(together()), strict=True))
    took = time.perf_counter() - begin
    check(told)
    print(f"\n{name}: two users at once, {took:.2f} s\n\n{table()}\n")
    asked = ", ".join(f"{what} {count}x" for what, count in sorted(world.asked.items()))
    print(f"The world was asked: {asked}.")
    return told


def check(told: dict[str, list[str]]) -> None:
    """
    Each was told of his own notes, and of none before they were written.
    """
    for who, answers in told.items():
        about = [one for one in answers if " saw one" in one]
        assert all(f"{who} saw one" in one for one in about), "somebody was told another's notes"
        assert 2 == len(about) and 1 == answers.count("no notes"), (
            "a note was missed, or came too early"
        )
    assert "gryphon: 404" in told["ann"]


if __name__ == "__main__":
    main()
