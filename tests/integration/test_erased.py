"""Nothing that leads to a person is left after an account is deleted, in any column of any table."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
from msgspec.structs import replace
from psycopg import sql

from model.account import Account, NewAccount, RoomWork
from model.audit import OPERATOR, VISITOR
from model.limits import KEYS
from model.room import Invitation, NetworkSanction, User
from model.safety import Report
from server.accounts.erasing import erase_account
from server.app import Server
from storage.ports.accounts import Inserted
from storage.ports.messages import ChangeMessage
from storage.ports.rooms import SetMember, SetSanction, UpdateRoom
from storage.ports.storage import STORED, Write
from tests.contract.records import inserts, member, message, room
from tests.support.accounts import account, api_key, invite_link, login, noted, report, ticket
from tests.support.process import PATIENCE
from tests.support.serving import started
from utils.clock import rfc3339

pytestmark = pytest.mark.one_server("looks into the database")

NAME, USERNAME = "Zaphod Zq", "zqzaphod"
EMAIL, ADDRESS, DEVICE, WORDS = "zq@mail.example", "203.0.113.77", "Zqbrowser", "zqsecret"
OF_THE_PERSON = (NAME, USERNAME, EMAIL, ADDRESS, DEVICE)
GUEST = "g_zqguest"
LONG = 10**13  # microseconds: longer than any test


@pytest.fixture
async def server(database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    monkeypatch.setattr("chat.work.pieces.SETTLE_SECONDS", 0.0)
    server = await started({"DATABASE_URL": database_url})
    yield server
    assert await server.stop() == 0


def traces(url: str, *texts: str) -> list[str]:
    """Return which columns of the database have any of these texts, in any letter case."""
    found = []
    with psycopg.connect(url) as connection:
        columns = connection.execute(
            "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'public'"
        ).fetchall()
        assert len(columns) > 100
        for table, column, kind in columns:
            name = sql.Identifier(column)
            shown = sql.SQL("encode({}, 'escape')" if kind == "bytea" else "{}::text").format(name)
            statement = sql.SQL("SELECT count(*) FROM {} WHERE strpos(lower({}), %s) > 0").format(
                sql.Identifier(table), shown
            )
            for text in texts:
                row = connection.execute(statement, (text.lower(),)).fetchone()
                if row is not None and row[0]:
                    found.append(f"{table}.{column}: {text}")
    return found


async def lived(server: Server) -> Account:
    """Store everything that an account can leave anywhere."""
    storage, now = server.accounts.storage, server.accounts.clock.now_us()
    zaphod = account(USERNAME, name=NAME, email=EMAIL, created_at=now)
    user = zaphod.user
    on_device = login(zaphod, created_at=now, refreshed_at=now, ends_at=now + LONG, device=DEVICE, address=ADDRESS)
    by_mail = ticket(zaphod, "email", email=f"new.{EMAIL}", until=now + LONG)
    registered = noted("register", user, at=now, address=ADDRESS)
    assert await storage.accounts.insert(NewAccount(zaphod, on_device, by_mail), registered) is Inserted.STORED
    moved = noted("guest_moved", user, at=now, target=User(GUEST, NAME), address=ADDRESS)
    adoption = RoomWork("adopt", user.id, (GUEST,), NAME)
    assert await storage.accounts.adopt(GUEST, user.id, adoption, 9, moved)
    await storage.audit.append(
        [
            noted("login_failed", VISITOR, target=user, address=ADDRESS),
            noted("ban", user, target=User("g_1", "guest"), address=ADDRESS),
            noted("suspend", OPERATOR, target=user),
        ]
    )
    key = api_key(maker_id=user.id, created_at=now, until=now + LONG)
    await storage.access.insert_key(
        key, KEYS, noted("key", user, at=now, target=User(key.bot_id, key.name), address=ADDRESS)
    )
    public, gone = room(), room()
    theirs = {"sender_id": user.id, "sender": NAME}
    writer = storage.writer()
    invited = replace(member("u_bob", None, name="bob"), invitation=Invitation(user, now))
    batch = [
        *inserts(
            public,
            message(public, 1, f"{WORDS} 1", id=f"1 {WORDS}", **theirs),
            message(public, 2, "what others wrote"),
            message(public, 3, f"{WORDS} 2", sender_id=GUEST, sender=NAME),
            message(public, 4, f"{WORDS} 3", **theirs),
        ),
        *inserts(gone, message(gone, 1, f"{WORDS} 4", **theirs)),
        SetMember(public.room_id, member(user.id, "owner", name=NAME)),
        SetMember(public.room_id, member(GUEST, "member", name=NAME)),
        SetMember(public.room_id, invited),
        SetSanction(public.room_id, NetworkSanction(ADDRESS, GUEST, LONG)),
    ]
    assert set(map(type, await writer.write(batch))) == {type(STORED)}
    changes: list[Write] = [
        ChangeMessage(public.room_id, 1, 5, f"{WORDS} 5", 7, mentions=(WORDS,)),
        ChangeMessage(public.room_id, 4, 6, deleted_at=rfc3339(now)),
        UpdateRoom(replace(gone, deleted_at=rfc3339(now))),
    ]
    assert set(map(type, await writer.write(changes))) == {type(STORED)}
    await writer.close()
    about: dict[str, Any] = {
        "room_id": public.room_id,
        "room": public.name,
        "posted_at": rfc3339(now),
        "created_at": now,
    }
    bob = User("u_bob", "bob")
    by_him = Report("p_1", seq=2, reporter=user, reason="rude", sender=bob, content="what others wrote", **about)
    about_him = Report("p_2", seq=1, reporter=bob, reason="rude", sender=user, content=f"{WORDS} 1", **about)
    for made in (by_him, about_him):
        assert await storage.safety.insert_report(made, noted("report", made.reporter, at=now, target=user))
    await storage.safety.block_user(user.id, "u_bob", now, 9, noted("user_block", user, at=now, target=bob))
    link = invite_link(maker_id=user.id, created_at=now, until=now + LONG)
    await storage.links.insert(link, noted("link", user, at=now, address=ADDRESS))
    return zaphod


async def go_on(server: Server, zaphod: Account) -> None:
    """Store what Zaphod did before the connections closed, and what others do while they see who wrote what."""
    storage, now, user = server.accounts.storage, server.accounts.clock.now_us(), zaphod.user
    bob = User("u_bob", "bob")
    [(record, _), *_] = await storage.rooms.rows_of(bob.id, after=-1, limit=1)
    await storage.audit.append(
        [
            noted("mute", user, target=bob, address=ADDRESS),
            noted("ban", bob, target=user),
            noted("delete_message", bob, target=User(GUEST, NAME)),
        ]
    )
    link = invite_link(maker_id=user.id, created_at=now, until=now + LONG)
    await storage.links.insert(link, noted("link", user, at=now, address=ADDRESS))
    await storage.safety.block_user(user.id, "u_cat", now, 9, noted("user_block", user, at=now, target=bob))
    where: dict[str, Any] = {"room_id": record.room_id, "room": record.name, "posted_at": rfc3339(now)}
    for seq, sender in ((1, user), (3, User(GUEST, NAME))):
        about_him = report(reporter=bob, seq=seq, sender=sender, content=f"{WORDS} {seq}", created_at=now, **where)
        await storage.safety.insert_report(about_him, noted("report", bob, at=now, target=sender))
    writer = storage.writer()
    await writer.write([SetMember(record.room_id, member(user.id, None, name=NAME, banned_until=now + LONG))])
    await writer.close()


async def erase(server: Server, who: Account, *, messages: bool) -> None:
    accounts = server.accounts
    assert await erase_account(accounts.storage, accounts.clock, who, who.user, messages=messages, address=ADDRESS)
    async with asyncio.timeout(PATIENCE):
        while await accounts.storage.accounts.room_work():  # noqa: ASYNC110  # of another task, without an event
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("messages", [False, True], ids=["messages stay", "messages go"])
async def test_a_deleted_account_leaves_no_trace(
    server: Server, database_url: str, messages: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Although it, and others, act until the rooms know that it was deleted."""
    zaphod = await lived(server)
    storage = server.accounts.storage
    find = storage.messages.rooms_of_senders
    acted: list[bool] = []

    async def find_late(*args: Any, **asked: Any) -> Any:
        if not acted:
            acted.append(True)
            await go_on(server, zaphod)
        return await find(*args, **asked)

    monkeypatch.setattr(storage.messages, "rooms_of_senders", find_late)
    before = await asyncio.to_thread(traces, database_url, *OF_THE_PERSON, WORDS)
    for place in ("accounts.username", "logins.device", "tickets.email", "audit.actor_name", "audit.address"):
        assert any(found.startswith(f"{place}:") for found in before), (place, before)
    for place in (
        "members.name",
        "members.inviter",
        "messages.sender",
        "messages.content",
        "mentions.name",
        "reports.sender",
    ):
        assert any(found.startswith(f"{place}:") for found in before), (place, before)
    await erase(server, zaphod, messages=messages)
    assert acted
    assert await asyncio.to_thread(traces, database_url, *OF_THE_PERSON) == []
    left = await asyncio.to_thread(traces, database_url, WORDS, "what others wrote")
    theirs = [place for place in left if place.endswith(WORDS)]
    assert bool(theirs) is not messages, left
    assert "messages.content: what others wrote" in left
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT count(*) FROM invite_links").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM user_blocks").fetchone() == (0,)


async def test_the_username_is_free_again(server: Server) -> None:
    zaphod = await lived(server)
    await erase(server, zaphod, messages=False)
    again = NewAccount(account(USERNAME))
    assert await server.accounts.storage.accounts.insert(again, noted()) is Inserted.STORED
