"""
The version of a function changes when its code does, and only then.
"""

from __future__ import annotations

import functools
import importlib.util
import itertools
import linecache
import os
import subprocess
import sys
from pathlib import Path

import pytest

from memotier.keys.identity import source_stamp, source_version

from .test_stability import OTHERS

PLAIN = """
def f(a, b=2):
    return a + b
"""
SAME = {
    "comment": "def f(a, b=2):  # adds\n    # up\n    return a + b\n",
    "docstring": 'def f(a, b=2):\n    """Adds."""\n    return a + b\n',
    "long docstring": 'def f(a, b=2):\n    """\n    Adds,\nnot indented.\n    """\n'
    "    return a + b\n",
    "formatting": "def f(\n    a, b = 2,\n):\n\n    return (a\n        + b)\n",
    "decorator": "import functools\n@functools.lru_cache\n@functools.cache\n" + PLAIN[1:],
    "elsewhere": "import os\n\n\nX = 1\ndef f(a, b=2):\n    return a + b\n\ndef g(): return 2\n",
    "type comment": "def f(a, b=2):\n    # type: (int, int) -> int\n    return a + b\n",
    "indented": "if True:\n        def f(a, b=2):\n                return a + b\n",
}
CHANGED = {
    "operator": "def f(a, b=2):\n    return a - b\n",
    "default": "def f(a, b=3):\n    return a + b\n",
    "default of another type": "def f(a, b=2.0):\n    return a + b\n",
    "keyword only": "def f(a, *, b=2):\n    return a + b\n",
    "async": "async def f(a, b=2):\n    return a + b\n",
    "name": "def f(a, c=2):\n    return a + c\n",
    "statement": "def f(a, b=2):\n    a = b\n    return a + b\n",
    "text": "def f(a, b=2):\n    return a + b + ''\n",
    "text that is no docstring": "def f(a, b=2):\n    x = 'Adds.'\n    return a + b\n",
}
_numbers = itertools.count()


@pytest.fixture
def load(tmp_path):
    def load(source, name="f"):
        path = tmp_path / f"module{next(_numbers)}.py"
        path.write_text(source)
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found = module
        for part in name.split("."):
            found = getattr(found, part)
        return found

    return load


@pytest.mark.parametrize("source", SAME.values(), ids=SAME)
def test_what_is_not_code_does_not_count(load, source):
    """
    Comments, docstrings, decorators, formatting and neighbours leave the version alone.
    """
    version = source_version(load(source))

    assert source_version(load(PLAIN)) == version
    assert 16 == len(version)


@pytest.mark.parametrize("source", CHANGED.values(), ids=CHANGED)
def test_fault_15_code_and_defaults_count(load, source):
    """
    Another body or another default is another version, though the name is the same.
    """
    assert source_version(load(PLAIN)) != source_version(load(source))


def make(factor, helper=len):
    def multiply(x):
        return x * factor if helper else None

    return multiply


def test_fault_15_plain_closed_over_values_count():
    """
    Functions of one factory differ by what they close over, type included.
    """
    versions = {source_version(make(factor)) for factor in (1, True, 1.0, "1", None, (1,), (2,))}

    assert 7 == len(versions)
    assert source_version(make(2)) == source_version(make(2))


LAMBDAS = """
f, g = lambda x: x + 1, lambda x: x + 2
h = (lambda x: (lambda y: x + y))
both = [lambda x: x + 1, (lambda x:
    x + 3)]
"""


def test_lambdas_in_one_line_are_told_apart(load):
    """
    Each is found where its instructions come from.
    """
    module = load(LAMBDAS, "__dict__")
    f, g, h = module["f"], module["g"], module["h"]

    versions = [source_version(f) for f in (f, g, h, h(1), h(2), module["both"][1])]
    assert 6 == len(set(versions))
    assert source_version(f) == source_version(module["both"][0])
    assert not [version for version in versions if version.startswith("code:")]


KINDS = '''
import functools
class C:
    """
Text to the left.
    """
    def method(self):
        text = """
  kept
"""
        def nested():
            "doc"
            return text
        return nested
    @staticmethod
    def static(): return 1
    @classmethod
    async def klass(cls): return 1
    @property
    def prop(self): return 3
    def __init__(self): self.x = 1
    def __call__(self): return 2
'''


@pytest.mark.parametrize("name", ["C.method", "C.static", "C.klass", "C"])
def test_every_kind_of_function_has_a_source(load, name):
    """
    Methods, static and class methods, coroutines, classes, instances, partials.
    """
    assert not source_version(load(KINDS, name)).startswith("code:")


