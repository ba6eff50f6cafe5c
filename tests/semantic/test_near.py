"""
``@tiered_cache(semantic=...)``: near calls of a function.
"""

from __future__ import annotations

import threading

import numpy as np
import pytest

import memotier
from memotier import ConfigError, Semantic, tiered_cache
from memotier.semantic.near import use_embedder
from memotier.semantic.ngrams import NgramEmbedder


@pytest.fixture
def near(angles):
    return Semantic("question", embedder=angles)


@pytest.fixture
def asked():
    return []


@pytest.fixture
def ask(call, tiers, near, asked):
    """
    A cached function in both colours and on each kind of cache, and what it was called with.
    """

    @call.cached(
        cache=tiers, name="ask", semantic=near, ttl=100, tags=["t", "user:{user}"], ignore=["trace"]
    )
    def ask(question, user="u", *, lang="en", trace=None):
        asked.append(question)
        return [question, user, lang]

    return ask


def test_near_calls_share_a_result(call, ask, asked, near):
    """
    A near question is answered by the result of the other, and not computed or stored.
    """
    assert ["text", "u", "en"] == call(ask("text"))
    for _ in range(2):
        assert ["text", "u", "en"] == call(ask(question="near", trace=7))
    assert ["far", "u", "en"] == call(ask("far"))
    assert ["text", "far"] == asked
    stats = near.get_stats()
    assert (2, 2, 0.5) == (stats["semantic_hits"], stats["misses"], stats["semantic_hit_rate"])
    (match, _) = near.recent()
    assert ("near", "text") == (match.query, match.matched)
    assert pytest.approx(0.98481, abs=1e-4) == match.score


def test_where_a_near_result_comes_from(call, ask, near, clock, make_cache, tiers):
    """
    The match tells how old the result is and by what it was found; a trace tells the tier, the
    score and the text, and counts it as a hit.
    """
    call(ask("text"))
    clock.advance(30)
    with memotier.trace() as trace:
        call(ask("near"))
    ((one,), (match,)) = trace.calls, near.recent()
    assert ("memory", "l1", pytest.approx(30, abs=1)) == (one.source, one.tier, one.age)
    assert ("'text'", match.score, 1) == (one.matched, one.score, trace.hits)
    assert "memory (near: 0.985)" in str(trace)
    assert ("angles", pytest.approx(30, abs=1)) == (match.embedder, match.age)

    if tiers._keyed.engine.store is not None:
        with tiers._keyed.engine.lock:
            tiers._keyed.engine.remove(ask._self_memo.shelf.residents(), b"")
        with memotier.trace() as trace:
            call(ask("near"))
        assert ("second_tier", "l2") == (trace.calls[0].source, trace.calls[0].tier)


def test_a_refused_near_result_is_told_to_no_trace(call, cache, angles):
    """
    In shadow mode, and after an invalidation, the call was computed.
    """
    near = Semantic("question", embedder=angles, shadow=True)
    ask = call.cached(cache=cache, semantic=near)(lambda question: question)
    call(ask("text"))
    with memotier.trace() as trace:
        call(ask("near"))
    (one,) = trace.calls
    assert ("computed", None, "") == (one.source, one.score, one.matched)


def test_all_else_is_exact(call, ask, asked):
    """
    Another user, or another language, is never answered, not even with an equal value of another
    type.
    """
    call(ask("text", 1))
    for arguments, named in (((2,), {}), ((True,), {}), ((1.0,), {}), ((1,), {"lang": "de"})):
        assert "near" == call(ask("near", *arguments, **named))[0]
    assert "text" == call(ask("near", 1))[0]
    assert 5 == len(asked)


def test_invalidated_is_not_served(call, ask, asked, tiers):
    """
    After a tag, a call or all of the function is invalidated, a near call computes.
    """
    for forget in (
        lambda: tiers.sync.invalidate_tags("user:u"),
        lambda: call(ask.invalidate("text")),
        lambda: call(ask.cache_clear()),
        lambda: tiers.sync.clear(),
    ):
        asked.clear()
        assert "text" == call(ask("text"))[0]
        assert "text" == call(ask("near"))[0]
        forget()
        assert "near" == call(ask("near"))[0]
        assert ["text", "near"] == asked
        tiers.sync.clear()


def test_expired_is_not_served(call, ask, asked, clock):
    """
    Near hits do not prolong the ttl of what they use.
    """
    call(ask("text"))
    for _ in range(9):
        clock.advance(11)
        assert "text" == call(ask("near"))[0]
    clock.advance(2)
    assert "near" == call(ask("near"))[0]


