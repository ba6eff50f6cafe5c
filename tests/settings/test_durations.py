from __future__ import annotations

import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memotier.durations import seconds, show_bytes, show_seconds, size_bytes
from memotier.errors import ConfigError


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (300, 300.0),
        (0.5, 0.5),
        (math.inf, math.inf),
        (timedelta(minutes=2), 120.0),
        ("500ms", 0.5),
        ("300ms", 0.3),
        ("30s", 30.0),
        ("10m", 600.0),
        ("1.5h", 5400.0),
        ("1h30m", 5400.0),
        ("1h 30m", 5400.0),
        ("1m30.5s", 90.5),
        ("7d", 604_800.0),
        ("1w", 604_800.0),
        ("never", math.inf),
        ("inf", math.inf),
    ],
)
def test_durations_are_seconds(value, expected):
    """
    Every form that the guide shows becomes the same kind of number.
    """
    found = seconds(value, what="ttl")

    assert expected == found
    assert float is type(found)


_NO_TEXT = ["10x", "", " ", "5M", "30m1h", "1m1m", " 1h", "1h ", "1h30", "5m\n", "-5m", "nan"]


@pytest.mark.parametrize(
    "value",
    [*_NO_TEXT, "1e3s", "\u0663s", "9" * 5000 + "s", True, False, None, b"5m", [5], 5j],
)
def test_what_is_no_duration_is_refused_with_the_forms_that_are(value):
    """
    The message names the option, the value and what to write instead.
    """
    with pytest.raises(ConfigError) as caught:
        seconds(value, what="l1.ttl")

    message = str(caught.value)
    assert message.startswith(f"l1.ttl = {repr(value)[:45]}")
    assert all(form in message for form in ("300", "timedelta", '"1h30m"', '"never"'))


@pytest.mark.parametrize("value", [0, -1, -0.0, math.nan, -math.inf, "0s", timedelta(-1)])
def test_durations_are_above_zero(value):
    """
    Nothing is fresh for no time at all: whoever writes 0 means something else.
    """
    with pytest.raises(ConfigError, match=r"ttl = .* is not above zero: use seconds such as 300"):
        seconds(value, what="ttl")


def test_a_number_in_quotes_has_no_unit():
    """
    "90" might be seconds or minutes, so the unit is asked for.
    """
    with pytest.raises(ConfigError, match="ttl = '90' has no unit: write \"90s\""):
        seconds("90", what="ttl")
    with pytest.raises(ConfigError, match="max_bytes = '64' has no unit: write \"64B\""):
        size_bytes("64", what="max_bytes")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (65_536, 65_536),
        ("12B", 12),
        ("500kB", 500_000),
        ("1KB", 1000),
        ("64MB", 64_000_000),
        ("64 MB", 64_000_000),
        ("0.1GB", 100_000_000),
        ("1.5TB", 1_500_000_000_000),
        ("8KiB", 8192),
        ("1GiB", 2**30),
        ("2TiB", 2**41),
    ],
)
def test_sizes_are_bytes(value, expected):
    """
    MB counts in thousands, MiB in 1024s, both exactly.
    """
    assert expected == size_bytes(value, what="max_bytes")


@pytest.mark.parametrize(
    "value", ["5M", "5mb", "1kiB", "0.5B", "", "-1B", "MB", "1 000B", 1.5, True, None, "9" * 99]
)
def test_what_is_no_size_is_refused_with_the_forms_that_are(value):
    """
    The message names the option, the value and what to write instead.
    """
    with pytest.raises(ConfigError) as caught:
        size_bytes(value, what="l2.max_bytes")

    message = str(caught.value)
    assert message.startswith(f"l2.max_bytes = {repr(value)[:45]}")
    assert '"64MB"' in message or "has no unit" in message


@pytest.mark.parametrize("value", [0, -1, "0MB"])
def test_sizes_are_above_zero(value):
    """
    A tier without room is not a tier.
    """
    with pytest.raises(ConfigError, match="is not above zero"):
        size_bytes(value, what="max_bytes")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (300.0, "5m"),
        (5400, "1h30m"),
        (0.5, "500ms"),
        (0.0001, "0.1ms"),
        (90.5, "1m30.5s"),
        (59.9999, "1m"),
        (691_200, "8d"),
        (1_209_600, "2w"),
        (math.inf, "never"),
        (0, "0s"),
        (-60, "-1m"),
    ],
)
def test_durations_are_shown_as_people_write_them(value, expected):
    """
    The largest units first, and no more of them than needed.
    """
    assert expected == show_seconds(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "0 B"),
        (512, "512 B"),
        (1500, "1.5 kB"),
        (999_999, "1 MB"),
        (64_000_000, "64 MB"),
        (8 * 2**20, "8 MiB"),
        (2**30, "1 GiB"),
        (1_234_567, "1.23 MB"),
        (10**15, "1000 TB"),
    ],
)
def test_sizes_are_shown_to_three_digits(value, expected):
    """
    In 1024s only if that is exact.
    """
    assert expected == show_bytes(value)


@given(st.integers(min_value=1, max_value=10**12))
def test_what_is_shown_can_be_written_again(milliseconds):
    """
    The output of one command can be pasted into the settings.
    """
    value = milliseconds / 1000

    assert math.isclose(value, seconds(show_seconds(value), what="ttl"), abs_tol=1e-9)


@given(st.integers(min_value=1, max_value=10**14))
def test_a_size_that_is_shown_is_right_to_three_digits(value):
    """
    Nobody is told a size that is off by more than rounding.
    """
    assert math.isclose(value, size_bytes(show_bytes(value), what="size"), rel_tol=0.006)