def test_wrappers_are_seen_through(load):
    """
    Partials, bound methods and instances have the version of what runs.
    """
    kind = load(KINDS, "C")

    assert source_version(kind.method) == source_version(kind().method)
    assert source_version(kind.method) == source_version(functools.partial(kind.method))
    assert source_version(kind.__call__) == source_version(kind())
    assert source_version(kind.__init__) == source_version(kind)


def test_fault_15_newer_source_is_not_taken_for_the_loaded_code(load):
    """
    If the file has changed since the function was loaded, the compiled code is described.
    """
    f = load(PLAIN)
    loaded = source_stamp(f)
    before = source_version(f, loaded)
    path = Path(f.__code__.co_filename)
    path.write_text(PLAIN.replace("+", "-"))
    os.utime(path, ns=(loaded[0] + 10**9, loaded[0] + 10**9))

    after = source_version(f, loaded)
    assert before == source_version(load(PLAIN))
    assert after.startswith("code:")
    assert after != before
    assert source_version(load(PLAIN.replace("+", "-"))) not in (before, after)


def code_version(source):
    namespace = {}
    exec(source, namespace)
    return source_version(namespace["f"])


def test_without_source_the_compiled_code_counts():
    """
    Then comments and the text of the docstring still do not count, code and defaults do.
    """
    documented = code_version(SAME["docstring"])

    assert documented.startswith("code:")
    assert documented == code_version(SAME["docstring"].replace("Adds.", "Sums up.\n"))
    assert code_version(PLAIN) == code_version(SAME["comment"])
    for source in CHANGED.values():
        assert code_version(PLAIN) != code_version(source)
    sets = "def f(x):\n    return x in {'a', 'b', 'c'}\n"
    assert code_version(sets) == code_version(sets.replace("'a', 'b'", "'b', 'a'"))


def test_no_version_for_builtins_but_a_name():
    """
    What is not Python has no code to look at.
    """
    assert source_version(len).startswith("code:")
    assert source_stamp(len) is None


def test_source_of_a_notebook_cell():
    """
    Cells have no file; their source is where the traceback finds it.
    """
    name = "/tmp/ipykernel_1/1234.py"
    linecache.cache[name] = (len(PLAIN), None, PLAIN.splitlines(keepends=True), name)
    namespace = {}
    exec(compile(PLAIN, name, "exec"), namespace)

    assert source_stamp(namespace["f"]) is None
    version = source_version(namespace["f"], None)
    linecache.cache.pop(name)
    assert not version.startswith("code:")


SYNTAX = '''
def f(a: int, /, b: "str" = "x", *c, d=lambda x, *y: (x, *y), **e) -> list[int]:
    """Doc."""
    global g
    text = f"{a!r:>{b}} {a=} {'q' + 'w'} \\n" "more" f"{b['k']}" rf"\\d{a}"
    with open(a) as x, open(b) as (y, z):
        async def inner():
            async for i in b:
                yield await i
    try:
        del c[1:2, ..., ::3], d
        for i, j in [(1, 2), *c]:
            while i < j <= 3 and not (a or b): break
            else: continue
    except* (ValueError, TypeError) as error:
        raise RuntimeError from error
    match a:
        case {"k": [1, *rest], **kw} if rest: pass
        case str(real=1) | None: pass
        case _: pass
    return {**e, "n": 1e999, "m": -1j, **{k: v for k, v in e if k}, b"x": 10**5, (y := 1): None}
'''
SCRIPT = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent.parent.parent)!r})
from memotier.keys.version import source_version
import syntax_sample
print(source_version(syntax_sample.f))
"""


def test_every_python_finds_the_same_version(tmp_path):
    """
    An upgrade of Python does not empty the cache.
    """
    (tmp_path / "syntax_sample.py").write_text(SYNTAX)
    found = {
        subprocess.run(
            [python, "-c", SCRIPT], cwd=tmp_path, capture_output=True, text=True, check=True
        ).stdout
        for python in (sys.executable, *OTHERS)
    }

    assert {"554ca9b057ffd18a\n"} == found


def test_a_file_that_was_edited_before_it_was_looked_at(load):
    """
    Where the source at the function's line is the end of a text that never closes, the version is
    made from the compiled code, and nothing is raised.
    """
    function = load(PLAIN)
    Path(function.__code__.co_filename).write_text('x = """\n"""; y = 1\n')

    assert source_version(function, source_stamp(function)).startswith("code:")
