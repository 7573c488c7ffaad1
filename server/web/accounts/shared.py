"""What the rows of accounts share: who asks, and the answer with tokens."""

from typing import Annotated, Any

from aiohttp import hdrs, web
from msgspec import Meta, Struct
from msgspec.structs import replace

from chat.ports import Identity
from chat.rooms.storing import reads_for
from model.account import Account, AccountRole, Basis, Login
from model.errors import ParleyError
from model.limits import ACCOUNT_PASSWORD_BYTES, ACCOUNT_PASSWORD_CHARS, EMAIL_CHARS, SENT_NAME_CHARS, USERNAME_CHARS
from model.principals import ACCOUNT
from server.accounts.service import Accounts, Asker, changed_since
from server.auth.access_tokens import ACCESS_SECONDS, Pair, sign_pair
from server.auth.cookies import set_cookies
from server.auth.tokens import bearer_tokens
from server.http.endpoints import CALLER, SENDER, Answer
from server.http.parameters import JSON
from server.wire.connections import Shared
from utils.clock import rfc3339
from utils.encoding import to_json

DEVICE_CHARS = 200  # phones name their browser after 120 or more
SECRET_CHARS = 256  # of a token in a link, at most
# Refusals of rows that need no caller, of those that try a password, and of those that store.
OPEN_REFUSALS = ("rate_limited", "unavailable")
GUESS_REFUSALS = ("wrong_credentials", "rate_limited", "overloaded", "unavailable")

GivenUsername = Annotated[
    str, Meta(max_length=USERNAME_CHARS, description=f"1 to {USERNAME_CHARS} characters, public; signs in")
]
GivenSigner = Annotated[
    str, Meta(max_length=EMAIL_CHARS, description="the username, or the confirmed e-mail address of the account")
]
GivenPassword = Annotated[
    str,
    Meta(
        max_length=ACCOUNT_PASSWORD_BYTES,
        description=f"{ACCOUNT_PASSWORD_CHARS} characters to {ACCOUNT_PASSWORD_BYTES} bytes",
    ),
]
GivenName = Annotated[str, Meta(max_length=SENT_NAME_CHARS, description="the display name")]
GivenEmail = Annotated[str, Meta(max_length=EMAIL_CHARS)]
GivenCode = Annotated[str, Meta(max_length=64, description="of the authenticator app, or a recovery code")]
LoginId = Annotated[str, Meta(max_length=80, description="of the list")]
GivenSecret = Annotated[str, Meta(max_length=SECRET_CHARS, description="from the fragment of a link")]


class AccountShown(Struct, frozen=True):
    """An account, as its user sees it."""

    id: str
    username: str
    name: str
    role: AccountRole


class Signed(Struct, frozen=True, omit_defaults=True):
    """A signed-in account.

    Attributes:
        expires_in: seconds for which the access token is valid.
        csrf: to be sent as `X-CSRF-Token` with requests that use cookies.
        access_token: unless cookies were asked for.
        refresh_token: unless cookies were asked for; yields the next pair, once.
        token_type: of the access token.
    """

    account: AccountShown
    expires_in: int
    csrf: str
    access_token: str | None = None
    refresh_token: str | None = None
    token_type: str | None = None


class LoginShown(Struct, frozen=True):
    """A login of an account.

    Attributes:
        device: `User-Agent` as it was sent, at most 200 characters.
        address: of the last refresh.
        refreshed_at: when it was last used to get tokens.
    """

    id: str
    device: str
    address: str
    created_at: str
    refreshed_at: str


SIGNED = "the account, with tokens; as cookies if `cookie` is true"
DONE = Answer(204, "done")


