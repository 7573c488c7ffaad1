"""A job is one pending write, with the action on its outcome. A backlog counts the jobs of one owner."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from typing import Any, Protocol

from chat.delivery.session import Session
from storage.ports.storage import Outcome, Write

# Bytes that a queued write takes besides its text: the records, their strings and the queue's own slot.
JOB_BYTES = 512


class Backlog:
    """The writes of one owner that were submitted to its worker and are not confirmed.

    A write is confirmed once storage has answered it, whatever the answer is.

    Attributes:
        unconfirmed: their number.
        size: their bytes, for the limit on one owner's share of a queue.
        turn: that of its newest job.
    """

    __slots__ = ("_confirmed", "_waiters", "size", "turn", "unconfirmed")

    def __init__(self) -> None:
        self.unconfirmed = 0
        self.size = 0
        self.turn = 0
        # Of callers that wait for a write: its number, and the future that all of them share.
        self._waiters: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._confirmed = 0  # how many writes, counted only while there are waiters

    def confirmed(self, size: int) -> None:
        """Count the oldest write, of ``size`` bytes, as answered."""
        self.unconfirmed -= 1
        self.size -= size
        if self._waiters:
            self._confirmed += 1
            if self._waiters[0][0] == self._confirmed:
                self._waiters.popleft()[1].set_result(None)

    async def written(self) -> None:
        """Wait until storage has answered every write submitted so far. Has no time limit: use a timeout."""
        if self.unconfirmed:
            newest = self._confirmed + self.unconfirmed
            # Callers that wait for the same write share a future: in an outage, any number of them may time out.
            if not self._waiters or self._waiters[-1][0] != newest:
                self._waiters.append((newest, asyncio.get_running_loop().create_future()))
            await asyncio.shield(self._waiters[-1][1])


class Owner(Protocol):
    """The owner of writes, as far as a worker needs to know it."""

    @property
    def name(self) -> str:
        """Its name in the log."""

    @property
    def backlog(self) -> Backlog:
        """Its writes that are not confirmed."""

    def as_writes(self) -> Sequence[Write]:
        """Return its complete known state, to be stored again after storage has lost it."""


class Job(ABC):
    """One pending write.

    Attributes:
        size: the bytes that it counts for in the limits.
        since: `time.perf_counter` when it was accepted.
        turn: in which order the worker takes it: a sum of sizes, set when it is submitted.
        authors: the sessions to answer; more than one when the same message was sent twice.
    """

    __slots__ = ("authors", "owner", "since", "size", "turn", "write")

    def __init__(self, owner: Owner, write: Write, size: int, author: Session[Any] | None) -> None:
        self.owner = owner
        self.write = write
        self.size = size + JOB_BYTES
        self.since = time.perf_counter()
        self.turn = 0
        self.authors = [author] if author is not None else []

    @abstractmethod
    def abandon(self) -> None:
        """Tell the authors that the outcome is unknown: another server stores the rooms from now on."""

    @abstractmethod
    def on_outcome(self, outcome: Outcome) -> None:
        """Act on the answer of storage; the owner's backlog no longer counts this write."""
