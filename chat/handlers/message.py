"""``message``: the hot path, from a command to a broadcast and a queued write."""

from __future__ import annotations

import math
from collections.abc import Awaitable
from functools import partial

from msgspec.structs import replace

from chat.handlers.change import with_message
from chat.rooms.access import joined_room, require, standing_of
from chat.rooms.jobs import MessageJob
from chat.rooms.parts import Parts
from chat.rooms.room import Room, Session
from chat.rooms.storing import admit, ask, ensure_stored, require_storage
from model.commands import PostMessage
from model.errors import ParleyError
from model.events import AckItem
from model.message import Message, Quote, body_hash, quote
from model.permissions import Action, may
from model.text import check_content, find_mentions
from storage.ports.messages import InsertMessage
from utils.clock import rfc3339

# Speakers in slow mode that a room remembers: of more, those who spoke first may speak again early.
SPEAKERS = 10_000


def post_message(parts: Parts, session: Session, command: PostMessage) -> Awaitable[None] | None:
    """Broadcast a message at once and queue it for storage; one that was sent before is answered, not repeated."""
    room = session.rooms.get(command.room)
    if room is None or not room.unrestricted:
        room = joined_room(parts, session, command.room, Action.POST)
    content = check_content(command.content, parts.limits.max_content_chars)
    if command.id is not None:
        before = room.tail.posted(session.user.id, command.id)
        if before is not None:
            _answer_again(session, room, before, content, command.id)
            return None
        if command.resend:
            return _resend(parts, session, room, content, command)
    return _post(parts, session, room, content, command)


def _post(parts: Parts, session: Session, room: Room, content: str, command: PostMessage) -> Awaitable[None] | None:
    if command.reply_to is None:
        _say(parts, session, room, content, command.id, None)
        return None
    return with_message(
        parts,
        session,
        room.name,
        command.reply_to,
        Action.POST,
        partial(_reply, parts, session, content, command.id),
        field="reply_to",
    )


def _reply(parts: Parts, session: Session, content: str, id: str | None, room: Room, answered: Message) -> None:
    if answered.deleted_at is not None:
        raise ParleyError("no_such_message", field="reply_to")
    _say(parts, session, room, content, id, quote(answered))


def _say(parts: Parts, session: Session, room: Room, content: str, id: str | None, reply_to: Quote | None) -> None:
    if room.record.slow_mode:
        _keep_pace(parts, session, room)
    size = admit(parts, room, content)
    worker = room.worker
    if not room.stored:
        ensure_stored(parts, room)
    user = session.user
    now = parts.clock.now_us()
    seq = room.next_seq(now)
    message = Message(room.name, seq, seq, user.name, user.id, content, rfc3339(now), id)
    if reply_to is not None or "@" in content:
        message = replace(message, reply_to=reply_to, mentions=find_mentions(content))
    parts.counters.messages_in += 1
    room.tail.append(message, room.backlog.unconfirmed)
    job = MessageJob(parts.hub, room, InsertMessage(room.record.room_id, message), size, session, id)
    if id is not None:
        room.pending_posts[seq] = job
    # Before the broadcast: memory has stored it by the time its frames go out, and its ack goes with them.
    worker.submit(job)
    room.broadcast(message)


def _answer_again(session: Session, room: Room, before: Message, content: str, id: str) -> None:
    """The same principal used this id here before, and the tail still has the message."""
    if before.content != content:
        raise ParleyError("conflict")
    job = room.pending_posts.get(before.seq)
    if job is None:
        session.ack(AckItem(id, room.name, before.seq), room.audience)
    elif session not in job.authors:
        job.authors.append(session)


def _keep_pace(parts: Parts, session: Session, room: Room) -> None:
    """Slow mode: one message in so many seconds, but for moderators.

    Raises:
        ParleyError: ``slow_mode``.
    """
    assert session.identity is not None
    if may(standing_of(parts, room, session.identity), Action.DESCRIBE):
        return
    now, pause = parts.clock.monotonic(), room.record.slow_mode
    last = room.spoke.get(session.user.id)
    if last is not None and (left := last + pause - now) > 0:
        raise ParleyError("slow_mode", retry_after=math.ceil(left * 1000) / 1000)
    spoke = room.spoke
    spoke[session.user.id] = now
    spoke.move_to_end(session.user.id)
    while len(spoke) > SPEAKERS or next(iter(spoke.values())) + pause <= now:
        spoke.popitem(last=False)


async def _resend(parts: Parts, session: Session, room: Room, content: str, command: PostMessage) -> None:
    """Ask storage whether it has the message before anything is broadcast."""
    user_id = session.user.id
    assert command.id is not None
    require_storage(parts)
    posted = await ask(parts, parts.storage.messages.find_posted(room.record.room_id, user_id, command.id))
    if session.ended:
        return  # it is gone, and will ask again when it is back
    if session.rooms.get(room.name) is not room:
        raise ParleyError("not_joined", field="room")
    before = room.tail.posted(user_id, command.id)
    if before is not None:
        _answer_again(session, room, before, content, command.id)
    elif posted is None:
        require(parts, room, session, Action.POST)  # as it is now
        waits = _post(parts, session, room, content, command)
        if waits is not None:
            await waits
    elif posted.body_hash == body_hash(replace(command, content=content)):
        session.ack(AckItem(command.id, room.name, posted.seq), room.audience)
    else:
        raise ParleyError("conflict")
