"""`dev.py bench --sizes`: what messages and users take on disk, and connections and rooms in memory.

The database and the server are real, and made for it. The messages are 12 words long on average (70 characters), by
500 authors in 200 rooms, each with the id of a client; one in ten mentions somebody. Every user has an account, a
login, and a row in ten rooms.
"""

import asyncio
import contextlib
import json
import os
import random
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import psutil
import psycopg

from model.message import Message
from model.room import Member, RoomRecord, User
from storage.ports.messages import InsertMessage
from storage.ports.rooms import InsertRoom, SetMember
from storage.ports.storage import Storage, Write
from tests.contract.records import open_postgres
from tests.support.accounts import account, login, stored
from tests.support.postgres import PostgresCluster
from tests.support.postgres_binaries import find_postgres
from tests.support.rawws import NATIVE, command, upgrade
from tests.support.server import ServerProcess
from tests.support.serving import wait_ready
from utils.clock import rfc3339
from utils.ids import new_room_id, new_token

_BATCH = 500
_ROOM_MEMBERS = 100  # connections of a room, and rooms of a connection: the default of SESSION_ROOMS
_START_US = 1_790_000_000_000_000
_HASH = "$argon2id$v=19$m=19456,t=2,p=1$" + "c" * 22 + "$" + "h" * 43
_TABLES_OF_USERS = ("accounts", "logins", "notices", "audit")
_RELATIONS = b"""
    SELECT c.relname, pg_relation_size(c.oid) + coalesce(pg_relation_size(nullif(c.reltoastrelid, 0)), 0)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'public' AND c.relkind IN ('r', 'i')
"""


Row = tuple[str, float, str]
"""What was measured, its bytes, and a remark."""


@dataclass(frozen=True)
class Amounts:
    """How much of everything there is."""

    messages: int = 200_000
    users: int = 500
    rooms: int = 200
    connections: int = 2_000
    used_rooms: int = 1_000


def measure(amounts: Amounts) -> str:
    """Measure, and return a table in Markdown."""
    with PostgresCluster() as database:
        url = database.create_database()
        asyncio.run(fill(url, amounts))
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("VACUUM (ANALYZE)")
            bytes_of: dict[str, int] = dict(connection.execute(_RELATIONS).fetchall())
        rows = [*on_disk(bytes_of, amounts), backup(url, amounts), *in_memory(url, amounts)]
    lines = [f"| {what} | {value:,.0f} | {of} |" for what, value, of in rows]
    return "\n".join(["| what | bytes | of which, or how |", "|---|---:|---|", *lines])


# --- in PostgreSQL ---------------------------------------------------------------------------------------------------


async def fill(url: str, amounts: Amounts) -> None:
    """Store rooms, users and messages as a server does."""
    storage = await open_postgres(url)
    try:
        people = [account(password=_HASH, email=f"user{n}@example.com") for n in range(amounts.users)]
        for each in people:
            device = login(each, device="Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0", address="192.0.2.77")
            await stored(storage.accounts, each, signed_in=device)
        await write(storage, list(writes([each.user for each in people], amounts)))
    finally:
        await storage.close()


async def write(storage: Storage, every: list[Write]) -> None:
    writer = storage.writer()
    for at in range(0, len(every), _BATCH):
        await writer.write(every[at : at + _BATCH])
    await writer.close()


def writes(people: list[User], amounts: Amounts) -> Iterator[Write]:
    """Yield what is stored. The same words each time."""
    chance = random.Random(7)
    words = ["".join(chance.choices("abcdefghijklmnoprstuvw", k=chance.randint(2, 9))) for _ in range(5_000)]
    weights = [1 / (place + 1) for place in range(len(words))]
    rooms = [RoomRecord(new_room_id(), f"room {n}", rfc3339(_START_US), kind="public") for n in range(amounts.rooms)]
    yield from map(InsertRoom, rooms)
    for user in people:
        for room in chance.sample(rooms, min(10, len(rooms))):
            yield SetMember(room.room_id, Member(user, "member", joined_at=_START_US, read_seq=_START_US))
    for number in range(amounts.messages):
        room, author = chance.choice(rooms), chance.choice(people)
        content = " ".join(chance.choices(words, weights, k=chance.randint(1, 23)))
        mentions = (chance.choice(people).name.lower(),) if number % 10 == 0 else ()
        seq = _START_US + number * 1_000
        told = rfc3339(seq)
        yield InsertMessage(
            room.room_id,
            Message(room.name, seq, seq, author.name, author.id, content, told, new_token("m_"), mentions=mentions),
        )


