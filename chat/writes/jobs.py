"""A job: one write on its way to storage, and what happens when storage has answered."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Protocol

from chat.delivery.session import Session
from chat.writes.backlog import Backlog
from storage.ports.outcomes import Outcome
from storage.ports.storage import Write

# What a queued write weighs besides its text: the records, their strings and the queue's own slot.
JOB_BYTES = 512


class Owner(Protocol):
    """What a write belongs to, as far as a worker needs to know."""

    @property
    def name(self) -> str:
        """For the log."""

    @property
    def backlog(self) -> Backlog:
        """Its writes that are not confirmed."""

    def as_writes(self) -> Sequence[Write]:
        """Everything known of it, to be stored again when storage has lost it."""


class Job:
    """One write on its way.

    Attributes:
        size: bytes it counts for in the bounds.
        since: `time.perf_counter` when it was accepted.
        authors: sessions to be answered; more than one when the same message was sent twice.
    """

    __slots__ = ("authors", "owner", "since", "size", "write")

    def __init__(self, owner: Owner, write: Write, size: int, author: Session[Any] | None) -> None:
        self.owner = owner
        self.write = write
        self.size = size + JOB_BYTES
        self.since = time.perf_counter()
        self.authors = [author] if author is not None else []

    def on_outcome(self, outcome: Outcome) -> None:
        """Act on the answer of storage; the owner's backlog no longer counts the write."""
        raise NotImplementedError
