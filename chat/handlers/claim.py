"""``Claim``: a command of somebody who says who they are."""

from __future__ import annotations

from collections.abc import Awaitable

from chat.handlers.hello import Handlers, check_devices, identify
from chat.ports import Identity
from chat.rooms.parts import Parts
from chat.rooms.room import Session
from model.commands import Claim
from model.errors import ParleyError
from model.principals import ACCOUNT, CLAIMED, CLAIMED_ROLE


def claim(
    handlers: Handlers,
    parts: Parts,
    session: Session,
    command: Claim,
) -> Awaitable[None] | None:
    """Take the principal that is claimed, once, then carry the command out.

    Whoever proved who they are stays that, and claims their own id or nothing; a name that is claimed later does not
    count, nor one beside a proof.
    """
    if session.provisional:
        check_devices(parts, command.user.id)
        identify(parts, session, Identity(command.user, guest=True, role=CLAIMED_ROLE))
        session.provisional = False
    elif session.user.id != command.user.id:
        said = command.user.id.removeprefix(CLAIMED)
        if session.user.id not in (said, ACCOUNT + said):
            raise ParleyError("principal_fixed")
    return handlers[type(command.then)](parts, session, command.then)
