"""
Cassettes: what decorated functions returned is written to a file once, and answered from it in
tests.

A cassette stands in the place of the functions, below the cache: with an empty memory of its own
for the block (testing/isolation.py), a call that memory cannot answer asks the tape in place of
the function. So what is recorded are computations; repeated calls, single-flight, invalidations
and ttls do what they do without it.

- ``opening.py``: the block, the modes, the environment
- ``questions.py``: from a call to what stands for it on a tape, without secrets
- ``tape.py``: the file as lines; which one answers
- ``values.py``, ``raised.py``: results and errors as JSON, and back
- ``standins.py``: what is called in place of a function
- ``misses.py``: what a strict tape says of a call that it does not have

What must never happen: something is imported, executed or trusted because it stands on a tape;
a value comes back as another type than it had; a secret argument is written.
"""

from __future__ import annotations

from ...errors import CassetteMiss, ReplayedError
from .opening import cassette
from .tape import Tape

__all__ = ["CassetteMiss", "ReplayedError", "Tape", "cassette"]
