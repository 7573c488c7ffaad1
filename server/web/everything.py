"""``/api/export``: everything that a server keeps in memory, for its operator."""

import asyncio
import hmac
from collections.abc import AsyncGenerator, Iterator, Sequence

from aiohttp import hdrs, web
from msgspec import Struct

from model.audit import OPERATOR, entry
from model.errors import ParleyError
from server.accounts.service import Accounts
from server.auth.tokens import bearer_tokens
from server.http.endpoints import SENDER, TEXT, Answer, Endpoint
from server.http.parts import check_version, send_whole
from server.transfer.archive import FORMAT, VERSION, ArchiveWriter, Header
from server.wire.connections import Shared
from storage.ports.transfer import Record
from utils.clock import rfc3339
from utils.version import installed_version

GZIP = "application/gzip"
PATH = "/api/export"
RETRY = 30.0
# Characters of messages, and records, that are encoded and compressed before the event loop may do other work: 1 ms.
_CHUNK_CHARS = 64 << 10
_CHUNK_RECORDS = 200
_HEADERS = {"Content-Type": GZIP, "Content-Disposition": 'attachment; filename="parley.jsonl.gz"'}


class ExportParams(Struct, frozen=True):
    """What to export.

    Attributes:
        sessions: include the secret of the server and the sessions.
    """

    sessions: bool = True


class Everything:
    """The row, and whether it is being answered."""

    def __init__(self, accounts: Accounts, shared: Shared) -> None:
        self._accounts = accounts
        self._shared = shared
        self._runs = False

    def endpoint(self) -> Endpoint:
        """Return the row."""
        return Endpoint(
            "GET",
            PATH,
            "Everything that the server keeps in memory, for its operator",
            self._export,
            ExportParams,
            answers=(
                Answer(200, "the file", bytes, (GZIP,), {"Content-Disposition": "`attachment`"}),
                Answer(505, "the request is HTTP/1.0, in which a truncated body looks complete", str, (TEXT,)),
            ),
            refusals=("unauthorized", "forbidden", "conflict", "rate_limited", "overloaded", "unavailable"),
            text="With the setting `EXPORT_TOKEN` as bearer token: no role allows it. `parley export` asks for it, and"
            " [export.md](export.md) describes the file. It has everything as it was when it was asked for: what users"
            " write meanwhile is not in it. Servers with a database refuse (`conflict`), as `parley export` reads"
            " that. If it cannot be completed, the connection is cut: a body that ends properly is complete.",
        )

    async def _export(self, request: web.Request, params: ExportParams) -> web.StreamResponse:
        client, accounts = request[SENDER], self._accounts
        self._shared.count_request(client)
        check_version(request)
        self._check_token(request)
        if self._runs:
            raise ParleyError("overloaded", "another export is running", retry_after=RETRY)
        records = accounts.storage.snapshot(sessions=params.sessions)
        if records is None:
            raise ParleyError("conflict", "this server has a database: parley export reads it with its DATABASE_URL")
        self._runs = True
        try:
            response = web.StreamResponse(headers=_HEADERS)
            if request.method != hdrs.METH_HEAD:
                recorded = entry(accounts.clock, "export", OPERATOR, address=client.address, detail="everything")
                await accounts.storage.audit.append([recorded])
            header = Header(
                FORMAT, VERSION, installed_version(), rfc3339(accounts.clock.now_us()), "memory", params.sessions
            )
            return await send_whole(request, response, _parts(ArchiveWriter(header), records))
        finally:
            self._runs = False

    def _check_token(self, request: web.Request) -> None:
        token = self._shared.settings.export_token
        if not token:
            raise ParleyError("forbidden", "EXPORT_TOKEN is not set: nothing is exported")
        given = bearer_tokens(request.headers.getall(hdrs.AUTHORIZATION, ()))
        if len(given) != 1 or not hmac.compare_digest(given[0].encode(errors="replace"), token.encode()):
            raise ParleyError("unauthorized", "the token must be that of EXPORT_TOKEN")


async def _parts(writer: ArchiveWriter, records: Iterator[Record]) -> AsyncGenerator[bytes, None]:
    for some in _slices(records):
        yield writer.write(some)
        await asyncio.sleep(0)  # sending does not wait if the client reads as fast
    yield writer.end()


def _slices(records: Iterator[Record]) -> Iterator[Sequence[Record]]:
    some: list[Record] = []
    chars = 0
    for record in records:
        some.append(record)
        chars += len(getattr(record, "content", ""))
        if len(some) >= _CHUNK_RECORDS or chars >= _CHUNK_CHARS:
            yield some
            some, chars = [], 0
    yield some
