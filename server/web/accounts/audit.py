"""``/api/audit``: the audit log, for admins."""

from typing import Annotated

from aiohttp import web
from msgspec import Meta, Struct

from model.audit import AuditAction, AuditFilter
from model.commands import Name
from model.limits import AUDIT_DEFAULT, AUDIT_LIMIT, CURSOR_CHARS
from model.text import check_time
from server.accounts.lines import line_of
from server.accounts.service import Accounts
from server.http.asked import Asked
from server.http.endpoints import NDJSON, Answer, Endpoint
from server.rest.context import NEXT, link
from storage.ports.messages import ENDLESS
from utils.encoding import to_json

_Id = Annotated[str, Meta(max_length=CURSOR_CHARS)]
_Time = Annotated[str, Meta(max_length=64, examples=["2026-11-21T08:31:11Z"])]


class AuditParams(Struct, frozen=True):
    """Which entries to return: those that match all of the given values.

    Attributes:
        actor: the id of the user who acted, or `server` or `operator` (the command line).
        target: the id of the user, or of what else was acted on.
        action: what was done.
        room: the name of a room.
        since: a time in RFC 3339; inclusive.
        until: a time in RFC 3339; exclusive.
        before: a `number`; only entries below it.
        limit: maximum number of entries.
    """

    actor: _Id | None = None
    target: _Id | None = None
    action: AuditAction | None = None
    room: Name | None = None
    since: _Time | None = None
    until: _Time | None = None
    before: Annotated[int, Meta(ge=0, le=2**53 - 1)] | None = None
    limit: Annotated[int, Meta(ge=1, le=AUDIT_LIMIT)] = AUDIT_DEFAULT


def audit_endpoints(accounts: Accounts) -> tuple[Endpoint, ...]:
    """Return the rows."""

    async def audit(request: web.Request, params: AuditParams) -> web.StreamResponse:
        """Answer with a page of the log."""
        wanted = AuditFilter(
            params.actor,
            params.target,
            params.action,
            params.room,
            None if params.since is None else check_time(params.since, "since"),
            None if params.until is None else check_time(params.until, "until"),
        )
        before = ENDLESS if params.before is None else params.before
        found = await accounts.storage.audit.page(wanted, before=before, limit=params.limit)
        headers = {"Content-Type": NDJSON}
        if len(found) == params.limit:
            asked = Asked(None, "", "", tuple(request.query.items()))
            headers["Link"] = link(asked, "next", before=found[-1][0])
        body = b"".join(to_json(line_of(number, entry)) + b"\n" for number, entry in found)
        return web.Response(body=body, headers=headers)

    return (
        Endpoint(
            "GET",
            "/api/audit",
            "The audit log, newest first",
            audit,
            AuditParams,
            (Answer(200, "the entries", str, (NDJSON,), NEXT),),
            refusals=("unavailable",),
            text="For admins. JSON Lines: one entry per line, with `number`, `at`, `action`, `result` (`ok` or "
            "`refused`), `actor` and `target` (`id` and `name`), `address`, `room` and `detail`, as far as there are "
            "any. Entries are removed after `AUDIT_DAYS`. When an account is deleted, its id and names in the log are "
            "replaced, and its addresses removed.",
            auth="admin",
        ),
    )
