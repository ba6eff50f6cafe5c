"""
The tools of the agents: ordinary functions, with a cache.

Each says what it does besides answering, and whose its results are. The frameworks are given
these functions as they are.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import re
import urllib.error
import urllib.request
from contextvars import ContextVar
from pathlib import Path

import world

import memotier
from memotier import tiered_cache

#: For whom an agent works; set before it is run.
user: ContextVar[str] = ContextVar("user")


@tiered_cache(agent=True, effects="read", scope="public", ttl="1h", name="agents.search_code")
def search_code(pattern: str, package: str) -> str:
    """
    Search a package of Python's standard library for a regular expression.

    Args:
        pattern: What to look for.
        package: Where, such as "email".
    """
    world.count("code searched")
    (home,) = importlib.util.find_spec(package).submodule_search_locations
    found = []
    for path in sorted(Path(home).rglob("*.py")):
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        hits = sum(1 for line in lines if re.search(pattern, line))
        if hits:
            found.append(f"{path.name}: {hits}")
    return ", ".join(found)


@tiered_cache(agent=True, effects="read", scope="public", ttl="1m", name="agents.price")
async def price(product: str) -> str:
    """
    Ask the shop what a product costs.

    Args:
        product: Its name.
    """

    def ask() -> str:
        with urllib.request.urlopen(f"{world.url()}/prices/{product}", timeout=10) as answer:
            return f"{product} costs {json.load(answer)['price']:.2f}"

    try:
        return await asyncio.to_thread(ask)
    except urllib.error.HTTPError as error:
        memotier.current().skip()  # not known now is not a result to keep
        return f"{product}: {error.code}"


#: Moves with each note that a user writes: what he read before is read again, by him alone.
notebook = memotier.epoch("notebook")


@tiered_cache(
    agent=True, effects="read", scope=user, depends_on=[notebook], ttl="1h", name="agents.notes"
)
def notes(topic: str) -> str:
    """
    Read the user's notes.

    Args:
        topic: What they are about.
    """
    return "; ".join(world.notebook.find(user.get(), topic)) or "no notes"


@memotier.mutates(epochs=[notebook], scope=user)
def add_note(topic: str, text: str) -> str:
    """
    Write down a note of the user.

    Args:
        topic: What it is about.
        text: What it says.
    """
    world.notebook.add(user.get(), topic, text)
    return "noted"


TOOLS = (search_code, price, notes, add_note)
CACHED = (search_code, price, notes)


def forget() -> None:
    """
    Begin anew.
    """
    memotier.get_cache().sync.clear()
    world.notebook.erase()
    world.asked.clear()
