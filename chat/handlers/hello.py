"""``hello``: who a session speaks for."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from msgspec.structs import replace

from chat.ports import Identity
from chat.rooms import impostors, members
from chat.rooms.access import is_row_known, standing_of
from chat.rooms.pacing import give_guest_back, release_buckets
from chat.rooms.parts import Parts
from chat.rooms.room import Session
from model.commands import Hello, Join
from model.errors import RETRY_AFTER, ParleyError
from model.events import Left, Welcome
from model.permissions import Action, may
from model.room import User

Handlers = Mapping[type[Any], Callable[..., Awaitable[None] | None]]


def hello(handlers: Handlers, parts: Parts, session: Session, command: Hello) -> Awaitable[None] | None:
    """Take the principal of a token, once; later only renew it. A guest keeps the name the address asked for.

    The first is answered at once, each further one in a turn of its own: many at once do not delay other clients.
    """
    if session.greeted:
        return _hello_later(handlers, parts, session, command)
    session.greeted = True
    return _hello(handlers, parts, session, command)


async def _hello_later(handlers: Handlers, parts: Parts, session: Session, command: Hello) -> None:
    await asyncio.sleep(0)
    if not session.ended and (waits := _hello(handlers, parts, session, command)) is not None:
        await waits


def _hello(handlers: Handlers, parts: Parts, session: Session, command: Hello) -> Awaitable[None] | None:
    identity = parts.tokens.verify(command.token)
    before = session.identity
    if before is not None and not session.provisional and before.user.id != identity.user.id:
        raise ParleyError("principal_fixed")
    if identity.guest:
        if not parts.options.guests:
            raise ParleyError("unauthorized", "guest access is disabled")
        identity = Identity(User(identity.user.id, session.asked_name or identity.user.name), guest=True)
    if before is not None and identity == replace(before, expires=identity.expires):
        session.identity = identity
        session.connection.end_at(identity.expires)
    else:
        if before is None or before.user.id != identity.user.id:
            check_devices(parts, identity.user.id)
            if before is not None:  # a guest who was made up
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
    """Have the session speak for ``identity`` from now on, in its rooms too, except those that this one has to join."""
    if session.identity is not None:
        parts.directory.departed(session)
        release_buckets(parts, session)
    session.identity, session.user = identity, identity.user
    session.connection.end_at(identity.expires)
    parts.directory.arrived(session)
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
        else:
            members.leave(parts, room, session)
            session.reply(Left(room=room.name, reason="identity"))


def welcome(parts: Parts, session: Session, id: str | None = None) -> Welcome:
    """Make what a session receives first, and after ``hello``."""
    return Welcome(
        id=id,
        session=session.id,
        user=session.user,
        guest=session.actor.identity.guest,
        token=parts.tokens.mint(session.actor.identity),
        epoch=parts.hub.epoch,
        limits=parts.limits,
        heartbeat=parts.options.heartbeat,
        server=parts.options.server,
    )
