"""
Errors of functions that depend on files or variables.
"""

from __future__ import annotations

from memotier import env

from .conftest import OPTIONS, NotFound


def test_an_error_of_another_world_is_not_raised(tiers, call, fails, source, monkeypatch):
    """
    Whoever mends the variable that made it fail is not told the old error.
    """
    read = call.cached(cache=tiers, depends_on=[env("WHERE")], **OPTIONS)(source.read)
    monkeypatch.setenv("WHERE", "nowhere")
    source.error = NotFound()
    fails(read)
    fails(read)
    assert 1 == source.asked

    monkeypatch.setenv("WHERE", "here")
    source.error = None
    assert "value 2" == call(read())


def test_an_error_in_a_world_that_changed_meanwhile_is_not_remembered(
    tiers, call, fails, source, monkeypatch
):
    """
    Nobody knows of which world it is.
    """

    def read(*_):
        monkeypatch.setenv("WHERE", "here")
        return source.read()

    cached = call.cached(cache=tiers, depends_on=[env("WHERE")], **OPTIONS)(read)
    monkeypatch.setenv("WHERE", "nowhere")
    source.error = NotFound()
    fails(cached)
    source.error = None

    assert "value 2" == call(cached())