def test_values_are_isolated(call, ask):
    """
    Who changes a near result changes it for himself.
    """
    call(ask("text"))
    call(ask("near")).append("mine")
    assert ["text", "u", "en"] == call(ask("near")) == call(ask("text"))


def test_an_exact_result_comes_first(call, ask, asked, angles):
    """
    What is stored under the very arguments is served, and the embedder is not asked.
    """
    call(ask.seed("seeded", "near"))
    call(ask("text"))
    angles.asked.clear()
    assert "seeded" == call(ask("near"))
    assert [] == angles.asked


def test_an_exact_result_of_another_process(call, make_cache, angles):
    """
    Below memory, too, the exact result comes before a near one.
    """

    def make():
        @call.cached(cache=make_cache("disk"), name="f", semantic=Semantic("q", embedder=angles))
        def f(q):
            return q

        return f

    first, second = make(), make()
    call(first("near"))
    call(second("text"))
    assert "near" == call(second("near"))


def test_errors_are_nothing_to_be_near_to(call, tiers, near):
    """
    A call that raised is not remembered as a near one.
    """

    @call.cached(cache=tiers, name="f", semantic=near)
    def f(question):
        if question == "text":
            raise LookupError(question)
        return question

    with pytest.raises(LookupError):
        call(f("text"))
    assert "near" == call(f("near"))
    assert "near" == call(f("nearer"))


def test_what_is_not_stored_is_not_found(call, tiers, near):
    """
    A result that cache_if refuses answers no near call.
    """

    @call.cached(cache=tiers, name="f", semantic=near, cache_if=lambda result: result != "text")
    def f(question):
        return question

    call(f("text"))
    assert "near" == call(f("near"))


def test_stale_results_do_not_answer_others(call, cache, near, clock):
    """
    Past its ttl a result is for its own callers only, as long as the window says.
    """

    @call.cached(cache=cache, semantic=near, ttl=10, stale_if_error=100)
    def f(question):
        return question

    call(f("text"))
    clock.advance(11)
    assert "near" == call(f("near"))


def test_a_failing_embedder(call, cache, caplog):
    """
    The function is called, its result kept, and the trouble counted.
    """

    def embed(texts):
        raise ValueError(texts[0])

    near = Semantic("q", embedder=embed)

    @call.cached(cache=cache, semantic=near)
    def f(q):
        return [q]

    assert [["x secret"]] * 2 == [call(f("x secret")) for _ in range(2)]
    assert 1 == near.get_stats()["embedder_errors"]
    assert "secret" not in caplog.text


def test_no_text(call, cache, near, angles):
    """
    None, a number or nothing but space is a plain call.
    """

    @call.cached(cache=cache, semantic=near)
    def f(question):
        return [question]

    assert [[None], [7], [" "], [None]] == [call(f(q)) for q in (None, 7, " ", None)]
    assert [] == angles.asked


def test_guards_and_verify(call, cache, asked):
    """
    Rules and verify= stand before a near result.
    """
    near = Semantic(
        "q", embedder=NgramEmbedder(), threshold=0.5, verify=lambda q, c, s: "please" not in q
    )

    @call.cached(cache=cache, semantic=near)
    def f(q):
        return q

    call(f("convert 10 USD to EUR"))
    for query in ("convert 100 USD to EUR", "convert 10 USD to EUR please"):
        assert query == call(f(query))
    assert "convert 10 USD to EUR" == call(f("converting 10 USD to EUR"))
    # The second query was kept apart from the first by its numbers, too.
    assert {"numbers": 2, "verify": 1} == near.get_stats()["refused_by"]


def test_shadow(call, cache, angles):
    """
    Everything is computed, and compared with what would have been served.
    """
    near = Semantic("q", embedder=angles, shadow=True)

    @call.cached(cache=cache, semantic=near)
    def f(q):
        return q if q == "nearer" else "same"

    assert ["same", "same", "nearer"] == [call(f(q)) for q in ("text", "near", "nearer")]
    stats = near.get_stats()
    assert (2, 2, 1) == (stats["would_be_hits"], stats["compared"], stats["false_hits"])
    assert [True, False] == [one.is_equal for one in near.shadow_report()]


def test_an_error_says_nothing_of_a_would_be_hit(call, tiers, angles):
    """
    In shadow mode a call that raises is compared with nothing.
    """
    near = Semantic("q", embedder=angles, shadow=True)

    @call.cached(cache=tiers, name="f", semantic=near)
    def f(q):
        if q == "near":
            raise LookupError(q)
        return q

    call(f("text"))
    with pytest.raises(LookupError):
        call(f("near"))
    stats = near.get_stats()
    assert (1, 0, 0) == (stats["would_be_hits"], stats["compared"], stats["false_hits"])


