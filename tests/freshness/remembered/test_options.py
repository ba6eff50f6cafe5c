"""
``cache_exceptions`` and its durations: what is said when a function is decorated.
"""

from __future__ import annotations

import asyncio
import linecache
import math
from datetime import timedelta

import pytest

from memotier import ConfigError, tiered_cache


def f(x):
    return x


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"cache_exceptions": KeyboardInterrupt}, "cache_exceptions=KeyboardInterrupt cannot"),
        ({"cache_exceptions": (KeyError, SystemExit)}, "cache_exceptions=SystemExit cannot"),
        ({"cache_exceptions": BaseException}, "cache_exceptions=BaseException cannot.*ends a call"),
        ({"cache_exceptions": GeneratorExit}, "cache_exceptions=GeneratorExit cannot"),
        ({"cache_exceptions": [asyncio.CancelledError]}, "cache_exceptions=CancelledError cannot"),
        ({"cache_exceptions": BaseExceptionGroup}, "cache_exceptions=BaseExceptionGroup cannot"),
        ({"cache_exceptions": int}, "cache_exceptions=int cannot be used: it is no type of exc"),
        ({"cache_exceptions": "KeyError"}, "cache_exceptions='KeyError' cannot be used.*LookupErr"),
        ({"cache_exceptions": KeyError("x")}, r"cache_exceptions=KeyError\('x'\) cannot"),
        ({"cache_exceptions": True}, "cache_exceptions=True cannot"),
        ({"cache_exceptions": [[]]}, r"cache_exceptions=\[\] cannot"),
        (
            {"cache_exceptions": {KeyError: "soon"}},
            r"cache_exceptions\[KeyError\] = 'soon' is not a duration",
        ),
        ({"cache_exceptions": {KeyError: 0}}, r"cache_exceptions\[KeyError\] = 0 is not above"),
        ({"cache_exceptions": {KeyError: "never"}}, ".*='never' cannot be used: an error is never"),
        ({"error_ttl": 3}, "error_ttl=3 cannot be used.*without cache_exceptions="),
        ({"error_ttl_max": 3}, "error_ttl_max=3 cannot be used.*without cache_exceptions="),
        ({"cache_exceptions": (), "error_ttl": 3}, "error_ttl=3 cannot be used"),
        ({"cache_exceptions": KeyError, "error_ttl": -1}, "error_ttl = -1 is not above zero"),
        ({"cache_exceptions": KeyError, "error_ttl": math.inf}, "error_ttl=inf cannot be used"),
        ({"cache_exceptions": KeyError, "error_ttl_max": math.inf}, "error_ttl_max=inf cannot"),
        ({"cache_exceptions": KeyError, "error_ttl_max": 2}, "error_ttl_max=2 cannot.*for 5s alr"),
        (
            {"cache_exceptions": {KeyError: "1m"}, "error_ttl_max": "30s"},
            "error_ttl_max='30s' cannot be used.*for 1m already",
        ),
    ],
)
def test_what_cannot_be_used_is_refused_at_decoration(options, said):
    """
    With the function, the option, its value and the way out.
    """
    with pytest.raises(ConfigError, match=f"^f: {said}"):
        tiered_cache(**options)(f)


@pytest.mark.parametrize("off", [None, (), [], {}])
def test_nothing_named_means_off(off):
    """
    Then nothing of it is there.
    """
    assert tiered_cache(cache_exceptions=off)(f)._self_memo.options.remembers is None


def test_parameters_show_them_in_seconds(cache):
    """
    ``cache_parameters`` tells what holds, also by default.
    """

    def shown(**options):
        parameters = tiered_cache(cache=cache, **options)(f).cache_parameters()
        return [parameters[name] for name in ("cache_exceptions", "error_ttl", "error_ttl_max")]

    assert [{}, 5, 60] == shown()
    assert [{KeyError: 5}, 5, 60] == shown(cache_exceptions=KeyError)
    assert [{KeyError: 2, OSError: 2}, 2, 30] == shown(
        cache_exceptions=[KeyError, OSError], error_ttl="2s", error_ttl_max=timedelta(seconds=30)
    )
    assert [{KeyError: 3600, OSError: 5}, 5, 3600] == shown(
        cache_exceptions={KeyError: "1h", OSError: None}
    )


def test_the_hit_path_is_the_same_with_and_without(cache):
    """
    A hit knows nothing of errors.
    """

    def source(**options):
        decorated = tiered_cache(cache=cache, ttl=10, **options)(lambda x: x)
        decorated(1)
        code = decorated._self_memo._hit_path(cache._keyed.engine, decorated._self_memo.shelf)
        return "".join(linecache.getlines(code.__code__.co_filename)), code.__code__.co_code

    assert source() == source(cache_exceptions=KeyError)
