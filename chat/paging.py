"""How much of a page is read and told: bytes as sent, whatever the messages hold."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import msgspec

from model.message import Message

# Bytes of one page as sent. Over WebSocket it is at most half of what may wait for the client (SLOW_BYTES_HIGH).
PAGE_BYTES = 512 << 10
# Messages of the first read for a page: one may have 20 reactions of 1000 people. How many more fit is known then.
FIRST_READ = 25

T = TypeVar("T")

_encode = msgspec.json.Encoder().encode

Find = Callable[[int, int | None, int | None], Awaitable[list[Message]]]
"""Reads at most so many messages, oldest first: those right before a seq, right after another, or the newest."""


def size_of(record: object) -> int:
    """The bytes of a record as sent."""
    return len(_encode(record))


def fitting(records: Sequence[T], max_bytes: int = PAGE_BYTES) -> int:
    """How many of the first records are a page: as many as fit, at least one."""
    left = max_bytes
    for count, record in enumerate(records):
        left -= size_of(record)
        if left < 0 and count:
            return count
    return len(records)


def next_read(limit: int, count: int, size: int, max_bytes: int = PAGE_BYTES) -> int:
    """How many records to read when the ``count`` before them had ``size`` bytes: about ``max_bytes``, at most
    ``limit``, at least one.
    """
    if not count:
        return min(limit, FIRST_READ)
    return max(1, min(limit, max_bytes * count // max(size, 1)))


async def read_fitting(
    find: Find,
    limit: int,
    *,
    before: int | None = None,
    after: int | None = None,
    max_bytes: int = PAGE_BYTES,
    least: int = 1,
) -> tuple[list[Message], bool]:
    """A page of messages, oldest first, and whether there are more on the side from which its reader goes on.

    As many as ``limit`` and ``max_bytes`` allow, but ``least`` of them; those right after ``after``, or else those
    right before ``before``. What is read from storage is bounded by bytes as well.
    """
    forward = after is not None
    found: list[Message] = []
    size = 0
    while True:
        wanted = next_read(limit + 1 - len(found), len(found), size, max_bytes)
        part = await find(wanted, before, after)
        for message in part if forward else reversed(part):
            size += size_of(message)
            if len(found) >= limit or (size > max_bytes and len(found) >= least):
                return (found if forward else found[::-1]), True
            found.append(message)
        if len(part) < wanted:
            return (found if forward else found[::-1]), False
        if forward:
            after = part[-1].seq
        else:
            before = part[0].seq
