"""The table that attacks enter themselves into."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, NamedTuple


class Attack(NamedTuple):
    """One attack.

    Attributes:
        run: attacks the server on a port of 127.0.0.1, for ever; calls its second argument when what it needs is there.
        settings: what the server is started with, besides the defaults.
        databases: whether it is run against a server in memory, with Postgres, or both.
        stored: MB of memory that what it stores may take (MEMORY_BYTES).
    """

    run: Callable[[int, Callable[[], None]], Coroutine[Any, Any, None]]
    settings: Mapping[str, str] = {}
    databases: tuple[str, ...] = ("memory",)
    stored: float = 0


ATTACKS: dict[str, Attack] = {}

Run = Callable[[int, Callable[[], None]], Coroutine[Any, Any, None]]


def attack(*, databases: tuple[str, ...] = ("memory",), stored: float = 0, **settings: str) -> Callable[[Run], Run]:
    """Enter a function in the table under its name."""

    def enter(run: Run) -> Run:
        ATTACKS[run.__name__] = Attack(run, settings, databases, stored)
        return run

    return enter
