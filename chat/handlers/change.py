"""``edit``, ``delete``, ``react`` and ``pin``: decided and numbered in the room, broadcast at once, written behind."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from msgspec.structs import replace

from chat.rooms.access import joined_room, standing_of, still_joined
from chat.rooms.jobs import ChangeJob
from chat.rooms.parts import Parts
from chat.rooms.room import Room, Session
from chat.rooms.storing import admit, ask, require_storage
from model.commands import DeleteMessage, EditMessage, Pin, React
from model.errors import ParleyError
from model.events import Deleted, Edited, Pinned, Reaction
from model.limits import REACTIONS, REACTORS
from model.message import Message, body_hash, tombstone
from model.permissions import Action, may
from model.text import check_content, check_emoji, find_mentions
from storage.ports.messages import ChangeMessage, PinState
from utils.clock import microseconds, rfc3339

Change = Callable[["Room", Message], None]


def edit_message(parts: Parts, session: Session, command: EditMessage) -> Awaitable[None] | None:
    """Give a message of one's own other content, within ``EDIT_WINDOW`` of the server's clock; bots at any time."""
    content = check_content(command.content, parts.limits.max_content_chars)
    return with_message(
        parts, session, command.room, command.seq, Action.EDIT, partial(_edit, parts, session, content, command.id)
    )


def delete_message(parts: Parts, session: Session, command: DeleteMessage) -> Awaitable[None] | None:
    """Delete a message of one's own, or as a moderator, however old it is. Once more is told and stored once more."""
    return with_message(
        parts, session, command.room, command.seq, Action.DELETE_OWN, partial(_delete, parts, session, command.id)
    )


def react(parts: Parts, session: Session, command: React) -> Awaitable[None] | None:
    """Put an emoji to a message, or take it away."""
    emoji = check_emoji(command.emoji)
    change = partial(_react, parts, session, emoji, command)
    return with_message(parts, session, command.room, command.seq, Action.REACT, change)


def pin(parts: Parts, session: Session, command: Pin) -> Awaitable[None] | None:
    """Pin a message to its room, or take the pin away."""
    return with_message(parts, session, command.room, command.seq, Action.PIN, partial(_pin, parts, session, command))


def with_message(
    parts: Parts, session: Session, name: str, seq: int, action: Action, use: Change, field: str = "seq"
) -> Awaitable[None] | None:
    """Use a message in its newest state: at once when the room has it, or when storage has been asked for it.

    ``field`` is the command's that names it.
    """
    room = joined_room(parts, session, name, action)
    state = room.tail.state(seq)
    if state is not None:
        use(room, state)
        return None
    if seq > room.head:
        raise ParleyError("no_such_message", field=field)
    return _load(parts, session, room, seq, action, use, field)


async def _load(parts: Parts, session: Session, room: Room, seq: int, action: Action, use: Change, field: str) -> None:
    require_storage(parts)
    while True:
        head = room.head
        stored = await ask(parts, parts.storage.messages.find_message(room.record, seq))
        if session.ended:
            return
        still_joined(parts, session, room, action)
        if room.tail.forgotten <= head:
            break  # else it may have been changed since, and the room has let go of that already
    state = room.tail.state(seq) or stored
    if state is None:
        raise ParleyError("no_such_message", field=field)
    use(room, state)


def _own(session: Session, state: Message) -> bool:
    return state.sender_id == session.user.id


def _edit(parts: Parts, session: Session, content: str, id: str | None, room: Room, state: Message) -> None:
    if state.deleted_at is not None:
        raise ParleyError("no_such_message", field="seq")
    if not _own(session, state):
        raise ParleyError("not_author", field="seq")
    assert session.identity is not None
    now = parts.clock.now_us()
    window = parts.limits.edit_window
    if window and session.identity.role != "bot" and now - microseconds(state.timestamp) > window * 1_000_000:
        raise ParleyError("too_late", f"a message can be edited for {window:g} seconds")
    size = admit(parts, room, content)
    version, edited_at, mentions = room.next_seq(now), rfc3339(now), find_mentions(content)
    write = ChangeMessage(
        room.record.room_id,
        state.seq,
        version,
        content,
        body_hash(state),
        edited_at=edited_at,
        mentions=mentions,
    )
    after = replace(state, version=version, content=content, edited_at=edited_at, mentions=mentions)
    told = Edited(room.name, state.seq, version, state.sender, content, edited_at, mentions)
    _carry_out(parts, ChangeJob(parts.hub, room, write, size, session, id), after, told)


def _delete(parts: Parts, session: Session, id: str | None, room: Room, state: Message) -> None:
    assert session.identity is not None
    if not _own(session, state) and not may(standing_of(parts, room, session.identity), Action.DELETE_ANY):
        raise ParleyError("no_such_message" if state.deleted_at is not None else "not_author", field="seq")
    size = admit(parts, room, "")
    now = parts.clock.now_us()
    # Perhaps once more: its author asks again when the answer was lost, and the first answer may be on its way.
    version, deleted_at = room.next_seq(now), state.deleted_at or rfc3339(now)
    write = ChangeMessage(room.record.room_id, state.seq, version, deleted_at=deleted_at)
    after = tombstone(state, version, deleted_at)
    told = Deleted(room.name, state.seq, version, state.sender, deleted_at)
    _carry_out(parts, ChangeJob(parts.hub, room, write, size, session, id), after, told)


def _react(parts: Parts, session: Session, emoji: str, command: React, room: Room, state: Message) -> None:
    if state.deleted_at is not None:
        raise ParleyError("no_such_message", field="seq")
    user = session.user
    before = state.reactions or {}
    people = [other for other in before.get(emoji, ()) if other != user.id]
    if command.on:
        if (emoji not in before and len(before) >= REACTIONS) or len(people) >= REACTORS:
            raise ParleyError("too_many_reactions", field="emoji")
        people.append(user.id)
    reactions = {**before, emoji: people}
    if not people:
        del reactions[emoji]
    size = admit(parts, room, "") + 32 * len(people)
    version = room.next_seq(parts.clock.now_us())
    write = ChangeMessage(room.record.room_id, state.seq, version, reactions=reactions)
    after = replace(state, version=version, reactions=reactions or None)
    told = Reaction(room.name, state.seq, version, user, emoji, command.on, len(people))
    _carry_out(parts, ChangeJob(parts.hub, room, write, size, session, command.id), after, told)


def _pin(parts: Parts, session: Session, command: Pin, room: Room, state: Message) -> None:
    if state.deleted_at is not None:
        raise ParleyError("no_such_message", field="seq")
    size = admit(parts, room, "")
    now = parts.clock.now_us()
    version, user = room.next_seq(now), session.user
    pinned = PinState(rfc3339(now), user.id) if command.on else PinState()
    write = ChangeMessage(room.record.room_id, state.seq, version, pin=pinned)
    after = replace(state, version=version, pinned_at=pinned.at, pinned_by=pinned.by)
    told = Pinned(room.name, state.seq, version, command.on, user, pinned.at)
    _carry_out(parts, ChangeJob(parts.hub, room, write, size, session, command.id), after, told)


def _carry_out(parts: Parts, job: ChangeJob, after: Message, told: Edited | Deleted | Reaction | Pinned) -> None:
    room = job.owner
    parts.counters.changes_in += 1
    room.tail.change(after, room.backlog.unconfirmed)
    room.worker.submit(job)  # before the broadcast, as a message is
    room.broadcast(told)
