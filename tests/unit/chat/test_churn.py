"""Many users join and leave at once: what that costs the others, and what they know afterwards."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from msgspec.structs import replace

from chat.chat import Chat
from chat.handlers.sessions import identify
from chat.ports import Identity
from chat.rooms.presence import CROWD
from model.limits import Limits
from model.room import User
from tests.support.chatting import BY_PATH, Frame, Person, chatting, unframe
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes
from tests.unit.chat.people import account, ask, created, id_of, said

ROOM = "hall"
PAGES = ("plain", "rooms", "events", "native")


async def page(chat: Chat, dialect: str, name: str) -> Person:
    """Return a client of this dialect that is in the room."""
    if dialect == "native":
        person = Person(chat, name, ROOM)
    elif dialect == "plain":
        person = Person(chat, name, ROOM, dialect=BY_PATH["/chat"])
    elif dialect == "events":
        identity = Identity(User(f"u_{name}", name), guest=False, role="player")
        person = Person(chat, None, ROOM, dialect=BY_PATH["/api/chat"], identity=identity)
    else:
        person = Person(chat, dialect=BY_PATH["/ws"])
        payload = {"room_id": ROOM, "user_id": name, "user_name": name, "room_name": ""}
        what = "join" if ROOM in chat.parts.hub.rooms else "create_room"
        chat.receive(person.session, json.dumps({"type": what, "payload": payload}))
    await passes()
    return person


def named(person: Person, dialect: str) -> Iterator[tuple[bool | None, str]]:
    """Return who joined (True), left (False) or is listed (None), by name, in the order of the frames."""
    for frame in person.frames:
        yield from _named(frame, dialect)


def _named(frame: Frame, dialect: str) -> Iterator[tuple[bool | None, str]]:
    if dialect == "plain":
        words = frame["content"].split()
        if frame["sender"] == "SYSTEM" and words[0] == "User":
            yield words[2] == "entered", words[1]
    elif dialect == "events":
        if frame["event"] in ("join", "leave"):
            yield frame["event"] == "join", frame["username"]
    elif dialect == "rooms":
        payload: dict[str, Any] = frame["payload"]
        if frame["type"] == "joined":
            yield from ((None, user["user_name"]) for user in payload["users"])
        elif frame["type"] in ("user_joined", "user_left"):
            yield frame["type"] == "user_joined", payload["user_name"]
    elif frame["type"] == "joined":
        yield from ((None, user["name"]) for user in frame["members"])
    elif frame["type"] == "presence":
        yield from ((False, user["name"]) for user in frame.get("left", []))
        yield from ((True, user["name"]) for user in frame.get("joined", []))


def shown(person: Person, dialect: str, before: set[str] = frozenset()) -> set[str]:  # type: ignore[assignment]
    """Return the users in the list that a page builds from its frames."""
    here = set(before)
    for came, name in named(person, dialect):
        if came is False:
            here.discard(name)
        else:
            here.add(name)
    return here


@contextmanager
def counted(*people: Person) -> Iterator[list[tuple[int, int]]]:
    """Count the writes and frames that each client gets inside the block."""
    counts: list[tuple[int, int]] = []
    before = [len(person.connection.writes) for person in people]
    yield counts
    for person, start in zip(people, before, strict=True):
        writes = person.connection.writes[start:]
        counts.append((len(writes), sum(len(unframe(data)) for data in writes)))


@pytest.mark.parametrize("dialect", PAGES)
async def test_churn_costs_each_client_one_write_a_second(chat: Chat, dialect: str) -> None:
    pages = [await page(chat, dialect, f"page{number}") for number in range(5)]
    guests = [Person(chat, f"guest{number}") for number in range(50)]
    await passes(2)
    with counted(*pages) as counts:
        for _ in range(10 * 20):
            for guest in guests:
                guest.send("join", room=ROOM)
                guest.send("leave", room=ROOM)
            await passes(0.05)
    for writes, frames in counts:
        assert writes <= 11, "10 seconds of it"
        assert frames <= 11 * 2 * len(guests)
    await passes(2)
    for person in pages:
        assert shown(person, dialect) >= {"page4"}
        assert not any("guest" in name for name in shown(person, dialect))


async def test_churn_does_not_split_a_burst_of_messages(chat: Chat) -> None:
    """A join or leave flushes the messages before it, and there is nothing else to send."""
    listeners, guest = [await page(chat, "plain", f"page{number}") for number in range(3)], Person(chat, "guest")
    author = Person(chat, "author", ROOM)
    await passes(2)
    with counted(*listeners) as counts:
        for number in range(20):
            author.say(f"{number}", room=ROOM)
            for _ in range(10):
                guest.send("join", room=ROOM)
                guest.send("leave", room=ROOM)
        await passes(0.5)
    assert all(writes <= 22 and frames <= 24 for writes, frames in counts)


@pytest.mark.parametrize("dialect", PAGES)
@pytest.mark.parametrize("stays", [True, False], ids=["stays", "goes"])
async def test_a_member_who_joins_between_presence_updates_has_the_right_list(
    chat: Chat, dialect: str, stays: bool
) -> None:
    """Their snapshot was taken between two presence updates."""
    old = await page(chat, dialect, "old")
    flighty, restless = Person(chat, "flighty"), Person(chat, "restless", ROOM)
    await passes(2)
    Person(chat, "first", ROOM)  # broadcast at once, the others within a second
    await passes()
    flighty.send("join", room=ROOM)
    restless.send("leave", room=ROOM)
    new = await page(chat, dialect, "new")
    await passes()
    if not stays:
        flighty.send("leave", room=ROOM)
    restless.send("join", room=ROOM)
    await passes(2)
    here = {"old", "first", "restless", "new"} | ({"flighty"} if stays else set())
    assert shown(old, dialect) == here
    if dialect in ("rooms", "native"):  # which have snapshots
        assert shown(new, dialect) == here
    if dialect in ("plain", "events"):
        told = list(named(old, dialect))
        balance = {name: sum(1 if came else -1 for came, other in told if other == name) for _, name in told}
        assert balance == dict.fromkeys(here, 1) | ({} if stays else {"flighty": 0})


async def test_clients_learn_who_left_when_a_large_room_shrinks(chat: Chat) -> None:
    pages = {dialect: await page(chat, dialect, dialect) for dialect in PAGES}
    crowd = [Person(chat, f"g{number}", ROOM) for number in range(CROWD - len(pages))]
    await passes(2)
    late = [Person(chat, f"late{number}", ROOM) for number in range(5)]
    await passes(2)
    for person in crowd[:50]:
        person.disconnect()
    await passes(3)
    here = {*PAGES, *(f"g{number}" for number in range(50, len(crowd))), *(f"late{number}" for number in range(5))}
    assert len(late) == 5
    for dialect, person in pages.items():
        assert shown(person, dialect) >= here - {"plain", "rooms"}, "those were here before the page of events was"
        assert shown(person, dialect) <= here


async def test_quitting_counts_toward_the_message_rate(repository: FaultyRepository) -> None:
    """Each one is broadcast in a frame of its own."""
    async with chatting(repository, limits=Limits(messages_per_second=5.0, messages_burst=10)) as chat:
        owner, guest = account(chat, "owner"), Person(chat, "guest")
        await created(chat, owner, ROOM)
        await passes(3)
        owner.forget()
        for _ in range(50):
            guest.send("join", room=ROOM)
            guest.send("leave", room=ROOM, quit=True)
        await passes(0.1)
        assert len(owner.of("member")) == 10
        assert set(guest.errors().values()) <= {"rate_limited"}
        for number in range(20):
            owner.send("update_room", id=f"{number}", room=ROOM, topic=f"{number}")
        await passes()
        assert owner.errors() == dict.fromkeys((f"{number}" for number in range(10, 20)), "rate_limited")


# --- other names -----------------------------------------------------------------------------------------------------


def renamed(chat: Chat, person: Person, name: str) -> None:
    """Give the account another name on this device."""
    identity = person.session.identity
    assert identity is not None
    identify(chat.parts, person.session, replace(identity, user=User(identity.user.id, name)))


def again(chat: Chat, person: Person, name: str) -> Person:
    """Connect another device of the same account under this name."""
    identity = person.session.identity
    assert identity is not None
    return Person(chat, None, ROOM, identity=replace(identity, user=User(identity.user.id, name)))


@pytest.mark.parametrize("dialect", PAGES)
@pytest.mark.parametrize("way", ["other device", "same device"])
async def test_a_changed_name_is_broadcast_and_kept(chat: Chat, dialect: str, way: str) -> None:
    eve, bob = await page(chat, dialect, "eve"), account(chat, "bob")
    await ask(bob, "join", room=ROOM)
    await passes(2)
    eve.forget()
    if way == "same device":
        renamed(chat, bob, "robert")
    else:
        other = again(chat, bob, "robert")
        await passes(2)
        bob.disconnect()
        assert other.last("joined")["count"] == 2
    await passes(2)
    if dialect == "native":
        assert [frame["joined"] for frame in eve.of("presence")] == [[{"id": "u_bob", "name": "robert"}]]
    else:
        assert list(named(eve, dialect)) == [(False, "bob"), (True, "robert")]
    late = await page(chat, "native", "late")
    assert {user["name"] for user in late.last("joined")["members"]} == {"eve", "robert", "late"}
    await ask(late, "members", room=ROOM)
    assert {user["name"] for user in late.last("members")["members"]} == {"eve", "robert", "late"}


async def test_a_guest_returning_under_another_name_is_broadcast(repository: FaultyRepository) -> None:
    async with chatting(repository, presence_grace=5.0) as chat:
        pages = {dialect: await page(chat, dialect, dialect) for dialect in PAGES}
        xena = Person(chat, "xena", ROOM)
        await passes(2)
        xena.disconnect()
        await passes(2)
        zeno = Person(chat, "zeno", token=xena.token)
        zeno.send("join", room=ROOM)
        await passes(2)
        assert pages["native"].last("presence")["joined"] == [{"id": id_of(xena), "name": "zeno"}]
        for dialect in ("plain", "rooms", "events"):
            assert list(named(pages[dialect], dialect))[-2:] == [(False, "xena"), (True, "zeno")]
        await passes(10)
        assert "zeno" in {user.name for user in chat.parts.hub.rooms[ROOM].presence.members()}


async def test_the_row_of_a_member_keeps_the_new_name(chat: Chat) -> None:
    owner, bob = account(chat, "owner"), account(chat, "bob")
    await created(chat, owner, ROOM)
    await ask(bob, "join", room=ROOM)
    other = again(chat, bob, "robert")
    await passes(0.1)
    other.disconnect()
    await passes(0.1)
    bob.disconnect()
    await passes(0.1)
    await ask(owner, "members", room=ROOM)
    assert [row["name"] for row in owner.last("members")["members"]] == ["robert", "owner"]


async def test_changing_principal_leaves_no_row_for_the_old_one(chat: Chat) -> None:
    """An ephemeral room keeps only the rows of the users who are present."""
    ann, guest = account(chat, "ann"), Person(chat, "guest", ROOM)
    await ask(ann, "join", room=ROOM)
    seq = await said(ann)
    await ask(guest, "read", room=ROOM, seq=seq)
    before = id_of(guest)
    assert before in chat.parts.hub.rooms[ROOM].members
    token = Person(chat, "other").token
    await ask(guest, "hello", token=token)
    assert id_of(guest) != before
    assert ROOM in guest.session.rooms
    assert set(chat.parts.hub.rooms[ROOM].members) == set()
