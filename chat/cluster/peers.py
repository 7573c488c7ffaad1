"""A node that this one has a link with, and the sessions of its clients."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from enum import Enum

from chat.cluster import operations as op
from chat.delivery.audience import Source, Subscriber
from chat.link.envelope import Address
from chat.link.link import Link, LinkFailed, Packet
from chat.ports import Dialect
from model.errors import unavailable
from model.events import AckItem, Presence
from storage.ports.servers import Servers

log = logging.getLogger(__name__)

# How long the owner may take to answer a question.
ANSWER_SECONDS = 15.0
# How long acks wait for other operations, on a link that has sent packets at shorter intervals.
ACK_SECONDS = 0.01
# Questions of this node that one peer has not answered; more are refused.
QUESTIONS = 1000
NO_ANSWER = "the server that has the rooms does not answer"
# Bytes that a link may hold, unacknowledged and queued, above which large things wait.
BEHIND_BYTES = 4 << 20
# How often they look whether there is less, in seconds.
BEHIND_SECONDS = 0.01


class NoAnswer(Enum):
    """Why there is no answer to a question."""

    LOST = "the peer may have done what was asked"
    NOT_DONE = "the peer has not done what was asked"


class Peer:
    """The other end of a link, and a `chat.delivery.audience.Remote`: the members of rooms who are connected there.

    Args:
        address: of its end of the link.
        name: its name, for an operator.
        send: sends a packet there, or drops it.
        receive: called with the operations of each packet.
        flush_last: `chat.rooms.hub.Hub.flush_last`.
        failed: called when the peer does not accept what it is sent.
        now: a monotonic clock.
        space: returns how many bytes of operations fit into a packet.

    Attributes:
        ended: one of the nodes has given up the other.
    """

    def __init__(
        self,
        address: Address,
        name: str,
        *,
        send: Callable[[Packet], object],
        receive: Callable[[Peer, list[op.AnyOperation]], object],
        flush_last: Callable[[Peer], object],
        failed: Callable[[Peer], object],
        now: Callable[[], float],
        space: Callable[[], int],
    ) -> None:
        self.address = address
        self.name = name
        self.link = Link(send, lambda operations: receive(self, operations), op.encode, op.decode, now, space)
        self.ended = False
        self._flush_last = flush_last
        self._failed = failed
        self._acks: list[tuple[str, str, str, int]] = []
        self._riding: asyncio.TimerHandle | None = None  # when acks stop waiting for other operations
        self._now = now
        self._questions: dict[int, asyncio.Future[bytes | NoAnswer]] = {}
        self._asked = 0
        self._pacing = asyncio.Lock()

    def __str__(self) -> str:
        """``n2 (3fa95cbb)``."""
        return f"{self.name} ({self.address.node.hex()[:8]})"

    def has_died(self, servers: Servers | None) -> bool:
        """Whether the database, if it is reached, shows the node no longer."""
        return servers is not None and not servers.lives(self.address.node.hex())

    def put(self, operation: op.AnyOperation, size: int = 0) -> None:
        """Send an operation at the end of this event loop iteration; see `chat.link.link.Link.put` for its size."""
        if type(operation) is op.Moved:  # the last word: acks come before it
            self._put_acks()
            self._flush_last(self)
        if not self.ended and self.link.put(operation, size):
            self._flush_last(self)

    def is_behind(self) -> bool:
        """Whether the link holds so much that something large has to wait."""
        return not self.ended and self.link.waiting_bytes + self.link.queued_bytes > BEHIND_BYTES

    async def keeps_up(self) -> None:
        """Wait until something large can be sent, in turn; return at once if the link has ended.

        Send it before the next await, with its size: who waits next sees it.
        """
        async with self._pacing:
            while True:
                if not self.is_behind():
                    return
                await asyncio.sleep(BEHIND_SECONDS)

    def tell_many(self, common: bytes, parts: list[tuple[bytes, bytes, list[str]]]) -> None:
        """Send frames to many sessions; see `chat.cluster.operations.TellMany`."""
        size = len(common) + sum(len(before) + len(after) for before, after, _ in parts)
        self.put(op.TellMany(common, parts), size)

    def ack(self, session: str, item: AckItem) -> None:
        """Send an acknowledgement after everything else of this iteration: never before its message.

        On a busy link it waits a little for other operations, because a packet costs more than an acknowledgement.
        """
        if not self._acks:
            self._flush_last(self)
        self._acks.append((session, item.room, item.id, item.seq))

    def flush(self) -> None:
        """Send what is queued."""
        if self._acks and self._riding is None:
            if not self.link.queued and self.link.gap < ACK_SECONDS > self._now() - self.link.sent_at:
                self._riding = asyncio.get_running_loop().call_later(ACK_SECONDS, self._acks_due)
            else:
                self._put_acks()
        elif self._acks and self.link.queued:
            self._put_acks()
        if not self.ended:
            try:
                self.link.flush()
            except LinkFailed:
                self._failed(self)
            except Exception:  # it would be tried again without end, while signs of life go on
                log.exception("what is queued for node %s cannot be sent", self)
                self._failed(self)

    def _put_acks(self) -> None:
        if self._riding is not None:
            self._riding.cancel()
            self._riding = None
        acks, self._acks = self._acks, []
        if acks and not self.ended:
            self.link.put(op.Acks(acks))

    def _acks_due(self) -> None:
        self._put_acks()
        self._flush_last(self)

    def end(self) -> None:
        """Send and answer nothing more."""
        self.ended = True
        self._put_acks()
        self.drop_questions(NoAnswer.LOST)

    # Questions.

    async def ask(self, question: bytes, *, reads: bool = False) -> bytes | None:
        """Return the answer to a question; None if the peer has not done what was asked, and will not.

        Raises:
            ParleyError: ``unavailable``: the peer has not answered in time, and may still do what was asked.
        """
        if self.ended or len(self._questions) >= QUESTIONS:
            raise unavailable(NO_ANSWER)
        self._asked += 1
        number = self._asked
        future: asyncio.Future[bytes | NoAnswer] = asyncio.get_running_loop().create_future()
        self._questions[number] = future
        self.put(op.Ask(number, question, reads))
        answer: bytes | NoAnswer = NoAnswer.LOST
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                answer = await future
        except TimeoutError:
            self.link.withdraw(lambda put: isinstance(put, op.Ask) and put.number == number, question)
        finally:
            self._questions.pop(number, None)
        if answer is NoAnswer.LOST:
            raise unavailable(NO_ANSWER)
        return None if answer is NoAnswer.NOT_DONE else answer

    def answered(self, answer: op.Answer) -> None:
        """Take the answer to a question."""
        self._answer(answer.number, NoAnswer.LOST if answer.answer is None else answer.answer)

    @property
    def questions(self) -> int:
        """How many questions wait for an answer."""
        return len(self._questions)

    def drop_questions(self, why: NoAnswer) -> None:
        """Wait for no more answers to what was asked before: the peer has the rooms no longer."""
        for number in tuple(self._questions):
            self._answer(number, why)

    def _answer(self, number: int, answer: bytes | NoAnswer) -> None:
        future = self._questions.pop(number, None)
        if future is not None and not future.done():
            future.set_result(answer)

    # The members of rooms who are connected there.

    def attach(self, room: Source, session: Subscriber, *, syncing: bool) -> None:
        self.put(op.Attach(room.name, session.id, syncing, room.head))

    def detach(self, room: Source, session: Subscriber) -> None:
        self.put(op.Detach(room.name, session.id))

    def release(self, room: Source, session: Subscriber) -> None:
        self.put(op.Release(room.name, session.id))

    def tell(self, room: Source, session: Subscriber, frame: bytes) -> None:
        self.put(op.Tell(session.id, frame, None, room.name))

    def present(self, room: Source, notice: Presence) -> None:
        self.put(op.Present(room.name, notice.joined, notice.left, notice.all))

    def deliver(self, room: Source, dialect: Dialect, frames: bytes, lasting: bytes | None) -> None:
        self.put(op.Frames(room.name, dialect.name, frames, lasting, room.head))
