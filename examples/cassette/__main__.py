"""
A session of an agent, replayed from a cassette: the server it talked to is not there.

    python examples/cassette              replay
    python examples/cassette --record     record it anew, against the server in server.py
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path

import session
import tools
from server import running

from memotier.testing import cassette

TAPE = Path(__file__).parent / "cassettes" / "session.jsonl"
TOOLS = (tools.stock, tools.discount, tools.order)


def main() -> None:
    records = "--record" in sys.argv[1:]
    with ExitStack() as stack:
        if records:
            tools.url = stack.enter_context(running())
        tape = stack.enter_context(cassette(TAPE, mode="record" if records else "replay-strict"))
        # Another account than that of the recording: it is a secret, and not on the tape.
        for line in session.run("gold-1" if records else "gold-2"):
            print(f"agent: {line}")
        counts = [tool.cache_info() for tool in TOOLS]
        print()
        print(f"calls                {sum(one.hits + one.misses for one in counts)}")
        print(f"answered by memory   {sum(one.hits for one in counts)}")
        print(f"answered by the tape {tape.replayed}")
        print(f"asked of the server  {tape.recorded}")


main()
