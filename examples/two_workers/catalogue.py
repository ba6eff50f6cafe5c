"""
A catalogue of products in SQLite that takes its time, as catalogues do.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any


class Catalogue:
    """
    The products in *file*. Any number of processes may have it open.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def fill(self, products: Iterable[tuple[str, str, float]]) -> None:
        """
        Make the table, of (sku, price, seconds that it takes to find the price).
        """
        with closing(sqlite3.connect(self._file)) as base, base:
            base.execute("CREATE TABLE product (sku TEXT PRIMARY KEY, price TEXT, takes REAL)")
            base.executemany("INSERT INTO product VALUES (?, ?, ?)", products)

    def price(self, sku: str) -> Decimal:
        """
        What it costs now; this takes a while, and the price is that of the end.

        Raises:
            LookupError: If there is no such product.
        """
        time.sleep(self._find("takes", sku))
        return Decimal(self._find("price", sku))

    def set_price(self, sku: str, price: Decimal) -> None:
        with closing(sqlite3.connect(self._file)) as base, base:
            base.execute("UPDATE product SET price = ? WHERE sku = ?", (str(price), sku))

    def _find(self, column: str, sku: str) -> Any:
        with closing(sqlite3.connect(self._file)) as base:
            found = base.execute(f"SELECT {column} FROM product WHERE sku = ?", (sku,)).fetchone()
        if found is None:
            raise LookupError(sku)
        return found[0]
