"""Three real nodes over one database and NATS, and the networks between them."""

import asyncio
import contextlib
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence, Set
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from chat.ports import NodeStatus
from tests.support import rawws
from tests.support.process import PATIENCE, ROOT
from tests.support.proxy import Network
from tests.support.server import ServerProcess

SECRET = "a secret of the tests, long enough for HS256"
SETTINGS = {
    "JWT_SECRET": SECRET,
    "RATE_LIMIT_MESSAGES": "0",
    "RATE_LIMIT_REQUESTS": "0",
    "RATE_LIMIT_GUESTS": "0",
    "RATE_LIMIT_UPGRADES": "0",
    "EDIT_WINDOW": "0",
    "CLOSE_SECONDS": "1",
    "DRAIN_SECONDS": "5",
    "LOG_LEVEL": "info",
}
ODD_MAIN = Path(__file__).with_name("odd_main.py")


class Node(ServerProcess):
    """One node. `nats` and `database` are the networks to them, if the nodes were started with such.

    Attributes:
        frozen: it is stopped by SIGSTOP.
    """

    def __init__(
        self, name: str, env: Mapping[str, str], nats: Network | None, database: Network | None, main: Path
    ) -> None:
        super().__init__({"NODE_NAME": name, **SETTINGS, **env}, main=main)
        self.name = name
        self.frozen = False
        self._nats = nats
        self._database = database

    @property
    def nats(self) -> Network:
        """The network to NATS."""
        assert self._nats is not None
        return self._nats

    @property
    def database(self) -> Network:
        """The network to the database."""
        assert self._database is not None
        return self._database

    @property
    def runs(self) -> bool:
        """Whether its process is there, and may be frozen."""
        return self._process is not None and self._process.poll() is None

    def freeze(self) -> None:
        """Stop the process as a frozen virtual machine is: its connections stay open."""
        self.frozen = True
        self._running().send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._running().send_signal(signal.SIGCONT)
        self.frozen = False

    def kill(self) -> None:
        super().kill()
        self.frozen = False

    async def status(self) -> NodeStatus | None:
        """Return what it says of itself; None if it does not answer."""
        if not self.runs or self.frozen:
            return None
        try:
            said = (await rawws.fetch(self.port, "/health")).json()
        except (OSError, asyncio.IncompleteReadError):
            return None
        return msgspec.convert(said["cluster"], NodeStatus)

    async def not_ready(self, port: int = 0) -> dict[str, Any] | None:
        """Return what `/ready` says, at ``port`` if given; None if it is 200."""
        answer = await rawws.fetch(port or self.port, "/ready")
        assert answer.status in (200, 503)
        return None if answer.status == 200 else answer.json()


