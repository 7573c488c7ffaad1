"""A bus between nodes of one process, which does what a test tells it to."""

from collections.abc import Callable


class MemoryHub:
    """The middle of the buses: what they have in common."""

    def __init__(self) -> None:
        self.buses: dict[str, MemoryBus] = {}


class MemoryBus:
    """One node's bus, which delivers within the call of `send`."""

    max_bytes = 1 << 20

    def __init__(self, hub: MemoryHub) -> None:
        self.dropped = 0
        self._hub = hub
        self._node = ""
        self._hear: Callable[[bytes], object]
        self._on_up: Callable[[], object]

    @property
    def up(self) -> bool:
        return self._hub.buses.get(self._node) is self

    async def start(self, node: str, hear: Callable[[bytes], object], on_up: Callable[[], object]) -> None:
        self._node, self._hear, self._on_up = node, hear, on_up
        self._hub.buses[node] = self
        on_up()

    def send(self, node: str, data: bytes) -> None:
        there = self._hub.buses.get(node)
        if not self.up or there is None:
            self.dropped += 1
        else:
            there._hear(data)

    def send_all(self, data: bytes) -> None:
        if not self.up:
            self.dropped += 1
            return
        for there in tuple(self._hub.buses.values()):
            if there is not self:
                there._hear(data)

    def reconnect(self) -> None:
        if self.up:
            self._on_up()

    async def close(self) -> None:
        if self.up:
            del self._hub.buses[self._node]
