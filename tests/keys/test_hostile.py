"""
Arguments that want to hang, crash or trick the key maker.
"""

from __future__ import annotations

import sys
import threading

import pytest

from memotier.errorlike import looks_like_error
from memotier.errors import UnkeyableArgument
from memotier.keys.canonical import encode, encode_call
from memotier.shown import shown


def deep(levels, wrap=lambda inner: [inner]):
    value = None
    for _ in range(levels):
        value = wrap(value)
    return value


def cyclic_list():
    value = []
    value.append(value)
    return value


def cyclic_dict():
    value = {}
    value["me"] = [value]
    return value


def doubling(levels=60):
    value = []
    for _ in range(levels):
        value = [value, value]
    return value


HOSTILE = {
    "depth": lambda: deep(100_000),
    "depth of tuples": lambda: deep(66, lambda inner: (inner,)),
    "depth of dicts": lambda: deep(1_000, lambda inner: {"k": inner}),
    "cycle": cyclic_list,
    "cycle of dicts": cyclic_dict,
    "doubling": doubling,
    "long text": lambda: "x" * 100_000_000,
    "long bytes": lambda: bytes(100_000_000),
    "long text often": lambda: ["x" * 1_000_000] * 1_000,
    "many keys": lambda: dict.fromkeys(range(1_000_000)),
    "many members": lambda: [None] * 1_000_000,
    "large set": lambda: set(range(200_000)),
    "many small texts": lambda: ["x" * 100] * 99_999,
    "many small numbers inside": lambda: [[1] * 1_000 for _ in range(1_000)],
    "long int": lambda: 1 << 400_000_000,
}


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
def test_fault_48_hostile_arguments_are_refused(make):
    """
    Deep, cyclic, endless and huge arguments are refused, neither hanging nor exhausting anything.
    """
    value = make()

    with pytest.raises(UnkeyableArgument, match=r"^f\(\) cannot be cached: argument 'q'"):
        encode_call("f", ("q",), (value,))
    while isinstance(value, list) and value and value[0] is not value:
        value = value[0]  # or freeing it would recurse in the test


def test_fault_48_limits_hold_for_the_call_as_a_whole():
    """
    Several arguments that are small each cannot be large together.
    """
    with pytest.raises(UnkeyableArgument, match="100,000 values"):
        encode_call("f", ("a", "b"), ([None] * 60_000, [None] * 60_000))
    with pytest.raises(UnkeyableArgument, match="1 MiB"):
        encode_call("f", "abcdefghijklmnopqrst", ["x" * 60_000] * 20)


def test_depth_64_is_allowed_at_any_depth_of_the_stack():
    """
    The limit is the nesting of the value; how deep the caller stands does not matter.
    """

    def near_the_end(left):
        return encode(deep(63)) if left == 0 else near_the_end(left - 1)

    frames = 0
    frame = sys._getframe()
    while frame is not None:
        frames, frame = frames + 1, frame.f_back

    assert encode(deep(63)) == near_the_end(sys.getrecursionlimit() - frames - 60)


class Meta(type):
    def __getattribute__(cls, name):
        raise AssertionError(f"the metaclass was asked for {name}")


class Loud:
    """
    Fails as soon as anything of it is run.
    """

    def _no(self, *_, **__):
        raise AssertionError("a hook was run")

    __eq__ = __hash__ = __repr__ = __str__ = __iter__ = __len__ = __bool__ = _no
    __reduce__ = __reduce_ex__ = __getstate__ = __getattribute__ = __getattr__ = _no
    __copy__ = __deepcopy__ = __format__ = __lt__ = __index__ = __float__ = __fspath__ = _no
    __array__ = __buffer__ = __dir__ = __sizeof__ = _no
    _fields = __dict__ = property(_no)


def loud(*bases, **body):
    return type("Loud", (Loud, *bases), body)


@pytest.mark.parametrize("base", [None, int, str, bytes, float, list, tuple, dict, set, frozenset])
def test_fault_48_no_code_of_a_class_is_run(base):
    """
    Subclasses of builtins are not the builtins, and nothing that they override is called.
    """
    value = loud()() if base is None else base.__new__(loud(base))

    for inside in (value, [value], (1, value), {"k": value}):
        with pytest.raises(UnkeyableArgument, match="which has no stable key"):
            encode_call("f", ("a",), (inside,))


