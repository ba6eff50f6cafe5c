"""
A record, where it lies, and keys: what the tests of signed and of encrypted records share.
"""

from __future__ import annotations

from pathlib import Path

from memotier.codecs.records import Record

ADDRESS, GROUP = b"a" * 16, "tool.search"
HERE = {"address": ADDRESS, "group": GROUP}
KEY, OTHER = b"k" * 32, b"o" * 48
GOLDEN = Path(__file__).parent / "golden"

RECORD = Record(
    codec="safe",
    flags=3,
    created=1_750_000_000.25,
    fresh=60.0,
    cost=0.125,
    fingerprint=b"f" * 20,
    names=(b"n" * 16, b"m" * 16),
    tokens=(None, b"t" * 8),
    tags=("user:1", "ü"),
    writer="host:123",
    payload=b"payload",
)
