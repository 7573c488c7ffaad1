"""``/api/users/{user}``: users whom the application adds before they first connect."""

from typing import Annotated

from msgspec import Meta, Struct

from chat.users import Known, add_user, find_user, remove_user
from model.commands import UserId
from model.limits import SENT_NAME_CHARS
from model.principals import Mark, kind_of
from server.http.asked import Answered
from server.http.endpoints import Answer, Endpoint
from server.rest.context import DONE, RestContext, Routes, json_answer
from utils.clock import rfc3339

ROUTES = Routes()


class OneUser(Struct, frozen=True):
    """A user.

    Attributes:
        user: the id, such as `u_42` for the user whose tokens have the `userid` 42.
    """

    user: UserId


class NewUser(OneUser, frozen=True):
    """A user to add.

    Attributes:
        user: `u_` and the `userid` of the user's tokens.
        name: the display name, with the rules for `username` in a token.
    """

    name: Annotated[str, Meta(max_length=SENT_NAME_CHARS)]


class UserInfo(Struct, frozen=True, omit_defaults=True):
    """A user who is known to this server.

    Attributes:
        kind: `guest`, `claimed` or `bot`; nothing for accounts.
        online: whether the user is connected.
        added_at: when the application added the user, in RFC 3339; nothing if it did not.
    """

    id: str
    name: str
    kind: Mark = ""
    online: bool = False
    added_at: str | None = None


@ROUTES.add(
    Endpoint(
        "GET",
        "/api/users/{user}",
        "Find a user",
        params=OneUser,
        answers=(Answer(200, "the user", UserInfo),),
        refusals=("no_such_user", "unavailable"),
        text="Known are connected users, those whom a room has, accounts and bots of this server, and users whom the "
        "application has added.",
        auth="admin",
    )
)
async def find(rest: RestContext, params: OneUser) -> Answered:
    """Answer with one user."""
    return json_answer(_info(await find_user(rest.parts, params.user)))


@ROUTES.add(
    Endpoint(
        "PUT",
        "/api/users/{user}",
        "Add a user of the application, or change the name",
        params=NewUser,
        answers=(
            Answer(201, "the user is added", UserInfo),
            Answer(200, "the user had been added before, and has this name now", UserInfo),
        ),
        refusals=("reserved_name", "conflict", "rate_limited", "unavailable"),
        text="From then on, rooms can be set up for the user, who may never have connected: roles, direct rooms, "
        "messages. A connected user keeps the name of their token, which also replaces this one when they connect.",
        auth="admin",
        repeatable=lambda params: True,
    )
)
async def put(rest: RestContext, params: NewUser) -> Answered:
    """Add a user, or change the name."""
    rest.begin_change()
    known, is_new = await add_user(rest.parts, rest.caller, params.user, params.name, rest.asked.address)
    return json_answer(_info(known), status=201 if is_new else 200)


@ROUTES.add(
    Endpoint(
        "DELETE",
        "/api/users/{user}",
        "Remove a user who was added",
        params=OneUser,
        answers=(DONE,),
        refusals=("no_such_user", "rate_limited", "unavailable"),
        text="Only what `PUT` has added: the user stays in rooms, from which `DELETE` of a member removes them.",
        auth="admin",
    )
)
async def remove(rest: RestContext, params: OneUser) -> Answered:
    """Remove a user who was added."""
    rest.begin_change()
    await remove_user(rest.parts, rest.caller, params.user, rest.asked.address)
    return Answered(204)


def _info(known: Known) -> UserInfo:
    user, added = known.user, known.added
    return UserInfo(
        user.id, user.name, kind_of(user.id), known.online, None if added is None else rfc3339(added.added_at)
    )
