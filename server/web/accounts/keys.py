"""API keys: bots act with them, and admins make, list and revoke them."""

from typing import Annotated

from aiohttp import web
from msgspec import Meta, Struct

from model.account import ApiKey, Scope
from model.api_keys import make_key
from model.audit import entry
from model.errors import ParleyError
from model.limits import KEY_DAYS, KEYS, SENT_NAME_CHARS
from model.room import User
from model.text import check_user_name
from model.usernames import check_official
from server.accounts.registering import check_display_name
from server.http.endpoints import SENDER, Answer, Endpoint, Nothing
from server.web.accounts.shared import DONE, AccountRows, answer, caller, done
from utils.clock import rfc3339


class NewKey(Struct, frozen=True):
    """A key to be made.

    Attributes:
        name: of the bot, as others see it.
        scope: `read`: rooms and history; `write`: also post, and what members do; `moderate`: also what moderators do,
            where the bot is one.
        days: until it expires.
        bot: the id of a bot that has a key, for one more key of it; by default a new bot.
    """

    name: Annotated[str, Meta(max_length=SENT_NAME_CHARS)]
    scope: Scope
    days: Annotated[int, Meta(ge=1, le=KEY_DAYS)]
    bot: Annotated[str, Meta(max_length=80)] | None = None


class KeyListed(Struct, frozen=True):
    """A key, without its secret.

    Attributes:
        prefix: its first characters, to recognize it.
        bot: the user id of the bot.
        used_at: when it was last used, within a minute or so; None if never.
    """

    id: str
    prefix: str
    bot: str
    name: str
    scope: Scope
    maker: str
    created_at: str
    until: str
    used_at: str | None


class KeyMade(Struct, frozen=True):
    """A new key.

    Attributes:
        secret: the key itself, which is shown only now.
    """

    secret: str
    key: KeyListed


class KeyList(Struct, frozen=True):
    """The keys that have not expired, the oldest first."""

    keys: list[KeyListed]


class OneKey(Struct, frozen=True):
    """A key."""

    id: Annotated[str, Meta(max_length=80, description="of the list")]


class KeyRows(AccountRows):
    """The rows of this file."""

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return them."""
        return (
            Endpoint(
                "GET",
                "/api/keys",
                "List the API keys",
                self.keys,
                answers=(Answer(200, "the keys", KeyList),),
                auth="admin",
            ),
            Endpoint(
                "POST",
                "/api/keys",
                "Make an API key for a bot",
                self.make,
                NewKey,
                (Answer(201, "the key, which is shown only once", KeyMade),),
                ("conflict", "reserved_name", "name_taken", "no_such_user"),
                f"At most {KEYS} keys. A bot sends `Authorization: Bearer pk_...`, over HTTP and WebSocket.",
                auth="admin",
            ),
            Endpoint(
                "DELETE",
                "/api/keys/{id}",
                "Revoke an API key",
                self.revoke,
                OneKey,
                (DONE,),
                ("no_such_key",),
                "The connections that use it are closed within a second, at every server.",
                auth="admin",
            ),
        )

    async def keys(self, request: web.Request, params: Nothing) -> web.StreamResponse:
        """Answer with the keys."""
        accounts = self._accounts
        return answer(KeyList([_key(one) for one in await accounts.storage.access.keys(accounts.clock.now_us())]))

    async def make(self, request: web.Request, params: NewKey) -> web.StreamResponse:
        """Make a key."""
        self._shared.runner.count(caller(request))
        name = check_official(check_user_name(params.name, "name"), "name")
        accounts, maker = self._accounts, caller(request).user
        await check_display_name(accounts, name, "", "")
        now = accounts.clock.now_us()
        keys = await accounts.storage.access.keys(now)
        if params.bot is not None and params.bot not in {key.bot_id for key in keys}:
            raise ParleyError("no_such_user", "no bot with this id has a key", field="bot")
        secret, key = make_key(name, params.scope, maker.id, now, params.days, params.bot)
        made = entry(
            accounts.clock,
            "key",
            maker,
            target=User(key.bot_id, name),
            address=request[SENDER].address,
            detail=f"{key.key_id} {key.scope}",
        )
        basis = await self._basis_of_admin(request)
        if not await accounts.storage.access.insert_key(key, KEYS, made, basis=basis):
            raise ParleyError("conflict", f"there are {KEYS} keys already, or your account has changed")
        await accounts.follower.catch_up()
        return answer(KeyMade(secret, _key(key)), 201)

    async def revoke(self, request: web.Request, params: OneKey) -> web.StreamResponse:
        """Revoke a key."""
        self._shared.runner.count(caller(request))
        accounts = self._accounts
        made = entry(
            accounts.clock,
            "key_revoke",
            caller(request).user,
            target=User(params.id, ""),
            address=request[SENDER].address,
        )
        if not await accounts.storage.access.revoke_key(params.id, made):
            raise ParleyError("no_such_key", field="id")
        await accounts.follower.catch_up()
        return done()


def _key(key: ApiKey) -> KeyListed:
    return KeyListed(
        key.key_id,
        key.prefix,
        key.bot_id,
        key.name,
        key.scope,
        key.maker_id,
        rfc3339(key.created_at),
        rfc3339(key.until),
        rfc3339(key.used_at) if key.used_at else None,
    )
