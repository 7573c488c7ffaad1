"""``edit``, ``delete``, ``react`` and ``pin``: a change gets its version in the room, is broadcast, then stored."""

from msgspec.structs import replace

from chat.rooms.access import standing_of
from chat.rooms.jobs import ChangeJob
from chat.rooms.parts import Parts
from chat.rooms.room import Room, Session
from chat.rooms.storing import admit
from model.commands import DeleteMessage, EditMessage, Pin, React
from model.errors import ParleyError
from model.events import Deleted, Edited, Pinned, Reaction
from model.limits import REACTIONS, REACTORS
from model.message import Message, body_hash, tombstone
from model.permissions import Action, may
from model.text import check_content, check_emoji, find_mentions
from storage.ports.messages import ChangeMessage, PinState
from utils.clock import microseconds, rfc3339


def check_edit(parts: Parts, command: EditMessage) -> EditMessage:
    """Normalize the new content."""
    return replace(command, content=check_content(command.content, parts.limits.max_content_chars))


def edit_message(parts: Parts, session: Session, room: Room, state: Message, command: EditMessage) -> None:
    """Replace the content of the author's own message, within ``EDIT_WINDOW`` of the server's clock; bots any time."""
    if state.sender_id != session.user.id:
        raise ParleyError("not_author", field="seq")
    now = parts.clock.now_us()
    window = parts.limits.edit_window
    if window and session.actor.identity.role != "bot" and now - microseconds(state.timestamp) > window * 1_000_000:
        raise ParleyError("too_late", f"a message can be edited for {window:g} seconds")
    content = command.content
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
    event = Edited(room.name, state.seq, version, state.sender, content, edited_at, mentions)
    _carry_out(parts, ChangeJob(parts.hub, room, write, size, session, command.id), after, event)


def delete_message(parts: Parts, session: Session, room: Room, state: Message, command: DeleteMessage) -> None:
    """Delete a message: the author their own, a moderator any, however old it is.

    A message that is already deleted is deleted again: its author repeats the command when the answer was lost, and the
    first write may still be pending.
    """
    own = state.sender_id == session.user.id
    if not own and not may(standing_of(parts, room, session.actor.identity), Action.DELETE_ANY):
        raise ParleyError("no_such_message" if state.deleted_at is not None else "not_author", field="seq")
    size = admit(parts, room, "")
    now = parts.clock.now_us()
    version, deleted_at = room.next_seq(now), state.deleted_at or rfc3339(now)
    write = ChangeMessage(room.record.room_id, state.seq, version, deleted_at=deleted_at)
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
    event = Reaction(room.name, state.seq, version, user, emoji, command.on, len(people))
    _carry_out(parts, ChangeJob(parts.hub, room, write, size, session, command.id), after, event)


def pin(parts: Parts, session: Session, room: Room, state: Message, command: Pin) -> None:
    """Pin a message to its room, or unpin it."""
    size = admit(parts, room, "")
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
    room.worker.submit(job)  # before the broadcast, as in `message`
    room.publish(event)
