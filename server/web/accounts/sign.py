"""Register (as the first admin, too), sign in, refresh and sign out; and what the server offers to visitors."""

from typing import Literal

from aiohttp import web
from msgspec import Struct

from model.commands import Token
from model.errors import ParleyError
from server.accounts.registering import Registration, register
from server.accounts.signing_in import refresh, sign_in, sign_out
from server.auth.access_tokens import read_login, read_refresh
from server.auth.cookies import access_cookies, clear_cookies, refresh_cookies
from server.http.endpoints import SENDER, Answer, Endpoint, Nothing
from server.web.accounts.shared import (
    DONE,
    GUESS_REFUSALS,
    OPEN_REFUSALS,
    SIGNED,
    AccountRows,
    GivenCode,
    GivenEmail,
    GivenName,
    GivenPassword,
    GivenSecret,
    GivenSigner,
    GivenUsername,
    Signed,
    answer,
    cookies_of,
    done,
    tokens_of,
)
from server.web.errors import refusal
from storage.ports.errors import StorageUnavailable
from utils.ids import hash_secret


class Register(Struct, frozen=True):
    """A new account.

    Attributes:
        name: by default the username.
        email: counts once the link in a mail was clicked.
        invite: of a link to register, if `REGISTRATION` is `invite`.
        cookie: whether the tokens are cookies, as for a page.
    """

    username: GivenUsername
    password: GivenPassword
    name: GivenName | None = None
    email: GivenEmail | None = None
    invite: GivenSecret | None = None
    cookie: bool = False


class FirstAdmin(Struct, frozen=True):
    """The first admin.

    Attributes:
        token: from the link in the file `first-admin-link.txt`.
        name: by default the username.
        email: counts once the link in a mail was clicked.
        cookie: whether the tokens are cookies, as for a page.
    """

    token: GivenSecret
    username: GivenUsername
    password: GivenPassword
    name: GivenName | None = None
    email: GivenEmail | None = None
    cookie: bool = False


class SignIn(Struct, frozen=True):
    """Credentials.

    Attributes:
        username: or the confirmed e-mail address.
        code: required if the account has a second factor: send it with the password, again.
        cookie: whether the tokens are cookies, as for a page.
    """

    username: GivenSigner
    password: GivenPassword
    code: GivenCode | None = None
    cookie: bool = False


class Refresh(Struct, frozen=True):
    """A login, unless cookies name it.

    Attributes:
        refresh_token: the last one.
    """

    refresh_token: Token | None = None


class ServerShown(Struct, frozen=True):
    """What the server offers.

    Attributes:
        registration: whether users may make accounts.
        guests: whether users may chat without an account.
        mail: whether the server sends mail, so that a forgotten password can be reset.
    """

    registration: Literal["open", "invite", "closed"]
    guests: bool
    mail: bool