class AccountRows:
    """The base of a group of rows."""

    def __init__(self, accounts: Accounts, shared: Shared) -> None:
        self._accounts = accounts
        self._shared = shared

    def _asker(self, request: web.Request) -> Asker:
        client = request[SENDER]
        return Asker(client.address, client.network or client.address or "unknown", device_of(request))

    def _stranger(self, request: web.Request) -> Asker:
        """Return who asks without being signed in, and count the request towards the limits of the address.

        Raises:
            ParleyError: ``rate_limited``.
        """
        self._shared.count_request(request[SENDER])
        reads_for(None, request[SENDER].network)
        return self._asker(request)

    def _changer(self, request: web.Request) -> Asker:
        """Return who asks for a change of their account, and count it towards the rate of commands.

        Raises:
            ParleyError: ``rate_limited``.
        """
        self._shared.runner.count(caller(request))
        return self._asker(request)

    async def _account(self, request: web.Request) -> Account:
        """Return the caller's account, as the caller's token knows it.

        Raises:
            ParleyError: ``unauthorized`` if it was deleted or has changed: this server may not know that yet.
        """
        identity = caller(request)
        account = await self._accounts.account(identity.user.id)
        if account.version != identity.version:
            raise changed_since()
        return account

    async def _basis(self, request: web.Request) -> Basis:
        """Return what a change of the caller's account is decided on.

        Raises:
            ParleyError: as :meth:`_account`.
        """
        return Basis(await self._account(request), caller(request).login)

    async def _basis_of_admin(self, request: web.Request) -> Basis | None:
        """Return what an admin decides on; None for one of the application, whose token alone says so.

        Raises:
            ParleyError: as :meth:`_account`.
        """
        return await self._basis(request) if caller(request).user.id.startswith(ACCOUNT) else None

    async def _logins(self, account_id: str) -> list[LoginShown]:
        logins = await self._accounts.storage.logins.of_account(account_id, self._accounts.clock.now_us())
        return [
            LoginShown(one.login_id, one.device, one.address, rfc3339(one.created_at), rfc3339(one.refreshed_at))
            for one in logins
        ]

    async def _pair(self, account: Account, login: Login) -> Pair:
        """Sign the tokens of a login."""
        accounts = self._accounts
        aliases = await accounts.storage.accounts.aliases(account.account_id)
        return sign_pair(accounts.keys, account, login, aliases, accounts.clock.now_us())

    async def _signed(self, account: Account, login: Login, status: int = 200) -> web.Response:
        """Return the answer with the tokens of a login."""
        pair = await self._pair(account, login)
        body = Signed(shown(account), ACCESS_SECONDS, pair.csrf)
        if login.by_cookie:
            response = answer(body, status)
            set_cookies(response, pair, login, self._accounts.settings.public_url)
            return response
        tokens = replace(body, access_token=pair.access, refresh_token=pair.refresh, token_type="Bearer")  # noqa: S106
        return answer(tokens, status)


def caller(request: web.Request) -> Identity:
    """Return the caller of a row that requires one."""
    identity = request[CALLER]
    assert identity is not None
    return identity


def too_late() -> ParleyError:
    """Return the refusal of what an admin decided about an account, or as one, that has changed since."""
    return ParleyError("conflict", "this account was deleted, or yours has changed; look again")


def shown(account: Account) -> AccountShown:
    """Return an account as its user sees it."""
    return AccountShown(account.account_id, account.username, account.name, account.role)


def answer(body: Any, status: int = 200) -> web.Response:
    """Return a JSON answer that no cache keeps."""
    return web.Response(body=to_json(body), status=status, content_type=JSON, headers={hdrs.CACHE_CONTROL: "no-store"})


def done() -> web.Response:
    """Return the answer of a request that was done."""
    return web.Response(status=204)


def tokens_of(request: web.Request) -> list[str]:
    """Return the tokens in ``Authorization``, not verified."""
    return bearer_tokens(request.headers.getall(hdrs.AUTHORIZATION, ()))


def cookies_of(request: web.Request) -> list[str]:
    """Return the values of ``Cookie``; none if there is a token in ``Authorization``, which counts instead."""
    return [] if tokens_of(request) else request.headers.getall(hdrs.COOKIE, [])


def device_of(request: web.Request) -> str:
    """Return the ``User-Agent`` for the user to recognize a device by, without control characters."""
    sent = request.headers.get(hdrs.USER_AGENT, "")[: 4 * DEVICE_CHARS]
    return "".join(char for char in sent if char.isprintable())[:DEVICE_CHARS]
