"""Nodes that only listen, for the tests of buses."""

from collections.abc import Callable
from itertools import count
from typing import Any, Protocol

from chat.link.bus import Bus
from tests.contract.records import until

PREFIXES = (f"parley.{number}" for number in count())
"""A prefix for each installation: tests share a NATS server."""


class Ear:
    """A node that keeps what it hears."""

    def __init__(self, name: str, bus: Bus, hear: Callable[[bytes], object] | None = None) -> None:
        self.name = name
        self.bus = bus
        self.heard: list[bytes] = []
        self.ups = 0
        self._hear = hear or self.heard.append

    def on_up(self) -> None:
        self.ups += 1

    async def start(self) -> None:
        await self.bus.start(self.name, self._hear, self.on_up)


async def is_up(*ears: Ear) -> None:
    await until(lambda: all(ear.bus.up for ear in ears))


class Listen(Protocol):
    """Starts nodes of one installation on NATS, with options of `NatsBus`; they are closed after the test."""

    async def __call__(
        self,
        urls: str,
        *names: str,
        prefix: str | None = None,
        hear: Callable[[bytes], object] | None = None,
        **options: Any,
    ) -> list[Ear]: ...
