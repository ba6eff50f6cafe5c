"""
The notices of a server: one key for each, which ends by itself, and an index of them.
"""

from __future__ import annotations

from typing import Final

from ...clock import Clock
from ..notices import LARGEST, LIFE, MOST, Notice
from .layout import Keys
from .scripts import Script
from .server import Server

#: KEYS: index, notice. ARGV: now, life in s, how many there may be, its name, the notice.
LEAVE: Final = Script(
    "leaving a notice",
    """
local now, life = tonumber(ARGV[1]), tonumber(ARGV[2])
redis.call('SET', KEYS[2], ARGV[5], 'PX', life * 1000)
redis.call('ZADD', KEYS[1], ARGV[1], ARGV[4])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.3f', now - life))
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -1 - tonumber(ARGV[3]))
redis.call('PEXPIRE', KEYS[1], life * 1000)
return 1
""",
)

#: KEYS: notices. ARGV: most bytes of one.
NOTICES: Final = Script(
    "reading notices",
    """
local found = {}
for i = 1, #KEYS do
    -- Somebody else may have put there what he likes.
    local size = redis.pcall('STRLEN', KEYS[i])
    found[i] = false
    if type(size) == 'number' and size > 0 and size <= tonumber(ARGV[1]) then
        found[i] = redis.call('GET', KEYS[i])
    end
end
return found
""",
)


class RedisNotices:
    """
    The notices of one cache. They are no records: invalidating and clearing leaves them.
    """

    def __init__(self, server: Server, keys: Keys, clock: Clock) -> None:
        self._server = server
        self._keys = keys
        self._clock = clock

    def leave(self, name: str, data: bytes) -> None:
        assert len(data) <= LARGEST
        arguments = [repr(self._clock.wall()), int(LIFE), MOST, name, data]
        self._server.run(LEAVE, [self._keys.notices, self._keys.notice(name)], arguments)

    def left(self) -> list[Notice]:
        since = repr(self._clock.wall() - LIFE)
        found = self._server.ask(
            "looking for notices",
            *("ZREVRANGEBYSCORE", self._keys.notices, "+inf", since, "WITHSCORES"),
            *("LIMIT", 0, MOST),
        )
        pairs = _pairs(found)
        if not pairs:
            return []
        keys = [self._keys.notice(name) for name, _ in pairs]
        texts = self._server.run(NOTICES, keys, [LARGEST])
        return [
            Notice(name, data, at)
            for (name, at), data in zip(pairs, texts, strict=True)
            if data is not None
        ]


def _pairs(found: object) -> list[tuple[str, float]]:
    """
    Names and scores, which some clients make pairs of.
    """
    flat: list[object] = []
    assert isinstance(found, (list, tuple))
    for one in found:
        flat.extend(one if isinstance(one, (list, tuple)) else [one])
    pairs = []
    for name, at in zip(flat[::2], flat[1::2], strict=True):
        assert isinstance(name, bytes) and isinstance(at, (bytes, float, int))
        text = name.decode("ascii", "replace")
        if text.isalnum():
            pairs.append((text, float(at)))
    return pairs
