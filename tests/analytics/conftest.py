"""
Operations of the second tier that take as long as a test says, in the test's time.
"""

from __future__ import annotations

import threading

import pytest

from memotier import tiered_cache


@pytest.fixture
def slow(clock, monkeypatch):
    """
    ``slow(cache, get=0.02)``: from now on that operation of its store takes so many seconds.
    """

    def slow(cache, **seconds):
        store = cache._keyed.engine.store

        def lasting(operation, lasts):
            def operate(*arguments):
                clock.advance(lasts)
                return operation(*arguments)

            return operate

        for name, lasts in seconds.items():
            monkeypatch.setattr(store, name, lasting(getattr(store, name), lasts))

    return slow


@pytest.fixture
def two_at_once():
    """
    ``two_at_once(cache, cost=...)``: a function that two threads called with one key, of which one
    waited for the other.
    """

    def call(cache, **options):
        inside, go_on = threading.Event(), threading.Event()

        @tiered_cache(cache=cache, **options)
        def work(x):
            inside.set()
            assert go_on.wait(10)
            return x

        threads = [threading.Thread(target=work, args=(1,)) for _ in range(2)]
        threads[0].start()
        assert inside.wait(10)
        threads[1].start()
        flights = cache._keyed.engine.flights
        while not any(flight.future for flight in list(flights.table.values())):
            pass  # until the second one has joined
        go_on.set()
        for thread in threads:
            thread.join(10)
        return work

    return call
