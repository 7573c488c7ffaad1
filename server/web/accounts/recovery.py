"""Confirm an e-mail address, and reset a forgotten password."""

from aiohttp import web
from msgspec import Struct

from model.errors import ParleyError
from server.accounts.recovering import confirm_email, request_reset, reset
from server.http.endpoints import Answer, Endpoint
from server.web.accounts.shared import (
    DONE,
    OPEN_REFUSALS,
    AccountRows,
    GivenEmail,
    GivenPassword,
    GivenSecret,
    GivenSigner,
    done,
)


class LinkSecret(Struct, frozen=True):
    """The secret of a link."""

    token: GivenSecret


class Forgotten(Struct, frozen=True):
    """An account whose password was forgotten: one of both.

    Attributes:
        username: or its confirmed address.
        email: its confirmed address.
    """

    username: GivenSigner | None = None
    email: GivenEmail | None = None


class NewPassword(Struct, frozen=True):
    """A new password, and the secret of a link."""

    token: GivenSecret
    password: GivenPassword


class RecoveryRows(AccountRows):
    """The rows of this file."""

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return them."""
        return (
            Endpoint(
                "POST",
                "/api/email/confirm",
                "Confirm an e-mail address",
                self.confirm,
                LinkSecret,
                (DONE,),
                ("no_such_ticket", *OPEN_REFUSALS),
            ),
            Endpoint(
                "POST",
                "/api/reset",
                "Ask for a link to reset a password",
                self.ask,
                Forgotten,
                (Answer(202, "if there is such an account with a confirmed address, it gets a mail"),),
                ("forbidden", *OPEN_REFUSALS),
                "The answer is the same for every input. An account gets at most three mails an hour.",
            ),
            Endpoint(
                "POST",
                "/api/reset/confirm",
                "Choose a new password",
                self.reset,
                NewPassword,
                (DONE,),
                ("no_such_ticket", "overloaded", *OPEN_REFUSALS),
                "Ends all logins. The second factor stays.",
            ),
        )

    async def confirm(self, request: web.Request, params: LinkSecret) -> web.StreamResponse:
        """Confirm an address."""
        asker = self._stranger(request)
        self._accounts.count_link(asker)
        await confirm_email(self._accounts, params.token, asker)
        return done()

    async def ask(self, request: web.Request, params: Forgotten) -> web.StreamResponse:
        """Send a link, if there is such an account."""
        asker = self._stranger(request)
        self._accounts.count_link(asker)
        if not (params.username or params.email):
            raise ParleyError("bad_field", "username or email is required", field="username")
        request_reset(self._accounts, params.username or "", params.email or "", asker)
        return web.Response(status=202)

    async def reset(self, request: web.Request, params: NewPassword) -> web.StreamResponse:
        """Set a new password."""
        asker = self._stranger(request)
        self._accounts.count_link(asker)
        await reset(self._accounts, params.token, params.password, asker)
        return done()
