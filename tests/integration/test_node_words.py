"""What a node says of what is wrong: in its log, in `/ready` and in `/health`."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from server.app import Server
from tests.contract.records import until
from tests.support.nats import NatsServer
from tests.support.process import free_port
from tests.support.serving import started

pytestmark = pytest.mark.one_server("it starts the nodes itself")


@asynccontextmanager
async def node(settings: dict[str, str], **more: str) -> AsyncIterator[Server]:
    """Start a node that may never be ready."""
    server = await started(settings | more, patient=False)
    try:
        yield server
    finally:
        await server.stop()


def ready(server: Server) -> tuple[Any, str]:
    """Return the reason and the detail of `/ready`."""
    return server.chat.not_ready_reason(), str(server.chat.problem())


def bus_of(server: Server) -> bool | None:
    """Return what `/health` says of the bus."""
    assert server.chat.node is not None
    return server.chat.node.status().bus


@pytest.mark.slow
@pytest.mark.parametrize("wrong", ["password", "port"])
async def test_a_node_that_does_not_reach_storage_says_so(node_settings: dict[str, str], wrong: str) -> None:
    """As a single server does; and nothing of the bus, which it cannot join yet."""
    url = node_settings["DATABASE_URL"]
    if wrong == "port":
        url = f"postgresql://me:x@127.0.0.1:{free_port()}/x"
    else:
        url = f"{url}{'&' if '?' in url else '?'}sslmode=require"  # the server of the tests offers no TLS
    async with node(node_settings, DATABASE_URL=url) as server:
        await until(lambda: "cannot connect to Postgres at " in ready(server)[1])
        assert ready(server)[0] == "starting"
        assert bus_of(server) is None


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (lambda server: f"nats://127.0.0.1:{free_port()}", "NATS is out of reach at 127.0.0.1:"),
        (lambda server: "nats://nowhere.invalid:4222", "NATS is out of reach at nowhere.invalid:4222: "),
        (lambda server: server.url.replace("ann:x", "ann:y"), "Authorization Violation; check NATS_CREDS"),
        (lambda server: server.url.replace("nats:", "tls:"), "it offers no TLS"),
        (lambda server: server.url, 'permissions violation for subscription to "'),
    ],
    ids=["port", "host", "password", "TLS", "permissions"],
)
async def test_a_node_that_does_not_reach_the_bus_says_why(
    node_settings: dict[str, str], url: Callable[[NatsServer], str], words: str
) -> None:
    users = 'authorization { users: [{ user: ann, password: x, permissions { subscribe: "other" } }] }'
    async with node(node_settings):
        with NatsServer(users, login="ann:x") as nats:
            async with node(node_settings, NATS_URL=url(nats)) as server:
                await until(lambda: ready(server)[0] == "owner" and words in ready(server)[1])
                assert ready(server)[1].startswith("no node that has the rooms can be reached: NATS ")
                assert bus_of(server) is False


@pytest.mark.slow
@pytest.mark.parametrize("other", ["NATS_PREFIX", "NATS_URL"])
async def test_an_owner_that_is_on_another_bus_is_named(
    node_settings: dict[str, str], caplog: pytest.LogCaptureFixture, other: str
) -> None:
    words = "node a has the rooms, and is not heard: is NATS_URL or NATS_PREFIX different there?"
    with NatsServer() as nats:
        different = {"NATS_URL": nats.url, "NATS_PREFIX": "another"}
        async with node(node_settings, NODE_NAME="a") as owner:
            await until(lambda: bool(owner.chat.node and owner.chat.node.status().role == "owner"))
            async with node(node_settings, NODE_NAME="b", **{other: different[other]}) as server:
                await until(lambda: ready(server) == ("owner", f"no node that has the rooms can be reached: {words}"))
                await until(lambda: words in caplog.messages)
    assert caplog.messages.count(words) == 1


async def test_what_two_nodes_log_of_each_other(
    node_settings: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """Each other secret, and the same name, at both; a node that stops is not a lost one."""
    caplog.set_level(logging.INFO)
    async with node(node_settings, NODE_NAME="a", JWT_SECRET="x" * 40) as owner:
        await until(lambda: bool(owner.chat.node and owner.chat.node.status().role == "owner"))
        async with node(node_settings, NODE_NAME="a", JWT_SECRET="y" * 40) as edge:
            await until(lambda: edge.chat.problem() is None)
            same = "another node is called a, too: give each a NODE_NAME of its own"
            await until(lambda: caplog.messages.count(same) == 2)
            await until(lambda: len({line for line in caplog.messages if "has another JWT_SECRET" in line}) == 2)
        await until(lambda: any(line.endswith(" has stopped") for line in caplog.messages))
        assert owner.chat.node is not None
        counted = {sample.name: sample.value for sample in owner.chat.node.samples()}
        assert counted["peers_given_up"] == 0
    assert len([line for line in caplog.messages if "there is a link" in line]) == 2, "none begins while a node stops"
    assert "is lost" not in caplog.text


async def test_an_owner_that_stops_is_not_a_lost_node(
    node_settings: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    owner = await started(node_settings | {"NODE_NAME": "a"})
    async with node(node_settings, NODE_NAME="b") as edge:
        await until(lambda: edge.chat.problem() is None)
        await owner.stop()
        await until(lambda: bool(edge.chat.node and edge.chat.node.status().role == "owner"))
        await until(
            lambda: any(line.startswith("node a ") and line.endswith(" has stopped") for line in caplog.messages)
        )
    assert "is lost" not in caplog.text
    assert "cannot write: another server" not in caplog.text
