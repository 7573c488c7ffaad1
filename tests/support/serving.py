"""Servers by themselves, or the edge of a cluster of two nodes: in the test's own event loop, or as processes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager

from server.app import Server
from server.settings.values import Settings
from tests.contract.records import until
from tests.support.process import poll_until
from tests.support.server import ServerProcess

Serve = Callable[..., Awaitable[Server]]
# The settings of another cluster, on a database of its own; and how to remove that database.
NewCluster = Callable[[ExitStack], dict[str, str]]

_owners: dict[Server, Server] = {}  # of the edges that run


def owner_of(server: Server) -> Server:
    """Return the server that has the rooms of this one's clients: the owner in front of which an edge is, or itself."""
    return _owners.get(server, server)


async def started(settings: dict[str, str], *, stop_seconds: float = 2.0, patient: bool = True) -> Server:
    """Start a server on a free port, and if ``patient``, wait until it can store, and knows which accounts may act."""
    server = Server(Settings({"PORT": "0", **settings}), stop_seconds=stop_seconds)
    try:
        await server.start()
        if patient:
            await until(lambda: server.chat.problem() is None and not server.accounts.access.is_stale())
    except BaseException:
        await server.stop()
        raise
    return server


async def stop(server: Server) -> None:
    """Stop a server, with everything stored."""
    assert await server.stop() == 0


async def without_nodes(owner: Server) -> None:
    """Wait until an owner knows that it is alone: it would offer the rooms to an edge that has ended, and wait."""
    await until(lambda: (seen := owner._storage.servers()) is None or len(seen.alive) <= 1)


async def stop_nodes(owner: Server, edge: Server) -> None:
    """Stop both nodes of a cluster, with everything stored."""
    await stop(edge)
    await without_nodes(owner)
    await stop(owner)


@asynccontextmanager
async def serving(
    new_cluster: NewCluster | None, defaults: dict[str, str], *, stop_seconds: float = 2.0, patient: bool = True
) -> AsyncIterator[Serve]:
    """Return a function that starts servers: `await serve(HEARTBEAT="0.1")`. They stop at the end.

    Each is stopped, whatever has failed: the event loop cannot end with the connection pools of a server that was not.

    Args:
        new_cluster: makes each server the edge of a cluster of its own, whose other node, the owner, starts first. None
            for servers by themselves.
        defaults: settings, unless a test gives others.
        stop_seconds: time limit of each step of stopping that may hang.
        patient: wait until each server can store; a cluster is waited for anyway.
    """

    async def start(**environment: str) -> Server:
        if new_cluster is None:
            server = await started(defaults | environment, stop_seconds=stop_seconds, patient=patient)
            stopping.push_async_callback(stop, server)
            return server
        assert not environment.keys() & {"DATABASE_URL", "NATS_URL"}, "mark the test one_server: it has its own storage"
        settings = defaults | environment | await asyncio.to_thread(new_cluster, stack)
        owner = await started(settings | {"NODE_NAME": "owner"}, stop_seconds=stop_seconds)
        stopping.push_async_callback(stop, owner)
        stopping.push_async_callback(without_nodes, owner)
        edge = await started(settings | {"NODE_NAME": "edge"}, stop_seconds=stop_seconds)
        stopping.push_async_callback(stop, edge)
        _owners[edge] = owner
        stopping.callback(_owners.pop, edge)
        return edge

    with ExitStack() as stack:
        async with AsyncExitStack() as stopping:
            yield start
        await asyncio.sleep(0)


@contextmanager
def running(settings: Mapping[str, str]) -> Iterator[list[ServerProcess]]:
    """Run `main.py` until it is ready; with NATS_URL, the owner first and then an edge.

    The last of the processes is the one whose clients are tested.
    """
    names = ["owner", "edge"] if "NATS_URL" in settings else [""]
    with ExitStack() as stack:
        processes: list[ServerProcess] = []
        for name in names:
            process = stack.enter_context(ServerProcess({**settings, "NODE_NAME": name}))
            processes.append(process)
            wait_ready(process)
        yield processes
        for process in processes:
            assert "Traceback" not in process.log_text(), process.log_text()


def wait_ready(process: ServerProcess) -> None:
    """Wait until a server is ready to store."""
    poll_until(lambda: process.get_status("/ready") == 200, what="/ready is 200")
