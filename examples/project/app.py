"""
A project that is configured by its pyproject.toml alone.

    cd examples/project
    python app.py             # run it twice
    python -m memotier config
"""

from __future__ import annotations

from dataclasses import dataclass

from memotier import get_cache, tiered_cache


@dataclass(frozen=True)
class Forecast:
    city: str
    degrees: float


# Ten minutes and the tag "weather": the settings of its namespace say so.
@tiered_cache(namespace="weather.now")
def forecast(city: str) -> Forecast:
    print(f"asking for the weather in {city}")
    return Forecast(city, 10 + len(city) / 2)


# Thirty days, from the settings of a namespace below it; the tag is inherited.
@tiered_cache(namespace="weather.climate")
def climate(city: str) -> float:
    print(f"averaging thirty years of {city}")
    return 8.0 + len(city) / 4


# In the other cache: in memory only, for half a minute.
@tiered_cache(cache="scratch", namespace="format")
def headline(city: str, degrees: float, usual: float) -> str:
    print("finding words")
    return f"{city}: {degrees - usual:+.1f} degrees against the usual"


def main() -> None:
    now, usual = forecast("Oslo"), climate("Oslo")
    print(headline("Oslo", now.degrees, usual))

    for question in (forecast, climate):
        entry = question.lookup("Oslo")
        assert entry is not None
        print(f"{question.__name__}: tags {', '.join(entry.tags)}, from {entry.tier}")
    stats = get_cache().get_stats()
    print(f"{stats['l2']['size']} results on disk, {stats['l2']['hits']} came from there")


if __name__ == "__main__":
    main()
