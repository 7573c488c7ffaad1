"""User blocks, and reports of messages: what they mean in rooms, and who may do what with them.

A user who is blocked by another one cannot write to that one directly or invite them.
"""

import asyncio
from collections.abc import Sequence
from itertools import product

from chat.handlers.manage import direct_name
from chat.ports import Actor, Identity
from chat.queries.history import find_message
from chat.rooms.access import RoomAccess, access_room
from chat.rooms.members import refresh_unrestricted
from chat.rooms.pacing import take_audited, take_report
from chat.rooms.parts import Parts
from chat.rooms.storing import ask
from model.audit import entry
from model.errors import ParleyError
from model.limits import NOTE_CHARS, REASON_CHARS, USER_BLOCKS
from model.permissions import Action
from model.principals import ACCOUNT, KINDS
from model.room import User
from model.safety import Report, ReportState
from model.text import check_text
from utils.ids import new_token


async def block_user(parts: Parts, actor: Actor, blocked_id: str, address: str) -> None:
    """Block a user for the actor, from now on in their direct room, too.

    Raises:
        ParleyError: ``bad_field`` for oneself; ``no_such_user`` for what is no id of a user; ``conflict`` for more than
            `USER_BLOCKS`; ``rate_limited``, ``unavailable``.
    """
    caller = actor.user
    if not (blocked_id.startswith(KINDS) and blocked_id.isprintable()):
        raise ParleyError("no_such_user", field="user")
    if blocked_id == caller.id:
        raise ParleyError("bad_field", "user must not be yourself", field="user")
    take_audited(parts, actor)
    now = parts.clock.now_us()
    log = entry(parts.clock, "user_block", caller, target=_named(parts, blocked_id), address=address, detail="on")
    if not await ask(parts, parts.storage.safety.block_user(caller.id, blocked_id, now, USER_BLOCKS, log)):
        raise ParleyError("conflict", f"you have blocked {USER_BLOCKS} users; unblock one first", field="user")
    await _tell_room(parts, caller.id, blocked_id, blocked=True)


async def unblock_user(parts: Parts, actor: Actor, blocked_id: str, address: str) -> None:
    """End a block.

    Raises:
        ParleyError: ``no_such_user`` if the actor does not block this user; ``rate_limited``, ``unavailable``.
    """
    caller = actor.user
    if not blocked_id.isprintable():
        raise ParleyError("no_such_user", "you do not block this user", field="user")
    take_audited(parts, actor)
    log = entry(parts.clock, "user_block", caller, target=_named(parts, blocked_id), address=address, detail="off")
    if not await ask(parts, parts.storage.safety.unblock_user(caller.id, blocked_id, log)):
        raise ParleyError("no_such_user", "you do not block this user", field="user")
    await _tell_room(parts, caller.id, blocked_id, blocked=False)


def _named(parts: Parts, user_id: str) -> User:
    return parts.directory.people.get(user_id) or User(user_id, "")


async def _tell_room(parts: Parts, user_id: str, blocked_id: str, *, blocked: bool) -> None:
    """Have the direct rooms of two users know, if they are loaded; a copy of a freed one is outdated.

    A direct room of a guest that became an account keeps its name.
    """
    for one, other in product(await _ids_of(parts, user_id), await _ids_of(parts, blocked_id)):
        name = direct_name(one, other)
        while (loading := parts.loading.get(name)) is not None:
            await asyncio.shield(loading)  # it may have read the blocks before
        parts.hub.take_freed(name)
        room = parts.hub.rooms.get(name)
        if room is not None:
            room.blocked = room.blocked | {blocked_id} if blocked else room.blocked - {blocked_id}
            refresh_unrestricted(parts, room)


async def _ids_of(parts: Parts, user_id: str) -> Sequence[str]:
    """Return the ids that a user has or had."""
    if not user_id.startswith(ACCOUNT):
        return (user_id,)
    return (user_id, *await ask(parts, parts.storage.accounts.aliases(user_id)))


async def report(parts: Parts, actor: Actor, room: str, seq: int, reason: str, address: str) -> Report:
    """Report a message that the caller can read; it is kept as it is now.

    Raises:
        ParleyError: ``no_such_room``, ``no_such_message``; ``conflict`` for a second report; ``rate_limited``,
            ``unavailable``.
    """
    caller, reason = actor.identity, check_text(reason, "reason", REASON_CHARS)
    message = await find_message(parts, room, seq, caller)
    room_id = (await _moderated(parts, room, caller, Action.SEE)).record.room_id
    take_report(parts, actor)
    now = parts.clock.now_us()
    made = Report(
        new_token("p_", 12),
        room_id,
        room,
        seq,
        caller.user,
        reason,
        User(message.sender_id, message.sender),
        message.content,
        message.timestamp,
        now,
    )
    log = entry(
        parts.clock, "report", caller.user, target=made.sender, address=address, room=room, detail=made.report_id
    )
    if not await ask(parts, parts.storage.safety.insert_report(made, log)):
        raise ParleyError("conflict", "you have reported this message already", field="seq")
    return made


async def _moderated(parts: Parts, room: str, caller: Identity, action: Action) -> RoomAccess:
    access = await access_room(parts, room, caller, action)
    if access is None:
        raise ParleyError("no_such_room", field="room")
    return access


async def reports(
    parts: Parts, caller: Identity, room: str | None, *, state: ReportState, before: int, limit: int
) -> list[Report]:
    """List the reports of a room for its moderators, or of all rooms for an admin, the newest first.

    Raises:
        ParleyError: ``forbidden``, ``no_such_room``, ``unavailable``.
    """
    room_id = None
    if room is not None:
        room_id = (await _moderated(parts, room, caller, Action.DELETE_ANY)).record.room_id
    elif caller.role != "admin":
        raise ParleyError("forbidden", "only admins can do this")
    return await ask(parts, parts.storage.safety.reports(room_id=room_id, state=state, before=before, limit=limit))


async def handle_report(
    parts: Parts, caller: Identity, report_id: str, state: ReportState, note: str, address: str
) -> Report:
    """Set the state of a report, as a moderator of its room or as an admin, and return it.

    Raises:
        ParleyError: ``no_such_report``, also for one that the caller may not see; ``unavailable``.
    """
    note = check_text(note, "note", NOTE_CHARS)
    found = await ask(parts, parts.storage.safety.find_report(report_id))
    if found is None or not await _may_handle(parts, caller, found):
        raise ParleyError("no_such_report")
    log = entry(
        parts.clock,
        "report_handled",
        caller.user,
        target=found.sender,
        address=address,
        room=found.room,
        detail=f"{report_id} {state}",
    )
    now = parts.clock.now_us()
    handle = parts.storage.safety.handle_report
    if not await ask(parts, handle(report_id, state, caller.user, note, now, log)):
        raise ParleyError("no_such_report")
    after = await ask(parts, parts.storage.safety.find_report(report_id))
    return after or found


async def _may_handle(parts: Parts, caller: Identity, found: Report) -> bool:
    if caller.role == "admin":
        return True
    try:
        access = await _moderated(parts, found.room, caller, Action.DELETE_ANY)
    except ParleyError as error:
        if error.code == "unavailable":
            raise
        return False
    return access.record.room_id == found.room_id  # not a newer room with the same name
