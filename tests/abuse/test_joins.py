"""Floods of `join` for a crowded room, each of which is answered by a list of 200 users."""

from __future__ import annotations

import asyncio

import pytest

from chat.rooms.pacing import COMMAND_BYTES, COMMANDS_BURST
from tests.abuse.peers import Json, Peer
from tests.abuse.victim import Victim

CONNECTIONS = 50
USERS = 200
# The most that the 200 users of a snapshot take, without the frame around them.
SNAPSHOT_BYTES = USERS * 110


async def crowd(port: int) -> list[Peer]:
    """Fill a room with 200 guests with long names, of four addresses; they read and discard everything."""
    peers = []
    for number in range(USERS):
        name = f"{number:05}" + "w" * 58
        peers.append(await Peer.open(port, f"/chat?u={name}&r=crowd", source=f"127.0.0.{20 + number % 4}"))
        peers[-1].eat()
    return peers


async def read_all(peer: Peer) -> int:
    """Return how many bytes come until the answer to a ping; refused ones are sent again."""
    size = 0
    peer.send(type="ping", id="end")
    tail = b""
    while b'"pong"' not in tail:
        try:
            async with asyncio.timeout(1):
                data = await peer.reader.read(1 << 18)
        except TimeoutError:
            peer.send(type="ping", id="end")
            continue
        assert data, "disconnected"
        size += len(data)
        tail = tail[-10:] + data
    return size


JOIN: Json = {"type": "join", "room": "crowd"}
FLOODS: dict[str, list[Json]] = {
    "join": [JOIN],
    "join and leave": [JOIN, {"type": "leave", "room": "crowd"}],
    "resume": [JOIN | {"since": 1, "epoch": "e"}],
}


@pytest.mark.parametrize("flood", FLOODS)
async def test_joins_of_a_crowded_room_are_paid_for_by_their_bytes(victim: Victim, flood: str) -> None:
    """50 connections of one address use their burst of 500 commands for it; another user is served in between."""
    everybody = await crowd(victim.port)
    guests = [await Peer.open(victim.port, source="127.0.0.30") for _ in range(CONNECTIONS)]
    async with await Peer.open(victim.port, "/chat?u=ben", source="127.0.0.40") as ben:
        before = victim.cpu()
        commands = FLOODS[flood] * (COMMANDS_BURST // len(FLOODS[flood]))
        for guest in guests:
            for command in commands:
                guest.send(**command)
        reading = [asyncio.create_task(read_all(guest)) for guest in guests]
        assert (await ben.ask(type="join", room="crowd"))["type"] == "joined"
        assert not all(task.done() for task in reading)
        sizes = [await task for task in reading]
        assert victim.cpu() - before < 4
    free = 100 if flood == "join and leave" else 1  # a connection may be in so many rooms
    most = (free + COMMANDS_BURST * COMMAND_BYTES / SNAPSHOT_BYTES + 10) * SNAPSHOT_BYTES * 1.2
    assert max(sizes) < most + COMMANDS_BURST * 300, "with the refusals, and other notices"
    for peer in [*everybody, *guests]:
        await peer.close()
