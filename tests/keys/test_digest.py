"""
Addresses may be forged, fingerprints may not.
"""

from __future__ import annotations

import pytest
from xxhash import xxh3_128_digest

from memotier.errors import ConfigError
from memotier.keys.canonical import encode_call
from memotier.keys.digest import Digester

#: The first bytes of the secret that unseeded XXH3 mixes its input with; it is public.
XXH3_SECRET = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671f"
    "cb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c"
)


def forged(before: int, first: int, second: int, size: int = 400) -> bytes:
    """
    An argument of *size* bytes, *before* bytes into the hashed text, for a chosen-prefix collision.

    XXH3 multiplies the halves of ``word ^ secret``, and adds the plain word to the neighbour. A
    word whose lower half is the secret's makes that product zero whatever its upper half is; two
    such words of one lane in neighbouring stripes then count by the sum of their upper halves.
    """
    body = bytearray(b"a" * size)
    for stripe, upper in ((2, first), (3, second)):
        at = 64 * stripe - before
        body[at : at + 8] = XXH3_SECRET[8 * stripe : 8 * stripe + 4] + upper.to_bytes(4, "little")
    return bytes(body)


def calls(digester: Digester, pairs):
    def canonical(argument):
        return encode_call("search", ("q",), (argument,))

    before = len(digester._prefix) + len(canonical(b"a" * 400)) - 400
    return [canonical(forged(before, *pair)) for pair in pairs]


PAIRS = [((7, 9), (8, 8)), ((0, 5), (5, 0)), ((2**32 - 1, 0), (0, 2**32 - 1))]


@pytest.mark.parametrize("pair", PAIRS)
def test_fault_01_calls_that_collide_at_an_address_have_two_fingerprints(pair):
    """
    A real collision of XXH3-128, of two different arguments of one function: the fingerprint says
    that they are two calls.
    """
    digester = Digester("tool", "shop.search", "v1")
    one, other = calls(digester, pair)

    assert one != other
    assert digester.address(one) == digester.address(other)
    assert digester.fingerprint(one) != digester.fingerprint(other)


def test_fault_02_second_preimages_do_not_share_the_victims_fingerprint():
    """
    Any number of calls can be made to meet a given one at its address, none in its fingerprint.
    """
    digester = Digester("tool", "shop.search", "v1")
    victim, *others = calls(digester, [(n, 1000 - n) for n in range(50)])

    assert {digester.address(victim)} == {digester.address(other) for other in others}
    assert digester.fingerprint(victim) not in {digester.fingerprint(other) for other in others}


def test_stored_vectors_of_xxhash_collide():
    """
    Two texts with one xxh3-128, written down: the construction does not depend on our prefix.
    """
    one, other = forged(0, 1, 0), forged(0, 0, 1)

    assert one[128:200].hex().startswith("de d4 6d e9".replace(" ", "") + "01000000")
    assert one != other
    assert xxh3_128_digest(one) == xxh3_128_digest(other)


def test_sizes():
    """
    An address has 16 bytes, a fingerprint 20.
    """
    digester = Digester("n", "f", "1")

    assert 16 == len(digester.address(b""))
    assert 20 == len(digester.fingerprint(b""))


@pytest.mark.parametrize(
    "other", [("ab", "c", "d"), ("a", "bcd", ""), ("a", "bc", "e"), ("abc", "d", "")]
)
def test_fault_08_namespace_identity_and_version_are_framed(other):
    """
    What one part of the prefix lacks, the next cannot make up for.
    """
    one, two = Digester("a", "bc", "d"), Digester(*other)

    assert one.address(b"x") != two.address(b"x")
    assert one.fingerprint(b"x") != two.fingerprint(b"x")


def test_a_secret_changes_fingerprints_and_not_addresses():
    """
    Who does not know the secret cannot foresee a fingerprint; each namespace has its own key.
    """
    plain, keyed = Digester("n", "f", "1"), Digester("n", "f", "1", b"s" * 32)
    rotated = Digester("n", "f", "1", b"t" * 100)

    assert plain.address(b"x") == keyed.address(b"x")
    assert 3 == len({d.fingerprint(b"x") for d in (plain, keyed, rotated)})
    assert keyed.fingerprint(b"x") == Digester("n", "f", "1", b"s" * 32).fingerprint(b"x")


def test_an_empty_secret_is_refused():
    """
    An environment variable that is set and empty must not pass for a secret.
    """
    with pytest.raises(ConfigError, match="secret is empty"):
        Digester("n", "f", "1", b"")


def test_fingerprint_vector():
    """
    Fingerprints stand in stored entries: they must stay what they are.
    """
    assert VECTOR == Digester("n", "f", "1").fingerprint(b"canonical").hex()


VECTOR = "e1881612a5dc42f79b5b2b458d60a7a538925b72"
