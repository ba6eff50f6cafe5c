"""
Which keys left lately: a bounded memory of hashes, without the keys.
"""

from __future__ import annotations

from array import array

_LOW = (1 << 32) - 1
#: Odd, near 2**64 / golden ratio: spreads hashes that differ in few bits.
_SPREAD = 0x9E3779B97F4A7C15


def mark_of(identity: int) -> int:
    """
    The 32 bits, never all 0, by which a ghost knows a key that has the hash *identity*.
    """
    return (identity * _SPREAD >> 32) & _LOW or 1


class Ghost:
    """
    Remembers about the last *limit* keys that were noted, by 32 bits of their hash, never more.

    A table of 64-bit cells, each the number of a note and the hash it was for. A hash may lie
    in two cells and takes the one noted longer ago. So a few in a hundred are forgotten early,
    and one stranger in many thousands is taken for known. That costs a little hit ratio; a set
    would cost 100 bytes for each key, where this takes 16 to 32.
    """

    __slots__ = ("_cells", "_notes", "limit")

    def __init__(self) -> None:
        self.clear()

    def __len__(self) -> int:
        """How many are remembered, by counting them."""
        oldest = self._notes - self.limit
        return sum(cell != 0 and cell >> 32 > oldest for cell in self._cells)

    def clear(self) -> None:
        """Forget everything; nothing is remembered until there is a limit."""
        self.limit = 0
        self._notes = 0
        self._cells = array("Q", (0, 0))

    def resize(self, limit: int) -> None:
        """Remember the last *limit* keys from now on; what is known stays known."""
        self.limit = limit
        if self._notes:
            self._fit()

    def note(self, mark: int) -> None:
        """Remember that the key with this ``mark_of`` left."""
        if self._notes == _LOW:
            # The number of a note has 32 bits. Forgetting all once in four billion is cheapest.
            self._cells = array("Q", bytes(8 * len(self._cells)))
            self._notes = 0
        if not self._notes:
            # Whoever never notes anything pays for no table.
            self._fit()
        self._notes += 1
        self._put(self._notes << 32 | mark)

    def recall(self, mark: int) -> bool:
        """Whether the key with this ``mark_of`` is remembered; asking makes it forgotten."""
        if not self._notes:
            return False
        cells = self._cells
        place = mark & (len(cells) - 1)
        cell = cells[place]
        if cell & _LOW != mark:
            place ^= 1
            cell = cells[place]
            if cell & _LOW != mark:
                return False
        cells[place] = 0
        return cell >> 32 > self._notes - self.limit

    def _put(self, cell: int) -> None:
        cells = self._cells
        mark = cell & _LOW
        place = mark & (len(cells) - 1)
        # The cell of an earlier note of the same key, else the one noted longer ago: a key in
        # both cells would be found under its older number.
        if cells[place] & _LOW != mark:
            other = cells[place ^ 1]
            if other & _LOW == mark or other < cells[place]:
                place ^= 1
        cells[place] = cell

    def _fit(self) -> None:
        """Two to four cells for each key; fewer than that only after the limit fell far."""
        wanted = len(self._cells)
        while wanted < 2 * self.limit:
            wanted *= 2
        while wanted > 16 * self.limit + 16:
            wanted //= 2
        if wanted != len(self._cells):
            old, self._cells = self._cells, array("Q", bytes(8 * wanted))
            # In the order of the notes, so that later ones displace earlier ones.
            for cell in sorted(filter(None, old)):
                self._put(cell)
