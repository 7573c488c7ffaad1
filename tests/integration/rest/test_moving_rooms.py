"""HTTP at edges while the rooms move to another server: real nodes over NATS and Postgres."""

import asyncio
import json

import pytest

from tests.contract.records import until
from tests.support.serving import started
from tests.support.web import SECRET, Web, code

PLANS = "/api/rooms/plans/messages"


@pytest.mark.slow
async def test_requests_at_edges_do_not_fail_while_the_owner_stops(node_settings: dict[str, str]) -> None:
    """Messages with and without an id are stored once, and every export is complete."""
    settings = {"RATE_LIMIT_MESSAGES": "0", "JWT_SECRET": SECRET, "CLOSE_SECONDS": "1", **node_settings}
    owner, *edges = [await started(settings) for _ in range(3)]
    try:
        assert [server.chat.elsewhere is None for server in (owner, *edges)] == [True, False, False]
        await Web(edges[0].port, "ann").create("plans")
        stopped = asyncio.Event()
        posted: list[str] = []

        async def post(number: int) -> None:
            web, count = Web(edges[number % 2].port, f"user {number}"), 0
            while not stopped.is_set() or count < 5:
                content = f"{number} {count}"
                named = {"id": f"m {count}"} if number % 4 < 2 else {}
                reply = await web.post(PLANS, {"content": content, **named})
                assert reply.status == 201, code(reply)
                posted.append(content)
                count += 1

        async def read(number: int) -> None:
            web = Web(edges[number % 2].port, "ann")
            while not stopped.is_set():
                assert (await web.get(PLANS)).status == 200
                assert (await web.get("/api/rooms/plans/export")).status == 200

        async def stop() -> None:
            await until(lambda: len(posted) > 50)
            assert await owner.stop() == 0
            before = len(posted)
            await until(lambda: len(posted) > before + 50)
            stopped.set()

        await asyncio.gather(stop(), *map(post, range(8)), *map(read, range(2)))
        assert sum(server.chat.elsewhere is None for server in edges) == 1
        export = await Web(edges[0].port, "ann").get("/api/rooms/plans/export")
        assert sorted(json.loads(line)["content"] for line in export.body.splitlines()) == sorted(posted)
    finally:
        for server in (owner, *edges):
            assert await server.stop() == 0
