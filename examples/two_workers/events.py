"""
What a worker tells of itself: one line of JSON for each event, with the time of the machine.
"""

from __future__ import annotations

import json
import logging
import time


def tell(what: str, **more: object) -> None:
    """
    Print it at once, so that it is told also by a worker that is killed in the next moment.
    """
    # The monotonic clock is the same one in all processes of a machine.
    print(json.dumps({"at": time.monotonic(), "what": what, **more}), flush=True)


class Teller(logging.Handler):
    """
    Log lines are events, too.
    """

    def emit(self, record: logging.LogRecord) -> None:
        tell("logs", text=record.getMessage().removeprefix("memotier: "))
