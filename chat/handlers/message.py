"""``message``: the hot path, from a command to a broadcast and a queued write."""

import math
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from typing import Any

from msgspec.structs import replace

from chat.handlers.resolve import Ask, Handler, MessageAt, Need, in_room
from chat.rooms.access import joined_room, standing_of
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
from storage.ports.messages import InsertMessage, Posted
from utils.clock import rfc3339

# Users whom a room remembers in slow mode. Beyond that, those who posted first may post again early.
SPEAKERS = 10_000


def post_message(parts: Parts, session: Session, command: PostMessage) -> Awaitable[None] | None:
    """Broadcast a message at once and queue it for storage; one that was sent before is acknowledged, not repeated.

    The hot path resolves by itself. Only a reply and a resend may have to ask storage.
    """
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
            return _RESEND(parts, session, replace(command, content=content))
    if command.reply_to is not None:
        return _REPLY(parts, session, replace(command, content=content))
    _say(parts, session, room, content, command.id, None)
    return None


def _reply(parts: Parts, session: Session, room: Room, answered: Message, command: PostMessage) -> None:
    _say(parts, session, room, command.content, command.id, quote(answered))


_REPLY = Handler(_reply, in_room(Action.POST), MessageAt("reply_to"))


class _PostedBefore(Need["Message | Posted | None"]):
    """The message that the same user sent with the command's id before, if any."""

    def find(
        self, parts: Parts, session: Session, room: Room, command: Any, stored: Message | Posted | Ask | None
    ) -> Message | Posted | Ask | None:
        return room.tail.posted(session.user.id, command.id) or stored

    async def fetch(
        self, parts: Parts, session: Session, room: Room, command: Any, held: AsyncExitStack
    ) -> Posted | None:
        require_storage(parts)
        return await ask(parts, parts.storage.messages.find_posted(room.record.room_id, session.user.id, command.id))


def _resend(
    parts: Parts, session: Session, room: Room, before: Message | Posted | None, command: PostMessage
) -> Awaitable[None] | None:
    assert command.id is not None
    if before is None:
        return post_message(parts, session, replace(command, resend=False))
    if isinstance(before, Message):
        _answer_again(session, room, before, command.content, command.id)
    elif before.body_hash == body_hash(command):
        session.ack(AckItem(command.id, room.name, before.seq), room.audience)
    else:
        raise ParleyError("conflict")
    return None


_RESEND = Handler(_resend, in_room(Action.POST), _PostedBefore())


def _say(parts: Parts, session: Session, room: Room, content: str, id: str | None, reply_to: Quote | None) -> None:
    if room.record.slow_mode:
        _enforce_slow_mode(parts, session, room)
    size = admit(parts, room, content)
    if not room.stored:
        ensure_stored(parts, room)
    user = session.user
    now = parts.clock.now_us()
    seq = room.next_seq(now)
    message = Message(
        room=room.name,
        seq=seq,
        version=seq,
        sender=user.name,
        sender_id=user.id,
        content=content,
        timestamp=rfc3339(now),
        id=id,
    )
    if reply_to is not None or "@" in content:
        message = replace(message, reply_to=reply_to, mentions=find_mentions(content))
    parts.counters.messages_in += 1
    room.tail.append(message, room.backlog.unconfirmed)
    job = MessageJob(parts.hub, room, InsertMessage(room.record.room_id, message), size, session, id)
    if id is not None:
        room.pending_posts[seq] = job
    # Before the broadcast: the memory backend has stored it when its frames are written, and its ack goes with them.
    room.worker.submit(job)
    room.publish(message)


def _answer_again(session: Session, room: Room, before: Message, content: str, id: str) -> None:
    """Acknowledge a message that the tail still has, or have its author wait for the ack of the pending write."""
    if before.content != content:
        raise ParleyError("conflict")
    job = room.pending_posts.get(before.seq)
    if job is None:
        session.ack(AckItem(id, room.name, before.seq), room.audience)
    elif session not in job.authors:
        job.authors.append(session)


def _enforce_slow_mode(parts: Parts, session: Session, room: Room) -> None:
    """Allow one message per user in ``slow_mode`` seconds, except to moderators.

    Raises:
        ParleyError: ``slow_mode``.
    """
    if may(standing_of(parts, room, session.actor.identity), Action.DESCRIBE):
        return
    now, pause = parts.clock.monotonic(), room.record.slow_mode
    last = room.last_spoke.get(session.user.id)
    if last is not None and (left := last + pause - now) > 0:
        raise ParleyError("slow_mode", retry_after=math.ceil(left * 1000) / 1000)
    spoke = room.last_spoke
    spoke[session.user.id] = now
    spoke.move_to_end(session.user.id)
    while len(spoke) > SPEAKERS or next(iter(spoke.values())) + pause <= now:
        spoke.popitem(last=False)
