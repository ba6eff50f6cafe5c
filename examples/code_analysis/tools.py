"""
The tools of the agent: they read the standard library that this Python brought along.

Every tool that looks at one file tags its results with that file, so one file can be
forgotten without touching the others. Tools that look at a whole package tag their results
with all its files.
"""

from __future__ import annotations

import ast
import asyncio
import re
from dataclasses import dataclass

from source import lines_of, modules_of, tree_of

from memotier import tiered_cache


@dataclass(frozen=True, slots=True)
class Function:
    """
    One function: where it is, and how many ways lead through it.
    """

    module: str
    name: str
    line: int
    complexity: int


@dataclass(frozen=True, slots=True)
class Outline:
    """
    What one module consists of.
    """

    module: str
    lines: int
    classes: tuple[str, ...]
    functions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """
    One line of one module.
    """

    module: str
    line: int
    text: str


def files_of(_: str, package: str) -> list[str]:
    """
    The tags of a result about a whole package: one for each of its files.
    """
    return [f"file:{module}" for module in modules_of(package)]


@tiered_cache(namespace="tool.outline", tags=["file:{module}"])
def outline(module: str) -> Outline:
    """
    The classes and functions of *module*.
    """
    tree = tree_of(module)
    return Outline(
        module=module,
        lines=len(lines_of(module)),
        classes=tuple(n.name for n in ast.walk(tree) if isinstance(n, ast.ClassDef)),
        functions=tuple(name for name, _ in functions_in(tree)),
    )


@tiered_cache(namespace="tool.complexity", tags=["file:{module}"])
def complexity(module: str) -> list[Function]:
    """
    The functions of *module*, the most complex first (McCabe: one, and one for each branch).
    """
    found = [
        Function(module, name, node.lineno, 1 + sum(map(branches, ast.walk(node))))
        for name, node in functions_in(tree_of(module))
    ]
    return sorted(found, key=lambda one: -one.complexity)


@tiered_cache(namespace="tool.uses", tags=["file:{module}"])
def uses(symbol: str, module: str) -> list[Place]:
    """
    The lines of *module* that mention the name *symbol* in code, not in text or comments.
    """
    text = lines_of(module)
    numbers = {
        node.lineno
        for node in ast.walk(tree_of(module))
        if (isinstance(node, ast.Name) and node.id == symbol)
        or (isinstance(node, ast.Attribute) and node.attr == symbol)
    }
    return [Place(module, number, text[number - 1].strip()) for number in sorted(numbers)]


@tiered_cache(namespace="tool.definition", tags=files_of)
def definition(symbol: str, package: str) -> Place | None:
    """
    Where *package* defines the function or class *symbol*; None if it does not.
    """
    for module in modules_of(package):
        for node in ast.walk(tree_of(module)):
            kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
            if isinstance(node, kinds) and node.name == symbol:
                return Place(module, node.lineno, lines_of(module)[node.lineno - 1].strip())
    return None


@tiered_cache(namespace="tool.grep", ttl="10m", tags=files_of)
async def grep(pattern: str, package: str) -> list[Place]:
    """
    The lines of *package* that match the regular expression *pattern*.
    """
    # In a thread, as an agent's loop has other things to do meanwhile.
    return await asyncio.to_thread(matches, re.compile(pattern), package)


def matches(pattern: re.Pattern[str], package: str) -> list[Place]:
    return [
        Place(module, number, line.strip())
        for module in modules_of(package)
        for number, line in enumerate(lines_of(module), start=1)
        if pattern.search(line)
    ]


def functions_in(tree: ast.AST) -> list[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """
    The functions of a module and the methods of its classes, with their dotted names.
    """
    found: list[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]] = []
    waiting: list[tuple[str, ast.AST]] = [("", tree)]
    while waiting:
        outside, node = waiting.pop()
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
                found.append((outside + child.name, child))
            elif isinstance(child, ast.ClassDef):
                waiting.append((f"{outside}{child.name}.", child))
    return sorted(found, key=lambda one: one[1].lineno)


def branches(node: ast.AST) -> int:
    """
    How many more ways there are because of *node*.
    """
    if isinstance(node, ast.BoolOp):
        return len(node.values) - 1
    if isinstance(node, ast.comprehension):
        return 1 + len(node.ifs)
    kinds = (ast.If, ast.IfExp, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.match_case)
    return int(isinstance(node, kinds))


#: What the report lists, in its order.
TOOLS = (outline, complexity, uses, definition, grep)
