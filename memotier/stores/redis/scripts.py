"""
What the server does in one step, so that nothing can come in between.

The texts never change: what differs from call to call is given as KEYS and ARGV. They use what
Redis 6.2 and Valkey 7.2 have.

Whoever invalidates is told by the server itself, in the same step: a message has a number, one
more than the last, who sent it, and the cells of the board that moved (``watch.py``). So there is
no invalidation without a message, and who misses a number knows that he missed something.
"""

from __future__ import annotations

import secrets
from hashlib import sha1
from typing import Final

from .layout import (
    BIRTH,
    EXPIRED_AT,
    LONGEST_HEAD,
    LONGEST_NOTE,
    MOST_NOTES,
    NOT_EXPIRED,
    SHORTEST_HEAD,
    UNRENEWED_MS,
)

#: The last argument is which question this is, and stands in the answer: so that of two answers
#: that a connection, or what lies between, has mixed up neither is believed.
_ANSWER: Final = """\
local question = table.remove(ARGV)
local function answer()
%s
end
return {question, answer()}
"""
_QUESTION: Final = 8  # bytes


class Script:
    """
    A script and the digest by which a server knows it.
    """

    __slots__ = ("digest", "name", "text")

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = _ANSWER % text.strip("\n")
        # The server's own way to name scripts; nothing depends on its strength.
        self.digest = sha1(self.text.encode(), usedforsecurity=False).hexdigest()

    def __repr__(self) -> str:
        return f"<Script {self.name}>"


def new_question() -> bytes:
    """
    What a script is given as its last argument.
    """
    return secrets.token_bytes(_QUESTION)


_TELL: Final = """
local function tell(tokens, channel, life, what)
    local number = redis.call('HINCRBY', tokens, 'serial', 1)
    redis.call('PEXPIRE', tokens, life)
    redis.call('PUBLISH', channel, string.format('%.0f', number) .. ':' .. what)
    return number
end
"""

#: Who has the lease deletes it and tells who waits; who has lost it does nothing.
_GIVE_BACK: Final = """
local function give_back(lease, token, channel, place)
    if redis.pcall('GET', lease) == token then
        redis.call('UNLINK', lease)
        redis.call('PUBLISH', channel, place)
    end
end
"""

#: KEYS: tokens. ARGV: names. Returns the epoch and the tokens of the names.
VERSIONS: Final = Script(
    "versions",
    """
local found = {redis.call('HGET', KEYS[1], 'epoch')}
for i = 1, #ARGV do found[i + 1] = redis.call('HGET', KEYS[1], ARGV[i]) end
return found
""",
)

#: KEYS: records. ARGV: how many bytes. Returns for each its size and its first bytes.
HEADS: Final = Script(
    "heads",
    """
local found = {}
for i = 1, #KEYS do
    local size = redis.pcall('STRLEN', KEYS[i])
    if type(size) ~= 'number' then size = 0 end
    found[2 * i - 1] = size
    found[2 * i] = size > 0 and redis.call('GETRANGE', KEYS[i], 0, tonumber(ARGV[1]) - 1)
end
return found
""",
)

#: KEYS: tokens. ARGV: channel, life in ms, an epoch, what to tell. Returns the epoch, which is
#: that one only if there was none.
BEGIN: Final = Script(
    "begin",
    _TELL
    + """
if redis.call('HSETNX', KEYS[1], 'epoch', ARGV[3]) == 1 then
    tell(KEYS[1], ARGV[1], ARGV[2], ARGV[4])
end
return redis.call('HGET', KEYS[1], 'epoch')
""",
)

#: KEYS: tokens, index. ARGV: channel, life in ms, an epoch, what to tell, a birth. Gives tokens of
#: that birth the epoch, so that no record of before counts; returns 1, or 0 if they are others.
REBIRTH: Final = Script(
    "rebirth",
    _TELL
    + f"""
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if not epoch or string.sub(epoch, 1, {BIRTH}) ~= ARGV[5] then return 0 end
redis.call('HSET', KEYS[1], 'epoch', ARGV[3])
redis.call('UNLINK', KEYS[2])
tell(KEYS[1], ARGV[1], ARGV[2], ARGV[4])
return 1
""",
)

