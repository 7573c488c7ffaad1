"""The table of attacks."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, NamedTuple


class Attack(NamedTuple):
    """One attack.

    Attributes:
        run: attacks the server on a port of 127.0.0.1, forever; calls its second argument when its setup is complete.
        settings: the server's settings, besides the defaults.
        databases: whether it runs against a server with memory storage, with Postgres, or both.
        stored: MB of memory that the stored data may take (MEMORY_BYTES).
    """

    run: Callable[[int, Callable[[], None]], Coroutine[Any, Any, None]]
    settings: Mapping[str, str] = {}
    databases: tuple[str, ...] = ("memory",)
    stored: float = 0


ATTACKS: dict[str, Attack] = {}

Run = Callable[[int, Callable[[], None]], Coroutine[Any, Any, None]]


def attack(*, databases: tuple[str, ...] = ("memory",), stored: float = 0, **settings: str) -> Callable[[Run], Run]:
    """Add a function to the table under its name."""

    def enter(run: Run) -> Run:
        ATTACKS[run.__name__] = Attack(run, settings, databases, stored)
        return run

    return enter