def on_disk(bytes_of: dict[str, int], amounts: Amounts) -> Iterator[Row]:
    """Yield the sizes of tables, with their indexes."""

    def total(*tables: str) -> int:
        return sum(size for name, size in bytes_of.items() if name.startswith(tables))

    messages = {name: size for name, size in bytes_of.items() if name.startswith(("messages", "mentions"))}
    parts = ", ".join(
        f"{name} {size / amounts.messages:.0f}" for name, size in sorted(messages.items()) if size >= amounts.messages
    )
    yield "a message", sum(messages.values()) / amounts.messages, parts
    yield "an account with a login", total(*_TABLES_OF_USERS) / amounts.users, ", ".join(_TABLES_OF_USERS)
    yield "a member of a room", total("members") / (amounts.users * min(10, amounts.rooms)), "members"


def backup(url: str, amounts: Amounts) -> Row:
    """Return the size of a message in a dump."""
    dump = subprocess.run(
        [find_postgres() / "pg_dump", "--format=custom", url], capture_output=True, check=True, env=os.environ
    )
    return "a message in a backup", len(dump.stdout) / amounts.messages, "pg_dump --format=custom"


# --- in the server ---------------------------------------------------------------------------------------------------


def in_memory(url: str, amounts: Amounts) -> Iterator[Row]:
    """Yield what the resident memory of a server grows by."""
    settings = {"DATABASE_URL": url, "MAX_CONNECTIONS": "100000", "PRESENCE_GRACE": "0"}
    with ServerProcess(settings, new=True) as server, contextlib.ExitStack() as clients:
        wait_ready(server)
        process = psutil.Process(server.pid)
        asyncio.run(connected(server, clients, 10, amounts))  # what the first ones need is not theirs
        start = process.memory_info().rss
        yield "the server, when it is ready", start, "resident memory"
        asyncio.run(connected(server, clients, amounts.connections, amounts))
        grown = process.memory_info().rss
        where = f"guests in rooms of {_ROOM_MEMBERS}, idle; without the buffers of the kernel"
        yield "a connection", (grown - start) / amounts.connections, where
        asyncio.run(loaded(server, clients, amounts.used_rooms))
        rooms = process.memory_info().rss - grown
        yield "a room in use", rooms / amounts.used_rooms, "with one user, nothing said since it was loaded"


async def connected(server: ServerProcess, clients: contextlib.ExitStack, count: int, amounts: Amounts) -> None:
    """Open connections of guests, each in a room."""
    for at in range(count):
        room = f"room {at // _ROOM_MEMBERS % amounts.rooms}"
        await joined(server, clients, [room])


async def loaded(server: ServerProcess, clients: contextlib.ExitStack, count: int) -> None:
    """Have rooms in use that nobody else uses."""
    names = [f"used {at}" for at in range(count)]
    for at in range(0, count, _ROOM_MEMBERS):
        await joined(server, clients, names[at : at + _ROOM_MEMBERS])


async def joined(server: ServerProcess, clients: contextlib.ExitStack, rooms: list[str]) -> None:
    """Open a connection, join rooms, and read until it is in all of them."""
    loop = asyncio.get_running_loop()
    client = clients.enter_context(socket.socket())
    client.setblocking(False)
    await loop.sock_connect(client, ("127.0.0.1", server.port))
    joins = b"".join(command(type="join", room=room, id=f"j{at}") for at, room in enumerate(rooms))
    await loop.sock_sendall(client, upgrade("/chat?u=user", NATIVE) + joins)
    seen = b""
    while any(json.dumps(f"j{at}").encode() not in seen for at in range(len(rooms))):
        seen += await loop.sock_recv(client, 1 << 16)
