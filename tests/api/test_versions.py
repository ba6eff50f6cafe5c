"""
Which code a result belongs to: other versions, other modules, other processes.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path
from textwrap import indent

import pytest

from memotier import tiered_cache

ROOT = Path(__file__).parents[2]

TOOL = '''
from memotier import tiered_cache

@tiered_cache(OPTIONS)
def f(x, y=2):
    """First."""
    # a comment
    return [x + y]
'''

TELL = """
for _ in range(2):
    print(f(1), end=" ")
info = f.cache_info()
print(info.misses, info.l2_hits, f.cache_key(1))
"""


class Machine:
    """Writes modules and runs each as a process of its own, with one cache directory."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.directory = place / "cache"

    def write(self, source, options="", path="tool.py"):
        file = self.place / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source.replace("OPTIONS", options))
        return file

    def run(self, *arguments, **environment):
        """(results, misses, hits in the second tier, key)."""
        done = subprocess.run(
            [sys.executable, "-B", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=60,
            cwd=self.place,
            env={
                "PYTHONPATH": os.pathsep.join((str(ROOT), str(self.place))),
                "PATH": os.environ["PATH"],
                "HOME": str(self.place / "home"),
                "MEMOTIER_DIRECTORY": str(self.directory),
                **environment,
            },
        )
        assert "" == done.stderr
        results, misses, hits, key = done.stdout.rsplit(maxsplit=3)
        return results, int(misses), int(hits), key

    def use(self, module="tool", **environment):
        return self.run("-c", f"from {module} import f\n{TELL}", **environment)


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path / "machine")


def test_the_next_process_finds_it(machine):
    """
    A result is found by another process, under the same key, whatever the hash seed.
    """
    machine.write(TOOL)
    first = machine.use(PYTHONHASHSEED="1")
    second = machine.use(PYTHONHASHSEED="2")

    assert ("[3] [3]", 1, 0) == first[:3]
    assert ("[3] [3]", 0, 1) == second[:3]
    assert first[3] == second[3]


@pytest.mark.parametrize(
    ("change", "misses"),
    [
        (lambda s: s.replace("# a comment", "# another"), 0),
        (lambda s: s.replace('"""First."""', '"""Second."""'), 0),
        (lambda s: s.replace("x + y", "(x  +  y)"), 0),
        (lambda s: "import os\n" * 5 + s, 0),
        (lambda s: s.replace("(ttl=None)", "(ttl=900, tags=['t'])"), 0),
        (lambda s: s.replace("x + y", "y + x"), 1),
        (lambda s: s.replace("y=2", "y=1 + 1"), 1),
        (lambda s: s.replace("y=2", "y=3"), 1),
        (lambda s: s.replace("x, y=2", "x, y=2, *, z=0"), 1),
    ],
    ids=["comment", "docstring", "formatting", "lines", "options", "body", "default as text",
         "default", "parameter"],
)  # fmt: skip
def test_fault_15_the_source_counts(machine, change, misses):
    """
    What changes what a function does makes its old results unreachable; what does not, does not.
    """
    machine.write(TOOL, "ttl=None")
    assert 1 == machine.use()[1]
    machine.write(change(TOOL.replace("OPTIONS", "ttl=None")))

    assert misses == machine.use()[1]


def test_fault_15_an_explicit_version_decides(machine):
    """
    With ``version=`` the source does not count, and another version is another function.
    """
    machine.write(TOOL, "version=1")
    assert ("[3] [3]", 1) == machine.use()[:2]
    machine.write(TOOL.replace("x + y", "x * 100"), "version=1")
    assert ("[3] [3]", 0) == machine.use()[:2]
    machine.write(TOOL.replace("x + y", "x * 100"), "version=2")
    assert ("[100] [100]", 1) == machine.use()[:2]
    machine.write(TOOL, "version='1'")
    assert 1 == machine.use()[1]


def test_fault_14_one_name_in_two_modules(machine):
    """
    Functions of one name in two modules, in one namespace, are two functions.
    """
    for path in ("one.py", "two.py", "package/one.py"):
        machine.write(TOOL, "namespace='same'", path)
    machine.write("", path="package/__init__.py")

    found = [machine.use(module) for module in ("one", "two", "package.one")]
    assert [1, 1, 1] == [misses for _, misses, _, _ in found]
    assert 3 == len({key for *_, key in found})


def test_fault_14_two_scripts(machine):
    """
    Two scripts are two ``__main__``; each finds its own results again.
    """
    source = TOOL.replace("OPTIONS", "") + TELL
    one = machine.write(source, path="a/run.py")
    two = machine.write(source.replace("x + y", "x + y"), path="b/run.py")

    assert [1, 1, 0, 0] == [machine.run(script)[1] for script in (one, two, one, two)]