def test_methods(call, cache, angles):
    """
    Results of one instance do not answer another, and not one that has its address later.
    """

    class Tool:
        def __init__(self, name):
            self.name = name

        @call.cached(cache=cache, semantic=Semantic("q", embedder=angles))
        def ask(self, q):
            return self.name, q

    one, two = Tool("one"), Tool("two")
    assert ("one", "text") == call(one.ask("text"))
    assert ("one", "text") == call(one.ask("near"))
    assert ("two", "near") == call(two.ask("near"))
    del one
    for number in range(20):
        assert (number, "nearer") == call(Tool(number).ask("nearer"))


def test_one_computation(cache, angles, asked):
    """
    Threads that ask the same at once wait for one computation.
    """
    entered, leave, calls = threading.Event(), threading.Event(), []

    @tiered_cache(cache=cache, semantic=Semantic("q", embedder=angles))
    def f(q):
        calls.append(q)
        entered.set()
        leave.wait(10)
        return q

    threads = [threading.Thread(target=f, args=("text",)) for _ in range(5)]
    threads[0].start()
    entered.wait(10)
    for thread in threads[1:]:
        thread.start()
    leave.set()
    for thread in threads:
        thread.join(10)
    assert ["text"] == calls


def test_disabled_and_configured_anew(call, angles):
    """
    Nothing is near while the cache is disabled, nor to what a closed cache held.
    """
    near = Semantic("q", embedder=angles)

    @call.cached(semantic=near)
    def f(q):
        return q

    call(f("text"))
    with memotier.disabled():
        assert "near" == call(f("near"))
    assert "text" == call(f("near"))
    memotier.configure(default_ttl=10)
    assert "nearer" == call(f("nearer"))
    assert "nearer" == call(f("near"))


def test_a_plain_string(call, cache):
    """
    With an embedder for all, the parameter's name is enough; without, the error says what to give.
    """
    with pytest.raises(ConfigError, match="embedder="):
        tiered_cache(semantic="q")(lambda q: q)
    use_embedder(NgramEmbedder())
    try:

        @call.cached(cache=cache, semantic="q")
        def f(q):
            return q

        call(f("how do I parse JSON"))
        assert "how do I parse JSON" == call(f("how do I parse the JSON"))
    finally:
        use_embedder(None)


async def _embed(texts):
    return np.ones((len(texts), 2))


def _stream(q):
    yield q


@pytest.mark.parametrize(
    ("function", "options", "word"),
    [
        (lambda q: q, {"semantic": "x"}, "parameter"),
        (lambda *q: q, {"semantic": "q"}, "parameter"),
        (lambda q: q, {"semantic": 7}, "parameter"),
        (lambda q: q, {"semantic": "q", "ignore": ["q"]}, "ignore"),
        (lambda q: q, {"semantic": "q", "key": lambda q: q}, "key="),
        (lambda q: q, {"semantic": "q", "depends_on": [memotier.env("X")]}, "depends_on="),
        (_stream, {"semantic": "q"}, "generator"),
        (lambda q: q, {"semantic": Semantic("q", embedder=_embed)}, "coroutine"),
    ],
)
def test_misuse(function, options, word):
    """
    What cannot be used is refused when the function is decorated.
    """
    use_embedder(NgramEmbedder())
    try:
        with pytest.raises(ConfigError, match=word):
            tiered_cache(**options)(function)
    finally:
        use_embedder(None)


@pytest.mark.parametrize(
    "arguments",
    [
        {"threshold": 2},
        {"max_size": 0},
        {"guards": "x"},
        {"verify": 1},
        {"shadow": 1},
        {"equal": 1},
    ],
)
def test_misuse_of_semantic(arguments):
    """
    Options of Semantic are checked where it is made.
    """
    with pytest.raises(ConfigError):
        Semantic("q", embedder=NgramEmbedder(), **arguments)


def test_functions_without_it_do_not_load_it():
    """
    The hit path, and the modules, of a function without semantic= are what they were.
    """
    import subprocess
    import sys

    code = (
        "import sys, memotier\n@memotier.tiered_cache\ndef f(x): return x\nf(1); f(1)\n"
        "print([m for m in sys.modules if m.startswith(('memotier.semantic', 'numpy'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ("[]\n", "") == (done.stdout, done.stderr)
