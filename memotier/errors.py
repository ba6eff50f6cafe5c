"""
Every error of memotier: one tree, and each class is also the builtin that it is.

What must never happen: an error of a tier reaches a caller of a decorated function.
Those below ``StoreError`` and ``DecodeRefused`` are caught by the engine and become
an event and a counter; the others tell the programmer about misuse.
"""

from __future__ import annotations


class MemotierError(Exception):
    """
    The base of all errors raised by memotier.
    """


class ConfigError(MemotierError, ValueError):
    """
    An option or a setting cannot be used; the message names it, its value and the way out.
    """


class MissingExtra(MemotierError, ImportError):
    """
    An optional package is not installed; the message says which one of memotier's extras has it.
    """


class ComputeTimeout(MemotierError, TimeoutError):
    """
    A function did not return within its ``hard_timeout``; it goes on, and its result is kept.
    """


class BatchMismatch(MemotierError, ValueError):
    """
    A function with ``@tiered_cache.many`` did not return one result for each id, or returned
    something else than it said.
    """


class StreamInterrupted(MemotierError, RuntimeError):
    """
    A stream that several read has no end, because whoever drove its source was interrupted.
    """


class UnkeyableArgument(MemotierError, TypeError):
    """
    An argument has no stable key; see docs/guide/keys.md.
    """


class ScopeMissing(MemotierError, LookupError):
    """
    Nobody says for whom a call is whose function has a ``scope=``; it was not called.
    """


class QuotaExceeded(MemotierError, RuntimeError):
    """
    A scope has had as many computations as its function's ``quota=`` allows; the function was not
    called. *retry_after* is how many seconds to wait.
    """

    def __init__(self, message: str = "", retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class SerializationError(MemotierError, TypeError):
    """
    A value cannot be carried by the codec without losing its type.
    """


class NotIsolated(MemotierError, TypeError):
    """
    A mutable value cannot be copied, so sharing it could change what other callers get.
    """


class DecodeRefused(MemotierError, ValueError):
    """
    A stored record is damaged, foreign, forged or too large; the engine treats it as a miss.
    """


class StoreError(MemotierError, OSError):
    """
    A store could not do what it was asked; the engine goes on without it.
    """


class StoreUnavailable(StoreError):
    """
    A store cannot be used at all for now: it is closed, refused, or resting after a failure.
    """


class InvalidationNotDurable(StoreError):
    """
    An invalidation holds in this process but could not be written to the second tier.

    Until it can be written, this process does not trust the second tier for what it names.
    """


class ValueTooLarge(SerializationError):
    """
    A value is larger than ``max_value_bytes``; it is returned but not stored.
    """


class CassetteMiss(MemotierError, LookupError):
    """
    A call is not on the cassette of a test that allows no other; the function was not called.
    """


class ReplayedError(MemotierError, RuntimeError):
    """
    An error that was recorded, of a type that the cassette may not raise; *type_name* says which.
    """

    def __init__(self, type_name: str, text: str) -> None:
        super().__init__(
            f"{type_name}: {text} (recorded; raises=({type_name.rpartition('.')[2]},) of the "
            "cassette allows the type itself)"
        )
        self.type_name = type_name
        self.text = text

    def __reduce__(self) -> tuple[type[ReplayedError], tuple[str, str]]:
        return ReplayedError, (self.type_name, self.text)
