"""What admins do about accounts: suspend them, change their roles, end their logins, and block addresses."""

from typing import Annotated

from aiohttp import web
from msgspec import Meta, Struct

from model.account import Account, AccountChange, AccountRole, Notice
from model.audit import AuditAction, AuditEntry, entry
from model.errors import ParleyError
from model.limits import REASON_CHARS
from model.networks import check_network
from model.principals import ACCOUNT, APPLICATION, principal_id
from model.room import FOREVER, User
from model.text import check_text
from server.access.networks import own_part
from server.accounts.lines import time_of
from server.http.endpoints import SENDER, Answer, Endpoint, LocalHandler, Nothing
from server.web.accounts.shared import DONE, AccountRows, LoginId, LoginShown, answer, caller, done, too_late
from utils.clock import rfc3339

ACCOUNTS_A_PAGE = 100
# A hundred years; without `seconds` something has no end.
_MOST_SECONDS = 100 * 366 * 86_400

Seconds = Annotated[int, Meta(ge=1, le=_MOST_SECONDS, description="until it ends; no end if omitted")]
UserId = Annotated[str, Meta(max_length=80, description="the user id of the account")]
Network = Annotated[str, Meta(max_length=64, description="an address, or a network such as 192.0.2.0/24")]
Reason = Annotated[str, Meta(max_length=REASON_CHARS, description="shown to the users who are refused")]


class SuspensionListed(Struct, frozen=True):
    """A suspension.

    Attributes:
        user: the id of the account, `a_` or `u_`.
        until: when it ends; None if it has no end.
    """

    user: str
    reason: str
    since: str
    until: str | None


class Suspensions(Struct, frozen=True):
    """Those that have not ended, the newest first."""

    suspensions: list[SuspensionListed]


class BlockListed(Struct, frozen=True):
    """A block.

    Attributes:
        network: the address or network.
        until: when it ends; None if it has no end.
    """

    network: str
    reason: str
    since: str
    until: str | None


class Blocks(Struct, frozen=True):
    """Those that have not ended, the newest first."""

    blocks: list[BlockListed]


class Suspend(Struct, frozen=True):
    """A suspension of an account of this server (`a_`) or of the application (`u_`)."""

    user: UserId
    reason: Reason = ""
    seconds: Seconds | None = None


class OneUser(Struct, frozen=True):
    """An account."""

    user: UserId


class Block(Struct, frozen=True):
    """A block of an address or network.

    Attributes:
        network: not wider than /8, or /24 for IPv6.
        force: also if the caller's own address, this machine, or one of `TRUSTED_PROXIES` is in it.
    """

    network: Network
    reason: Reason = ""
    seconds: Seconds | None = None
    force: bool = False


class OneNetwork(Struct, frozen=True):
    """An address or network."""

    network: Network


class Find(Struct, frozen=True):
    """Which accounts to list.

    Attributes:
        contains: a part of the username.
        after: the last username of the page before.
    """

    contains: Annotated[str, Meta(max_length=64)] = ""
    after: Annotated[str, Meta(max_length=64)] = ""
    limit: Annotated[int, Meta(ge=1, le=ACCOUNTS_A_PAGE, description="how many, at most")] = ACCOUNTS_A_PAGE


class AccountListed(Struct, frozen=True):
    """An account, for admins.

    Attributes:
        suspended: whether an operator has suspended it.
        suspended_until: when that ends; None if it has no end, or is not suspended.
        reason: of the suspension.
    """

    id: str
    username: str
    name: str
    role: AccountRole
    email: str | None
    second_factor: bool
    created_at: str
    suspended: bool
    suspended_until: str | None
    reason: str | None


class AccountList(Struct, frozen=True):
    """A page of accounts by username."""

    accounts: list[AccountListed]


class NewRole(Struct, frozen=True):
    """An account's new role."""

    id: UserId
    role: AccountRole


class OneAccount(Struct, frozen=True):
    """An account."""

    id: UserId


class OneLogin(Struct, frozen=True):
    """A login of an account."""

    id: UserId
    login: LoginId


class LoginList(Struct, frozen=True):
    """The logins of an account, the oldest first."""

    sessions: list[LoginShown]


