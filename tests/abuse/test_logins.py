"""A storm of logins: 2,000, of which 500 at once, while 100 users talk. `attacks.http.logins` is about the times."""

from __future__ import annotations

import asyncio
import json
from collections import Counter

import pytest

from tests.abuse.peers import Peer, dial
from tests.abuse.victim import Victim
from tests.support.accounts import PASSWORD
from tests.support.rawws import RawClient, request

LOGINS, AT_ONCE, ACCOUNTS, ADDRESSES = 2000, 500, 20, 250
TALKERS, MESSAGES = 100, 20
MEMORY_MB = 60


def post(target: str, body: dict[str, str]) -> bytes:
    """Return a request of a program that names the server's own origin."""
    data = json.dumps(body).encode()
    headers = [
        ("Origin", "http://localhost"),
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(data))),
    ]
    return request(target, headers, method="POST") + data


async def ask(port: int, source: str, data: bytes) -> int:
    """Send a request on a new connection from an address, and return the status."""
    reader, writer = await asyncio.open_connection(sock=await dial(port, source))
    async with RawClient(reader, writer) as client:
        client.send(data)
        async with asyncio.timeout(60):
            head = await client.reader.readuntil(b"\r\n")
    return int(head.split(b" ")[1])


async def talk(number: int, port: int) -> int:
    """Post messages in a room of ten users; return how many were acknowledged."""
    room = f"room{number % 10}"
    acknowledged = 0
    async with await Peer.open(port, f"/chat?u=talker{number}&r={room}", source=f"127.0.3.{number + 1}") as peer:
        for _ in range(MESSAGES):
            answer = await peer.ask(type="message", room=room, content="hello")
            acknowledged += answer["type"] == "ack"
    return acknowledged


@pytest.mark.parametrize("victim", [pytest.param("memory", marks=pytest.mark.slow), "postgres"], indirect=True)
async def test_a_storm_of_logins_is_answered_while_others_talk(victim: Victim) -> None:
    """Each login is answered, if only with "try again": no queue grows, and no message is refused."""
    port = victim.port
    for number in range(ACCOUNTS):
        body = {"username": f"user{number}", "password": PASSWORD}
        assert await ask(port, f"127.0.4.{number + 1}", post("/api/register", body)) == 201
    before = victim.memory()
    data = [post("/api/login", {"username": f"user{number}", "password": PASSWORD}) for number in range(ACCOUNTS)]
    places = asyncio.Semaphore(AT_ONCE)

    async def sign_in(number: int) -> int:
        async with places:
            return await ask(port, f"127.0.2.{number % ADDRESSES + 1}", data[number % ACCOUNTS])

    storm = [asyncio.create_task(sign_in(number)) for number in range(LOGINS)]
    acknowledged = await asyncio.gather(*(talk(number, port) for number in range(TALKERS)))
    statuses = Counter(await asyncio.gather(*storm))
    assert sum(acknowledged) == TALKERS * MESSAGES
    assert statuses.total() == LOGINS
    assert statuses.keys() <= {200, 429, 503}, statuses
    assert statuses[200] > 0
    victim.settles_below(before + MEMORY_MB)
