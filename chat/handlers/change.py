"""``edit`` and ``delete``: decided and numbered in the room, broadcast at once, written behind in the same order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

from msgspec.structs import replace

from chat.context import Context
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
    chat.require_storage()
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
    size = chat.admit(room, content)
    version, edited_at = room.next_seq(now), rfc3339(now)
    write = ChangeMessage(
        room.record.room_id, state.seq, version, content, body_hash(state.content), edited_at=edited_at
    )
    after = replace(state, version=version, content=content, edited_at=edited_at)
    told = Edited(room.name, state.seq, version, state.sender, content, edited_at)
    _carry_out(chat, ChangeJob(room, write, size, session, id), after, told)


def _delete(chat: Context, session: Session, id: str | None, room: Room, state: Message) -> None:
    size = chat.admit(room, "")
    now = chat.clock.now_us()
    # Perhaps once more: its author asks again when the answer was lost, and the first answer may be on its way.
    version, deleted_at = room.next_seq(now), state.deleted_at or rfc3339(now)
    write = ChangeMessage(room.record.room_id, state.seq, version, deleted_at=deleted_at)
    after = replace(state, version=version, content="", deleted_at=deleted_at)
    told = Deleted(room.name, state.seq, version, state.sender, deleted_at)
    _carry_out(chat, ChangeJob(room, write, size, session, id), after, told)


def _carry_out(chat: Context, job: ChangeJob, after: Message, told: Edited | Deleted) -> None:
    room = job.room
    chat.counters.changes_in += 1
    room.tail.change(after, room.unsettled)
    room.worker.submit(job)  # before the broadcast, as a message is
    room.broadcast(told)