class SignRows(AccountRows):
    """The rows of this file."""

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return them."""
        return (
            Endpoint(
                "GET",
                "/api/server",
                "What the server offers to visitors",
                self.server,
                answers=(Answer(200, "what it offers", ServerShown),),
                refusals=("rate_limited",),
            ),
            Endpoint(
                "POST",
                "/api/register",
                "Make an account",
                self.register,
                Register,
                (Answer(201, SIGNED, Signed),),
                ("registration_closed", "invite_invalid", "reserved_name", "name_taken", "overloaded", *OPEN_REFUSALS),
                "If fields are wrong, `fields` of the error has a sentence about each.",
            ),
            Endpoint(
                "POST",
                "/api/admin/first",
                "Make the first admin",
                self.first_admin,
                FirstAdmin,
                (Answer(201, SIGNED, Signed),),
                ("no_such_ticket", "reserved_name", "name_taken", "overloaded", *OPEN_REFUSALS),
                "With the secret of a link that the server writes to a file while no account is an admin.",
            ),
            Endpoint(
                "POST",
                "/api/login",
                "Sign in",
                self.login,
                SignIn,
                (Answer(200, SIGNED, Signed),),
                ("code_required", "suspended", *GUESS_REFUSALS),
                "The answer to an unknown username or address is that to a wrong password.",
            ),
            Endpoint(
                "POST",
                "/api/refresh",
                "Exchange a refresh token for new tokens",
                self.refresh,
                Refresh,
                (Answer(200, SIGNED, Signed),),
                ("unauthorized", "suspended", *OPEN_REFUSALS),
                "A refresh token is valid once. The one before it yields the same successor for 10 seconds, so that "
                "two tabs may refresh at once; later, its use ends the login.",
            ),
            Endpoint(
                "POST",
                "/api/logout",
                "Sign out",
                self.logout,
                Refresh,
                (DONE,),
                OPEN_REFUSALS,
                "Ends the login whose tokens are sent, expired or not. Without any, nothing happens.",
            ),
        )

    async def server(self, request: web.Request, params: Nothing) -> web.StreamResponse:
        """Answer what a page needs to know before anyone has signed in."""
        self._shared.count_request(request[SENDER])
        settings = self._accounts.settings
        return answer(ServerShown(settings.registration, settings.guests, self._accounts.mailer.active))

    async def register(self, request: web.Request, params: Register) -> web.StreamResponse:
        """Make an account."""
        asker = self._stranger(request)
        asked = Registration(params.username, params.password, params.name, params.email, params.invite, params.cookie)
        account, login = await register(self._accounts, asked, asker)
        return await self._signed(account, login, 201)

    async def first_admin(self, request: web.Request, params: FirstAdmin) -> web.StreamResponse:
        """Make the first admin."""
        asker = self._stranger(request)
        accounts = self._accounts
        accounts.count_link(asker)
        ticket = hash_secret(params.token)
        if await accounts.storage.secrets.find_ticket(ticket, "admin", accounts.clock.now_us()) is None:
            raise ParleyError("no_such_ticket", field="token")
        asked = Registration(params.username, params.password, params.name, params.email, None, params.cookie)
        account, login = await register(accounts, asked, asker, admin_ticket=ticket)
        return await self._signed(account, login, 201)

    async def login(self, request: web.Request, params: SignIn) -> web.StreamResponse:
        """Sign in."""
        asker = self._stranger(request)
        counts = self._shared.counts
        try:
            account, login = await sign_in(
                self._accounts, params.username, params.password, params.code, asker, by_cookie=params.cookie
            )
        except ParleyError as error:
            counts.login(error.code)
            raise
        except StorageUnavailable:
            counts.login("unavailable")
            raise
        counts.login("ok")
        return await self._signed(account, login)

    async def refresh(self, request: web.Request, params: Refresh) -> web.StreamResponse:
        """Exchange a refresh token for new tokens."""
        asker = self._stranger(request)
        public_url = self._accounts.settings.public_url
        given = params.refresh_token
        in_cookies = refresh_cookies(cookies_of(request), public_url) if given is None else []
        try:
            account, login = await refresh(self._accounts, in_cookies if given is None else [given], asker)
        except ParleyError as error:
            if error.code != "unauthorized" or not in_cookies:
                raise
            response = refusal(error)
            clear_cookies(response, public_url)
            return response
        return await self._signed(account, login)

    async def logout(self, request: web.Request, params: Refresh) -> web.StreamResponse:
        """End a login."""
        asker = self._stranger(request)
        keys, public_url = self._accounts.keys, self._accounts.settings.public_url
        cookies = cookies_of(request)
        response = done()
        for token in [params.refresh_token or "", *refresh_cookies(cookies, public_url)]:
            if (read := read_refresh(keys, token)) is not None:
                await sign_out(self._accounts, read[0], asker)
        for token in [*tokens_of(request), *access_cookies(cookies, public_url)]:
            if (login_id := read_login(keys, token)) is not None:
                await sign_out(self._accounts, login_id, asker)
        if cookies:
            clear_cookies(response, public_url)
        return response
