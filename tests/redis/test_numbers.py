"""
What the numbers of messages prove: pure, without a server.
"""

from __future__ import annotations

import pytest

from memotier.stores.redis.numbers import IN_ORDER, LESS, MISSED, Numbers

A, B = b"aaaa", b"bbbb"
EPOCH = A + b"1234"


def after(*heard, birth=A, last=None):
    """
    One that has compared, and then heard these numbers.
    """
    numbers = Numbers()
    if last is not None:
        assert IN_ORDER == numbers.compare(numbers.noted(), birth, last)
    for number in heard:
        numbers.heard(number)
    return numbers


@pytest.mark.parametrize(
    ("heard", "birth", "last", "wanted"),
    [
        ((), A, 10, IN_ORDER),
        ((11, 12), A, 12, IN_ORDER),
        ((11, 12), A, 13, MISSED),
        ((12,), A, 12, IN_ORDER),  # the gap was acted on when it was heard
        ((11, 12), A, 11, LESS),
        ((), A, 9, LESS),
        ((11, 11), A, 11, LESS),  # another server's eleventh
        ((11, 12, 11, 12, 13), A, 13, LESS),
        ((11,), B, 3, MISSED),
        ((1,), B, 1, MISSED),
        ((11,), None, 0, MISSED),
    ],
)
def test_fault_16_what_the_servers_number_means(heard, birth, last, wanted):
    """
    After a beat in which the server had tokens A and number 10.
    """
    numbers = after(*heard, last=10)

    assert wanted == numbers.compare(numbers.noted(), birth, last)


def test_fault_16_what_was_promised_counts_before_its_message_comes():
    """
    Also if the server was never asked before; not for other tokens.
    """
    numbers = after()
    numbers.promised(EPOCH, 5)
    numbers.promised(EPOCH, 4)  # another thread's, which came later
    assert LESS == numbers.compare(numbers.noted(), A, 4)
    assert IN_ORDER == numbers.compare(numbers.noted(), A, 5)
    assert MISSED == numbers.compare(numbers.noted(), B, 1)


def test_less_is_found_until_it_is_mended():
    """
    A server that cannot be told is found again, over new connections, too.
    """
    numbers = after(11, 12, 11, last=10)
    for _ in range(3):
        assert LESS == numbers.compare(numbers.noted(), A, 11)
    numbers.renewed()
    assert IN_ORDER == numbers.compare(numbers.noted(), B, 12)
    assert numbers.heard(13)
    assert IN_ORDER == numbers.compare(numbers.noted(), B, 13)


def test_what_is_heard_while_the_server_is_asked_is_neither_missed_nor_less():
    """
    Messages may be ahead of the answer.
    """
    numbers = after(last=10)
    noted = numbers.noted()
    numbers.heard(11)
    numbers.heard(12)
    assert IN_ORDER == numbers.compare(noted, A, 11)
    assert numbers.heard(13)


def test_a_number_of_other_tokens_is_forgotten():
    """
    An emptied server begins to count anew, and that is no failover.
    """
    numbers = after(11, last=10)
    assert MISSED == numbers.compare(numbers.noted(), None, 0)
    assert IN_ORDER == numbers.compare(numbers.noted(), None, 0)
    assert numbers.heard(1)
    assert IN_ORDER == numbers.compare(numbers.noted(), B, 1)
    assert not numbers.heard(3)
    assert IN_ORDER == numbers.compare(numbers.noted(), B, 3)


def test_a_lower_number_that_is_heard_while_other_tokens_are_found_is_one_of_theirs():
    """
    It came in between, and is explained by them: the next comparison finds all in order.
    """
    numbers = after(11, 12, last=10)
    noted = numbers.noted()
    assert not numbers.heard(11)  # of whoever gave the server other tokens
    assert MISSED == numbers.compare(noted, B, 11)
    assert IN_ORDER == numbers.compare(numbers.noted(), B, 11)