class OperatorRows(AccountRows):
    """The rows of this file."""

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return them."""
        user, network, one = "/api/suspensions/{user}", "/api/blocks/{network}", "/api/accounts/{id}"
        suspended = (Answer(200, "those that have not ended", Suspensions),)
        blocked = (Answer(200, "those that have not ended", Blocks),)
        return (
            _row("GET", "/api/suspensions", "List the suspended accounts", self.suspensions, Nothing, suspended),
            _row(
                "PUT",
                user,
                "Suspend an account",
                self.suspend,
                Suspend,
                (DONE,),
                ("no_such_account", "conflict"),
                text="Its connections are closed within a second, at every server.",
            ),
            _row(
                "DELETE",
                user,
                "End a suspension",
                self.restore,
                OneUser,
                (DONE,),
                ("no_such_account", "no_such_suspension"),
            ),
            _row("GET", "/api/blocks", "List the blocked addresses", self.blocks, Nothing, blocked),
            _row(
                "POST",
                "/api/blocks",
                "Block an address or network",
                self.block,
                Block,
                (DONE,),
                ("conflict",),
                text="Connections from there are closed within a second, and all requests are refused. A block of the "
                "caller's own address, of loopback, or of `TRUSTED_PROXIES` is refused unless `force` is set.",
            ),
            _row(
                "DELETE",
                network,
                "End the block of an address or network",
                self.unblock,
                OneNetwork,
                (DONE,),
                ("no_such_block",),
            ),
            _row(
                "GET",
                "/api/accounts",
                "List accounts",
                self.accounts,
                Find,
                (Answer(200, "a page, by username", AccountList),),
            ),
            _row(
                "PATCH",
                one,
                "Change the role of an account",
                self.change_role,
                NewRole,
                (Answer(200, "the account", AccountListed),),
                ("no_such_account", "conflict"),
            ),
            _row(
                "GET",
                f"{one}/sessions",
                "List the logins of an account",
                self.logins,
                OneAccount,
                (Answer(200, "its logins", LoginList),),
                ("no_such_account",),
            ),
            _row(
                "DELETE",
                f"{one}/sessions",
                "End all logins of an account",
                self.end_logins,
                OneAccount,
                (DONE,),
                ("no_such_account",),
            ),
            _row(
                "DELETE",
                f"{one}/sessions/{{login}}",
                "End a login of an account",
                self.end_login,
                OneLogin,
                (DONE,),
                ("no_such_account", "no_such_session"),
            ),
        )

    # Suspensions.

    async def suspensions(self, request: web.Request, params: Nothing) -> web.StreamResponse:
        """Answer with the suspended accounts."""
        found = await self._accounts.storage.access.suspensions(self._now())
        return answer(Suspensions([SuspensionListed(one.subject, *_times(one)) for one in found]))

    async def suspend(self, request: web.Request, params: Suspend) -> web.StreamResponse:
        """Suspend an account."""
        if params.user == caller(request).user.id:
            raise ParleyError("conflict", "you cannot suspend yourself", field="user")
        reason = check_text(params.reason, "reason", REASON_CHARS)
        target = await self._target(params.user)
        until = self._until(params.seconds)
        made, basis = self._entry(request, "suspend", target=target), await self._basis_of_admin(request)
        if not await self._accounts.storage.access.suspend(params.user, until, reason, made, basis=basis):
            raise too_late()
        return await self._done()

    async def restore(self, request: web.Request, params: OneUser) -> web.StreamResponse:
        """End a suspension."""
        target = await self._target(params.user)
        made, basis = self._entry(request, "restore", target=target), await self._basis_of_admin(request)
        if not await self._accounts.storage.access.suspend(params.user, 0, "", made, basis=basis):
            raise ParleyError("no_such_suspension", field="user")
        return await self._done()

    async def _target(self, user_id: str) -> User:
        if user_id.startswith(ACCOUNT):
            return (await self._found(user_id)).user
        if user_id.startswith(APPLICATION):
            return User(principal_id(APPLICATION, user_id.removeprefix(APPLICATION), "user"), "")
        raise ParleyError("bad_field", "user must be the id of an account", field="user")

    async def _found(self, account_id: str) -> Account:
        account = await self._accounts.storage.accounts.find(account_id)
        if account is None:
            raise ParleyError("no_such_account")
        return account

    # Blocks.

    async def blocks(self, request: web.Request, params: Nothing) -> web.StreamResponse:
        """Answer with the blocked addresses."""
        found = await self._accounts.storage.access.blocks(self._now())
        return answer(Blocks([BlockListed(one.subject, *_times(one)) for one in found]))

    async def block(self, request: web.Request, params: Block) -> web.StreamResponse:
        """Block an address or network."""
        network, reason = check_network(params.network), check_text(params.reason, "reason", REASON_CHARS)
        proxies = self._accounts.settings.trusted_proxies
        if not params.force and (own := own_part(network, request[SENDER].address, proxies)):
            raise ParleyError("conflict", f"{network} has {own} in it; `force` blocks it all the same", field="network")
        made = self._entry(request, "block", target=User(network, ""))
        await self._accounts.storage.access.block(network, self._until(params.seconds), reason, made)
        return await self._done()

    async def unblock(self, request: web.Request, params: OneNetwork) -> web.StreamResponse:
        """End the block of an address or network."""
        network = check_network(params.network)
        made = self._entry(request, "unblock", target=User(network, ""))
        if not await self._accounts.storage.access.block(network, 0, "", made):
            raise ParleyError("no_such_block", field="network")
        return await self._done()

    # Accounts and their logins.

    async def accounts(self, request: web.Request, params: Find) -> web.StreamResponse:
        """Answer with a page of accounts."""
        page = await self._accounts.storage.accounts.page(
            after=params.after, contains=params.contains, limit=params.limit
        )
        suspended = await self._suspended()
        return answer(AccountList([_account(one, suspended.get(one.account_id)) for one in page]))

    async def _suspended(self) -> dict[str, Notice]:
        return {one.subject: one for one in await self._accounts.storage.access.suspensions(self._now())}

    async def change_role(self, request: web.Request, params: NewRole) -> web.StreamResponse:
        """Change the role of an account, but not the caller's own: the last admin could not come back."""
        if params.id == caller(request).user.id:
            raise ParleyError("conflict", "you cannot change your own role")
        account = await self._found(params.id)
        made = self._entry(request, "role", target=account.user, detail=params.role)
        if account.role == params.role:  # a change would close the connections of the account
            return answer(_account(account, (await self._suspended()).get(params.id)))
        basis, change = await self._basis_of_admin(request), AccountChange(role=params.role)
        changed = await self._accounts.storage.accounts.change(params.id, change, made, basis=basis)
        if changed is None:
            raise too_late()
        await self._follow()
        return answer(_account(changed, (await self._suspended()).get(params.id)))

    async def logins(self, request: web.Request, params: OneAccount) -> web.StreamResponse:
        """Answer with the logins of an account."""
        await self._found(params.id)
        return answer(LoginList(await self._logins(params.id)))

    async def end_logins(self, request: web.Request, params: OneAccount) -> web.StreamResponse:
        """End all logins of an account."""
        return await self._end(request, params.id)

    async def end_login(self, request: web.Request, params: OneLogin) -> web.StreamResponse:
        """End a login of an account."""
        return await self._end(request, params.id, params.login)

    async def _end(self, request: web.Request, account_id: str, only: str = "") -> web.StreamResponse:
        target = (await self._found(account_id)).user
        made = self._entry(request, "session_end", target=target)
        if not await self._accounts.storage.logins.end(account_id, only=only, entry=made) and only:
            raise ParleyError("no_such_session", field="login")
        return await self._done()

    # Shared.

    def _now(self) -> int:
        return self._accounts.clock.now_us()

    def _until(self, seconds: int | None) -> int:
        return FOREVER if seconds is None else self._now() + seconds * 1_000_000

    def _entry(self, request: web.Request, action: AuditAction, *, target: User, detail: str = "") -> AuditEntry:
        """Make the audit entry of a change, and count it towards the caller's rate of commands.

        Raises:
            ParleyError: ``rate_limited``.
        """
        self._shared.runner.count(caller(request))
        return entry(
            self._accounts.clock,
            action,
            caller(request).user,
            target=target,
            address=request[SENDER].address,
            detail=detail,
        )

    async def _follow(self) -> None:
        """Let what was stored take effect at this server before it is answered; the others follow by themselves."""
        await self._accounts.follower.catch_up()

    async def _done(self) -> web.StreamResponse:
        await self._follow()
        return done()


def _row(
    method: str,
    path: str,
    summary: str,
    handler: LocalHandler,
    params: type[Struct],
    answers: tuple[Answer, ...],
    refusals: tuple[str, ...] = (),
    *,
    text: str = "",
) -> Endpoint:
    return Endpoint(method, path, summary, handler, params, answers, refusals, text, auth="admin")


def _times(notice: Notice) -> tuple[str, str, str | None]:
    """Return the reason, the beginning and the end of a suspension or block."""
    return notice.reason, rfc3339(notice.at), time_of(notice.deny_until)


def _account(account: Account, suspended: Notice | None) -> AccountListed:
    return AccountListed(
        account.account_id,
        account.username,
        account.name,
        account.role,
        account.email,
        account.totp_on,
        rfc3339(account.created_at),
        suspended is not None,
        None if suspended is None else time_of(suspended.deny_until),
        None if suspended is None else suspended.reason,
    )
