"""``hello``, ``announce`` and ``ping``: commands about sessions rather than a room."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from msgspec.structs import replace

from chat.ports import Adopt, Dialect, Identity
from chat.rooms import impostors, members
from chat.rooms.access import is_row_known, standing_of
from chat.rooms.pacing import give_guest_back, release_buckets
from chat.rooms.parts import Parts
from chat.rooms.room import Session
from chat.rooms.storing import reach_storage, require_tenure
from model.commands import Announce, Claim, Hello, Join, Ping
from model.errors import RETRY_AFTER, ParleyError
from model.events import Announcement, Left, Pong, Welcome
from model.permissions import RANK, Action, may
from model.principals import APPLICATION, CLAIMED, CLAIMED_ROLE
from model.room import User
from model.text import check_content
from utils.clock import rfc3339

log = logging.getLogger(__name__)

# Sessions that are written to in one event loop iteration, so that other messages are not delayed.
SESSIONS_PER_TURN = 500

Handlers = Mapping[type[Any], Callable[..., Awaitable[None] | None]]


def hello(handlers: Handlers, parts: Parts, session: Session, command: Hello) -> Awaitable[None] | None:
    """Adopt the principal of a token, once; later only renew the token. A guest keeps the name given in the address.

    The first one is answered at once, others in later event loop iterations, so that many do not delay other clients. A
    token that cannot be verified before storage was reached waits for that, as other commands do.
    """
    if not session.greeted:
        session.greeted = True
        try:
            identity = parts.tokens.verify(command.token)
        except ParleyError as error:
            if error.code != "unavailable":
                raise
        else:
            return handlers[Adopt](parts, session, Adopt(id=command.id, identity=identity))
    return _hello_later(handlers, parts, session, command)


async def _hello_later(handlers: Handlers, parts: Parts, session: Session, command: Hello) -> None:
    tenure = parts.hub.tenure
    await asyncio.sleep(0)
    try:
        identity = parts.tokens.verify(command.token)
    except ParleyError as error:
        if error.code != "unavailable":
            raise
        await reach_storage(parts)
        identity = parts.tokens.verify(command.token)
    require_tenure(parts, tenure)
    adopting = Adopt(id=command.id, identity=identity)
    if not session.ended and (waits := handlers[Adopt](parts, session, adopting)) is not None:
        await waits


def adopt(handlers: Handlers, parts: Parts, session: Session, command: Adopt) -> Awaitable[None] | None:
    """Act for the identity that was proved.

    A connection that was opened with a cookie lives as long as its login: no token changes that.
    """
    identity, before = command.identity, session.identity
    if session.remote is not None and (denied := parts.tokens.denial(identity)) is not None:
        raise denied.error  # the server that has verified the token may not have heard of it
    if before is not None and not session.provisional and before.user.id != identity.user.id:
        raise ParleyError("principal_fixed")
    if before is not None and before.by_cookie:
        session.reply(welcome(parts, session, command.id))
        return None
    if identity.guest:
        if not parts.options.guests:
            raise ParleyError("unauthorized", "guest access is disabled")
        name = impostors.check_name(parts, session.asked_name or identity.user.name)
        identity = Identity(User(identity.user.id, name), guest=True)
    if before is not None and identity == replace(before, expires=identity.expires):
        session.identity = identity
        session.connection.end_at(identity.expires)
    else:
        if before is None or before.user.id != identity.user.id:
            check_devices(parts, identity.user.id)
            if before is not None and session.remote is None:  # a generated guest, who counts where the client is
                give_guest_back(parts, session)
        identify(parts, session, identity)
    session.provisional = False
    session.reply(welcome(parts, session, command.id))
    if before is None and session.address_room:
        return handlers[Join](parts, session, Join(room=session.address_room))
    return None


def check_devices(parts: Parts, user_id: str) -> None:
    """Make sure that a principal may have one more connection.

    Raises:
        ParleyError: ``too_many_connections``.
    """
    if len(parts.directory.devices(user_id)) >= parts.options.principal_connections:
        raise ParleyError("too_many_connections", retry_after=RETRY_AFTER)


def identify(parts: Parts, session: Session, identity: Identity) -> None:
    """Give the session this identity, also in its rooms, except those that the new user must join first."""
    former = session.identity
    if former is not None:
        parts.directory.departed(session)
        if session.joins or session.rooms:  # most generated guests are replaced before they are in any room
            parts.guest_networks.note(session.actor, parts.clock.monotonic())
        release_buckets(parts, session)
    session.identity, session.user = identity, identity.user
    if identity.expires or (former is not None and former.expires):
        session.connection.end_at(identity.expires)
    parts.directory.arrived(session)
    if log.isEnabledFor(logging.DEBUG):
        log.debug("the session acts for %s", identity.role, extra=session.marks)
    for room in tuple(session.rooms.values()):
        before = room.presence.sessions[session]
        known = (
            before.id == identity.user.id or (room.record.kind == "ephemeral" and is_row_known(parts, room, identity))
        ) and may(standing_of(parts, room, identity), Action.SEE)
        if known and (before == identity.user or not impostors.is_impostor(parts, room, identity)):
            room.rebind(session, identity.user)
            if before.id != identity.user.id:
                members.on_last_leave(parts, room, before)
            else:
                members.refresh(parts, room, identity.user)
            if RANK[standing_of(parts, room, identity)] >= RANK["moderator"]:
                impostors.remove(parts, room, identity.user.name)
        else:
            members.leave(parts, room, session)
            session.reply(Left(room=room.name, reason="identity"))


def welcome(parts: Parts, session: Session, id: str | None = None) -> Welcome:
    """Make the `Welcome` that a session receives first, and after ``hello``."""
    identity = session.actor.identity
    return Welcome(
        id=id,
        session=session.id,
        user=identity.user,
        guest=identity.guest,
        token=parts.tokens.mint(identity),
        epoch=parts.hub.epoch,
        limits=parts.limits,
        heartbeat=parts.options.heartbeat,
        server=parts.options.server,
    )


def claim(handlers: Handlers, parts: Parts, session: Session, command: Claim) -> Awaitable[None] | None:
    """Identify the session by the claimed id, once, then run the command.

    A session with a token keeps its identity, and may claim only its own id. A name that is claimed later, or in
    addition to a token, is ignored.
    """
    if session.provisional:
        check_devices(parts, command.user.id)
        impostors.check_name(parts, command.user.name)
        identify(parts, session, Identity(command.user, guest=True, role=CLAIMED_ROLE))
        session.provisional = False
    elif session.user.id != command.user.id:
        said = command.user.id.removeprefix(CLAIMED)
        if session.user.id not in (said, APPLICATION + said):
            raise ParleyError("principal_fixed")
    return handlers[type(command.then)](parts, session, command.then)


async def announce(parts: Parts, session: Session, command: Announce) -> None:
    """Send an announcement to every session of the server. It is not stored, so offline users miss it."""
    if session.actor.identity.role != "admin":
        raise ParleyError("forbidden")
    content = check_content(command.content, parts.limits.max_content_chars)
    event = Announcement(content=content, sender=session.user, timestamp=rfc3339(parts.clock.now_us()))
    if parts.edges is not None:
        parts.edges.broadcast(event, session)
    await write_to_all(parts, lambda dialect: dialect.frame(event), session.id)
    session.reply(replace(event, id=command.id))


async def write_to_all(parts: Parts, frame_of: Callable[[Dialect], bytes | None], but: str) -> None:
    """Write a frame to every session of this server, but not to the one with the id ``but``."""
    frames: dict[Dialect, bytes | None] = {}
    for count, other in enumerate(tuple(parts.hub.sessions), 1):
        if count % SESSIONS_PER_TURN == 0:
            await asyncio.sleep(0)
        if other.dialect not in frames:
            frames[other.dialect] = frame_of(other.dialect)
        frame = frames[other.dialect]
        if frame is not None and other.id != but and other.identity is not None:
            other.write(frame)


def ping(parts: Parts, session: Session, command: Ping) -> None:
    """Answer with the server's time."""
    session.reply(Pong(id=command.id, timestamp=rfc3339(parts.clock.now_us())))
