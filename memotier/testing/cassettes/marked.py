"""
The cassette of a test that has the marker: where it lies, and in which mode it is.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

from ...errors import ConfigError
from .opening import tape_for
from .tape import RECORD, Tape

#: Letters of the name of a file.
_LONGEST: Final = 100
FOLDER: Final = "cassettes"
_ODD: Final = re.compile(r"[^\w.\-]+")


def tape_of(item: Any, marker: Any, asked: str | None, recorded: dict[str, str]) -> Tape:
    """
    The tape of a test.

    Args:
        item: The test, as pytest has it.

        marker: ``@pytest.mark.cassette(name, **options of cassette())``. Without a name there is
            a file for each test, also for each set of parameters.

        asked: The mode that the command line asks for; it comes before the marker's.

        recorded: By file, the test that has recorded it in this run.

    Raises:
        ConfigError: If the marker cannot be used, or another test has recorded the same file.
    """
    if len(marker.args) > 1:
        raise ConfigError(
            f"{item.nodeid}: @pytest.mark.cassette takes one name, and options by name: "
            '@pytest.mark.cassette("search.jsonl", mode="replay")'
        )
    options = dict(marker.kwargs)
    if asked is not None:
        options["mode"] = asked
    # (A name that is an absolute path is that.)
    path = Path(item.path).parent / FOLDER / (marker.args[0] if marker.args else _own_name(item))
    try:
        tape = tape_for(path, **options)
    except TypeError as error:
        raise ConfigError(f"{item.nodeid}: @pytest.mark.cassette: {error}") from None
    if tape.mode == RECORD:
        other = recorded.setdefault(str(tape.path), item.nodeid)
        if other != item.nodeid:
            raise ConfigError(
                f"{item.nodeid} would record over the cassette of {other}: {tape.path}. Give each "
                "test a name of its own, or none: then each has its own file"
            )
    return tape


def _own_name(item: Any) -> str:
    """
    ``test_search/TestIt.test_one-owl.jsonl`` for a test in ``test_search.py``.
    """
    said = item.nodeid.partition("::")[2].replace("::", ".")
    name = _ODD.sub("-", said).strip("-")
    if len(name) > _LONGEST:
        name = f"{name[:_LONGEST]}-{blake2b(said.encode(), digest_size=4).hexdigest()}"
    return f"{Path(item.path).stem}/{name}.jsonl"
