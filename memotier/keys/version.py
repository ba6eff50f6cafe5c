"""
A fingerprint of what a function does, as far as its own source says.

Comments, docstrings, decorators and formatting do not count; defaults and plain closed-over
values do. It does not see what the function calls, nor the globals that it reads.
"""

from __future__ import annotations

import ast
import inspect
import linecache
import os
import sys
import threading
from collections.abc import Iterator
from hashlib import blake2b
from tokenize import TokenError
from types import CodeType, FunctionType
from typing import Any

from .owner import code_owner, source_stamp
from .plain import ATOMS, LONG, scalar
from .wire import Budget, Refusal

_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
#: By id, because the hash of a class may be code of its metaclass.
_PLAIN = frozenset(map(id, (*ATOMS, *LONG)))
_HAS_DOCSTRING = 0x4000000  # of co_flags, since Python 3.14
_NOT_CODE = frozenset({"ctx", "kind", "type_comment", "type_ignores"})

_parsing = threading.RLock()


def source_version(function: Any, loaded: tuple[int, int] | None = None) -> str:
    """
    16 hex digits for the normalised source of *function*, the same on every Python.

    Args:
        loaded: What ``source_stamp`` said when the function was loaded. If its file has changed
            since, the source there is not the source of the code that runs here; the version
            is then made from the compiled code: ``code:`` and 16 hex digits, good for one
            version of Python, for some of which line breaks count. The same without source.
    """
    owner = code_owner(function)
    if owner is None:
        return "code:" + _hash(repr(type(function).__qualname__))

    closed = "|".join(_closed_over(owner))
    if loaded is None or loaded == source_stamp(owner):
        found = _definition(owner)
        if found is not None:
            try:
                return _hash(f"{_outline(_stripped(found))}|{closed}")
            except RecursionError:  # thousands of nested expressions
                pass

    defaults = (*(owner.__defaults__ or ()), *(owner.__kwdefaults__ or {}).values())
    plain = "|".join(map(_plainly, defaults))
    return "code:" + _hash(f"{_code_outline(owner.__code__)}|{plain}|{closed}")


def _hash(text: str) -> str:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _closed_over(function: FunctionType) -> Iterator[str]:
    """
    The plain values that *function* closes over, with their names.
    """
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield f"{name}={_plainly(cell.cell_contents)}"
        except ValueError:  # the name has no value yet, or no longer
            yield f"{name}?"


def _plainly(value: Any) -> str:
    """
    A plain value, exactly; of any other value, its type.
    """
    if id(type(value)) in _PLAIN:
        try:
            return scalar(value, Budget()).hex()
        except Refusal:
            pass
    if type(value) is tuple:
        return f"({','.join(map(_plainly, value))})"
    return type(value).__qualname__


def _definition(function: FunctionType) -> _Definition | None:
    """
    The syntax tree of *function*; None if its source cannot be found without doubt.
    """
    code = function.__code__
    linecache.checkcache(code.co_filename)
    lines = linecache.getlines(code.co_filename, function.__globals__)
    if not lines or code.co_firstlineno > len(lines):
        return None
    try:
        if code.co_name == "<lambda>":
            return _lambda_in(_parse("".join(lines)), code)
        return _def_in(_parse_block(lines[code.co_firstlineno - 1 :]), code)
    except (TokenError, SyntaxError, ValueError, RecursionError, MemoryError, SystemError):
        return None


def _parse_block(lines: list[str]) -> ast.AST:
    block = "".join(inspect.getblock(lines))
    # A line before it gives an indented block something to belong to. Taking the indentation
    # away would change the text inside triple quotes.
    return _parse("if 1:\n" + block if block[:1].isspace() else block)


def _parse(text: str) -> ast.AST:
    """
    ``ast.parse``, which up to Python 3.12 may fail when two threads are in it at once: they
    share a counter of its depth, and the one that finds it changed raises SystemError.
    """
    with _parsing:
        for _ in range(9):
            try:
                return ast.parse(text)
            except SystemError:
                continue  # another thread, in code that is not ours
        return ast.parse(text)


def _after_fork_in_child() -> None:
    # The thread that held it is not here to release it.
    global _parsing
    _parsing = threading.RLock()


