"""``Claim``: a command that comes with the id its sender claims."""

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
    """Identify the session by the claimed id, once, then carry the command out.

    A session with a token keeps its identity, and may claim only its own id. A name that is claimed later, or in
    addition to a token, is ignored.
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
