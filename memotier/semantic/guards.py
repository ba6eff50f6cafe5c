"""
What must be the same in two texts before the answer to one is served for the other.

Vectors hardly see what these rules look at: "is it safe" and "is it unsafe" are nearer to each
other than most paraphrases are. Every rule refuses when in doubt, which costs a hit. No rule says
that two texts mean the same; that is what the threshold, and ``verify=``, are for.

Pure functions of two texts; each has the name under which its refusals are counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache

from .vocabulary import OPPOSITES, UNITS
from .words import Words, camel_parts, negated, read, stem

#: The texts that are read again most often are those of the entries. Long ones are not kept.
_read_short = lru_cache(maxsize=4096)(read)
_LONGEST_KEPT = 1000


def refusal(one: str, other: str, rules: Iterable[str] | None = None) -> str | None:
    """
    The name of the first rule that keeps *one* and *other* apart; None if none does.

    Args:
        rules: Names of ``RULES``; None: all of them.
    """
    if one == other:
        return None
    mine, theirs = _read(one), _read(other)
    for name in RULES if rules is None else rules:
        if not RULES[name](mine, theirs):
            return name
    return None


def same_numbers(one: Words, other: Words) -> bool:
    """
    The same numbers with the same units, in figures or in words: "ten dollars" is "$10".
    """
    return sorted(one.numbers) == sorted(other.numbers)


def same_negations(one: Words, other: Words) -> bool:
    """
    As many negations, and no word beside its opposite: "safe" and "unsafe", "on" and "off".
    """
    if one.negations != other.negations:
        return False
    mine, theirs = frozenset(one.tokens), frozenset(other.tokens)
    if _negates(mine - theirs, theirs - mine) or _negates(theirs - mine, mine - theirs):
        return False
    return not any(_opposed(sides, mine, theirs) for sides in OPPOSITES)


def same_order(one: Words, other: Words) -> bool:
    """
    The content words that both have stand in the same order: "USD to EUR" is not "EUR to USD"; and
    none is where one text comes from and the other goes: nor is "to USD from EUR".
    """
    if _turned(one.ways, other.ways):
        return False
    shared = frozenset(one.content) & frozenset(other.content)
    mine = [word for word in one.content if word in shared]
    theirs = [word for word in other.content if word in shared]
    return _once(mine) == _once(theirs)


def same_names(one: Words, other: Words) -> bool:
    """
    What one text writes like a name, the other says as well: "the weather in Oslo", "in Rome".
    """
    return _says(other, one.names) and _says(one, other.names)


def same_asks(one: Words, other: Words) -> bool:
    """
    Not one text that asks who and one that asks when.
    """
    return not one.asks or not other.asks or one.asks == other.asks


def same_quotations(one: Words, other: Words) -> bool:
    """
    The same words between quotation marks, letter by letter.
    """
    return one.quoted == other.quoted


RULES: dict[str, Callable[[Words, Words], bool]] = {
    "quotations": same_quotations,
    "numbers": same_numbers,
    "negations": same_negations,
    "names": same_names,
    "asks": same_asks,
    "order": same_order,
}


def _read(text: str) -> Words:
    return _read_short(text) if len(text) <= _LONGEST_KEPT else read(text)


def _negates(words: frozenset[str], others: frozenset[str]) -> bool:
    stems = {stem(word) for word in others} | others
    return any(root in stems or stem(root) in stems for word in words for root in negated(word))


def _opposed(
    sides: tuple[frozenset[str], ...], mine: frozenset[str], theirs: frozenset[str]
) -> bool:
    """
    Whether each text has a side that the other has not.
    """
    here = {number for number, side in enumerate(sides) if side & mine}
    there = {number for number, side in enumerate(sides) if side & theirs}
    return bool(here - there) and bool(there - here)


def _turned(mine: frozenset[tuple[str, str]], theirs: frozenset[tuple[str, str]]) -> bool:
    both = {word for word, _ in mine} & {word for word, _ in theirs}
    return any(word in both for word, _ in mine ^ theirs)


def _once(words: list[str]) -> list[str]:
    return list(dict.fromkeys(words))


def _says(words: Words, names: frozenset[str]) -> bool:
    said = frozenset(words.tokens)
    said |= {stem(token.removesuffix("'s")) for token in said} | {n.lower() for n in words.names}
    said |= {unit for _, unit in words.numbers}
    return all(_is_said(name, said) for name in names)


def _is_said(name: str, said: frozenset[str]) -> bool:
    low = name.lower()
    if low in said or stem(low) in said or UNITS.get(low) in said:
        return True
    parts = camel_parts(name)
    return len(parts) > 1 and all(part in said or stem(part) in said for part in parts)
