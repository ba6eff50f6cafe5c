"""
What the agent does: a script in place of a language model, with the habits of one.

It surveys, looks closer at what it found, asks several things at once, and asks again what it
knew already, because it has forgotten or wants to be sure.
"""

from __future__ import annotations

import asyncio

from source import modules_of
from tools import Function, Place, complexity, definition, grep, outline, uses

import memotier

PACKAGES = ("asyncio", "concurrent", "email", "http", "importlib", "json", "logging", "unittest")
#: How many of the most complex functions it looks at.
CLOSER = 5


def survey() -> list[Function]:
    """
    The most complex functions of all packages.
    """
    found: list[Function] = []
    for package in PACKAGES:
        for module in modules_of(package):
            if outline(module).functions:
                found += complexity(module)
    return sorted(found, key=lambda one: -one.complexity)[:CLOSER]


def look_closer(function: Function) -> tuple[Place | None, list[Place]]:
    """
    Where a function is defined, and who mentions it in its package.
    """
    package = function.module.partition(".")[0]
    symbol = function.name.rpartition(".")[2]
    found = definition(symbol, package)
    mentions = [place for module in modules_of(package) for place in uses(symbol, module)]
    return found, mentions


async def ask_at_once() -> int:
    """
    Searches of several sub-agents at the same time; some of them want to know the same.
    """
    patterns = (r"TODO|XXX", r"^\s*raise ")
    questions = [(pattern, package) for package in PACKAGES for pattern in patterns]
    answers = await asyncio.gather(*(grep(*question) for question in questions * 3))
    return sum(len(places) for places in answers[: len(questions)])


def work() -> str:
    """
    The whole session; its answer is the same in every run.
    """
    hardest = survey()
    # Whether computed or read from disk, a result has the type that the tool returned.
    assert all(type(one) is Function for one in hardest)
    said = []
    for function in hardest:
        _, mentions = look_closer(function)
        name, count = f"{function.module}.{function.name}", len(mentions)
        lines = "line" if count == 1 else "lines"
        said.append(f"{function.complexity:>4}  {name}, used in {count} {lines}")
    said.append(f"Lines with TODO, XXX or raise: {asyncio.run(ask_at_once())}")

    # It doubts, and does everything again.
    assert survey() == hardest
    for function in hardest:
        look_closer(function)
    return "\n".join(said)


def forget(module: str) -> None:
    """
    *module* was edited: what was found out about it is worth nothing any more.
    """
    memotier.invalidate_tags(f"file:{module}")
