from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from memotier.settings import load, read


def test_without_a_file_everything_has_its_default(project):
    """
    A cache needs no settings.
    """
    settings = project.load()

    assert settings.directory is None
    assert settings.default_ttl is None
    assert "write_through" == settings.write_policy
    assert "on" == settings.mode
    assert 30.0 == settings.max_l1_age
    assert 5.0 == settings.flush_interval
    assert 8 * 2**20 == settings.max_value_bytes
    assert (1000, 64_000_000, 300.0, "lru") == (
        settings.l1.max_size,
        settings.l1.max_bytes,
        settings.l1.ttl,
        settings.l1.eviction,
    )
    assert (10_000, 10**9, 3600.0, "ttl") == (
        settings.l2.max_size,
        settings.l2.max_bytes,
        settings.l2.ttl,
        settings.l2.eviction,
    )
    assert {"default"} == set(settings.origins.values())
    assert project.read().file is None


def test_the_nearest_file_with_our_table_counts(project):
    """
    Project files of parts that say nothing about memotier are passed over.
    """
    far = project.write('[tool.memotier]\ndefault_ttl = "1h"')
    project.write("[tool.other]\nx = 1", "part/pyproject.toml")
    project.write("[project]\nname = 'memotier-user'", "part/deeper/pyproject.toml")
    project.cwd = project.root / "part" / "deeper"

    settings = project.load()

    assert 3600.0 == settings.default_ttl
    assert str(far) == settings.origins["default_ttl"]
    assert far == project.read().file


def test_the_search_ends_at_the_root_of_the_repository(project):
    """
    What lies above a repository belongs to somebody else.
    """
    project.write('[tool.memotier]\nmode = "off"', "../pyproject.toml")

    assert "on" == project.load().mode


def test_the_root_of_the_repository_itself_is_looked_at(project):
    """
    The directory with .git is where most projects keep their settings.
    """
    project.write('[tool.memotier]\nmode = "off"')

    assert "off" == project.load().mode


def test_an_empty_table_ends_the_search(project):
    """
    A part of a project says "defaults here" with an empty table.
    """
    project.write('[tool.memotier]\nmode = "off"')
    project.write("[tool.memotier]", "part/pyproject.toml")
    project.cwd = project.root / "part"

    assert "on" == project.load().mode


def test_broken_files_that_do_not_mention_us_are_not_ours_to_report(project):
    """
    A function is not refused its cache because some other tool's file is half written.
    """
    project.write("[tool.other\n")

    assert "on" == project.load().mode


def test_variable_names_another_file(project):
    """
    MEMOTIER_CONFIG is relative to the working directory and replaces the search.
    """
    project.write('[tool.memotier]\nmode = "off"')
    other = project.write('[tool.memotier]\ndefault_ttl = "2h"', "etc/cache.toml")
    project.environ["MEMOTIER_CONFIG"] = "etc/cache.toml"

    settings = project.load()

    assert "on" == settings.mode
    assert (7200.0, str(other)) == (settings.default_ttl, settings.origins["default_ttl"])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("nope.toml", ("'nope.toml'", "/nope.toml does not exist", "unset it")),
        (".git", ("'.git'", "is not a file")),
        ("bare.toml", ("'bare.toml'", "has no [tool.memotier] table", "add one")),
        ("", ("is empty", "unset it")),
    ],
)
def test_a_file_that_was_named_must_be_usable(project, text, told):
    """
    Whoever names a file does not want the defaults.
    """
    project.write("[tool.other]", "bare.toml")
    project.environ["MEMOTIER_CONFIG"] = text

    message = project.error()

    assert message.startswith("MEMOTIER_CONFIG")
    assert [] == [part for part in told if part not in message]


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("[tool.memotier]\nmode =\n", 2, "Invalid value"),
        ("[tool.memotier]\nl1 = {\n  max_size = 5\n", 2, ""),
        ('[tool.memotier]\nmode = "on"\nmode = "off"\n', 3, "overwrite"),
        ('[tool.memotier]\nmode = "on', 2, ""),
    ],
)
def test_mistakes_in_toml_are_told_with_file_and_line(project, text, line, problem):
    """
    As a compiler would write it, so that editors can jump there.
    """
    path = project.write(text)

    message = project.error()

    assert message.startswith(f"{path}:{line}: not valid TOML: ")
    assert problem in message


def test_a_file_in_another_encoding_is_told_with_file_and_line(project):
    """
    TOML is UTF-8.
    """
    path = project.write("")
    path.write_bytes(b"[tool.memotier]\nmode = 'on'\ndirectory = '\xe9'\n")

    assert project.error().startswith(f"{path}:3: not UTF-8")


def test_a_table_that_is_none_is_refused(project):
    """
    `memotier = 5` is a slip, not the wish for defaults.
    """
    path = project.write("[tool]\nmemotier = 5")

    assert project.error().startswith(f"{path}: [tool.memotier] = 5 is not a table: write")


