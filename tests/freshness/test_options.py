"""
What is said about these options when a function is decorated; and what they cost when off.
"""

from __future__ import annotations

import linecache
import math

import pytest

from memotier import ConfigError, tiered_cache


def f(x):
    return x


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"stale_while_revalidate": -1}, "stale_while_revalidate = -1 is not above zero"),
        ({"stale_if_error": "soon"}, "stale_if_error = 'soon' is not a duration"),
        ({"stale_if_error": True}, "stale_if_error = True is not a duration"),
        ({"error_backoff": 3}, "error_backoff=3 cannot be used.*stale_while_revalidate="),
        ({"stale_if_error": 3, "error_backoff": 0}, "error_backoff = 0 is not above zero"),
        ({"stale_if_error": 3, "single_flight": None}, "stale_if_error.*single_flight=None"),
        ({"stale_while_revalidate": 3, "ttl": math.inf}, ".*ttl=inf.*has no end"),
        ({"refresh_ahead": 0.5, "ttl": math.inf}, "refresh_ahead.*ttl=inf"),
        ({"refresh_ahead": 0.5, "single_flight": None}, "refresh_ahead.*single_flight=None"),
        ({"refresh_ahead": 1}, "refresh_ahead=1 cannot be used: give a fraction"),
        ({"refresh_ahead": 1.5}, "refresh_ahead=1.5 cannot be used"),
        ({"refresh_ahead": 0.0}, "refresh_ahead=0.0 cannot be used"),
        ({"refresh_ahead": math.nan}, "refresh_ahead=nan cannot be used"),
        ({"refresh_ahead": True}, "refresh_ahead=True cannot be used"),
        ({"refresh_ahead": "80%"}, "refresh_ahead='80%' cannot be used.*\"xfetch\""),
        ({"jitter": "0%"}, "jitter='0%' cannot be used: give more than 0%"),
        ({"jitter": "101%"}, "jitter='101%' cannot be used"),
        ({"jitter": math.inf}, "jitter=inf cannot be used: give a duration that ends"),
        ({"jitter": -0.5}, "jitter = -0.5 is not above zero"),
        ({"jitter": math.nan}, "jitter = nan"),
        ({"jitter": 3, "error_backoff": 3}, "error_backoff=3 cannot be used"),
        ({"soft_timeout": 1}, "soft_timeout=1 cannot be used.*stale_if_error="),
        ({"soft_timeout": 1, "stale_while_revalidate": 9}, "soft_timeout=1 cannot be used"),
        (
            {"soft_timeout": 2, "hard_timeout": 2, "stale_if_error": 9},
            "soft_timeout=2 cannot be used with hard_timeout=2",
        ),
        ({"hard_timeout": 0}, "hard_timeout = 0 is not above zero"),
        ({"jitter": 3, "ttl": math.inf}, "jitter.*ttl=inf"),
    ],
)
def test_what_cannot_be_used_is_refused_at_decoration(options, said):
    """
    With the function, the option, its value and the way out.
    """
    with pytest.raises(ConfigError, match=f"^f: {said}"):
        tiered_cache(**options)(f)


@pytest.mark.parametrize("off", [None, 0, 0.0])
def test_nothing_and_zero_mean_off(off):
    """
    Then nothing of it is there.
    """
    decorated = tiered_cache(stale_while_revalidate=off, stale_if_error=off)(f)

    assert decorated._self_memo.options.windows is None


def test_parameters_show_them_in_seconds(cache):
    """
    ``cache_parameters`` tells what holds, also by default.
    """
    names = ("stale_while_revalidate", "stale_if_error", "error_backoff", "jitter", "refresh_ahead")

    def shown(**options):
        parameters = tiered_cache(cache=cache, **options)(f).cache_parameters()
        return [parameters[name] for name in names]

    assert [0, 0, 5, 0, None] == shown()
    assert [60, 3600, 2, "10%", 0.8] == shown(
        stale_while_revalidate="1m",
        stale_if_error="1h",
        error_backoff="2s",
        jitter=0.1,
        refresh_ahead=0.8,
    )
    assert [0, 0, 5, 30, "xfetch"] == shown(jitter="30s", refresh_ahead="xfetch")


def test_timeouts_are_shown_and_need_no_end(cache):
    """
    A function may be waited for a limited time whatever its ttl.
    """
    options = {"hard_timeout": "2s", "soft_timeout": 1, "stale_if_error": "1d", "ttl": 5}
    shown = tiered_cache(cache=cache, **options)(f).cache_parameters()
    assert (1, 2) == (shown["soft_timeout"], shown["hard_timeout"])
    shown = tiered_cache(cache=cache, hard_timeout=2, ttl=math.inf, single_flight=None)(f)

    assert 1 == shown(1)


def test_the_hit_path_is_the_same_with_and_without(cache):
    """
    A hit compares one moment, whatever that moment means.
    """

    def source(**options):
        decorated = tiered_cache(cache=cache, ttl=10, **options)(lambda x: x)
        decorated(1)
        code = decorated._self_memo._hit_path(cache._keyed.engine, decorated._self_memo.shelf)
        return "".join(linecache.getlines(code.__code__.co_filename)), code.__code__.co_code

    plain = source()
    assert "fresh_until" in plain[0]
    assert plain == source(stale_while_revalidate=5, stale_if_error=9, jitter=1, refresh_ahead=0.5)


def test_an_entry_without_the_options_has_no_clocks(cache):
    """
    Off costs no memory: an untagged entry has not even a stamp.
    """
    decorated = tiered_cache(cache=cache)(f)
    decorated(1)
    (resident,) = decorated._self_memo.shelf.residents()

    assert resident.stamp is None