os.register_at_fork(after_in_child=_after_fork_in_child)


def _def_in(tree: ast.AST, code: CodeType) -> _Definition | None:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == code.co_name:
            return node
    return None


def _lambda_in(tree: ast.AST, code: CodeType) -> ast.Lambda | None:
    """
    The lambda whose body is where the instructions of *code* say that they come from.
    """
    here = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Lambda) and node.lineno == code.co_firstlineno
    ]
    spots = [spot for spot in code.co_positions() if None not in spot and spot[3]]
    if len(here) < 2 or not spots:
        # Python 3.12 does not say where the code of a constant lambda comes from.
        return here[0] if len(here) == 1 else None

    first = min((line, column) for line, _, column, _ in spots)
    last = max((line, column) for _, line, _, column in spots)
    around = [node for node in here if _start(node.body) <= first and _end(node.body) >= last]
    # A lambda inside a lambda: the instructions of the inner one lie in both.
    return max(around, key=lambda node: _start(node.body), default=None)


def _start(node: ast.expr) -> tuple[Any, Any]:
    return node.lineno, node.col_offset


def _end(node: ast.expr) -> tuple[Any, Any]:
    return node.end_lineno, node.end_col_offset


def _stripped(definition: _Definition) -> ast.AST:
    """
    *definition* without decorators, docstrings, and what f-strings look like on each Python.
    """
    if not isinstance(definition, ast.Lambda):
        definition.decorator_list = []
    for node in ast.walk(definition):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if ast.get_docstring(node, clean=False) is not None:
                node.body[:1] = [] if len(node.body) > 1 else [ast.Pass()]
        elif isinstance(node, ast.JoinedStr):
            node.values = list(_joined(node.values))
    return definition


def _joined(values: list[ast.expr]) -> Iterator[ast.expr]:
    """
    Neighbouring pieces of text as one: Pythons differ in where they cut them.
    """
    text = ""
    for value in values:
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            text += value.value
            continue
        if text:
            yield ast.Constant(text)
        text = ""
        yield value
    if text:
        yield ast.Constant(text)


def _outline(node: Any) -> str:
    """
    A syntax tree as text, without the fields that are empty: newer Pythons have more of them.
    """
    if isinstance(node, ast.AST):
        parts = [
            f"{field}={_outline(value)}"
            for field, value in sorted(ast.iter_fields(node))
            if field not in _NOT_CODE and value is not None and value != []
        ]
        if isinstance(node, ast.Constant):
            parts = [_constant(node.value)]
        return f"{type(node).__name__}({','.join(parts)})"
    if isinstance(node, list):
        return f"[{','.join(map(_outline, node))}]"
    return repr(node)


def _constant(value: Any) -> str:
    """
    A constant with its type; long integers in hex, because ``repr`` refuses them.
    """
    if isinstance(value, CodeType):
        return _code_outline(value)
    if type(value) is int:
        return hex(value)
    if type(value) is tuple:
        return f"({','.join(map(_constant, value))})"
    if type(value) is frozenset:
        return f"{{{','.join(sorted(map(_constant, value)))}}}"
    return f"{type(value).__name__}:{value!r}"


def _code_outline(code: CodeType) -> str:
    """
    Compiled code as text, without line numbers, file name and docstrings.
    """
    constants = list(code.co_consts)
    if sys.version_info >= (3, 14):
        documented = bool(code.co_flags & _HAS_DOCSTRING)
    else:
        # The first constant of a function with a name is its docstring, or None.
        is_function = code.co_flags & inspect.CO_OPTIMIZED and code.co_name[0] != "<"
        documented = bool(is_function and constants and type(constants[0]) is str)
    if documented:
        constants[0] = None
    return "|".join(
        (
            code.co_code.hex(),
            ",".join(map(_constant, constants)),
            ",".join((*code.co_names, ";", *code.co_varnames, ";", *code.co_freevars)),
            f"{code.co_argcount},{code.co_posonlyargcount},{code.co_kwonlyargcount}",
            str(code.co_flags),
            code.co_exceptiontable.hex(),
        )
    )
