"""Requests about rooms at a server that has none: it asks the server that has them, which runs the same row.

The server with the connection authenticates the caller, applies the limits by address, decodes the parameters, and
sends the answer to the client. The one with the rooms applies the limits by principal and checks access. A question is
one row with its parameters, an answer is all of what the row returned: a part, for an answer in parts.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any

from aiohttp import hdrs
from msgspec import Raw, Struct
from msgspec.msgpack import Decoder, Encoder

from chat.chat import Chat
from chat.delivery.paging import too_many
from chat.ports import Elsewhere
from model.errors import ParleyError, unavailable
from server.http.asked import Answered, Asked
from server.http.endpoints import Endpoint, Refusal, run_here
from storage.ports.storage import READER
from utils.fairness import FairQueue
from utils.log_fields import CONTEXT
from utils.tracebacks import forget_frames

log = logging.getLogger(__name__)

# How often a request is sent: once more, if the rooms have moved to another server.
TRIES = 2
# How long a request may take in total, in seconds.
ANSWER_SECONDS = 20.0
# Bytes of one answer: more than the largest message that the settings allow. A page has half a megabyte, or two.
ANSWER_BYTES = 8 << 20
# Unanswered questions of this server that read, and as many that change something; and those of one account, or of the
# clients at one address. With pages of the largest size, the answers are less than what a link may hold. A read can
# take seconds, and the server with the rooms makes few of one account at once: so no account gets many of the turns.
AT_ONCE = 24
EACH_READS = 2
EACH_CHANGES = 8
# Queued questions of one principal; four times that for an address, forty times in total.
WAITING = 1000


class _Question(Struct, frozen=True, gc=False, array_like=True):
    row: str
    params: Raw
    asked: Asked


class _Reply(Struct, frozen=True, gc=False, array_like=True):
    """What the row returned, or the refusal that it raised; neither if the rooms are at another server."""

    answered: Answered | None = None
    refusal: Refusal | None = None


_encode = Encoder().encode
_read_question = Decoder(_Question).decode
_read_reply = Decoder(_Reply).decode


class Forwarding:
    """Runs the rows about rooms, here or at the server that has the rooms.

    Args:
        rows: the table; rows without a ``rooms_handler`` are ignored.
        chat: the chat of this server. Its ``elsewhere`` is the way to the server that has the rooms.
        begin: called before a row is run for another server: applies the limits by principal.
    """

    def __init__(
        self, rows: Iterable[Endpoint], chat: Chat, begin: Callable[[Endpoint, Asked], Awaitable[None]]
    ) -> None:
        self._rows = {_name(row): (row, Decoder(row.params).decode) for row in rows if row.rooms_handler is not None}
        self._chat = chat
        self._begin = begin
        self._reads, self._changes = (
            FairQueue(AT_ONCE, each=each, waiting=WAITING, full=partial(too_many, "requests"))
            for each in (EACH_READS, EACH_CHANGES)
        )

    def run(self, row: Endpoint, asked: Asked, params: Any) -> Awaitable[Answered]:
        """Return the answer of a row; see `server.http.endpoints.Run`.

        Raises:
            ParleyError: the refusal of the row; ``unavailable`` if the server that has the rooms does not answer: the
                request may then still take effect.
        """
        chat = self._chat
        if chat.elsewhere is None and (chat.going.is_set() or row.method == hdrs.METH_GET):
            return run_here(row, asked, params)
        return self._run_elsewhere(row, asked, params)

    async def _run_elsewhere(self, row: Endpoint, asked: Asked, params: Any) -> Answered:
        question = _encode(_Question(_name(row), Raw(_encode(params)), asked))
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                for _ in range(TRIES):
                    await self._chat.going.wait()
                    if (elsewhere := self._chat.elsewhere) is None:  # the rooms have moved here
                        return await run_here(row, asked, params)
                    reply = await self._ask(
                        elsewhere, question, reads=row.method == hdrs.METH_GET, repeatable=row.may_repeat(params)
                    )
                    if reply.answered is not None:
                        return reply.answered
                    if (refusal := reply.refusal) is not None:
                        raise ParleyError(
                            refusal.code, refusal.message, field=refusal.field, retry_after=refusal.retry_after
                        )
        except TimeoutError as error:
            raise _no_answer() from error
        raise _no_answer()

    async def _ask(self, elsewhere: Elsewhere, question: bytes, *, reads: bool, repeatable: bool) -> _Reply:
        async with (self._reads if reads else self._changes).turn(READER.get()):
            try:
                return _read_reply(await elsewhere.ask(question, reads=reads))
            except ParleyError as error:
                if not repeatable:
                    raise _no_answer() from error
                return _Reply()

    async def answer(self, question: bytes) -> bytes:
        """Answer a question of another server. Raises nothing: what fails is an answer, too."""
        name = "a question"
        reply = _Reply()
        try:
            read = _read_question(question)
            name = read.row
            row, decode = self._rows[name]
            if self._chat.elsewhere is None:
                reply = await self._answer(row, read.asked, decode(read.params))
            encoded = _encode(reply)
            if len(encoded) > ANSWER_BYTES:
                raise ValueError(f"the answer has {len(encoded)} bytes")
        except Exception as error:
            log.exception("%s of another server failed", name)
            forget_frames(error)
            encoded = _encode(_Reply(refusal=_refusal(ParleyError("internal"))))
        return encoded

    async def _answer(self, row: Endpoint, asked: Asked, params: Any) -> _Reply:
        caller = asked.identity.user.id if asked.identity is not None else ""
        CONTEXT.set({"request": asked.request, "address": asked.address, "principal": caller})
        try:
            await self._begin(row, asked)
            if self._chat.elsewhere is not None:
                return _Reply()
            return _Reply(await run_here(row, asked, params))
        except ParleyError as error:
            forget_frames(error)
            if error.code == "unavailable" and self._chat.elsewhere is not None and row.method == hdrs.METH_GET:
                return _Reply()  # the rooms have moved during the read
            return _Reply(refusal=_refusal(error))


def _name(row: Endpoint) -> str:
    return f"{row.method} {row.path}"


def _refusal(error: ParleyError) -> Refusal:
    return Refusal(error.code, error.message, error.field, error.retry_after)


def _no_answer() -> ParleyError:
    return unavailable("the server that has the rooms does not answer")
