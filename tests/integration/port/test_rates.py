"""Rate limits of one address without an account: upgrades, requests, guests. All of 127.0.0.0/8 is this machine."""

import asyncio

import pytest

from tests.support.page import static
from tests.support.rawws import NATIVE, RawClient, Reply, command, request, upgrade
from tests.support.serving import Serve
from tests.support.web import SECRET, token_of

HERE, THERE = "127.0.0.7", "127.0.0.8"
FEW = "0.001/3"


async def ask(port: int, data: bytes, source: str = HERE) -> Reply:
    """Send one request on a new connection."""
    async with await RawClient.connect(port, source) as client:
        client.send(data)
        return await client.reply()


# --- upgrades --------------------------------------------------------------------------------------------------------


async def test_upgrades_are_rate_limited_per_address(serve: Serve) -> None:
    port = (await serve(RATE_LIMIT_UPGRADES=FEW)).port
    statuses = [(await ask(port, upgrade(path))).status for path in ("/chat", "/ws", "/api/chat")]
    assert statuses == [101, 101, 401]  # whatever its result
    async with await RawClient.connect(port, HERE) as client:
        client.send(upgrade())
        refused = await client.reply()
        assert await client.rest() == b""
    assert refused.status == 429
    assert int(refused.headers["retry-after"]) > 0
    assert (await ask(port, upgrade(), THERE)).status == 101
    assert (await ask(port, request("/health"))).status == 200


async def test_upgrades_on_kept_connections_share_the_rate(serve: Serve) -> None:
    port = (await serve(RATE_LIMIT_UPGRADES=FEW)).port
    for status in (101, 101, 101, 429):
        async with await RawClient.connect(port, HERE) as client:
            client.send(request("/health"))
            assert (await client.reply()).status == 200
            client.send(upgrade())
            assert (await client.reply()).status == status


async def test_behind_a_proxy_each_client_has_its_own_rate(serve: Serve) -> None:
    """IPv6 counts by /64; a proxy that names no client is not limited."""
    port = (await serve(RATE_LIMIT_UPGRADES=FEW, TRUSTED_PROXIES=HERE)).port

    async def statuses(*addresses: str) -> list[int]:
        said = [[("X-Forwarded-For", address)] if address else [] for address in addresses]
        return [(await ask(port, upgrade("/chat", headers))).status for headers in said]

    assert await statuses(*["192.0.2.1", "::ffff:192.0.2.1"] * 2) == [101, 101, 101, 429]
    assert await statuses(*(f"2001:db8:1:1:{n}::{n}" for n in range(4))) == [101, 101, 101, 429]
    assert await statuses("192.0.2.2", "2001:db8:1:2::1") == [101, 101]
    assert await statuses(*[""] * 8) == [101] * 8


# --- requests --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target", ["/history?r=den", "/api/rooms", "/api/users", "/openapi.json", "/metrics", "/search?q=x"]
)
async def test_requests_are_rate_limited_per_address(serve: Serve, target: str) -> None:
    port = (await serve(RATE_LIMIT_REQUESTS=FEW)).port
    for _ in range(3):
        assert (await ask(port, request(target))).status in (200, 401)
    refused = await ask(port, request(target))
    assert (refused.status, refused.json()["error"]["code"]) == (429, "rate_limited")
    assert int(refused.headers["retry-after"]) > 0
    assert (await ask(port, request(target), THERE)).status in (200, 401)


async def test_an_invalid_token_does_not_lift_the_rate(serve: Serve) -> None:
    server = await serve(RATE_LIMIT_REQUESTS=FEW, JWT_SECRET=SECRET)
    async with await RawClient.connect(server.port, THERE) as guest:
        guest.send(upgrade("/chat", NATIVE))
        await guest.reply()
        token = (await guest.expect("welcome"))["token"]
    for said, status in ((token, 200), ("nonsense", 401), ("", 401), (token, 429), ("nonsense", 429)):
        reply = await ask(server.port, request("/history?r=den", [("Authorization", f"Bearer {said}")]))
        assert reply.status == status


async def test_accounts_health_and_static_files_are_not_rate_limited(serve: Serve) -> None:
    port = (await serve(RATE_LIMIT_REQUESTS="0.001/1", JWT_SECRET=SECRET)).port
    authorized = [("Authorization", f"Bearer {token_of('ann')}")]
    for _ in range(3):
        assert (await ask(port, request("/history?r=den", authorized))).status == 200
        for target in ("/health", "/ready", "/client.html", static("css/base.css")):
            assert (await ask(port, request(target))).status == 200
    assert (await ask(port, request("/history?r=den"))).status == 200
    assert (await ask(port, request("/history?r=den"))).status == 429


# --- guests ----------------------------------------------------------------------------------------------------------


async def test_an_account_connects_despite_too_many_new_guests(serve: Serve) -> None:
    port = (await serve(RATE_LIMIT_GUESTS="0.001/1", JWT_SECRET=SECRET, HELLO_SECONDS="0.2")).port
    first = await RawClient.open(port, "/chat", NATIVE, source=HERE)
    second = await RawClient.open(port, "/chat", NATIVE, source=HERE)
    third = await RawClient.open(port, "/chat", NATIVE, source=HERE)
    async with first, second, third:
        await first.expect("welcome")
        await second.refused("rate_limited")
        second.send(command(type="hello", token=token_of("ann")))
        assert (await second.expect("welcome"))["user"]["id"] == "u_ann"
        await third.refused("rate_limited")
        assert await third.closing() == (1013, "try again later")  # and not 4101, as the client did nothing wrong


async def test_zero_means_no_limit(serve: Serve) -> None:
    off = dict.fromkeys(("RATE_LIMIT_UPGRADES", "RATE_LIMIT_REQUESTS", "RATE_LIMIT_GUESTS"), "0")
    port = (await serve(**off)).port
    replies = await asyncio.gather(
        *(ask(port, data) for data in (upgrade(), request("/history?r=den")) for _ in range(50))
    )
    assert {reply.status for reply in replies} == {101, 200}
