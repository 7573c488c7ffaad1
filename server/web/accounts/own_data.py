"""What users do with their data: take over what they wrote as a guest, and delete the account."""

import asyncio
from typing import Literal

from aiohttp import web
from msgspec import Struct

from model.account import RoomWork
from model.commands import Token
from model.errors import ParleyError
from model.principals import GUEST
from model.room import User
from server.accounts.erasing import erase_account
from server.accounts.service import changed_since
from server.auth.access_tokens import ALIASES
from server.auth.cookies import clear_cookies
from server.http.endpoints import Answer, Endpoint
from server.web.accounts.shared import (
    DONE,
    GUESS_REFUSALS,
    AccountRows,
    GivenCode,
    GivenPassword,
    caller,
    done,
)

# How long the answer waits until the rooms know the account in place of the guest. It is looked up, as the server that
# has the rooms may be another one, at first after `LOOK_SECONDS`, then after twice as long each time.
MOVE_SECONDS = 5.0
LOOK_SECONDS = 0.05


class FormerGuest(Struct, frozen=True):
    """A guest.

    Attributes:
        token: the guest's, from `welcome`.
    """

    token: Token


class Deletion(Struct, frozen=True):
    """The deletion of the caller's account.

    Attributes:
        code: required if the account has a second factor.
        messages: whether what the user wrote stays, as by a deleted user, or is deleted too.
    """

    old_password: GivenPassword
    code: GivenCode | None = None
    messages: Literal["keep", "delete"] = "keep"


class OwnDataRows(AccountRows):
    """The rows of this file."""

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return them."""
        return (
            Endpoint(
                "POST",
                "/api/me/guest",
                "Keep what you wrote as a guest",
                self.adopt,
                FormerGuest,
                (DONE,),
                ("conflict", "rate_limited", "unavailable"),
                "The account takes the guest's memberships, roles, cursors, bans and mutes, and its messages get the "
                "account's name and can be edited by it. The guest's token is no longer valid, and connections of both "
                "are closed: refresh, and reconnect with the new tokens.",
                auth="own",
            ),
            Endpoint(
                "DELETE",
                "/api/me",
                "Delete your account",
                self.delete,
                Deletion,
                (Answer(202, "the account is deleted; what is in rooms follows in the background"),),
                ("code_required", *GUESS_REFUSALS),
                "Its name, address, sessions and keys are removed at once, and it is signed out everywhere. Its rows "
                "and messages in rooms are worked through afterwards. It cannot be undone.",
                auth="own",
                body=True,
            ),
        )

    async def adopt(self, request: web.Request, params: FormerGuest) -> web.StreamResponse:
        """Make a guest an alias of the account, and wait a little until the rooms know it."""
        asker = self._changer(request)
        guest = self._guest(params.token)
        basis = await self._basis(request)
        account = basis.account
        work = RoomWork("adopt", account.account_id, (guest.id,), account.name)
        entry = self._accounts.entry("guest_moved", account.user, asker, target=guest)
        storage = self._accounts.storage
        if not await storage.accounts.adopt(guest.id, account.account_id, work, ALIASES, entry, basis=basis):
            raise ParleyError(
                "conflict", f"this guest belongs to an account already, or yours has {ALIASES} guests", field="token"
            )
        self._accounts.follower.wake()
        await self._moved(guest.id)
        return done()

    def _guest(self, token: str) -> User:
        """Return the guest that a token proves.

        Raises:
            ParleyError: ``unauthorized``; ``bad_field`` for the token of another user.
        """
        identity = self._shared.chat.parts.tokens.verify(token)
        if not (identity.guest and identity.user.id.startswith(GUEST)):
            raise ParleyError("bad_field", "token must be that of a guest", field="token")
        return identity.user

    async def _moved(self, guest_id: str) -> None:
        """Wait until the server with the rooms has moved a guest, or for `MOVE_SECONDS`: it goes on by itself."""
        pause, left = LOOK_SECONDS, MOVE_SECONDS
        while any(guest_id in work.ids for work in await self._accounts.storage.accounts.room_work()) and left > 0:
            await asyncio.sleep(pause)
            pause, left = 2 * pause, left - pause

    async def delete(self, request: web.Request, params: Deletion) -> web.StreamResponse:
        """Delete the caller's account."""
        asker = self._changer(request)
        accounts = self._accounts
        basis = await self._basis(request)
        account = basis.account
        await accounts.prove(account, params.old_password, params.code, asker, field="old_password", with_code=True)
        if not await erase_account(
            accounts.storage,
            accounts.clock,
            account,
            account.user,
            messages=params.messages == "delete",
            address=asker.address,
            basis=basis,
        ):
            raise changed_since()
        accounts.follower.wake()
        response = web.Response(status=202)
        if caller(request).by_cookie:
            clear_cookies(response, accounts.settings.public_url)
        return response