class Nodes:
    """Several nodes over one database.

    Attributes:
        all: all of them, also those that do not run.
        closed: nodes to which the balancer sends no one.
    """

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.all = nodes
        self.closed: set[Node] = set()

    def __iter__(self) -> Iterator[Node]:
        return iter(self.all)

    def port(self) -> int:
        """Choose a node as a balancer does that knows only which processes run."""
        here = [node for node in self.all if node not in self.closed]
        return random.choice([node for node in here if node.runs] or here).port

    @property
    def running_ports(self) -> list[int]:
        """The ports of the nodes that run."""
        return [node.port for node in self.all if node.runs]

    async def owner(self) -> Node:
        """Wait until the nodes agree which one has the rooms, and are ready; return it."""
        owner: Node | None = None

        async def agreed() -> bool:
            nonlocal owner
            nodes = [node for node in self.all if node.runs and not node.frozen]
            said = [status for node in nodes if (status := await node.status()) is not None]
            owners = [node for node, status in zip(nodes, said, strict=False) if status.role == "owner"]
            if len(said) != len(nodes) or len(owners) != 1:
                return False
            (owner,) = owners
            if any(status.owner != owner.name or status.peers < len(nodes) - 1 for status in said):
                return False
            return all([await node.not_ready() is None for node in nodes])

        await self._until(agreed, "the nodes agree on an owner")
        assert owner is not None
        return owner

    async def any_owner(self, *, but: Node | None = None) -> Node | None:
        """Return a node that says that it has the rooms, other than ``but``; None if none does."""
        for node in self.all:
            if node is not but and (status := await node.status()) is not None and status.role == "owner":
                return node
        return None

    async def edges(self) -> list[Node]:
        """Return the others, when the nodes agree on the owner."""
        owner = await self.owner()
        return [node for node in self.all if node is not owner and node.runs]

    async def until_another_owns(self, before: Node) -> Node:
        """Wait until another node has the rooms."""
        found: Node | None = None

        async def another() -> bool:
            nonlocal found
            found = await self.any_owner(but=before)
            return found is not None

        await self._until(another, f"another node than {before.name} has the rooms")
        assert found is not None
        return found

    async def until_token_below(self, token: int) -> None:
        """Wait until all nodes agree on the owner of an earlier tenure."""

        async def earlier() -> bool:
            said = [status for node in self.all if (status := await node.status()) is not None]
            return all(0 < status.token < token for status in said)

        await self._until(earlier, f"the owner has an earlier tenure than {token}")
        await self.owner()

    async def until_not_ready(self, node: Node, reason: str, *, detail: str = "", admin_port: int = 0) -> None:
        """Wait until `/ready` of a node is 503 with this reason, and at its `ADMIN_PORT` with these words."""

        async def refused() -> bool:
            said: dict[str, Any] = {}
            with contextlib.suppress(ConnectionRefusedError):  # it has just been started
                said = await node.not_ready(admin_port) or {}
            return said.get("reason") == reason and detail in said.get("detail", "")

        await self._until(refused, f"{node.name} is not ready: {reason} {detail}")

    async def _until(self, condition: Callable[[], Awaitable[bool]], what: str) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                while not await condition():  # noqa: ASYNC110  # it is another program's condition
                    await asyncio.sleep(0.02)
        except TimeoutError:
            said = [(node.name, await node.status()) for node in self.all]
            logs = "".join(f"\nthe log of {node.name}:\n{node.log_text()[-4000:]}" for node in self.all)
            raise AssertionError(f"{what}: not within {PATIENCE:g} s, they say {said}{logs}") from None


@asynccontextmanager
async def running(
    database: str,
    nats: str,
    *,
    count: int = 3,
    idle: Set[int] = frozenset(),
    networks: bool = False,
    odd: Mapping[int, Mapping[str, str]] = {},
    **settings: str,
) -> AsyncIterator[Nodes]:
    """Run nodes that know each other. At the end all run and must stop in good order.

    Args:
        database, nats: their URLs.
        count: how many nodes.
        idle: the numbers of those that are not started yet.
        networks: put a network of its own between each node and NATS, and between it and the database.
        odd: settings of single nodes by number, also those of `tests/faults/odd_main.py`.
        settings: of all nodes.
    """
    async with AsyncExitStack() as stack:
        nodes = []
        for number in range(count):
            env = {"DATABASE_URL": database, "NATS_URL": nats, **settings, **odd.get(number, {})}
            to_nats = to_database = None
            if networks:
                to_nats = await stack.enter_async_context(Network(nats))
                to_database = await stack.enter_async_context(Network(database))
                env |= {"NATS_URL": to_nats.url, "DATABASE_URL": to_database.url}
            nodes.append(
                Node(f"n{number + 1}", env, to_nats, to_database, ODD_MAIN if number in odd else ROOT / "main.py")
            )
        try:
            for number, node in enumerate(nodes):
                if number not in idle:
                    node.spawn()
            yield Nodes(nodes)
            await asyncio.to_thread(_stop, nodes)
        finally:
            for node in nodes:
                await asyncio.to_thread(node.remove)


def _stop(nodes: Sequence[Node]) -> None:
    for node in nodes:
        if node.runs:
            node.terminate()
    for node in nodes:
        if node.runs:
            status = node.wait()
            assert status == 0, f"{node.name} ended with {status}\n{node.log_text()[-4000:]}"
    for node in nodes:
        log = node.log_text()
        assert "Traceback" not in log, f"the log of {node.name}:\n{log[log.index('Traceback') - 500 :][:4000]}"
