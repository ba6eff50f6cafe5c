"""
Ask a server that has bad days, without a cache and with each option that helps.

    pip install "memotier[examples]"   # for the picture; without it there is the table
    python examples/flaky_api [--quick] [--picture FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import gc
from pathlib import Path

import report
import timeline


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--quick", action="store_true", help="a shorter script, for a first look")
    parser.add_argument(
        "--picture",
        type=Path,
        default=Path("flaky_api.png"),
        help="where the picture goes: .png, .svg or .pdf (default: flaky_api.png)",
    )
    given = parser.parse_args()

    # Pauses of the garbage collector and the debug mode of asyncio are not what is measured.
    gc.disable()
    seen = asyncio.run(timeline.run(pace=3 if given.quick else 1), debug=False)
    for part in (report.script, report.table, report.legend, report.sentences):
        print(part(seen), end="\n\n")
    print(picture_of(seen, given.picture))


def picture_of(seen: timeline.Timeline, file: Path) -> str:
    """
    Draw it if that is possible; where it is, or what is missing.
    """
    try:
        from picture import draw
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "matplotlib":
            raise
        return 'For the timeline as a picture: pip install "memotier[examples]", and run it again.'
    draw(seen, file)
    return f"The timeline as a picture: {file}"


if __name__ == "__main__":
    main()
