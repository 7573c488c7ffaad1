"""``/api/me/export``: everything about an account, for its user."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager

from aiohttp import hdrs, web

from chat.delivery.ratelimit import Allowances
from chat.ports import Identity
from model.audit import entry
from model.errors import ParleyError
from server.accounts.export import export_zip
from server.accounts.service import Accounts
from server.http.endpoints import CALLER, SENDER, TEXT, Answer, Endpoint, Nothing
from server.http.parts import check_version, send_whole
from utils.clock import DAY_SECONDS

ZIP = "application/zip"
# An export reads every log, so few run at once on a server, and an account may start this many a day.
EXPORTS = 2
EXPORTS_A_DAY = 3
RETRY = 30.0
_HEADERS = {"Content-Type": ZIP, "Content-Disposition": 'attachment; filename="parley.zip"'}


class _Running:
    """The exports that are being sent, by account."""

    def __init__(self) -> None:
        self._accounts: set[str] = set()
        self._allowances = Allowances(EXPORTS_A_DAY / DAY_SECONDS, EXPORTS_A_DAY)

    @contextmanager
    def one(self, account_id: str, now: float) -> Iterator[None]:
        """Count one that lasts as long as the block.

        Raises:
            ParleyError: ``overloaded`` if too many are running, ``rate_limited`` if the account had too many today.
        """
        if account_id in self._accounts or len(self._accounts) >= EXPORTS:
            raise ParleyError("overloaded", "too many exports are running", retry_after=RETRY)
        if wait := self._allowances.take(account_id, now):
            raise ParleyError(
                "rate_limited", f"an account can be exported {EXPORTS_A_DAY} times a day", retry_after=wait
            )
        self._accounts.add(account_id)
        try:
            yield
        finally:
            self._accounts.discard(account_id)


async def _as_allowed(
    bodies: AsyncGenerator[bytes, None], accounts: Accounts, address: str, caller: Identity
) -> AsyncGenerator[bytes, None]:
    """Yield the parts as long as the caller may act: a client can take hours to read them.

    Raises:
        ParleyError: as `AccessList.check_again`.
    """
    async with aclosing(bodies):
        async for body in bodies:
            accounts.access.check_again(address, caller)
            yield body


def export_endpoints(accounts: Accounts) -> tuple[Endpoint, ...]:
    """Return the rows."""
    running = _Running()

    async def export(request: web.Request, params: Nothing) -> web.StreamResponse:
        """Send the export, as fast as the client reads. If it cannot be completed, abort the connection."""
        check_version(request)
        caller = request[CALLER]
        assert caller is not None
        account = await accounts.storage.accounts.find(caller.user.id)
        if account is None:
            raise ParleyError("no_such_account")
        response = web.StreamResponse(headers=_HEADERS)
        made = export_zip(accounts.storage, accounts.clock, account)
        parts = _as_allowed(made, accounts, request[SENDER].address, caller)
        if request.method == hdrs.METH_HEAD:  # nothing is read, so nothing is counted
            return await send_whole(request, response, parts)
        with running.one(caller.user.id, accounts.clock.monotonic()):
            recorded = entry(accounts.clock, "export", account.user, address=request[SENDER].address)
            await accounts.storage.audit.append([recorded])
            return await send_whole(request, response, parts)

    return (
        Endpoint(
            "GET",
            "/api/me/export",
            "Everything about you, as a zip file of JSON Lines",
            export,
            answers=(
                Answer(200, "the zip file", bytes, (ZIP,), {"Content-Disposition": "`attachment`"}),
                Answer(505, "the request is HTTP/1.0, in which a truncated body looks complete", str, (TEXT,)),
            ),
            refusals=("no_such_account", "overloaded", "rate_limited", "unavailable"),
            text="For accounts made here. Your account, its sessions, your rows in rooms, your messages (deleted ones "
            "too), the API keys and invite links that you made, whom you block, what you reported, and the "
            "entries of the audit log about what you did and what was done about your account, without the names and "
            "addresses of others, and without what tells who blocks or reports you; also of the "
            f"guests that became the account. {EXPORTS_A_DAY} times a day. If storage fails, the connection is cut: a "
            "body that ends properly is complete.",
            auth="own",
        ),
    )