#: KEYS: tokens, ages. ARGV: channel, life in ms, an epoch, what to tell, whether to compare;
#: then names, each with the token it must have ("" for none) and the one it gets.
#: Returns the number of the message and the epoch, or nothing if a token was another.
BUMP: Final = Script(
    "bump",
    _TELL
    + f"""
if ARGV[5] == '1' then
    for i = 6, #ARGV, 3 do
        if (redis.call('HGET', KEYS[1], ARGV[i]) or '') ~= ARGV[i + 1] then return {{}} end
    end
end
local now = tonumber(redis.call('TIME')[1])
local epoch, old = ARGV[3], redis.call('HGET', KEYS[1], 'epoch')
if old and #old == #epoch then
    epoch = string.sub(old, 1, {BIRTH}) .. string.sub(epoch, {BIRTH + 1})
end
redis.call('HSET', KEYS[1], 'epoch', epoch)
for i = 6, #ARGV, 3 do
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 2])
    redis.call('ZADD', KEYS[2], now, ARGV[i])
end
-- What was invalidated so long ago that no record of before can be left.
local over = now - tonumber(ARGV[2]) / 1000
for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', over, 'LIMIT', 0, 16)) do
    redis.call('HDEL', KEYS[1], name)
    redis.call('ZREM', KEYS[2], name)
end
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return {{tell(KEYS[1], ARGV[1], ARGV[2], ARGV[4]), epoch}}
""",
)

_HEAD_BYTES: Final = EXPIRED_AT + 8
_ZEROS: Final = "\\0" * len(NOT_EXPIRED)

#: KEYS: tokens, index, records. ARGV: channel, life in ms, what to tell, the moment of expiring or
#: "" to remove; then for each record its slot, the slot's new token, its address.
#: Returns the epoch, the beginnings of what was there, and the number of the message.
INVALIDATE: Final = Script(
    "invalidate",
    _TELL
    + f"""
local found = {{redis.call('HGET', KEYS[1], 'epoch')}}
for i = 3, #KEYS do
    local at = 5 + 3 * (i - 3)
    redis.call('HSET', KEYS[1], ARGV[at], ARGV[at + 1])
    local head = redis.pcall('GETRANGE', KEYS[i], 0, {LONGEST_HEAD - 1})
    if type(head) ~= 'string' then head = '' end
    found[i - 1] = head
    if ARGV[4] == '' then
        redis.call('UNLINK', KEYS[i])
        redis.call('ZREM', KEYS[2], ARGV[at + 2])
    elseif string.sub(head, {EXPIRED_AT + 1}, {_HEAD_BYTES}) == '{_ZEROS}' then
        redis.call('SETRANGE', KEYS[i], {EXPIRED_AT}, ARGV[4])
    end
end
found[#KEYS] = tell(KEYS[1], ARGV[1], ARGV[2], ARGV[3])
return found
""",
)

_NOTE: Final = f"""
local function note(key, text, life)
    local old = redis.pcall('GETRANGE', key, 0, {MOST_NOTES * (LONGEST_NOTE + 1)})
    local notes, many = text, 1
    for one in string.gmatch(type(old) == 'string' and old or '', '[^\\n]+') do
        if one ~= text and many < {MOST_NOTES} then
            notes, many = notes .. '\\n' .. one, many + 1
        end
    end
    redis.call('SET', key, notes, 'PX', life)
end
"""

