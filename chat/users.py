"""Users whom the application adds before they first connect, so that rooms can be set up for them.

The token with which users connect decides their name. Until then, and while they are away, it is the one that the
application gave last.
"""

from typing import NamedTuple

from chat.ports import Identity
from chat.rooms import members
from chat.rooms.parts import Parts
from chat.rooms.storing import ask
from model.account import AddedUser
from model.audit import entry
from model.errors import ParleyError
from model.principals import APPLICATION, principal_id
from model.room import User
from model.text import check_user_name


class Known(NamedTuple):
    """A user who is known to this server.

    Attributes:
        online: whether the user is connected.
        added: as the application has added them; None if it has not.
    """

    user: User
    online: bool
    added: AddedUser | None


async def find_user(parts: Parts, user_id: str) -> Known:
    """Find a user who is known here: see `chat.rooms.members.find_person`.

    Raises:
        ParleyError: ``no_such_user``, ``unavailable``.
    """
    if not user_id.isprintable():
        raise ParleyError("no_such_user", field="user")
    return await _known(parts, (await members.find_person(parts, user_id)).user)


async def _known(parts: Parts, user: User) -> Known:
    added = await ask(parts, parts.storage.users.find(user.id)) if user.id.startswith(APPLICATION) else None
    connected = parts.directory.people.get(user.id)
    return Known(connected or user, connected is not None, added)


async def add_user(parts: Parts, caller: Identity, user_id: str, name: str, address: str) -> tuple[Known, bool]:
    """Add a user of the application, or give one another name, also in the rooms where the user is not connected now.

    Returns the user, and whether they were added.

    Raises:
        ParleyError: ``bad_field``, ``reserved_name``, as for a token; ``conflict``, ``unavailable``.
    """
    user = User(_of_application(user_id), check_user_name(name, "name"))
    log = entry(parts.clock, "user", caller.user, target=user, address=address, detail="added or renamed")
    is_new = await ask(parts, parts.storage.users.put(user, log))
    if is_new is None:
        raise ParleyError("conflict", "your account has changed; look again")
    return await _known(parts, user), is_new  # rooms may still have the former name


async def remove_user(parts: Parts, caller: Identity, user_id: str, address: str) -> None:
    """Undo :func:`add_user`. The user stays in the rooms, and is known as long as one has them.

    Raises:
        ParleyError: ``bad_field``; ``no_such_user`` if they were not added; ``unavailable``.
    """
    target = User(_of_application(user_id), "")
    log = entry(parts.clock, "user", caller.user, target=target, address=address, detail="removed")
    if not await ask(parts, parts.storage.users.remove(target.id, log)):
        raise ParleyError("no_such_user", "this user was not added", field="user")


def _of_application(user_id: str) -> str:
    if not user_id.startswith(APPLICATION):
        raise ParleyError(
            "bad_field", f"user must be an id of the application, {APPLICATION} and its own", field="user"
        )
    return principal_id(APPLICATION, user_id.removeprefix(APPLICATION), "user")
