"""
How many different things were seen, in a few kilobytes.

Up to ``EXACT`` of them are kept, as hashes, and counted exactly. Beyond that it is HyperLogLog:
of 8,192 registers each keeps the longest run of zeros among the hashes that fell to it. The
standard error is 1.04 / sqrt(8192) = 1.15 %, at 8 KiB. Adding takes no lock: two threads that add
at the same moment may lose one of the two.

Sources:
    P. Flajolet, E. Fusy, O. Gandouet, F. Meunier: HyperLogLog: the analysis of a near-optimal
    cardinality estimation algorithm. AofA 2007.

    O. Ertl: New cardinality estimation algorithms for HyperLogLog sketches. arXiv:1702.01284, 2017
    (the estimator, which needs no tables and no change of method between small and large).
"""

from __future__ import annotations

from math import inf, log, sqrt
from typing import Final

#: Bits of a hash that choose a register.
_BITS: Final = 13
_REGISTERS: Final = 1 << _BITS
#: Bits that are left to count zeros in.
_REST: Final = 64 - _BITS
_LOW: Final = (1 << _REST) - 1
_ALPHA: Final = 0.5 / log(2)

#: Standard error of a count beyond EXACT.
ERROR: Final = 1.04 / sqrt(_REGISTERS)
#: Different things that are counted exactly.
EXACT: Final = 128

_MASK: Final = (1 << 64) - 1


def mixed(number: int) -> int:
    """
    64 bits in which every bit of *number* matters: Python's hash of an int is the int itself.

    Source:
        G. Steele, D. Lea, C. Flood: Fast Splittable Pseudorandom Number Generators. OOPSLA 2014.
    """
    number = (number ^ (number >> 30 & 0x3FFFFFFFF)) * 0xBF58476D1CE4E5B9 & _MASK
    number = (number ^ number >> 27) * 0x94D049BB133111EB & _MASK
    return number ^ number >> 31


def stirred(number: int) -> int:
    """
    The same for less, where *number* is a sum of mixed ones.
    """
    return (number & _MASK ^ (number & _MASK) >> 32) * 0x9E3779B97F4A7C15 & _MASK


class Distinct:
    """
    Counts different hashes of 64 bits, which have to be mixed.
    """

    __slots__ = ("_few", "_registers")

    def __init__(self) -> None:
        self._few: set[int] | None = set()
        self._registers = bytearray()

    def add(self, mixed: int) -> None:
        """
        One more, perhaps the same as another.
        """
        registers = self._registers
        if registers:
            rank = _REST + 1 - (mixed & _LOW).bit_length()
            if rank > registers[mixed >> _REST]:
                registers[mixed >> _REST] = rank
            return
        few = self._few
        if few is None:
            return  # another thread is just making registers of them
        few.add(mixed)
        if len(few) > EXACT:
            self._condense()

    def count(self) -> float:
        """
        How many different ones there were.
        """
        few = self._few
        return float(len(few)) if few is not None else _estimate(self._registers)

    def _condense(self) -> None:
        few, registers = self._few, bytearray(_REGISTERS)
        for one in list(few or ()):
            rank = _REST + 1 - (one & _LOW).bit_length()
            registers[one >> _REST] = max(registers[one >> _REST], rank)
        # In this order: who finds no set finds registers.
        self._registers = registers
        self._few = None


def _estimate(registers: bytearray) -> float:
    with_rank = [registers.count(rank) for rank in range(_REST + 2)]
    size = float(_REGISTERS)
    total = size * _tau(1 - with_rank[_REST + 1] / size)
    for rank in range(_REST, 0, -1):
        total = 0.5 * (total + with_rank[rank])
    total += size * _sigma(with_rank[0] / size)
    return _ALPHA * size * size / total


def _sigma(x: float) -> float:
    if x == 1.0:
        return inf
    y, z, before = 1.0, x, -1.0
    while z != before:
        x *= x
        before = z
        z += x * y
        y += y
    return z


def _tau(x: float) -> float:
    if x in (0.0, 1.0):
        return 0.0
    y, z, before = 1.0, 1 - x, -1.0
    while z != before:
        x = sqrt(x)
        before = z
        y *= 0.5
        z -= (1 - x) ** 2 * y
    return z / 3
