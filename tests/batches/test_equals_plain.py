"""
Whatever is asked, batches answer what plain calls do.
"""

from __future__ import annotations

import tempfile

from hypothesis import given, settings
from hypothesis import strategies as st

from memotier import MultiLevelCache, tiered_cache

from ..conftest import Colour
from ..effort import examples

ATOMS = st.one_of(
    st.integers(-3, 3),
    st.booleans(),
    st.sampled_from([0.0, -0.0, 1.0, 2.5]),
    st.sampled_from(["", "a", "1"]),
    st.none(),
    st.tuples(st.integers(0, 2)),
)
STEPS = st.lists(
    st.tuples(
        st.lists(ATOMS, max_size=8),
        st.sampled_from(["nothing", "invalidate", "tags", "clear", "forget memory"]),
    ),
    min_size=1,
    max_size=5,
)


def told(one, k):
    return [type(one).__name__, repr(one), k]


@settings(max_examples=examples(60), deadline=None)
@given(steps=STEPS, is_async=st.booleans(), below=st.booleans(), limit=st.sampled_from([None, 3]))
def test_batches_answer_what_plain_calls_answer(steps, is_async, below, limit):
    """
    ``map``, and ``many`` with dicts and with lists, in any order, with ids that are equal and not
    the same, with invalidations and lost memories in between.
    """
    call = Colour(is_async)
    with tempfile.TemporaryDirectory() as directory:
        cache = MultiLevelCache(**({"directory": directory} if below else {}))
        try:
            _compare(call, cache, steps, limit)
        finally:
            cache.sync.close()
            call.close()


def _compare(call, cache, steps, limit):
    plain = call.cached(cache=cache, name="plain", namespace="n", tags=["all"])(told)

    @call.define
    def listed(k, ids) -> list[list]:
        return [told(one, k) for one in ids]

    @call.define
    def mapped(ids, k=7) -> dict:
        return {one: told(one, k) for one in ids if one != 3}

    options = {"cache": cache, "namespace": "n", "tags": ["all"], "max_batch": 4}
    listed = tiered_cache.many(items="ids", name="listed", **options)(listed)
    mapped = tiered_cache.many(name="mapped", **options)(mapped)
    for ids, then in steps:
        expected = [told(one, 7) for one in ids]
        assert expected == call(plain.map([(one, 7) for one in ids], limit=limit))
        assert expected == call(listed(7, ids))
        answer = call(mapped(ids))
        # Of ids that are equal the last has the place of the first, as in any dict.
        last = {one: told(one, 7) for one in ids if one != 3}
        assert last == answer and list(last) == list(answer)
        if then == "invalidate" and ids:
            call(plain.invalidate(ids[0], 7))
            call(listed.invalidate(7, ids[0]))
            call(mapped.invalidate(ids[0]))
        elif then == "tags":
            cache.sync.invalidate_tags("all")
        elif then == "clear":
            cache.sync.clear()
        elif then == "forget memory":
            engine = cache._keyed.engine
            with engine.lock:
                engine.remove(engine.local_residents(None))
