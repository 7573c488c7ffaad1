"""``edit`` and ``delete``: decided and numbered in the room, broadcast at once, written behind in the same order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

from msgspec.structs import replace

from chat.context import RETRY_AFTER, Context
from chat.handlers.access import joined_room
from chat.workers import ChangeJob
from model.commands import DeleteMessage, EditMessage
from model.errors import ParleyError
from model.events import Deleted, Edited
from model.message import Message, body_hash
from model.text import check_content
from storage.repository import ChangeMessage
from utils.clock import microseconds, rfc3339

if TYPE_CHECKING:
    from chat.room import Room
    from chat.session import Session

Change = Callable[["Room", Message], None]


def edit_message(chat: Context, session: Session, command: EditMessage) -> Awaitable[None] | None:
    """Give a message of one's own other content, within ``EDIT_WINDOW`` of the server's clock."""
    content = check_content(command.content, chat.limits.max_content_chars)
    return _with_message(chat, session, command, partial(_edit, chat, session, content, command.id))


def delete_message(chat: Context, session: Session, command: DeleteMessage) -> Awaitable[None] | None:
    """Delete a message of one's own, however old it is. Deleting it once more is told and stored once more."""
    return _with_message(chat, session, command, partial(_delete, chat, session, command.id))


def _with_message(
    chat: Context, session: Session, command: EditMessage | DeleteMessage, change: Change
) -> Awaitable[None] | None:
    """Change a message in its newest state: at once when the room has it, or when storage has been asked for it."""
    room = joined_room(session, command.room)
    state = room.tail.state(command.seq)
    if state is not None:
        _change_own(session, room, state, change)
        return None
    if command.seq > room.head:
        raise ParleyError("no_such_message", field="seq")
    return _load(chat, session, room, command.seq, change)


async def _load(chat: Context, session: Session, room: Room, seq: int, change: Change) -> None:
    if chat.repository.trouble() is not None:  # asking would only wait, and the session's other commands with it
        raise ParleyError("unavailable", retry_after=RETRY_AFTER)
    stored = await chat.ask(chat.repository.find_message(room.record, seq))
    if session.rooms.get(room.name) is not room or session.ended:
        return  # it is gone; nothing was changed
    _change_own(session, room, room.tail.state(seq) or stored, change)


def _change_own(session: Session, room: Room, state: Message | None, change: Change) -> None:
    own = state is not None and state.sender_id == session.user.id
    if state is None or (state.deleted_at is not None and not own):
        raise ParleyError("no_such_message", field="seq")
    if not own:
        raise ParleyError("not_author", field="seq")
    change(room, state)


def _edit(chat: Context, session: Session, content: str, id: str | None, room: Room, state: Message) -> None:
    if state.deleted_at is not None:
        raise ParleyError("no_such_message", field="seq")
    now = chat.clock.now_us()
    window = chat.limits.edit_window
    if window and now - microseconds(state.timestamp) > window * 1_000_000:
        raise ParleyError("too_late", f"a message can be edited for {window:g} seconds")
    version = _take_version(chat, room, 4 * len(content), now)
    after = replace(state, version=version, content=content, edited_at=rfc3339(now))
    room.broadcast(Edited(room.name, state.seq, version, state.sender, content, rfc3339(now)))
    write = ChangeMessage(
        room.record.room_id, state.seq, version, content, body_hash(state.content), edited_at=after.edited_at
    )
    _store(chat, session, room, after, write, id)


def _delete(chat: Context, session: Session, id: str | None, room: Room, state: Message) -> None:
    now = chat.clock.now_us()
    version = _take_version(chat, room, 0, now)
    # Perhaps once more: its author asks again when the answer was lost, and the first answer may be on its way.
    deleted_at = state.deleted_at or rfc3339(now)
    after = replace(state, version=version, content="", deleted_at=deleted_at)
    room.broadcast(Deleted(room.name, state.seq, version, state.sender, deleted_at))
    _store(
        chat,
        session,
        room,
        after,
        ChangeMessage(room.record.room_id, state.seq, version, deleted_at=deleted_at),
        id,
    )


def _take_version(chat: Context, room: Room, size: int, now: int) -> int:
    """The change's place in the log, when it may have one: what is refused is never shown."""
    if chat.draining:
        raise ParleyError("shutting_down", retry_after=1.0)
    room.worker.admit(room, size)
    return room.next_seq(now)


def _store(chat: Context, session: Session, room: Room, after: Message, write: ChangeMessage, id: str | None) -> None:
    chat.counters.changes_in += 1
    room.tail.change(after, room.unsettled)
    room.worker.submit(ChangeJob(room, write, 4 * len(after.content), session, id))
