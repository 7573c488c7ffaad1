"""``message``, ``edit``, ``delete``, ``react`` and ``pin``: from a command to a broadcast and a queued write.

``message`` is the hot path. A change of a message gets its version from the room, is queued, then broadcast.
"""

import math
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from typing import Any

from msgspec.structs import replace

from chat.handlers.resolve import Ask, Handler, MessageAt, Need, in_room
from chat.rooms.access import joined_room, standing_of
from chat.rooms.auditing import audited
from chat.rooms.jobs import ChangeJob, MessageJob
from chat.rooms.pacing import take_audited
from chat.rooms.parts import Parts
from chat.rooms.room import Room, Session
from chat.rooms.storing import ask, check_space, ensure_stored, require_storage
from model.commands import DeleteMessage, EditMessage, Pin, PostMessage, React
from model.errors import ParleyError
from model.events import AckItem, Deleted, Edited, Pinned, Reaction
from model.limits import REACTIONS, REACTORS
from model.message import Message, Quote, body_hash, quote, tombstone
from model.permissions import Action, may
from model.principals import kind_of
from model.room import User
from model.text import check_content, check_emoji, find_mentions
from storage.ports.messages import ChangeMessage, InsertMessage, PinState, Posted
from utils.clock import microseconds, rfc3339
from utils.wording import seconds_left

# Users whom a room remembers in slow mode. Beyond that, those who posted first may post again early.
SPEAKERS = 10_000


def post_message(parts: Parts, session: Session, command: PostMessage) -> Awaitable[None] | None:
    """Broadcast a message at once and queue it for storage; a message that was sent before is only acknowledged.

    The hot path resolves by itself. Only a reply and a resend may have to read from storage.
    """
    room, identity = session.rooms.get(command.room), session.identity
    if room is None or not room.unrestricted or identity is None or identity.scope is not None:
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
    """Need the message that the same user sent earlier with the command's id, if any."""

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
    size = check_space(parts, room, content)
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
    # Before the broadcast: memory storage stores it before its frames are written, so its ack is sent with them.
    room.worker.submit(job)
    room.publish(message)


def _answer_again(session: Session, room: Room, before: Message, content: str, id: str) -> None:
    """Acknowledge a message that the tail still has, at once or when its pending write is stored."""
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
        # In words too: only native clients receive `retry_after`.
        text = f"this room is in slow mode; wait {seconds_left(left)}"
        raise ParleyError("slow_mode", text, retry_after=math.ceil(left * 1000) / 1000)
    spoke = room.last_spoke
    spoke[session.user.id] = now
    spoke.move_to_end(session.user.id)
    while len(spoke) > SPEAKERS or next(iter(spoke.values())) + pause <= now:
        spoke.popitem(last=False)


def check_edit(parts: Parts, command: EditMessage) -> EditMessage:
    """Normalize the new content."""
    return replace(command, content=check_content(command.content, parts.limits.max_content_chars))


def edit_message(parts: Parts, session: Session, room: Room, state: Message, command: EditMessage) -> None:
    """Replace the content of the author's own message, within ``EDIT_WINDOW`` of the server's clock; bots any time."""
    if not session.actor.identity.owns(state.sender_id):
        raise ParleyError("not_author", field="seq")
    now = parts.clock.now_us()
    window = parts.limits.edit_window
    if window and session.actor.identity.role != "bot" and now - microseconds(state.timestamp) > window * 1_000_000:
        raise ParleyError("too_late", f"a message can be edited for {window:g} seconds")
    content = command.content
    size = check_space(parts, room, content)
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
    mark = kind_of(state.author_id)
    event = Edited(room.name, state.seq, version, state.sender, content, edited_at, mentions, mark)
    _carry_out(parts, ChangeJob(parts.hub, room, write, size, session, command.id), after, event)


def delete_message(parts: Parts, session: Session, room: Room, state: Message, command: DeleteMessage) -> None:
    """Delete a message: authors their own, moderators any, regardless of its age.

    A message that is already deleted is deleted again: its author repeats the command if the answer was lost, and the
    first write may still be pending.
    """
    own = session.actor.identity.owns(state.sender_id)
    if not own and not may(standing_of(parts, room, session.actor.identity), Action.DELETE_ANY):
        raise ParleyError("no_such_message" if state.deleted_at is not None else "not_author", field="seq")
    size = check_space(parts, room, "")
    if not own:
        take_audited(parts, session.actor)
    now = parts.clock.now_us()
    version, deleted_at = room.next_seq(now), state.deleted_at or rfc3339(now)
    audit = None
    if not own:
        author = User(state.sender_id, state.sender)
        audit = audited(parts, session, "delete_message", room, target=author, detail=f"message {state.seq}")
    write = ChangeMessage(room.record.room_id, state.seq, version, deleted_at=deleted_at, audit=audit)
    after = tombstone(state, version, deleted_at)
    event = Deleted(room.name, state.seq, version, state.sender, deleted_at)
    _carry_out(parts, ChangeJob(parts.hub, room, write, size, session, command.id), after, event)


def check_reaction(parts: Parts, command: React) -> React:
    """Normalize the emoji."""
    return replace(command, emoji=check_emoji(command.emoji))


def react(parts: Parts, session: Session, room: Room, state: Message, command: React) -> None:
    """Add an emoji to a message, or remove it."""
    user, emoji = session.user, command.emoji
    before = state.reactions or {}
    people = list(before.get(emoji, ()))
    if command.on and user.id not in people:
        if (emoji not in before and len(before) >= REACTIONS) or len(people) >= REACTORS:
            raise ParleyError("too_many_reactions", field="emoji")
        people.append(user.id)
    elif not command.on and user.id in people:
        people.remove(user.id)
    reactions = {**before, emoji: people}
    if not people:
        del reactions[emoji]
    size = check_space(parts, room, "") + 32 * len(people)
    version = room.next_seq(parts.clock.now_us())
    write = ChangeMessage(room.record.room_id, state.seq, version, reactions=reactions)
    after = replace(state, version=version, reactions=reactions or None)
    event = Reaction(room.name, state.seq, version, user, emoji, command.on, len(people))
    _carry_out(parts, ChangeJob(parts.hub, room, write, size, session, command.id), after, event)


def pin(parts: Parts, session: Session, room: Room, state: Message, command: Pin) -> None:
    """Pin a message to its room, or unpin it."""
    size = check_space(parts, room, "")
    now = parts.clock.now_us()
    version, user = room.next_seq(now), session.user
    pinned = PinState(rfc3339(now), user.id) if command.on else PinState()
    write = ChangeMessage(room.record.room_id, state.seq, version, pin=pinned)
    after = replace(state, version=version, pinned_at=pinned.at, pinned_by=pinned.by)
    event = Pinned(room.name, state.seq, version, command.on, user, pinned.at)
    _carry_out(parts, ChangeJob(parts.hub, room, write, size, session, command.id), after, event)


def _carry_out(parts: Parts, job: ChangeJob, after: Message, event: Edited | Deleted | Reaction | Pinned) -> None:
    room = job.owner
    parts.counters.changes_in += 1
    room.tail.change(after, room.backlog.unconfirmed)
    room.worker.submit(job)  # before the broadcast, as in `_say`
    room.publish(event)
