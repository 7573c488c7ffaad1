"""The caller's own account, and the devices on which it is signed in."""

from aiohttp import web
from msgspec import Struct
from msgspec.structs import asdict

from model.account import Account, AccountRole
from model.errors import ParleyError
from server.accounts.changing import Changes, change
from server.auth.access_tokens import csrf_token
from server.auth.cookies import clear_cookies
from server.http.endpoints import Answer, Endpoint, Nothing
from server.web.accounts.shared import (
    DONE,
    GUESS_REFUSALS,
    AccountRows,
    GivenEmail,
    GivenName,
    GivenPassword,
    LoginId,
    LoginShown,
    answer,
    caller,
    done,
)
from utils.clock import rfc3339


class Me(Struct, frozen=True, omit_defaults=True):
    """The caller's account.

    Attributes:
        second_factor: whether a login needs a code.
        recovery_codes: how many are left.
        csrf: to be sent as `X-CSRF-Token` with requests that use cookies.
        email: the confirmed address.
        email_pending: an address whose link was not clicked yet.
    """

    id: str
    username: str
    name: str
    role: AccountRole
    second_factor: bool
    recovery_codes: int
    created_at: str
    csrf: str
    email: str | None = None
    email_pending: str | None = None


class ChangeMe(Struct, frozen=True):
    """Changes of the caller's account; what is omitted stays.

    Attributes:
        email: counts once the link in a mail was clicked; empty to remove the address.
        password: a new one. It ends the other logins.
        old_password: required with `email` and `password`.
    """

    name: GivenName | None = None
    email: GivenEmail | None = None
    password: GivenPassword | None = None
    old_password: GivenPassword | None = None


class SessionShown(LoginShown, frozen=True):
    """A login of the caller.

    Attributes:
        current: whether it is the one that this request uses.
    """

    current: bool


class Sessions(Struct, frozen=True):
    """The logins of the caller, the oldest first."""

    sessions: list[SessionShown]


class OneSession(Struct, frozen=True):
    """A login."""

    id: LoginId


class MeRows(AccountRows):
    """The rows of this file."""

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return them."""
        return (
            Endpoint("GET", "/api/me", "The caller's account", self.me, answers=(Answer(200, "it", Me),), auth="own"),
            Endpoint(
                "PATCH",
                "/api/me",
                "Change the caller's name, e-mail address or password",
                self.change,
                ChangeMe,
                (Answer(200, "the account after the changes", Me),),
                ("reserved_name", "name_taken", *GUESS_REFUSALS),
                "A new name or password outdates the access tokens of all devices, also of this one: refresh.",
                auth="own",
            ),
            Endpoint(
                "GET",
                "/api/me/sessions",
                "The devices on which the caller is signed in",
                self.sessions,
                answers=(Answer(200, "the logins", Sessions),),
                auth="own",
            ),
            Endpoint(
                "DELETE",
                "/api/me/sessions",
                "Sign out on all other devices",
                self.end_others,
                answers=(DONE,),
                auth="own",
            ),
            Endpoint(
                "DELETE",
                "/api/me/sessions/{id}",
                "Sign out on one device",
                self.end,
                OneSession,
                (DONE,),
                ("no_such_session",),
                auth="own",
            ),
        )

    async def me(self, request: web.Request, params: Nothing) -> web.StreamResponse:
        """Answer with the caller's account."""
        return answer(await self._me(request, await self._account(request)))

    async def change(self, request: web.Request, params: ChangeMe) -> web.StreamResponse:
        """Change the caller's account."""
        asker = self._changer(request)
        basis = await self._basis(request)
        asked = Changes(params.name, params.email, params.password, params.old_password)
        account = await change(self._accounts, basis, asked, asker)
        self._accounts.follower.wake()
        return answer(await self._me(request, account))

    async def sessions(self, request: web.Request, params: Nothing) -> web.StreamResponse:
        """Answer with the caller's logins."""
        identity = caller(request)
        logins = await self._logins(identity.user.id)
        return answer(Sessions([SessionShown(**asdict(one), current=one.id == identity.login) for one in logins]))

    async def end_others(self, request: web.Request, params: Nothing) -> web.StreamResponse:
        """End all logins but the caller's."""
        asker = self._changer(request)
        identity = caller(request)
        entry = self._accounts.entry("session_end", identity.user, asker, detail="all others")
        await self._accounts.storage.logins.end(identity.user.id, but=identity.login, entry=entry)
        self._accounts.follower.wake()
        return done()

    async def end(self, request: web.Request, params: OneSession) -> web.StreamResponse:
        """End one login of the caller."""
        asker = self._changer(request)
        identity = caller(request)
        entry = self._accounts.entry("session_end", identity.user, asker)
        if not await self._accounts.storage.logins.end(identity.user.id, only=params.id, entry=entry):
            raise ParleyError("no_such_session", field="id")
        self._accounts.follower.wake()
        response = done()
        if identity.by_cookie and params.id == identity.login:
            clear_cookies(response, self._accounts.settings.public_url)
        return response

    async def _me(self, request: web.Request, account: Account) -> Me:
        accounts = self._accounts
        secrets = accounts.storage.secrets
        return Me(
            account.account_id,
            account.username,
            account.name,
            account.role,
            account.totp_on,
            await secrets.count_codes(account.account_id),
            rfc3339(account.created_at),
            csrf_token(accounts.keys, caller(request).login),
            account.email,
            await secrets.find_pending_email(account.account_id, accounts.clock.now_us()),
        )
