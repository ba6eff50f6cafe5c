"""
Which texts are kept apart by which rule, and which are not.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memotier.semantic.guards import RULES, refusal
from memotier.semantic.words import read

APART = {
    "numbers": [
        ("convert 10 USD to EUR", "convert 100 USD to EUR"),
        ("pay 10 euros", "pay $10"),
        ("pay ten dollars", "pay ten pounds"),
        ("wait 5 minutes", "wait five hours"),
        ("python 3.10", "python 3.1"),
        ("-5 degrees", "5 degrees"),
        ("the first president", "the third president"),
        ("half a liter", "2 liters"),
        ("in nineteen eighty", "in nineteen ninety"),
        ("weather for days", "weather for 3 days"),
        ("split 4 into 2", "split 4 into 2 and 2"),
        ("1.5 million", "15 million"),
        ("100 g of rice", "100 kg of rice"),
        ("١٠ files", "11 files"),
    ],
    "negations": [
        ("is aspirin safe", "is aspirin unsafe"),
        ("turn the light on", "turn the light off"),
        ("with sugar", "without sugar"),
        ("why does it compile", "why doesn't it compile"),
        ("is it useful", "is it useless"),
        ("is it legal", "is it illegal"),
        ("enable it", "disable it"),
        ("active users", "inactive users"),
        ("never do it", "do it"),
        ("the minimum size", "the maximum size"),
        ("before lunch", "after lunch"),
        ("sort ascending", "sort descending"),
        ("i can\u2019t see it", "i can see it"),
    ],
    "order": [
        ("convert USD to EUR", "convert EUR to USD"),
        ("does Anna owe Ben money", "does Ben owe Anna money"),
        ("dogs chasing cats", "cats chased by dogs"),
        ("ship from Spain to Norway", "ship to Spain from Norway"),
        ("move the files to the disk", "move the files from the disk"),
    ],
    "names": [
        ("the weather in Oslo", "the weather in Bergen"),
        ("docs of os.path", "docs of os.environ"),
        ("call getUser here", "call getGroup here"),
        ("read file2", "read file3"),
    ],
    "quotations": [
        ('translate "cheese"', 'translate "bread"'),
        ("what is `a b`", "what is `a  b`"),
        ("say \u201cyes\u201d", "say it"),
    ],
    "asks": [
        ("when was it founded", "who founded it"),
        ("how many are there", "how old are they"),
    ],
}
TOGETHER = [
    ("pay ten dollars", "pay $10"),
    ("pay 10 USD", "pay 10.00 dollars"),
    ("one thousand kilometres", "1,000 km"),
    ("two thousand and five", "2005"),
    ("2.5 million people", "2500000 people"),
    ("twenty-one days", "21 days"),
    ("a hundred euros", "100 EUR"),
    ("capital of France", "France's capital city"),
    ("what is the capital of France?", "What's France's capital?"),
    ("I can't log in", "I cannot log in"),
    ("why don't cats swim", "why do cats not swim"),
    ("weather in oslo", "How's the weather in Oslo today?"),
    ("Fix NullPointerException in Java", "Java null pointer exception"),
    ("parse JSON in Python", "parsing JSON with python"),
    ("how many people live there", "what is the population"),
    ("turn the light on", "turn on the light"),
    ("how to ship from Spain to Norway", "can I ship from Spain into Norway?"),
    ("how to get to Oslo", "get me to Oslo"),
]


@pytest.mark.parametrize(
    ("rule", "one", "other"), [(rule, *pair) for rule, pairs in APART.items() for pair in pairs]
)
def test_apart(rule, one, other):
    """
    The rule refuses the pair, in both directions, and says that it did.
    """
    assert rule == refusal(one, other, [rule]) == refusal(other, one, [rule])
    assert refusal(one, other) in RULES


@pytest.mark.parametrize(("one", "other"), TOGETHER)
def test_together(one, other):
    """
    No rule refuses what only looks different.
    """
    assert [None] * len(RULES) == [refusal(one, other, [rule]) for rule in RULES]


def test_only_the_rules_that_are_asked_for():
    """
    Each rule can be left out.
    """
    one, other = "convert USD to EUR", "convert EUR to USD"
    assert refusal(one, other, [rule for rule in RULES if rule != "order"]) is None
    assert refusal(one, other, ()) is None


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_text(one, other):
    """
    Every text can be read; a text is never kept apart from itself, and order does not matter.
    """
    assert refusal(one, one) is None
    assert read(one) == read(one)
    assert (refusal(one, other) is None) == (refusal(other, one) is None)


@given(st.integers(0, 999_999))
def test_numbers_in_words(number):
    """
    A number that is written out is the number in figures.
    """
    words = in_words(number)
    assert read(str(number)).numbers == read(words).numbers == ((str(number), ""),)


def in_words(number: int) -> str:
    small = str.split(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
        "fifteen sixteen seventeen eighteen nineteen"
    )
    tens = str.split("twenty thirty forty fifty sixty seventy eighty ninety")
    if number < 20:
        return small[number]
    if number < 100:
        rest = number % 10
        return tens[number // 10 - 2] + (f"-{small[rest]}" if rest else "")
    if number < 1000:
        rest = number % 100
        return f"{small[number // 100]} hundred" + (f" and {in_words(rest)}" if rest else "")
    rest = number % 1000
    return f"{in_words(number // 1000)} thousand" + (
        f"{' and' * (rest < 100)} {in_words(rest)}" if rest else ""
    )


BUSY = (
    *("1", "a", "A", "_", "\u201c", "\u00ab", "'", '"', "`", "x.", "1,", "-"),
    *("hundred ", "5 million ", "million ", "two ", "and one ", "9 million million "),
    *("'s ", "France's ", "n't ", "  A"),
)


@pytest.mark.parametrize("part", BUSY)
def test_texts_made_to_keep_us_busy(part):
    """
    A long text is read in a time that grows with its length (with its square it would be hours).
    """
    text = part * (200_000 // len(part))
    assert read(text) == read(text)
    refusal(text, text + "x")


def test_long_numbers():
    """
    Numbers of any length differ if one digit does.
    """
    for form in ("{}", "${}", "{} million", "{} km"):
        one, other = form.format("7" * 40), form.format("7" * 39 + "8")
        assert "numbers" == refusal(one, other, ["numbers"])
        assert refusal(one, one + "?", ["numbers"]) is None
