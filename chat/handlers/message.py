"""``message``: the hot path, from a command to a broadcast and a queued write."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING

from chat.context import Context
from chat.handlers.access import joined_room
from chat.workers import Job
from model.commands import PostMessage
from model.errors import ParleyError
from model.events import AckItem
from model.message import Message, body_hash
from model.text import check_content
from storage.repository import InsertMessage, InsertRoom
from utils.clock import rfc3339

if TYPE_CHECKING:
    from chat.room import Room
    from chat.session import Session


def post_message(chat: Context, session: Session, command: PostMessage) -> Awaitable[None] | None:
    """Broadcast a message at once and queue it for storage; one that was sent before is answered, not repeated."""
    room = session.rooms.get(command.room) or joined_room(session, command.room)
    content = check_content(command.content, chat.limits.max_content_chars)
    if command.id is not None:
        before = room.tail.posted(session.user.id, command.id)
        if before is not None:
            _answer_again(session, room, before, content, command.id)
            return None
        if command.resend:
            return _resend(chat, session, room, content, command.id)
    _post(chat, session, room, content, command.id)
    return None


def _post(chat: Context, session: Session, room: Room, content: str, id: str | None) -> None:
    size = chat.admit(room, content)
    worker = room.worker
    if not room.stored:
        room.stored = True
        worker.submit(Job(room, InsertRoom(room.record), 0, None))
    user = session.user
    now = chat.clock.now_us()
    seq = room.next_seq(now)
    message = Message(room.name, seq, seq, user.name, user.id, content, rfc3339(now), id)
    chat.counters.messages_in += 1
    room.tail.append(message, room.unsettled)
    job = Job(room, InsertMessage(room.record.room_id, message), size, session)
    if id is not None:
        room.pending[seq] = job
    # Before the broadcast: memory has stored it by the time its frames go out, and its ack goes with them.
    worker.submit(job)
    room.broadcast(message)


def _answer_again(session: Session, room: Room, before: Message, content: str, id: str) -> None:
    """The same principal used this id here before, and the tail still has the message."""
    if before.content != content:
        raise ParleyError("conflict")
    job = room.pending.get(before.seq)
    if job is None:
        session.ack(AckItem(id, room.name, before.seq), room.audience)
    elif session not in job.authors:
        job.authors.append(session)


async def _resend(chat: Context, session: Session, room: Room, content: str, id: str) -> None:
    """Ask storage whether it has the message before anything is broadcast."""
    user_id = session.user.id
    chat.require_storage()
    posted = await chat.ask(chat.repository.find_posted(room.record.room_id, user_id, id))
    if session.rooms.get(room.name) is not room or session.ended:
        return  # it is gone, and will ask again when it is back
    before = room.tail.posted(user_id, id)
    if before is not None:
        _answer_again(session, room, before, content, id)
    elif posted is None:
        _post(chat, session, room, content, id)
    elif posted.body_hash == body_hash(content):
        session.ack(AckItem(id, room.name, posted.seq), room.audience)
    else:
        raise ParleyError("conflict")
