from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.extras

_PROJECT = """
[tool.memotier]
directory = ".cache/memotier"
default_ttl = "1h"
l1 = { max_size = 5000, max_bytes = "64MiB", ttl = "never" }

[tool.memotier.namespaces.tool]
ttl = "10m"

[tool.memotier.namespaces."tool.search"]
tags = ["web", "user:{user_id}"]

[tool.memotier.caches.shared]
directory = "/var/cache/shared"
write_policy = "write_back"

[tool.memotier.caches.shared.namespaces.tool]
ttl = "1d"
"""

_TABLE = """\
Settings file: pyproject.toml

[tool.memotier]
  directory             .cache/memotier       pyproject.toml
  redis_url             no server             default
  encrypt               no                    default
  spill_directory       not kept              default
  spill_max_age         30s                   default
  max_l1_age            30s                   default
  default_ttl           1h                    pyproject.toml
  write_policy          write_through         default
  mode                  on                    default
  flush_interval        5s                    default
  max_value_bytes       8 MiB                 default
  snapshots             yes                   default
  audit                 off                   default

[tool.memotier.l1]  memory
  max_size              7                     MEMOTIER_L1__MAX_SIZE
  max_bytes             64 MiB                pyproject.toml
  ttl                   never                 pyproject.toml
  eviction              lru                   default

[tool.memotier.l2]  disk
  max_size              10000                 default
  max_bytes             1 GB                  default
  ttl                   1h                    pyproject.toml (default_ttl)
  eviction              ttl                   default

[tool.memotier.warming]  recorded calls
  record                no                    default
  modules               none                  default
  history               with the cache        default
  interval              30s                   default
  max_calls             10000                 default
  max_bytes             16 MiB                default
  max_age               1w                    default
  half_life             1d                    default

[tool.memotier.namespaces.tool]
  ttl                   10m                   pyproject.toml

[tool.memotier.namespaces."tool.search"]
  tags                  web, user:{user_id}   pyproject.toml

[tool.memotier.caches.shared]  all else as above
  directory             /var/cache/shared     pyproject.toml
  write_policy          write_back            pyproject.toml
  namespaces.tool.ttl   1d                    pyproject.toml
"""


def test_people_see_every_setting_its_value_and_its_source(memotier):
    """
    Grouped as in the file, aligned, with durations and sizes as people write them.
    """
    memotier.write(_PROJECT)
    memotier.environ["MEMOTIER_L1__MAX_SIZE"] = "7"

    assert (0, _TABLE, "") == memotier("config")


def test_without_a_file_it_says_so_and_shows_the_defaults(memotier):
    """
    The first thing to know when a setting seems to do nothing.
    """
    done = memotier("config")

    assert done.out.startswith("No [tool.memotier] table in a pyproject.toml here or above.\n")
    assert "  directory         memory only      default\n" in done.out
    assert "  default_ttl       not set          default\n" in done.out
    assert "[tool.memotier.l2]  disk: not used, as no directory is set\n" in done.out
    assert 0 == done.code


def test_a_file_elsewhere_is_shown_with_its_path(memotier):
    """
    A file outside the working directory is named in full, or from the home directory.
    """
    path = memotier.write(_PROJECT)
    memotier.cwd = memotier.cwd / ".git"

    assert f"Settings file: {path}\n" in memotier("config").out

    memotier.environ["HOME"] = str(path.parent.parent)
    assert "Settings file: ~/project/pyproject.toml\n" in memotier("config").out


@pytest.mark.parametrize(
    ("namespace", "ttl", "tags"),
    [
        (
            "tool.search.deep",
            ("10m", "pyproject.toml (namespaces.tool.ttl)"),
            ("web, user:{user_id}", 'pyproject.toml (namespaces."tool.search".tags)'),
        ),
        ("tool", ("10m", "pyproject.toml"), ("no tags", "default")),
        ("other", ("1h", "pyproject.toml (default_ttl)"), ("no tags", "default")),
    ],
)
def test_a_namespace_is_shown_with_what_it_inherits(memotier, namespace, ttl, tags):
    """
    Which ttl and tags hold there, and which key said so.
    """
    memotier.write(_PROJECT)

    lines = memotier("config", "--namespace", namespace).out.splitlines()

    assert lines[-3].endswith("]  with what it inherits")
    assert ["ttl", *ttl] == [lines[-2].split()[0], *_cells(lines[-2])]
    assert ["tags", *tags] == [lines[-1].split()[0], *_cells(lines[-1])]


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().split("   ") if cell.strip()][1:]


def test_programs_get_exact_values(memotier):
    """
    Seconds, bytes, absolute paths and absolute sources, for all caches.
    """
    path = memotier.write(_PROJECT)
    memotier.environ["MEMOTIER_L2__MAX_SIZE"] = "none"

    done = memotier("config", "--json", "--namespace", "tool.search")
    data = json.loads(done.out, parse_constant=pytest.fail)

    main, shared = data["caches"]["default"], data["caches"]["shared"]
    assert str(path) == data["file"]
    assert {"value": str(path.parent / ".cache/memotier"), "from": str(path)} == main["settings"][
        "directory"
    ]
    assert {"value": 67_108_864, "from": str(path)} == main["settings"]["l1.max_bytes"]
    assert {"value": "never", "from": str(path)} == main["settings"]["l1.ttl"]
    assert {"value": None, "from": "MEMOTIER_L2__MAX_SIZE"} == main["settings"]["l2.max_size"]
    assert {"value": 5.0, "from": "default"} == main["settings"]["flush_interval"]
    assert {"value": 600.0, "from": str(path)} == main["namespaces"]["tool.search"]["ttl"]
    assert {"value": "write_back", "from": str(path)} == shared["settings"]["write_policy"]
    assert {"value": 86_400.0, "from": str(path)} == shared["namespaces"]["tool"]["ttl"]
    assert {
        "name": "tool.search",
        "ttl": {"value": 600.0, "from": str(path)},
        "tags": {"value": ["web", "user:{user_id}"], "from": str(path)},
    } == data["namespace"]


def test_an_error_is_one_line_with_what_to_try(memotier):
    """
    File, key, value and nearest name on stderr, nothing on stdout, exit code 1.
    """
    path = memotier.write("[tool.memotier]\nl1 = { max_sise = 5 }")

    assert (
        1,
        "",
        f"memotier: {path}: l1.max_sise = 5 is not a setting: did you mean l1.max_size?\n",
    ) == memotier("config")


@pytest.mark.parametrize("words", [("--debug", "config"), ("config", "--debug")])
def test_debug_adds_the_traceback(memotier, words):
    """
    Only who asks for it gets it, before or after the command.
    """
    memotier.write("[tool.memotier]\nl1 = 5")

    done = memotier(*words)

    assert done.err.startswith("Traceback (most recent call last)")
    assert "l1 = 5 is not a table" in done.err.splitlines()[-1]
    assert 1 == done.code


def test_fault_25_a_bad_namespace_is_an_error(memotier):
    """
    The command checks namespaces as the decorator does.
    """
    done = memotier("config", "--namespace", "../x")

    assert (1, "") == done[:2]
    assert done.err.startswith("memotier: namespace '../x' holds '/' (U+002F): use 1 to 64")


def test_secrets_are_not_shown(memotier):
    """
    The signing key is in the environment and stays there.
    """
    memotier.environ["MEMOTIER_KEY"] = "hunter2"

    assert "hunter2" not in memotier("config").out + memotier("config", "--json").out
