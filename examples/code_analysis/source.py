"""
The files of the standard library: which modules a package has, their text and syntax trees.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
from pathlib import Path


@functools.cache
def modules_of(package: str) -> tuple[str, ...]:
    """
    The modules of *package* and of the packages inside it, by their dotted names.
    """
    root = _file_of(package).parent
    found = []
    for file in sorted(root.rglob("*.py")):
        parts = file.relative_to(root).with_suffix("").parts
        if "test" not in parts and "tests" not in parts:
            found.append(".".join((package, *(p for p in parts if p != "__init__"))))
    return tuple(found)


def lines_of(module: str) -> list[str]:
    """
    The text of *module*.
    """
    return _file_of(module).read_text(encoding="utf-8").splitlines()


def tree_of(module: str) -> ast.Module:
    """
    The syntax tree of *module*: read and parsed anew every time, which is what costs.
    """
    return ast.parse(_file_of(module).read_text(encoding="utf-8"))


@functools.cache
def _file_of(module: str) -> Path:
    # The package alone is imported to be found, never the module: some start threads or windows.
    package, _, inside = module.partition(".")
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise LookupError(f"this Python has no package {package!r} in files")
    path = Path(spec.origin).parent.joinpath(*inside.split(".")) if inside else Path(spec.origin)
    return path if path.suffix == ".py" else _module_or_package(path)


def _module_or_package(path: Path) -> Path:
    file = path.with_name(f"{path.name}.py")
    return file if file.exists() else path / "__init__.py"
