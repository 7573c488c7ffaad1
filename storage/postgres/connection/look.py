"""What one look at the locks of all servers and at the row of the lease shows."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from psycopg.rows import TupleRow

from storage.postgres.sql import nodes


class LeaseRow(NamedTuple):
    """The row of the lease, and the beat.

    Attributes:
        holder: the server that signed last; None before the first.
        token: the number of its tenure.
        beat: raised by each look of the server that writes.
        epoch: what the next server may continue, if the last one saved it.
        installation: None in a copy that no server has signed yet.
    """

    holder: str | None = None
    token: int = 0
    beat: int = 0
    epoch: str | None = None
    installation: UUID | None = None


class Look(NamedTuple):
    """The locks and the row at one moment.

    Attributes:
        me: the process id of the session that looks.
        locks: the process ids of the sessions that hold each lock, by its class and number.
    """

    me: int
    locks: dict[tuple[int, int], set[int]]
    row: LeaseRow

    @property
    def writer(self) -> int | None:
        """The session that holds the writer lock."""
        return next(iter(self.holders(nodes.WRITER)), None)

    @property
    def alive(self) -> frozenset[int]:
        """The key of each node that lives."""
        return self._numbers(nodes.NODE_CLASS)

    @property
    def on_bus(self) -> frozenset[int]:
        """The key of each node that reaches the bus."""
        return self._numbers(nodes.BUS_CLASS)

    def holders(self, lock: tuple[int, int]) -> set[int]:
        """Return the sessions that hold a lock."""
        return self.locks.get(lock, set())

    def sessions(self, node: int) -> set[int]:
        """Return the sessions of a node."""
        return self.holders((nodes.NODE_CLASS, node))

    def node_of(self, session: int | None) -> int | None:
        """Return the key of the node that has this session; None if it belongs to no node."""
        return next((node for node in self.alive if session in self.sessions(node)), None)

    def _numbers(self, lock_class: int) -> frozenset[int]:
        return frozenset(number for kind, number in self.locks if kind == lock_class)


def look_of(rows: Sequence[TupleRow]) -> Look:
    """Return what the rows of `storage.postgres.sql.nodes.LOOK` show: one for each lock and session that holds it."""
    locks: dict[tuple[int, int], set[int]] = {}
    for _, lock_class, number, pid, *_ in rows:
        locks.setdefault((lock_class, number), set()).add(pid)
    if not rows:
        return Look(0, locks, LeaseRow())
    me, _, _, _, holder, *row = rows[0]
    return Look(me, locks, LeaseRow() if holder is None else LeaseRow(holder, *row))
