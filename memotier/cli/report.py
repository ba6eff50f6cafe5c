"""
Write one page with the figures of a cache, of all processes that use its second tier.

It is one file of HTML that loads nothing, to look at and to send around: the hit rate of the last
hour, latency by tier, what each function saves, what evicts what, hot keys, and what to change.
Arguments and values are not in it.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Final

from ..analytics import collect, merge
from ..dashboard import report
from .frame import as_command, cache_option, option
from .opening import with_second_tier

_STDOUT: Final = "-"


@as_command("report", "one page of HTML with the figures of a cache", __doc__)
@cache_option
@option(
    "-o",
    "--output",
    default="report.html",
    metavar="FILE",
    help="Where to write it, - for stdout (default: report.html).",
)
def command(cache: str, output: str) -> int:
    taken = merge(collect(with_second_tier(cache)))
    page = report(taken)
    if output == _STDOUT:
        sys.stdout.write(page)
        return 0
    size = _write(Path(output), page)
    count = len(taken["processes"])
    print(f"{output}: {size:,} bytes, {count} process{'es' * (count != 1)}")
    return 0


def _write(path: Path, page: str) -> int:
    """
    Replace the file in one step, so that who has it open never sees half of a page.
    """
    data = page.encode("utf-8")
    file, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(file, "wb") as out:
            out.write(data)
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
    return len(data)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
