"""
A text as the guards see it: tokens, numbers with their units, names, quotations.

Pure, and in English: what is not recognised counts as an ordinary word. Whatever is read here
decides only whether a near match is refused, so a wrong reading costs a hit, or is what ``verify=``
is there for; it never changes what is found.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import pairwise

from .vocabulary import (
    ASKS,
    COUNTS,
    CURRENCY,
    HOW,
    LARGE,
    NEGATIONS,
    ORDINALS,
    PREFIXES,
    SMALL,
    STOP,
    UNITS,
    WAYS,
)

# None of these looks at a character more than a few times, whatever the text: it may come from
# somebody who wants to keep us busy.
_QUOTED = re.compile(r"\"([^\"]+)\"|“([^“”]+)”|`([^`]+)`|«([^«»]+)»|(?<!\w)'([^']+)'(?!\w)")
_TOKEN = re.compile(
    r"[$€£¥₹]|[-+\u2212]?\d[\d,]*(?:\.\d+)?|\.\d+|%|°|[^\W\d_]+(?:['\u2019][^\W\d_]+)?", re.UNICODE
)
#: A word, or several with dots, slashes and the like between them: ``os.path``.
_NAME = re.compile(r"[^\W_]+(?:[._/:-][^\W_]+)+|\w+", re.UNICODE)

#: Digits that are computed with exactly, and factors after a number ("5 hundred million").
_MOST_DIGITS = 20
_MOST_FACTORS = 2


@dataclass(frozen=True, slots=True)
class Words:
    """
    What one text says, as far as the guards care.
    """

    tokens: tuple[str, ...]
    #: Content words, shortened to a stem, in the order of what they say.
    content: tuple[str, ...]
    #: Content words behind a "from" or a "to", with that.
    ways: frozenset[tuple[str, str]]
    #: Values and units ("": none that is known), in order. "3.10" stays what it is, a version.
    numbers: tuple[tuple[str, str], ...]
    negations: int
    asks: frozenset[str]
    #: Words that are written like a name, in lower case.
    names: frozenset[str]
    quoted: tuple[str, ...]


def read(text: str) -> Words:
    """
    The parts of *text* that the guards compare.
    """
    text = text.replace("\u2019", "'").replace("\u2212", "-")
    quoted = tuple(next(filter(None, one)) for one in _QUOTED.findall(text))
    tokens = tuple(_normal(token) for token in _TOKEN.findall(text))
    tokens = _without_contractions(tokens)
    numbers, used = _numbers(tokens)
    return Words(
        tokens=tokens,
        content=_content(tokens, used),
        ways=_ways(tokens),
        numbers=numbers,
        negations=sum(token in NEGATIONS for token in tokens),
        asks=_asks(tokens),
        names=_names(text),
        quoted=quoted,
    )


def stem(word: str) -> str:
    """
    *word* without a common ending; the same for "parse", "parsed" and "parsing".
    """
    for ending in ("ations", "ation", "ings", "ing", "ies", "ied", "ers", "er", "es", "ed", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)]
            break
    return word[:-1] if len(word) > 3 and word[-1] in "ey" else word


def negated(word: str) -> tuple[str, ...]:
    """
    What *word* may be the opposite of: "unsafe" of "safe", "useless" of "useful".
    """
    found = [word[len(p) :] for p in PREFIXES if word.startswith(p) and len(word) - len(p) > 2]
    if word.endswith("less"):
        found += [word[:-4], word[:-4] + "ful"]
    return tuple(found)


def camel_parts(name: str) -> list[str]:
    """
    The words inside a name: "NullPointerException" has three.
    """
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\dA-Z_]+|\d+", name)
    return [part.lower() for part in parts]


def _normal(token: str) -> str:
    return token if token in CURRENCY else token.lower()


def _without_contractions(tokens: tuple[str, ...]) -> tuple[str, ...]:
    plain: list[str] = []
    for token in tokens:
        word = token
        if word.endswith("n't"):
            stem_of = {"can't": "can", "won't": "will", "shan't": "shall"}.get(token, token[:-3])
            plain += [stem_of, "not"] if stem_of else ["not"]
        elif word == "cannot":
            plain += ["can", "not"]
        else:
            plain.append(token)
    return tuple(plain)


def _numbers(
    tokens: tuple[str, ...],
) -> tuple[tuple[tuple[str, str], ...], frozenset[int]]:
    """
    The numbers among *tokens*, and which tokens they took.
    """
    found: list[tuple[str, str]] = []
    used: set[int] = set()
    at = 0
    while at < len(tokens):
        value, end = _number_at(tokens, at)
        if value is None:
            at += 1
            continue
        unit = CURRENCY.get(tokens[at - 1]) if at else None
        start = at - 1 if unit else at
        if end < len(tokens) and (after := tokens[end]) not in ("in",):
            known = CURRENCY.get(after) or UNITS.get(after)
            if known is not None and unit in (None, known):
                unit, end = known, end + 1
        used.update(range(start, end))
        found.append((_shown(value, unit in CURRENCY.values()), unit or ""))
        at = end
    return tuple(found), frozenset(used)


def _number_at(tokens: tuple[str, ...], at: int) -> tuple[Decimal | None, int]:
    token = tokens[at]
    if token[0].isdigit() or (token[0] in "-+." and len(token) > 1):
        value = _decimal(token)
        if value is None or len(token) > _MOST_DIGITS:
            return value, at + 1 if value is not None else at
        return _scaled(tokens, at + 1, value)
    if token in COUNTS:
        return Decimal(COUNTS[token]), at + 1
    if token in ORDINALS:
        return Decimal(ORDINALS[token]), at + 1
    if token not in SMALL:
        if token in LARGE and at and tokens[at - 1] in ("a", "an"):
            return Decimal(LARGE[token]), at + 1
        return None, at
    return _written_out(tokens, at)


def _shown(value: Decimal, is_amount: bool) -> str:
    is_short = len(value.as_tuple().digits) <= _MOST_DIGITS  # normalize() rounds others
    return format(value.normalize() if is_amount and is_short else value, "f")


def _decimal(token: str) -> Decimal | None:
    try:
        return Decimal(token.replace(",", ""))
    except InvalidOperation:
        return None


def _scaled(tokens: tuple[str, ...], at: int, value: Decimal) -> tuple[Decimal, int]:
    end = at + _MOST_FACTORS
    while at < min(end, len(tokens)) and tokens[at] in LARGE:
        value, at = (value * LARGE[tokens[at]]).normalize(), at + 1
    return value, at


def _written_out(tokens: tuple[str, ...], at: int) -> tuple[Decimal, int]:
    """
    "two thousand and five" is one number, "nineteen eighty" are two.
    """
    total, part = 0, 0
    while at < len(tokens):
        word = tokens[at]
        if word in SMALL:
            if part and not _continues(part, SMALL[word]):
                break
            part += SMALL[word]
        elif word == "hundred" and part < 100:
            part *= 100
        elif word in LARGE and word != "hundred":
            total, part = total + part * LARGE[word], 0
        elif not (word == "and" and (total or part >= 100) and _is_small(tokens, at + 1)):
            break
        at += 1
    return Decimal(total + part), at


def _continues(part: int, value: int) -> bool:
    return part % 100 == 0 or (20 <= part % 100 and part % 10 == 0 and value < 10)


def _is_small(tokens: tuple[str, ...], at: int) -> bool:
    return at < len(tokens) and tokens[at] in SMALL


def _content(tokens: tuple[str, ...], used: frozenset[int]) -> tuple[str, ...]:
    """
    "France's capital" says what "the capital of France" says, so owners come last.
    """
    content: list[str] = []
    owner: str | None = None
    for at, token in enumerate(tokens):
        is_end = token in STOP or token in NEGATIONS or at in used or not token[0].isalpha()
        if is_end:
            if owner is not None:
                content.append(owner)
                owner = None
            if at in used:
                content.append(f"#{token}")
            continue
        if token.endswith("'s") and token not in STOP:
            if owner is not None:
                content.append(owner)
            owner = stem(token[:-2])
            continue
        content.append(stem(token))
    return tuple(content if owner is None else [*content, owner])


def _ways(tokens: tuple[str, ...]) -> frozenset[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    way = None
    for token in tokens:
        if token in WAYS:
            way = WAYS[token]
        elif way is not None and token not in STOP:
            found.add((stem(token.removesuffix("'s")), way))
            way = None
    return frozenset(found)


def _asks(tokens: tuple[str, ...]) -> frozenset[str]:
    found = {token.removesuffix("'s") for token in tokens} & ASKS
    for first, then in pairwise(tokens):
        if first == "how" and then in HOW:
            found.add("how " + ("much" if then == "many" else then))
    return frozenset(found)


def _names(text: str) -> frozenset[str]:
    """
    Words with a capital letter that does not begin a sentence, and words like ``os.path``.
    """
    names: set[str] = set()
    for found in _NAME.finditer(text):
        word = found.group().removesuffix("'s")
        if word in ("I", "A") or not word[0].isalpha():
            continue
        begins = _begins_sentence(text, found.start())
        has_inner = any(c.isupper() for c in word[1:])
        is_code = any(c in "._/" or c.isdigit() for c in word)
        if has_inner or is_code or (word[0].isupper() and not begins):
            names.add(word)
    return frozenset(names)


def _begins_sentence(text: str, at: int) -> bool:
    at -= 1
    while at >= 0 and text[at] in " \t\n\"'`(“«":
        at -= 1
    return at < 0 or text[at] in ".!?:"
