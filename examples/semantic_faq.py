"""
A desk that answers questions: which of them are the same question in other words, and which only
look so.

    python examples/semantic_faq.py

Runs offline, with an embedder that compares spelling. It needs numpy: pip install
"memotier[semantic]".
"""

from __future__ import annotations

import memotier
from memotier import Semantic, SemanticCache, tiered_cache
from memotier.semantic.ngrams import NgramEmbedder

ANSWERS = {
    "refund": "Within 30 days, by the way you paid.",
    "ship": "To the whole of Europe, in 3 days.",
    "open": "From 9 to 18, Monday to Friday.",
    "cancel": "In your account, under Orders.",
}
#: Questions in the order in which they come in; of each the group that asks.
ASKED = (
    ("shop", "How do I get a refund for my order?"),
    ("shop", "How can I get a refund for my order?"),
    ("shop", "How do I get no refund for my order?"),
    ("shop", "How do I get a refund of 50 euros for my order?"),
    ("shop", "How do I get a refund of 500 euros for my order?"),
    ("shop", "Do you ship from Norway to Spain?"),
    ("shop", "Do you ship from Spain to Norway?"),
    ("shop", "Do you ship to Spain from Norway?"),
    ("shop", "When are you open?"),
    ("press", "When are you open?"),
    ("shop", "How do I get a refund for my order?"),
)


def look_up(question: str) -> str:
    """What would be a call of a model, which takes seconds and costs money."""
    return next(text for word, text in ANSWERS.items() if word in question)


near = Semantic("question", threshold=0.8, embedder=NgramEmbedder())


# The question may be near; the group that asks is exact, and one never gets another's answer.
@tiered_cache(semantic=near, scope=("group",), ttl="1h")
def answer(question: str, group: str) -> str:
    return look_up(question)


def serve() -> None:
    print("What each question was answered by:")
    for group, question in ASKED:
        with memotier.trace() as trace:
            answer(question, group)
        (call,) = trace.calls
        print(f"  {group:5}  {question:50} {told(call)}")
    stats = near.get_stats()
    print(f"  {answer.cache_info().hits} of {len(ASKED)} were not computed", end=", ")
    print(f"{stats['semantic_hits']} of them by a near question:")
    for match in near.recent():
        print(f"    {match.score:.3f}  {match.query}")
        print(f"      for  {match.matched}")
    refused = ", ".join(f"{rule} {count}" for rule, count in sorted(stats["refused_by"].items()))
    print(f"  near enough, and refused {stats['refused']} times: {refused}")


def told(call: memotier.TracedCall) -> str:
    return call.source if call.score is None else f"near, {call.score:.3f}"


def rehearse() -> None:
    """
    The same questions without rules, but nothing is served: how wrong would it have been?
    """
    trial = SemanticCache(
        similarity_threshold=0.8, embedder=NgramEmbedder(), guards=False, shadow=True
    )
    for question, true in (
        ("Can I cancel my order after it was sent?", "No"),
        ("Can I cancel my order before it was sent?", "Yes"),
        ("Could I cancel my order before it was sent?", "Yes"),
        ("Can I return shoes within 14 days?", "Yes"),
        ("Can I return shoes within 140 days?", "No"),
    ):
        if trial.sync.get_similar(question) is None:  # always: this only rehearses
            trial.sync.put(question, true)
    stats = trial.get_stats()
    print("In shadow mode, without rules:")
    for match in trial.shadow_report():
        verdict = "right" if match.is_equal else "WRONG"
        print(f"  {match.score:.3f}  {verdict}  {match.query}")
        print(f"                for  {match.matched}")
    print(
        f"  {stats['false_hits']} of {stats['compared']} would have been wrong "
        f"({stats['false_hit_rate']:.0%}): leave the rules on"
    )
    trial.sync.close()


def main() -> None:
    serve()
    print()
    rehearse()


if __name__ == "__main__":
    main()
