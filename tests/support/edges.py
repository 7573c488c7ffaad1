"""A server without rooms, in front of one that has them: two real servers in one process, without a link in between."""

import asyncio
from collections.abc import Callable
from contextvars import Context
from typing import Any

from chat.ports import Elsewhere
from model.errors import ParleyError
from server.app import Server


class Way(Elsewhere):
    """The way from an edge to the server that has the rooms.

    Attributes:
        owner: that server; None if there is none.
        questions, answers: everything that was carried.
        lost: whether an answer is lost, although the question was answered; called with the number of answers so far.
        most: the largest number of concurrent questions so far.
    """

    def __init__(self, owner: Server | None) -> None:
        self.owner = owner
        self.questions: list[bytes] = []
        self.answers: list[bytes] = []
        self.lost: Callable[[int], bool] = lambda number: False
        self.most = 0
        self._asking = 0
        self.storage_problem = ""

    async def ask(self, question: bytes, *, reads: bool = False) -> bytes:
        if self.owner is None:
            raise ParleyError("unavailable")
        self.questions.append(question)
        self._asking += 1
        self.most = max(self.most, self._asking)
        try:
            # In a context of its own: nothing but the bytes crosses a link.
            asking = asyncio.create_task(self.owner._http.answer(question), context=Context())
            answer = await asking
        finally:
            self._asking -= 1
        self.answers.append(answer)
        if self.lost(len(self.answers)):
            raise ParleyError("unavailable")
        return answer

    # No client of an edge connects by WebSocket here.

    def opened(self, session: Any) -> None: ...

    def closed(self, session: Any) -> None: ...

    def refuse(self, session: Any, error: ParleyError) -> None: ...

    def problem(self) -> str | None:
        return None

    async def idle(self) -> None: ...


def make_edge(server: Server, owner: Server | None) -> Way:
    """Make a server an edge: its requests about rooms go to ``owner`` from now on."""
    way = server.chat.elsewhere = Way(owner)
    return way
