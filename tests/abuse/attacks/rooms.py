"""Attacks by frames, rooms and users."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable

from tests.abuse.attacks.table import attack
from tests.abuse.peers import Peer, bearer, dial
from tests.support.rawws import NATIVE, frame, upgrade


@attack()
async def frames_that_are_no_command(port: int, ready: Callable[[], None]) -> None:
    """Send frames of 60 KB of open brackets, on one connection after the other."""
    junk = frame(1, b"[" * 60_000)
    ready()
    while True:
        _, writer = await asyncio.open_connection(sock=await dial(port))
        writer.write(upgrade("/chat", NATIVE))
        try:
            for _ in range(400):
                writer.write(junk)
                await writer.drain()
        except ConnectionError:
            pass  # closed as a flood
        writer.transport.abort()


@attack()
async def bursts_of_many_connections(port: int, ready: Callable[[], None]) -> None:
    """Send a thousand cheap commands on each of 80 connections at once; some would be closed as floods."""
    burst = frame(1, b'{"type":"ping"}') * 1000
    ready()
    while True:
        peers = [await Peer.open(port) for _ in range(80)]
        for peer in peers:
            peer.eat()
            peer.writer.write(burst)
        await asyncio.sleep(0.7)  # the server handles one burst before the next: each is a peak
        for peer in peers:
            await peer.close()


@attack(databases=("memory", "postgres"))
async def comings_and_goings(port: int, ready: Callable[[], None]) -> None:
    """Join and leave a room 20 times a second as 50 guests, in front of 150 users of every dialect."""
    for number in range(150):
        target = ("/chat?u=p&r=big", "/ws")[number % 2]
        page = await Peer.open(port, target, native=False)
        if target == "/ws":
            page.send_text(
                f'{{"type":"join","payload":{{"room_id":"big","user_id":"p{number}","user_name":"p{number}"}}}}'
            )
        page.eat()
    guests = [await Peer.open(port) for _ in range(50)]
    for guest in guests:
        guest.eat()
    ready()
    while True:
        for guest in guests:
            guest.send(type="join", room="big")
            guest.send(type="leave", room="big")
        await asyncio.sleep(0.05)


@attack(databases=("memory", "postgres"), stored=64, MEMORY_BYTES=str(64 << 20))
async def as_much_text_as_may_be_said(port: int, ready: Callable[[], None]) -> None:
    """Post messages of maximum length as 100 guests of one address, each within its rate.

    The first second is the worst: one address may post 1000 messages at once, and then 200 per second.
    """
    ready()

    async def talk(number: int) -> None:
        peer = await Peer.open(port, f"/chat?u=m{number}&r=z{number}")
        peer.eat()
        while True:
            peer.send(type="message", room=f"z{number}", content="\U0001f4a3" * 4000)
            await asyncio.sleep(1 / 19)

    await asyncio.gather(*map(talk, range(100)))


@attack(databases=("postgres",), RATE_LIMIT_MESSAGES="0")
async def rooms_that_are_left(port: int, ready: Callable[[], None]) -> None:
    """Fill rooms with long messages, and leave them."""
    ready()
    for wave in itertools.count():
        async with await Peer.open(port) as peer:
            peer.eat()
            for number in range(10):
                peer.send(type="join", room=f"{wave} {number}")
                for _ in range(100):
                    peer.send(type="message", room=f"{wave} {number}", content="\U0001f4a3" * 4000)
                await peer.writer.drain()
                await asyncio.sleep(0.02)


@attack(databases=("memory", "postgres"))
async def made_up_rooms(port: int, ready: Callable[[], None]) -> None:
    """Keep as many rooms open as one address may, and create and delete others."""
    held = [await Peer.open(port) for _ in range(10)]
    for number, peer in enumerate(held):
        peer.eat()
        for room in range(100):
            peer.send(type="join", room=f"junk {number} {room}")
    ready()
    while True:
        async with await Peer.open(port) as peer:
            for room in range(240):
                if (await peer.ask(type="create_room", room=f"x{room}"))["type"] != "error":
                    await peer.ask(type="delete_room", room=f"x{room}")


@attack(databases=("memory", "postgres"))
async def passwords(port: int, ready: Callable[[], None]) -> None:
    """Create rooms with a password as 60 guests from several addresses."""
    ready()

    async def make(number: int) -> None:
        peer = await Peer.open(port, source=f"127.0.0.{number + 2}")
        peer.eat()
        for room in itertools.count():
            peer.send(type="create_room", room=f"x{number} {room}", password="p")
            await asyncio.sleep(0.025)

    await asyncio.gather(*map(make, range(60)))


@attack()
async def new_guests(port: int, ready: Callable[[], None]) -> None:
    """Connect repeatedly, as a new guest each time."""
    ready()

    async def come() -> None:
        while True:
            try:
                async with await Peer.open(port, "/chat?u=m&r=lobby") as peer:
                    await peer.message()
            except ConnectionError:
                await asyncio.sleep(0.01)

    await asyncio.gather(*(come() for _ in range(20)))


@attack(databases=("memory", "postgres"))
async def invitations(port: int, ready: Callable[[], None]) -> None:
    """Create rooms as guests of many addresses, and invite one user to each."""
    victim = await Peer.open(port, headers=[bearer("vic")])
    victim.eat()
    ready()

    async def invite(number: int) -> None:
        peer = await Peer.open(port, source=f"127.0.0.{number + 2}")
        peer.eat()
        for room in itertools.count():
            peer.send(type="create_room", room=f"!{number} {room}")
            peer.send(type="invite", room=f"!{number} {room}", user="u_vic")
            peer.send(type="leave", room=f"!{number} {room}")
            await asyncio.sleep(0.05)

    await asyncio.gather(*map(invite, range(30)))


@attack()
async def connections_that_stay(port: int, ready: Callable[[], None]) -> None:
    """Open as many connections as the server accepts: idle ones, and ones with heads that never end."""
    ready()
    held: list[asyncio.StreamWriter] = []
    for number in itertools.count():
        try:
            _, writer = await asyncio.open_connection(sock=await dial(port))
            writer.write(upgrade("/chat", NATIVE) if number % 2 else b"GET /chat HTTP/1.1\r\nX: " + b"a" * 8000)
            held.append(writer)
        except OSError:
            await asyncio.sleep(0.05)  # it accepts no more for now
