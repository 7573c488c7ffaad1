"""``/api/me/blocks``: the users whom the caller does not want to hear of."""

from msgspec import Struct

from chat.rooms.storing import ask
from chat.safety import block_user, unblock_user
from model.commands import UserId
from model.errors import ParleyError
from server.http.asked import Answered
from server.http.endpoints import Answer, Endpoint, Nothing
from server.rest.context import DONE, RestContext, Routes, json_answer

ROUTES = Routes()


class BlockedUser(Struct, frozen=True):
    """A user to block.

    Attributes:
        user: the id of the user.
    """

    user: UserId


class BlockedUsers(Struct, frozen=True):
    """The ids of the users whom the caller blocks, sorted."""

    users: list[str]


@ROUTES.add(
    Endpoint(
        "GET",
        "/api/me/blocks",
        "List the users whom you block",
        params=Nothing,
        answers=(Answer(200, "their ids", BlockedUsers),),
        refusals=("unavailable",),
        auth="token",
    )
)
async def blocked_users(rest: RestContext, params: Nothing) -> Answered:
    """Answer with all of them."""
    found = await ask(rest.parts, rest.parts.storage.safety.blocked_by(_account(rest)))
    return json_answer(BlockedUsers(found))


@ROUTES.add(
    Endpoint(
        "PUT",
        "/api/me/blocks/{user}",
        "Block a user",
        params=BlockedUser,
        answers=(DONE,),
        refusals=("forbidden", "no_such_user", "conflict", "rate_limited", "unavailable"),
        text="The user cannot open a direct room with you, write to you there, or invite you. They are not notified, "
        "but what they try is refused.",
        auth="token",
    )
)
async def block(rest: RestContext, params: BlockedUser) -> Answered:
    """Block a user."""
    _account(rest)
    rest.begin_change()
    await block_user(rest.parts, rest.actor, params.user, rest.asked.address)
    return Answered(204)


@ROUTES.add(
    Endpoint(
        "DELETE",
        "/api/me/blocks/{user}",
        "Unblock a user",
        params=BlockedUser,
        answers=(DONE,),
        refusals=("forbidden", "no_such_user", "rate_limited", "unavailable"),
        auth="token",
    )
)
async def unblock(rest: RestContext, params: BlockedUser) -> Answered:
    """End a block."""
    _account(rest)
    rest.begin_change()
    await unblock_user(rest.parts, rest.actor, params.user, rest.asked.address)
    return Answered(204)


def _account(rest: RestContext) -> str:
    if rest.caller.guest:
        raise ParleyError("forbidden", "guests cannot block users")
    return rest.caller.user.id
