"""`/metrics`: read with Prometheus' own parser, and compared with the server's activity."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.rawws import RawClient, command, fetch, text
from tests.support.serving import Serve

pytestmark = pytest.mark.one_server("each node counts what it does itself; an edge has no rooms to count")

Samples = dict[tuple[str, str], float]


async def scrape(port: int) -> Samples:
    """Return every sample of Parley's by name and the value of its only label ("" without a label)."""
    reply = await fetch(port, "/metrics")
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name.removeprefix("parley_"), next(iter(sample.labels.values()), "")): sample.value
        for family in text_string_to_metric_families(reply.body.decode())
        for sample in family.samples
        if sample.name.startswith("parley_")
    }


async def test_a_new_server_has_every_metric_at_zero(serve: Serve) -> None:
    server = await serve(WORKERS="3")
    samples = await scrape(server.port)
    plain = ["connections", "rooms", "connections_opened_total", "messages_in_total", "deliveries_total", "acks_total"]
    plain += ["retractions_total", "slow_members_total", "refused_rows_total", "store_retries_total"]
    for name in plain:
        assert samples[name, ""] == 0, name
    for histogram in ("broadcast_latency_seconds", "batch_size", "store_latency_seconds", "ack_lag_seconds"):
        assert samples[f"{histogram}_count", ""] == samples[f"{histogram}_sum", ""] == 0
        assert samples[f"{histogram}_bucket", "+Inf"] == 0
    assert {label for name, label in samples if name == "queue_depth"} == {"worker-0", "worker-1", "worker-2"}
    assert samples["ready", ""] == 1
    assert samples["resumes_total", "true"] == samples["resumes_total", "false"] == 0


async def test_activity_is_counted(serve: Serve) -> None:
    server = await serve()
    room = 'a "quoted" \\ room'
    async with await RawClient.native(server.port) as ann, await RawClient.native(server.port, "/chat?u=bob") as bob:
        for client in (ann, bob):
            client.send(command(type="join", id="j", room=room))
            await client.expect("joined", id="j")
        ann.send(command(type="join", id="k", room="alone"))
        await ann.expect("joined", id="k")
        for number in range(3):
            ann.send(command(type="message", id=str(number), room=room, content="x"))
        acked = 0
        while acked < 3:
            acked += len((await ann.expect("ack"))["ids"])
        await bob.expect("message", id="2")
        bob.send(text("no json") + text("nor this"))
        await bob.refused("bad_json")
        await bob.refused("bad_json")
        bob.send(command(type="join", room=room, since=0, epoch="another"))
        await bob.expect("joined", recovered=False)

        samples = await scrape(server.port)
        assert samples["connections", ""] == samples["connections_opened_total", ""] == 2
        assert samples["rooms", ""] == 2
        assert samples["room_connections", room] == 2
        assert samples["room_connections", "alone"] == 1
        assert samples["messages_in_total", ""] == samples["acks_total", ""] == 3
        assert samples["deliveries_total", ""] >= 6
        assert samples["errors_total", "bad_json"] == 2
        assert samples["resumes_total", "false"] == 1
        assert samples["batch_size_sum", ""] == 4, "three messages, and the room itself"
        assert samples["store_latency_seconds_count", ""] == samples["batch_size_count", ""] >= 1
        assert samples["broadcast_latency_seconds_count", ""] >= 1
        assert samples["ack_lag_seconds_count", ""] >= 1
        assert all(depth == 0 for (name, _), depth in samples.items() if name == "queue_depth")
    while server.shared.connections:
        await server.shared.connection_gone()
    samples = await scrape(server.port)
    assert (samples["connections", ""], samples["connections_opened_total", ""]) == (0, 2)


async def test_only_the_largest_rooms_have_their_own_metrics(serve: Serve) -> None:
    """A label for every room would be unbounded, as any client can create rooms."""
    server = await serve()
    async with await RawClient.native(server.port) as ann, await RawClient.native(server.port) as bob:
        for number in range(30):
            ann.send(command(type="join", id=str(number), room=f"room {number}"))
            await ann.expect("joined", id=str(number))
        bob.send(command(type="join", id="b", room="room 29"))
        await bob.expect("joined", id="b")
        lines = {
            label: value for (name, label), value in (await scrape(server.port)).items() if name == "room_connections"
        }
    assert len(lines) == 10
    assert lines["room 29"] == 2


async def test_a_server_without_storage_reports_it_in_its_metrics(serve: Serve) -> None:
    server = await serve(DATABASE_URL="postgresql://x@127.0.0.1:1/nothing")
    assert (await scrape(server.port))["ready", ""] == 0
