"""
What functions are called, and when that name is good for other processes.
"""

from __future__ import annotations

import functools
import subprocess
import sys
from pathlib import Path

import pytest

from memotier.keys.identity import identify, module_name

ROOT = Path(__file__).parent.parent.parent
SHOW = """
from memotier.keys.identity import identify
def search(): ...
class Tool:
    def run(self): ...
if __name__ == "__main__":
    print(*identify(search, None), sep="|")
    print(*identify(Tool.run, None), sep="|")
"""


def search():
    pass


class Tool:
    def run(self):
        pass

    @classmethod
    def make(cls):
        pass

    @staticmethod
    def help():
        pass

    def __call__(self):
        pass


def run(*arguments, cwd=ROOT, text=None):
    ended = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        input=text,
        capture_output=True,
        text=True,
        check=True,
    )
    return ended.stdout.splitlines()


@pytest.mark.parametrize(
    ("function", "qualname"),
    [
        (search, "search"),
        (Tool.run, "Tool.run"),
        (Tool().run, "Tool.run"),
        (Tool.make, "Tool.make"),
        (Tool.__dict__["make"], "Tool.make"),
        (Tool.__dict__["help"], "Tool.help"),
        (Tool, "Tool"),
    ],
)
def test_what_can_be_imported_is_called_as_it_is_imported(function, qualname):
    """
    Module and qualified name, also of what is bound or inside a descriptor.
    """
    assert (f"{__name__}.{qualname}", True, "") == identify(function, None)


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda: 1, "a lambda has no name of its own"),
        (functools.partial(search), "a partial has the name of the function inside it"),
        (functools.wraps(run)(lambda: 1), ""),
        (Tool(), "it is an instance of Tool, of which there may be more"),
    ],
)
def test_fault_14_names_that_others_may_share_are_not_stable(function, reason):
    """
    Lambdas, partials and instances are good for this process, unless somebody names them.
    """
    found = identify(function, None)

    assert reason == found.reason
    assert (reason == "") == found.stable
    assert ("mine", True, "") == identify(function, "mine")


def test_fault_14_local_functions_are_not_stable():
    """
    A factory makes many functions of one name.
    """

    def inner():
        pass

    assert not identify(inner, None).stable
    assert "it is defined inside another function" == identify(inner, None).reason


def test_fault_14_scripts_of_one_name_are_distinct(tmp_path):
    """
    Two scripts called tool.py in two directories are two modules; each is one in every run.
    """
    names = []
    for directory in ("one", "two", "one"):
        path = tmp_path / directory / "tool.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(SHOW)
        names.append(run(str(path))[0])

    assert names[0] == names[2] != names[1]
    assert names[0].startswith("script:tool.py:")
    assert names[0].endswith(".search|True|")


def test_a_script_is_the_same_from_anywhere(tmp_path):
    """
    The directory one stands in and links on the way do not count.
    """
    (tmp_path / "tool.py").write_text(SHOW)
    (tmp_path / "link.py").symlink_to(tmp_path / "tool.py")

    inside = run("tool.py", cwd=tmp_path)
    assert inside == run(str(tmp_path / "tool.py"), cwd="/") == run("link.py", cwd=tmp_path)


def test_a_module_run_as_a_script_has_its_importable_name(tmp_path):
    """
    ``python -m pack.tool`` and ``import pack.tool`` share their entries.
    """
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "tool.py").write_text(SHOW)

    assert ["pack.tool.search|True|", "pack.tool.Tool.run|True|"] == run(
        "-m", "pack.tool", cwd=tmp_path
    )


@pytest.mark.parametrize("arguments", [["-c", SHOW], ["-"]])
def test_fault_14_code_without_a_file_is_not_stable(arguments):
    """
    What is typed in or piped in has no name that another process would mean the same by.
    """
    shown = run(*arguments, text=SHOW)

    assert "__main__.search|False|its module is a notebook, a REPL or not a file" == shown[0]


def test_children_made_by_spawn_call_the_script_as_their_parent_does(tmp_path):
    """
    In such a child the script is called __mp_main__.
    """
    script = SHOW.replace(
        'if __name__ == "__main__":\n',
        """
def show():
    print(identify(search, None).name, flush=True)
if __name__ == "__main__":
    import multiprocessing
    child = multiprocessing.get_context("spawn").Process(target=show)
    child.start(); child.join()
""",
    )
    (tmp_path / "tool.py").write_text(script)
    child, parent, _ = run(str(tmp_path / "tool.py"))

    assert parent == child + "|True|"


def test_modules_without_a_name():
    """
    Some builtins have none.
    """
    assert module_name(None) is None
    assert "os" == module_name("os")