def test_fault_14_a_module_run_and_imported(machine):
    """
    ``python -m package.tool`` and ``import package.tool`` mean one function.
    """
    machine.write("", path="package/__init__.py")
    machine.write(
        TOOL + "if __name__ == '__main__':\n" + indent(TELL, "  "), path="package/tool.py"
    )

    assert 1 == machine.run("-m", "package.tool")[1]
    assert 0 == machine.use("package.tool")[1]


def test_fault_14_without_a_file(machine):
    """
    What was typed into ``python -c`` has no name for others: it is kept in memory, and said.
    """
    code = TOOL.replace("OPTIONS", "") + TELL
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", "import logging; logging.basicConfig()\n" + code],
            capture_output=True,
            text=True,
            timeout=60,
            env={"PYTHONPATH": str(ROOT), "MEMOTIER_DIRECTORY": str(machine.directory)},
            cwd=machine.place.parent,
        )
        assert "[3] [3] 1 0" == done.stdout.rsplit(maxsplit=1)[0]
        assert "give it a name=" in done.stderr


def test_fault_14_redefined_in_one_process(call, make_cache):
    """
    A function that is defined again under its name, as in a notebook, is another function.
    """
    cache = make_cache("disk")

    def define(value):
        scope = {"__name__": "tests.redefined"}
        exec(f"def f(x):\n    return [x, {value}]\n", scope)
        return call.cached(cache=cache)(scope["f"])

    assert [[1, 5], [1, 6], [1, 5]] == [call(define(value)(1)) for value in (5, 6, 5)]


def test_fault_14_closures_of_one_factory(call, make_cache):
    """
    What a function closes over is part of its version, also when all have one name.
    """
    cache = make_cache("disk")

    def factory(n):
        @call.cached(cache=cache, name="power")
        def power(x):
            return [x**n]

        return power

    assert [[4], [8], [4]] == [call(factory(n)(2)) for n in (2, 3, 2)]


def test_fault_14_lambdas(make_cache):
    """
    Lambdas do not meet, neither in memory nor below it.
    """
    cache = make_cache("disk")
    functions = [
        tiered_cache(cache=cache)(f) for f in (lambda x: [x, 1], lambda x: [x, 2], lambda x: [x, 1])
    ]
    for _ in range(2):
        assert [[5, 1], [5, 2], [5, 1]] == [f(5) for f in functions]
    assert 0 == cache.get_stats()["l2"]["size"]


def test_two_functions_wrapped_by_one_decorator(make_cache):
    """
    One function behind two wrappers that differ in what they close over is two functions.
    """
    cache = make_cache("disk")

    def scaled(by):
        def decorate(function):
            @functools.wraps(function)
            def inner(*args, **kwargs):
                return by * function(*args, **kwargs)

            return inner

        return decorate

    one, two = (tiered_cache(cache=cache)(scaled(by)(_plain)) for by in (1, 10))
    assert [5, 50, 5, 50] == [one(5), two(5), one(5), two(5)]


def test_a_wrapped_function_under_its_name_is_kept_below(machine):
    """
    A cached function with decorators below and above it is found by the next process.
    """
    source = """
import functools
from memotier import tiered_cache

def passing(function):
    @functools.wraps(function)
    def inner(*args, **kwargs):
        return function(*args, **kwargs)
    return inner

@passing
@tiered_cache
@passing
def f(x): return [x]

class C:
    @property
    @tiered_cache(ignore=["self"])
    @passing
    def p(self): return [3]

    @tiered_cache
    @staticmethod
    @passing
    def s(x): return [x]

for g in (f.__wrapped__, C.p.fget, C.s):
    print(g(1) if g is not C.p.fget else C().p, end=" ")
print(*[sum(g.cache_info()[at] for g in (f.__wrapped__, C.p.fget, C.s)) for at in (1, 5)], "key")
"""
    script = machine.write(source)
    assert ("[1] [3] [1]", 3, 0) == machine.run(script)[:3]
    assert ("[1] [3] [1]", 0, 3) == machine.run(script)[:3]


def test_a_worker_of_a_script_finds_it(machine):
    """
    In a worker process a script has another name for Python, and the same keys.
    """
    source = (
        TOOL.replace("OPTIONS", "")
        + """
import multiprocessing

def work(x):
    return f(x), f.cache_info().misses, f.cache_info().l2_hits, f.cache_key(x)

if __name__ == "__main__":
    assert [3] == f(1)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        result = pool.apply(work, (1,))
    assert f.cache_key(1) == result[-1]
    print(*result)
"""
    )
    assert ("[3]", 0, 1) == machine.run(machine.write(source))[:3]


def _plain(x):
    return x


def test_version_of_a_function_is_shown(call, cache):
    """
    ``cache_parameters`` tells the version, with its type.
    """
    for version, shown in ((1, "int:1"), ("1", "str:1"), (1.5, "float:1.5"), ("auto", "auto")):
        f = call.cached(cache=cache, version=version)(lambda x: x)
        assert shown == f.cache_parameters()["version"]
