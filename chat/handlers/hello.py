"""``hello``: who a session speaks for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TYPE_CHECKING

from chat.handlers.join import join
from chat.ports import Identity
from model.commands import Hello, Join
from model.errors import ParleyError
from model.room import User

if TYPE_CHECKING:
    from chat.rooms.context import Context
    from chat.rooms.room import Session


def hello(chat: Context, session: Session, command: Hello) -> Awaitable[None] | None:
    """Take the principal of a token, once; later only renew it. A guest keeps the name the address asked for.

    The first is answered at once, each further one in a turn of its own: many at the same time delay nobody else.
    """
    if session.greeted:
        return _hello_later(chat, session, command)
    session.greeted = True
    return _hello(chat, session, command)


async def _hello_later(chat: Context, session: Session, command: Hello) -> None:
    await asyncio.sleep(0)
    if not session.ended and (waits := _hello(chat, session, command)) is not None:
        await waits


def _hello(chat: Context, session: Session, command: Hello) -> Awaitable[None] | None:
    identity = chat.tokens.verify(command.token)
    before = session.identity
    if before is not None and not session.provisional and before.user.id != identity.user.id:
        raise ParleyError("principal_fixed")
    if identity.guest:
        if not chat.options.guests:
            raise ParleyError("unauthorized", "guest access is disabled")
        identity = Identity(User(identity.user.id, session.asked_name or identity.user.name), guest=True)
    if before is not None and identity == before._replace(expires=identity.expires):
        session.identity = identity
        session.connection.end_at(identity.expires)
    else:
        if before is None or before.user.id != identity.user.id:
            chat.check_devices(identity.user.id)
            if before is not None:  # a guest who was made up
                chat.give_guest_back(session)
        chat.identify(session, identity)
    session.provisional = False
    session.reply(chat.welcome(session, command.id))
    if before is None and session.home:
        return join(chat, session, Join(room=session.home))
    return None