#: KEYS: tokens, index, records, leases, notes. ARGV: channel, life in ms, who tells, now, how many
#: records, how many notes; then for each record: address, value, ms to live, its end, epoch, slot,
#: mark, "" or the cell to tell of, the record that must be there if there is such a cell, how many
#: names, and each name with its token. A mark is "*" (any), "" (none) or the token. Then the
#: channel for leases, and for each lease which record it is for, its token and its place: who has
#: stored gives it back. Then for each note of which record it is, and its text: it is made if that
#: was stored. Returns for each record 1 or 0.
STORE: Final = Script(
    "store",
    _TELL
    + _GIVE_BACK
    + _NOTE
    + f"""
local at = 7
local function take() at = at + 1 return ARGV[at - 1] end
local epoch = redis.call('HGET', KEYS[1], 'epoch')
local birth = epoch and string.sub(epoch, 1, {BIRTH})
local stored, told, kept = {{}}, {{}}, false
local last = 2 + tonumber(ARGV[5])
for i = 3, last do
    local address, value, live, over = take(), take(), take(), take()
    local seen, slot, mark, cell, old = take(), take(), take(), take(), take()
    local holds = birth and string.sub(seen, 1, {BIRTH}) == birth
    if holds and mark ~= '*' then
        holds = (redis.call('HGET', KEYS[1], slot) or '') == mark
    end
    local moved = seen ~= epoch
    for _ = 1, tonumber(take()) do
        local name, token = take(), take()
        if holds and moved then
            holds = (redis.call('HGET', KEYS[1], name) or '') == token
        end
    end
    if holds and cell ~= '' then
        local there = redis.pcall('GET', KEYS[i])
        local ends = redis.call('ZSCORE', KEYS[2], address)
        holds = type(there) == 'string' and #there >= {SHORTEST_HEAD}
            and string.sub(there, 2, {BIRTH + 1}) == birth
            and string.sub(there, {SHORTEST_HEAD + 1} + string.byte(there, {SHORTEST_HEAD})) == old
            and ends and tonumber(ends) > tonumber(ARGV[4])
    end
    stored[i - 2] = holds and 1 or 0
    if holds then
        redis.call('SET', KEYS[i], value, 'PX', live)
        redis.call('ZADD', KEYS[2], over, address)
        kept = true
        if cell ~= '' then told[#told + 1] = cell end
    end
end
if kept then
    local gone = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[4], 'LIMIT', 0, 2 * #KEYS)
    for _, address in ipairs(gone) do redis.call('ZREM', KEYS[2], address) end
    redis.call('PEXPIRE', KEYS[2], ARGV[2])
    -- Not every time: whoever tracks the tokens (tracking.py) is told of it.
    if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) - {UNRENEWED_MS} then
        redis.call('PEXPIRE', KEYS[1], ARGV[2])
    end
end
if #told > 0 then tell(KEYS[1], ARGV[1], ARGV[2], ARGV[3] .. table.concat(told)) end
local notes = #KEYS - tonumber(ARGV[6])
local free = last < notes and take()
for i = last + 1, notes do
    local which, token, place = tonumber(take()), take(), take()
    if stored[which] == 1 then give_back(KEYS[i], token, free, place) end
end
for i = notes + 1, #KEYS do
    local which, text = tonumber(take()), take()
    if stored[which] == 1 then note(KEYS[i], text, ARGV[2]) end
end
return stored
""",
)

#: KEYS: index, records. ARGV: addresses. How many there were.
DISCARD: Final = Script(
    "discard",
    """
for i = 1, #ARGV do redis.call('ZREM', KEYS[1], ARGV[i]) end
local found = 0
for i = 2, #KEYS do found = found + redis.call('UNLINK', KEYS[i]) end
return found
""",
)

#: KEYS: leases, each with the record it is for. ARGV: life in ms, how many bytes of a record to
#: compare; then for each the token, and these bytes as they were ("" if there was nothing) or "*".
#: Nothing is taken where the record is another one now. Returns for each -1 (taken), -2 (the
#: record is another one), or for how many ms somebody else has it.
TAKE: Final = Script(
    "take",
    """
local answers = {}
for i = 1, #KEYS, 2 do
    local lease, token, seen = KEYS[i], ARGV[i + 2], ARGV[i + 3]
    local head = seen
    if seen ~= '*' then
        head = redis.pcall('GETRANGE', KEYS[i + 1], 0, tonumber(ARGV[2]) - 1)
        if type(head) ~= 'string' then head = '' end
    end
    local answer = -2
    if head == seen then
        answer = redis.call('PTTL', lease)
        -- One that has no end is none of ours.
        if answer < 0 then
            redis.call('SET', lease, token, 'PX', ARGV[1])
            answer = -1
        end
    end
    answers[(i + 1) / 2] = answer
end
return answers
""",
)

#: KEYS: leases. ARGV: life in ms, tokens. Returns for each 1, or 0 if it was lost.
RENEW: Final = Script(
    "renew",
    """
local answers = {}
for i = 1, #KEYS do
    answers[i] = 0
    if redis.pcall('GET', KEYS[i]) == ARGV[i + 1] then
        answers[i] = redis.call('PEXPIRE', KEYS[i], ARGV[1])
    end
end
return answers
""",
)

#: KEYS: leases. ARGV: channel; then for each its token and its place.
GIVE_BACK: Final = Script(
    "give back",
    _GIVE_BACK
    + """
for i = 1, #KEYS do give_back(KEYS[i], ARGV[2 * i], ARGV[1], ARGV[2 * i + 1]) end
return #KEYS
""",
)
