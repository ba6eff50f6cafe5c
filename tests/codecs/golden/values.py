"""
What values.payload holds; one of each tag that a record can carry.
"""

from __future__ import annotations

import datetime as dt
from collections import OrderedDict, deque
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePosixPath, PureWindowsPath
from uuid import UUID
from zoneinfo import ZoneInfo

from tests.codecs import models as m

VALUE = [
    {"plain": [None, True, 1, -1, 1.5, "text", b"bytes"]},
    [2**100, 1 + 2j, "\ud800", bytearray(b"ab"), UUID(int=7), Decimal("1.50")],
    [dt.timedelta(days=1, microseconds=3), dt.date(2020, 1, 2)],
    [(1, (2, [3])), {1}, frozenset({2}), deque([1], 5), {1: 2, (3,): 4}, OrderedDict(a=1)],
    [range(1, 9, 2), slice(1, 2), Fraction(1, 3), PurePosixPath("a/b"), PureWindowsPath("C:/a")],
    [
        dt.datetime(2020, 1, 2, 3, 4, 5, 6),
        dt.datetime(2020, 1, 1, tzinfo=ZoneInfo("Europe/Berlin")),
        dt.time(1, tzinfo=dt.timezone(dt.timedelta(hours=1), "X")),
        dt.UTC,
        ZoneInfo("Europe/Berlin"),
    ],
    [m.Color.RED, m.Access(3), m.Point(1, 2), m.Plain(1, [m.Frozen(2)]), m.Attrs(1), m.Struct(1)],
    [m.Model(a=1, tags={"x"}), m.Open(more=1), m.Slotted(1).a],
]

CLASSES = [m.Color, m.Access, m.Point, m.Plain, m.Frozen, m.Attrs, m.Struct, m.Model, m.Open]