def test_fault_48_a_metaclass_is_not_asked():
    """
    What a metaclass overrides is passed by.
    """
    value = Meta("Plain", (), {})()

    with pytest.raises(UnkeyableArgument, match="Plain, which has no stable key"):
        encode_call("f", ("a",), (value,))


def test_a_name_that_a_metaclass_makes_is_not_asked_for():
    """
    A metaclass may say what its classes are called, by code: nobody runs that to see whether a
    value is a secret or an error, or how it is shown.
    """

    def name(cls):
        raise AssertionError("the metaclass was asked")

    kind = type("M", (type,), {"__name__": property(name)})("Plain", (), {})

    with pytest.raises(UnkeyableArgument, match="Plain, which has no stable key"):
        encode_call("f", ("a",), (kind(),))
    assert ("<Plain>", "Plain") == (shown("x", kind()), shown("x", kind))
    assert not looks_like_error(kind())


def test_a_class_without_a_hash_is_refused():
    """
    A metaclass that makes its classes unhashable is no reason for another error.
    """
    kind = type("M", (type,), {"__eq__": lambda *_: True})("Odd", (), {})

    for value in (kind(), [kind()], {"a": kind()}):
        with pytest.raises(UnkeyableArgument):
            encode_call("f", ("a",), (value,))


class Session:
    def __init__(self):
        self.token = "canary"

    def __repr__(self):
        return "canary"


def test_fault_09_objects_without_content_have_no_key():
    """
    An object that shows nothing but its address is refused: another may get that address.
    """
    with pytest.raises(UnkeyableArgument) as caught:
        encode_call("price", ("session",), (Session(),))

    assert (
        f"price() cannot be cached: argument 'session' is a {__name__}.Session, "
        "which has no stable key. Leave it out with ignore=('session',), say with key= what "
        "counts, or teach memotier about the type: memotier.register_key(Session, function)."
    ) == str(caught.value)


@pytest.mark.parametrize("value", [object(), [[0]] * 100_001, {1: object()}])
def test_advice_can_be_followed(value):
    """
    ``register_key`` is advised only for types that it takes.
    """
    with pytest.raises(UnkeyableArgument, match=r"Leave it out .*, or say with key= what") as one:
        encode_call("f", ("a",), (value,))
    with pytest.raises(UnkeyableArgument, match="cannot make a key: the value") as other:
        encode(value)

    assert "register_key" not in str(one.value) + str(other.value)


def test_the_path_leads_to_the_culprit():
    """
    The message says where inside the argument the value is, not only in which argument.
    """
    value = {"b": 1, "a": [0, 1, 2, {"k": threading.Lock()}]}

    with pytest.raises(
        UnkeyableArgument, match=r"argument 'q', at \[<str>\]\[3\]\[<str>\], is a _thre"
    ):
        encode_call("f", ("p", "q"), (1, value))


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"canary": Session()}, r"at \[<str>\], is"),
        ({12345: Session()}, r"at \[<int>\], is"),
        ({("canary",): Session()}, r"at \[<tuple>\], is"),
        ({Session(): "canary"}, r"at \[<[a-z_.]+Session>\], is"),
        ({Session()}, r"at \{\.\.\.\}, is"),
    ],
)
def test_fault_27_messages_show_no_data(value, path):
    """
    Fault 27: keys of dicts stay out of the message, as do values; both may be data.
    """
    with pytest.raises(UnkeyableArgument, match=path) as caught:
        encode_call("f", ("a",), (value,))

    assert "canary" not in str(caught.value)
    assert "12345" not in str(caught.value)


def test_a_dict_that_others_change_meanwhile_is_read_whole():
    """
    Another thread that fills the dict can make the key new, never the call fail.
    """
    shared, stop = {}, threading.Event()

    def churn():
        n = 0
        while not stop.is_set():
            shared[n % 50] = n
            shared.pop((n * 7) % 50, None)
            n += 1

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for _ in range(300):
            assert encode(shared)
    finally:
        stop.set()
        thread.join()
