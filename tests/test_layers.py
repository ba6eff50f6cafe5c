"""
Imports go down or sideways, never up; files stay short; ``import memotier`` stays light.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import memotier

PACKAGE = Path(memotier.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))

#: What stands at the top of the package without being the api.
TOP = {
    "errors": 0, "types": 0, "entry": 0, "clock": 0, "durations": 0, "config": 0,
    "tokens": 0, "explanation": 0, "wording": 0, "quota": 0,
    "__main__": 6, "": 6,  # the names of everything
}  # fmt: skip
PACKAGES = {
    "settings": 0,
    "keys": 1,
    "codecs": 1,
    "policies": 1,
    "stores": 2,
    "engine": 3,
    "recording": 4,
    "cli": 6,
}
API = 4
#: Companions, when there are any: L5 by name.
COMPANIONS = {"invalidation", "warming", "analytics", "semantic", "testing"}
SURFACES = {"integrations", "dashboard"}

#: Imports that go up all the same, each with its reason.
EXCEPTIONS: dict[tuple[str, str], str] = {
    ("snapshots", "analytics.leaving"): "a cache that is used leaves its figures",
    ("recording.function", "warming.rewarm"): "rewarm= is an option of the decorator",
    ("decorator", "semantic.near"): "semantic= is an option of the decorator",
    ("tapes", "testing.cassettes.opening"): "MEMOTIER_CASSETTE opens one for any program",
}

LONGEST_FILE = 400


def module_of(file: Path) -> str:
    """``memotier/keys/bind.py`` is ``keys.bind``, ``memotier/keys/__init__.py`` is ``keys``."""
    parts = file.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def level(module: str) -> int:
    """The level of a module, by its name below ``memotier``."""
    first = module.partition(".")[0]
    if first in PACKAGES:
        return PACKAGES[first]
    if first in COMPANIONS:
        return 5
    if first in SURFACES:
        return 6
    return TOP.get(first, API)


def imports(source: str, file: Path) -> set[str]:
    """
    The modules of the package that *source* imports, also inside functions and for checkers.
    """
    here = file.relative_to(PACKAGE).parent.parts
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
            found |= {name.partition(".")[2] for name in names if name.split(".")[0] == "memotier"}
        elif isinstance(node, ast.ImportFrom):
            inside = node.module or ""
            if node.level:
                base = here[: len(here) - (node.level - 1)]
                inside = ".".join((*base, *inside.split("."))).strip(".")
            elif inside.split(".")[0] == "memotier":
                inside = inside.partition(".")[2]
            else:
                continue
            for alias in node.names:
                below = f"{inside}.{alias.name}".strip(".")
                found.add(below if _exists(below) else inside)
    return found


def _exists(module: str) -> bool:
    path = PACKAGE.joinpath(*module.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def test_every_module_has_a_level():
    """
    A new package has to be placed on a level before it can be imported.
    """
    packages = {file.relative_to(PACKAGE).parts[0] for file in FILES if file.parent != PACKAGE}

    assert packages <= {*PACKAGES, *COMPANIONS, *SURFACES}


@pytest.mark.parametrize("file", FILES, ids=module_of)
def test_imports_go_down(file):
    """
    A module imports what lies on its own level or below; the ground imports only the ground.
    """
    module = module_of(file)
    upward = {
        other: level(other)
        for other in imports(file.read_text(encoding="utf-8"), file)
        if level(other) > level(module) and (module, other) not in EXCEPTIONS
    }

    assert {} == upward


def test_no_exception_is_left_over():
    """
    An exception that no file needs is removed.
    """
    needed = {
        (module_of(file), other)
        for file in FILES
        for other in imports(file.read_text(encoding="utf-8"), file)
    }
    assert set(EXCEPTIONS) <= needed


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("from ..engine import plan", {"engine.plan"}),
        ("from ..engine.plan import fetch", {"engine.plan"}),
        ("from . import wire, digest", {"keys.wire", "keys.digest"}),
        ("from .. import errors", {"errors"}),
        ("import memotier.cache", {"cache"}),
        ("from memotier import cache, MISS", {"cache", ""}),
        ("def f():\n    from ..cache import MultiLevelCache", {"cache"}),
        ("if TYPE_CHECKING:\n    from ..cache import MultiLevelCache", {"cache"}),
        ("import numpy, os.path\nfrom wrapt import x", set()),
    ],
)
def test_imports_are_seen(source, expected):
    """
    Every way of writing an import is understood, wherever it stands.
    """
    assert expected == imports(source, PACKAGE / "keys" / "bind.py")


@pytest.mark.parametrize("file", FILES, ids=module_of)
def test_files_are_short(file):
    """
    A file holds one idea.
    """
    assert len(file.read_text(encoding="utf-8").splitlines()) <= LONGEST_FILE


#: What ``import memotier`` must not load; optional packages not even with the decorator.
HEAVY = ("sqlite3", "diskcache", "asyncio", "wrapt", "logging")
OPTIONAL = (
    "numpy",
    "pandas",
    "polars",
    "pyarrow",
    "pydantic",
    "attr",
    "attrs",
    "msgspec",
    "click",
    "redis",
    "rich",
    "watchfiles",
    "pytest",
    "prometheus_client",
    "opentelemetry",
)


def _loaded_by(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint(*sys.modules)"],
        capture_output=True,
        text=True,
        timeout=60,
        env={"PYTHONPATH": str(PACKAGE.parent), "PATH": "/usr/bin:/bin"},
    )
    assert "" == done.stderr
    return set(done.stdout.split())


def test_import_is_light():
    """
    ``import memotier`` loads no store, no optional package, and nothing that takes long.
    """
    assert set() == _loaded_by("import memotier") & {*HEAVY, *OPTIONAL}


def test_memory_only_use_loads_no_store_on_disk():
    """
    A function that is cached in memory needs neither SQLite nor an optional package.
    """
    code = (
        "import memotier\n@memotier.tiered_cache\ndef f(x): return [x]\nassert [1] == f(1) == f(1)"
    )

    assert set() == _loaded_by(code) & {"sqlite3", "diskcache", *OPTIONAL}


#: What belongs to options that few functions have, or that is for tests.
SELDOM = (
    *("auditing", "watched", "authorized", "verified", "engine.checks", "errorlike"),
    *("mutations", "changes", "quota", "engine.ledger", "engine.scopeinfo"),
    *("semantic", "testing"),
)


def test_what_is_not_used_is_not_loaded():
    """
    Neither the decorator nor the first calls load what belongs to options that were not given.
    """
    code = (
        "import memotier\n@memotier.tiered_cache(scope='public', effects='read')\n"
        "def f(x): return [x]\nassert [1] == f(1) == f(1)"
    )

    assert set() == _loaded_by(code) & {f"memotier.{one}" for one in SELDOM}


def test_every_public_name_resolves():
    """
    Each name of ``__all__`` is there, once, and a name that is not says so.
    """
    assert len(memotier.__all__) == len(set(memotier.__all__))
    for name in memotier.__all__:
        assert getattr(memotier, name) is not None
    assert set(memotier.__all__) <= set(dir(memotier))
    with pytest.raises(AttributeError, match="tierd_cache"):
        memotier.tierd_cache
