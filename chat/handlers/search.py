"""``search``: words in all rooms of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chat.delivery.paging import PAGE_BYTES, next_read, size_of
from chat.ports import Identity
from chat.queries.history import as_of_now
from chat.queries.listing import MINE_LIMIT, Inside
from chat.rooms.access import TRIES, default_role, standing_of
from chat.rooms.context import RETRY_AFTER
from model.commands import Search
from model.errors import ParleyError
from model.events import SearchPage
from model.message import Message
from model.permissions import Action, may, standing_in
from model.room import RoomRecord
from utils.words import cut_words, cut_words_v1

if TYPE_CHECKING:
    from chat.rooms.context import Context
    from chat.rooms.room import Session

Place = tuple[int, int]
# Hits of the first read for a page: looking for them costs more than reading a page of the default size.
FIRST_HITS = 50


async def search(chat: Context, session: Session, command: Search) -> None:
    """Send a page of what was found. The session's later commands wait until it was read off the connection."""
    assert session.identity is not None
    page = await find(chat, session.identity, command, session.rooms.values, max_bytes=chat.page_bytes)
    await session.send_page(page)


async def find(
    chat: Context, identity: Identity, asked: Search, inside: Inside, *, max_bytes: int = PAGE_BYTES
) -> SearchPage:
    """Messages that hold all the words, newest first, of the rooms that somebody is in or a member of.

    It is as new as everything that they were told before it: of a room that they were sent out of while storage looked
    nothing is found. ``inside`` tells the rooms that the session is in, as they are when it is called.

    Raises:
        ParleyError: ``bad_field`` for a ``q`` without a word or a cursor of somewhere else; ``unavailable``.
    """
    if not cut_words(asked.q):
        raise ParleyError("bad_field", "q contains no word to search for", field="q")
    before = _read_cursor(asked.cursor)
    for _ in range(TRIES):
        with chat.watches.of(identity.user.id) as watch:
            rooms = await _rooms_of(chat, identity, inside)
            here = [room for record in rooms if (room := chat.hub.rooms.get(record.name)) is not None]
            heads = [room.head for room in here]
            for room in here:
                if room.backlog.unconfirmed:
                    await chat.ask(room.backlog.written())
            found, more = await _read_fitting(chat, rooms, asked.q, before, asked.limit, max_bytes)
        told_all = all(room.tail.forgotten <= head for room, head in zip(here, heads, strict=True))
        lost = any(watch.has_lost(record.room_id) for record in rooms)
        if told_all and not lost:
            return _page(chat, asked, found, more=more)
    raise ParleyError("unavailable", retry_after=RETRY_AFTER)


async def _read_fitting(
    chat: Context, rooms: list[RoomRecord], q: str, before: Place | None, limit: int, max_bytes: int
) -> tuple[list[tuple[int, Message]], bool]:
    """As many hits as ``limit`` and ``max_bytes`` allow, at least one, and whether there are more."""
    words, old_words = cut_words(q), cut_words_v1(q)
    found: list[tuple[int, Message]] = []
    size = 0
    while True:
        wanted = next_read(limit + 1 - len(found), len(found), size, max_bytes) if found else min(limit, FIRST_HITS) + 1
        part = await chat.ask(
            chat.storage.messages.search(rooms, words=words, old_words=old_words, before=before, limit=wanted)
        )
        async with chat.pages.turn() as slices:
            full = False
            for room_id, message in part:
                size += size_of(message)
                full = bool(found) and (len(found) == limit or size > max_bytes)
                if full:
                    break
                found.append((room_id, message))
            chat.pages.spend(2 * slices.ran())  # they will be encoded once more, and sent
        if full or len(part) < wanted:
            return found, full
        before = (part[-1][1].seq, part[-1][0])


def _page(chat: Context, asked: Search, page: list[tuple[int, Message]], *, more: bool) -> SearchPage:
    cursor = f"{page[-1][1].seq}.{page[-1][0]}" if more else None
    messages = [message for _, message in page]
    states: dict[tuple[str, int], Message] = {}
    for name in {message.room for message in messages}:
        of_room = [message for message in messages if message.room == name]
        states |= {(name, state.seq): state for state in as_of_now(chat, name, of_room)}
    places = [(message.room, message.seq) for message in messages]
    shown = [states[place] for place in places if place in states]  # without what was deleted meanwhile
    return SearchPage(id=asked.id, messages=shown, has_older=more, cursor=cursor)


async def _rooms_of(chat: Context, identity: Identity, inside: Inside) -> list[RoomRecord]:
    await chat.rows_written()
    rows = await chat.ask(chat.storage.rooms.rooms_of(identity.user.id, limit=MINE_LIMIT))
    now_us = chat.clock.now_us()
    found: dict[int, RoomRecord] = {}
    async with chat.pages.turn() as slices:
        for record, stored in rows:
            room = chat.hub.rooms.get(record.name)
            member = stored if room is None else room.members.get(identity.user.id, stored)
            if not member.belongs:
                continue  # kept out or silenced, once
            standing = standing_in(
                record if room is None else room.record,
                member,
                account_role=identity.role,
                inside=default_role(chat, identity) if member.read_seq else None,
                now_us=now_us,
            )
            if may(standing, Action.SEE):
                found[record.room_id] = record
            if slices.over():
                await slices.pause()
    for room in inside():
        if may(standing_of(chat, room, identity), Action.SEE):
            found[room.record.room_id] = room.record
    return list(found.values())


def _read_cursor(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    seq, dot, room_id = text.partition(".")
    if not (dot and seq.isascii() and seq.isdigit() and room_id.isascii() and room_id.isdigit() and len(text) <= 40):
        raise ParleyError("bad_field", "cursor is not valid", field="cursor")
    return min(int(seq), 2**53), min(int(room_id), 2**63 - 1)
