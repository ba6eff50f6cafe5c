"""
Methods: when two objects share results, and when they do not.

    python examples/methods.py
"""

from __future__ import annotations

from dataclasses import dataclass

from memotier import tiered_cache


# A frozen dataclass is a value: objects that are equal share results, also on disk.
@dataclass(frozen=True)
class Currency:
    code: str
    digits: int = 2

    @tiered_cache
    def show(self, amount: int) -> str:
        print(f"    computing {amount} {self.code}")
        return f"{amount / 10**self.digits:,.{self.digits}f} {self.code}"


# Of a class that is no value, __cache_key__ says what counts. The connection does not.
class Database:
    def __init__(self, url: str) -> None:
        self.url = url
        self.connection = object()

    def __cache_key__(self) -> str:
        return self.url

    @tiered_cache
    def count(self, table: str) -> int:
        print(f"    counting {table} in {self.url}")
        return len(table)


# Any other object is known by itself: nobody shares with it, in memory only, and its results
# go when it goes.
class Basket:
    def __init__(self, *prices: int) -> None:
        self.prices = list(prices)

    @tiered_cache
    def total(self, percent: int) -> int:
        print(f"    adding {self.prices}")
        return sum(self.prices) * percent // 100

    def add(self, price: int) -> None:
        self.prices.append(price)
        # The object changed, so what was computed from it is worth nothing. This forgets the
        # totals of all baskets; with known arguments, self.total.invalidate(100) forgets one.
        self.total.cache_clear()

    # ignore=("self",): the result does not depend on the object at all.
    @tiered_cache(ignore=("self",))
    def rate(self, country: str) -> int:
        print(f"    looking up {country}")
        return {"DE": 19, "FR": 20}[country]

    @classmethod
    @tiered_cache
    def sizes(cls) -> list[str]:
        print(f"    sizes of a {cls.__name__}")
        return ["S", "L"]


def main() -> None:
    print("by content: two equal objects, one computation")
    assert Currency("EUR").show(123456) == Currency("EUR").show(123456) == "1,234.56 EUR"
    assert Currency("JPY", 0).show(123456) == "123,456 JPY"

    print("by __cache_key__: two objects of one database, one computation")
    assert Database("db:a").count("users") == Database("db:a").count("users") == 5

    print("by instance: every basket has its own results")
    one, other = Basket(10, 20), Basket(10, 20)
    assert one.total(100) == other.total(100) == one.total(100) == 30
    one.add(5)
    assert one.total(100) == 35

    print("not by the object at all")
    assert one.rate("DE") == other.rate("DE") == 19

    print("class methods: by class")
    assert Basket.sizes() == one.sizes() == ["S", "L"]

    print("when an object goes, its results go")
    assert other.total(100) == 30
    before = Basket.total.cache_info().currsize
    del one
    after = Basket.total.cache_info().currsize
    print(f"    {before} totals in memory, {after} after one basket went")


if __name__ == "__main__":
    main()