def test_variables_override_the_file_and_code_overrides_both(project):
    """
    Defaults < file < environment < configure(), and each value knows its source.
    """
    path = project.write('[tool.memotier]\nl1 = { max_size = 1, max_bytes = "1MB", ttl = "1m" }')
    project.environ |= {"MEMOTIER_L1__MAX_BYTES": "2MB", "MEMOTIER_L1__TTL": "2m"}
    project.overrides = {"l1": {"ttl": 180}}

    settings = project.load()

    assert (1, 2_000_000, 180.0, "lru") == (
        settings.l1.max_size,
        settings.l1.max_bytes,
        settings.l1.ttl,
        settings.l1.eviction,
    )
    assert [str(path), "MEMOTIER_L1__MAX_BYTES", "configure()", "default"] == [
        settings.origins[f"l1.{name}"] for name in ("max_size", "max_bytes", "ttl", "eviction")
    ]


def test_variables_that_are_no_settings_are_left_alone(project):
    """
    The signing key, the suite's own variables, and everybody else's.
    """
    project.environ = {
        "MEMOTIER_KEY": "hunter2",
        "MEMOTIER_TEST_REDIS_URL": "redis://localhost",
        "MEMOTIERX": "1",
        "PATH": "/bin",
    }

    settings = project.load()

    assert {"default"} == set(settings.origins.values())
    assert "hunter2" not in repr(settings)


def test_relative_directories_start_from_where_they_are_written(project, monkeypatch):
    """
    In a file from the file, elsewhere from the working directory; ~ is the home directory.
    """
    monkeypatch.setenv("HOME", "/home/ada")
    project.write('[tool.memotier]\ndirectory = ".cache/memotier"')
    project.cwd = project.root / "part"
    project.cwd.mkdir()

    assert project.root / ".cache/memotier" == project.load().directory

    project.environ["MEMOTIER_DIRECTORY"] = "../var"
    assert project.root / "var" == project.load().directory

    project.overrides["directory"] = Path("~/cache")
    assert Path("/home/ada/cache") == project.load().directory

    project.overrides["directory"] = None
    assert project.load().directory is None


def test_a_working_directory_that_is_gone_leaves_the_rest_usable(tmp_path, monkeypatch):
    """
    Deleting a running program's directory takes away its relative paths, nothing else.
    """
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    assert 5 == load(environ={"MEMOTIER_L1__MAX_SIZE": "5"}).l1.max_size
    assert Path("/var/x") == load(environ={"MEMOTIER_DIRECTORY": "/var/x"}).directory
    for environ in ({"MEMOTIER_DIRECTORY": "x"}, {"MEMOTIER_CONFIG": "x"}):
        with pytest.raises(ValueError, match=r"'x' is relative.*no longer exists.*absolute path"):
            load(environ=environ)


def test_the_process_is_asked_when_nothing_else_is_given(project, monkeypatch):
    """
    load() alone reads the environment and the working directory as they are then.
    """
    project.write('[tool.memotier]\ndefault_ttl = "1h"')
    monkeypatch.chdir(project.root)
    for name in [name for name in os.environ if name.startswith("MEMOTIER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MEMOTIER_MODE", "off")

    assert (3600.0, "off") == (load().default_ttl, load().mode)
    assert ("default",) == read().names


def test_nothing_is_read_or_parsed_at_import():
    """
    Importing costs no file, no TOML parser and no spelling help.
    """
    code = (
        "import sys, builtins\n"
        "import memotier.settings\n"
        "print([m for m in ('tomllib', 'difflib', 'json', 'asyncio') if m in sys.modules])\n"
        "memotier.settings.load(environ={}, cwd=__import__('pathlib').Path('/'))\n"
        "print('tomllib' in sys.modules)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )

    assert ["[]", "False"] == done.stdout.split("\n")[:2]


def test_a_url_with_a_password_comes_from_a_variable_and_is_never_shown(project):
    """
    Whoever prints the settings, or their errors, sees where the server is and no more.
    """
    project.environ = {"MEMOTIER_REDIS_URL": "redis://alice:hunter2@db.example:7000/3"}

    settings = project.load()

    assert "redis://***@db.example:7000/3" == str(settings.redis_url)
    assert "hunter2" not in repr(settings) and "alice" not in repr(settings)
    assert "redis://alice:hunter2@db.example:7000/3" == settings.redis_url.reveal()


def test_a_named_cache_has_a_second_tier_of_its_own(project):
    """
    The server of the default cache is not that of another one that says nothing.
    """
    project.write(
        '[tool.memotier]\nredis_url = "valkey://h"\n[tool.memotier.caches.x]\ndefault_ttl = "1h"'
    )

    assert "redis://h:6379/0" == str(project.load().redis_url)
    assert project.load("x").redis_url is None
