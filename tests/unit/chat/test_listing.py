"""Which rooms each user finds, and which members they see."""

from typing import Any

import pytest

from chat.chat import Chat
from chat.ports import Identity
from chat.queries.listing import MINE_LIMIT, find_members
from model.commands import ListMembers
from model.room import FOREVER, Member, RoomKind, RoomRecord, User
from storage.ports.rooms import InsertRoom, SetMember
from tests.support.chatting import Person
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes
from tests.unit.chat.people import account, ask, code_of, created, id_of, said, staffed


async def listed(person: Person, **fields: Any) -> dict[str, dict[str, Any]]:
    await ask(person, "rooms", **fields)
    return {entry["room"]: entry for entry in person.last("rooms")["rooms"]}


async def test_public_rooms_and_rooms_in_use_are_listed(chat: Chat) -> None:
    ann, ben = account(chat, "ann"), account(chat, "ben")
    await created(chat, ann, "lobby", title="The lobby", topic="talk")
    await created(chat, ann, "secret", private=True)
    Person(chat, "guest", "general")
    await passes()
    rooms = await listed(ben)
    assert rooms == {
        "general": {"kind": "ephemeral", "room": "general", "members": 1, "online": 1},
        "lobby": {
            "kind": "public", "title": "The lobby", "topic": "talk", "room": "lobby", "members": 1, "online": 1,
        },
    }  # fmt: skip
    assert set(await listed(ann)) == {"general", "lobby"}
    assert set(await listed(ann, mine=True)) == {"lobby", "secret"}


async def test_an_empty_ephemeral_room_without_messages_is_dropped(chat: Chat) -> None:
    ann, ben = account(chat, "ann"), Person(chat, "ben", "silent")
    talker = Person(chat, "talker", "talk")
    await passes()
    talker.say("hello", "m", "talk")
    await passes(0.1)
    assert set(await listed(ann)) == {"silent", "talk"}
    for person in (ben, talker):
        person.disconnect()
    assert set(await listed(ann)) == {"talk"}
    back = Person(chat, "talker", "talk", token=talker.token)
    await passes()
    await ask(back, "delete", room="talk", seq=talker.acked()["m"])
    assert set(await listed(ann)) == {"talk"}  # it has a user
    back.disconnect()
    await passes()
    assert set(await listed(ann)) == set()


async def test_room_lists_are_paged(chat: Chat) -> None:
    ann = account(chat, "ann")
    for number in range(5):
        await created(chat, ann, f"room{number}")
    guest = Person(chat, "guest", "room0a")
    await passes()
    names: list[str] = []
    cursor = None
    while True:
        await ask(guest, "rooms", limit=2, **({} if cursor is None else {"cursor": cursor}))
        page = guest.last("rooms")
        names += [entry["room"] for entry in page["rooms"]]
        cursor = page.get("cursor")
        if cursor is None:
            break
    assert names == ["room0", "room0a", "room1", "room2", "room3", "room4"]
    await ask(ann, "rooms", mine=True, limit=3)
    assert ann.last("rooms")["cursor"] == "room2"
    assert set(await listed(ann, mine=True, cursor="room2")) == {"room3", "room4"}


async def test_rooms_are_found_by_name_or_title(chat: Chat) -> None:
    ann = account(chat, "ann")
    await created(chat, ann, "lobby", title="Empfang für Ärzte")
    await created(chat, ann, "100%_sure")
    Person(chat, "guest", "Lobby two")
    await passes()
    for q, found in (("LOBBY", {"lobby", "Lobby two"}), ("ÄRZTE", {"lobby"}), ("%_", {"100%_sure"}), ("zzz", set())):
        assert set(await listed(ann, q=q)) == found
        assert set(await listed(ann, q=q, mine=True)) == found - {"Lobby two"}


async def test_members_are_listed_with_their_state(chat: Chat) -> None:
    ann, ben = account(chat, "ann"), account(chat, "ben")
    other_device, guest = account(chat, "ann"), Person(chat, "guest")
    await created(chat, ann)
    for person in (ben, other_device, guest):
        await ask(person, "join", room="lobby")
    await passes(5)
    ben.disconnect()
    await ask(ann, "mute", room="lobby", user=id_of(guest), reason="loud")
    await ask(ann, "members", id="q", room="lobby")
    told = ann.last("members")
    seen = told["members"][2].pop("seen_at")
    assert seen.startswith("2023-11-14T")
    assert told == {
        "type": "members", "id": "q", "room": "lobby", "count": 3,
        "members": [
            {"id": id_of(guest), "name": "guest", "role": "member", "online": True, "reason": "loud",
             "kind": "guest", "muted_until": "9999-12-31T23:59:59.999999Z"},
            {"id": "u_ann", "name": "ann", "role": "owner", "online": True},
            {"id": "u_ben", "name": "ben", "role": "member"},
        ],
    }  # fmt: skip


async def test_reasons_and_last_seen_times_are_not_public(chat: Chat) -> None:
    people = await staffed(chat)
    seq = await said(people["owner"])
    await ask(people["moderator"], "read", room="lobby", seq=seq)
    await passes(2)
    people["moderator"].disconnect()
    await ask(people["owner"], "mute", room="lobby", user="u_member", seconds=600, reason="harassed a colleague")
    far = Identity(User("u_far", "far"), guest=False)
    viewers: dict[str, tuple[Identity | None, bool, bool]] = {
        "nobody": (None, False, False),
        "far": (far, False, False),
    }
    for name, person in people.items():
        viewers[name] = (person.session.identity, True, name != "readonly")
    for name, (identity, inside, why) in viewers.items():
        page = await find_members(chat.parts, "lobby", ListMembers(room="lobby"), identity)
        assert page is not None
        rows = {row.id: row for row in page.members}
        assert bool(rows["u_moderator"].seen_at) is inside, name
        assert bool(rows["u_moderator"].read) is inside, name
        assert rows["u_member"].muted_until is not None
        assert bool(rows["u_member"].reason) is why, name
    for name in ("owner", "member", "readonly"):
        await ask(people[name], "members", room="lobby")
        told = {row["id"]: row for row in people[name].last("members")["members"]}
        assert told["u_moderator"]["read"] == seq
        assert ("reason" in told["u_member"]) is (name != "readonly")


@pytest.mark.parametrize("command", ["ban", "mute"])
async def test_a_reason_is_visible_to_moderators_and_the_user_concerned(chat: Chat, command: str) -> None:
    people = await staffed(chat)
    people["twin"] = account(chat, "member")
    await ask(people["twin"], "join", room="lobby")
    for person in people.values():
        person.forget()
    await ask(people["moderator"], command, id="c", room="lobby", user="u_member", reason="harassed a colleague")
    for name, person in people.items():
        told = person.of("member")
        assert told[0]["id"] == "c"
        assert "reason" not in told[0]["member"]
        later = [frame["member"]["reason"] for frame in told[1:]]
        assert later == ([] if name == "readonly" else ["harassed a colleague"]), name
        assert all("id" not in frame for frame in told[1:])


async def test_members_are_paged(chat: Chat) -> None:
    owner = account(chat, "owner")
    await created(chat, owner)
    for number in range(7):
        person = account(chat, f"p{number}")
        await ask(person, "join", room="lobby")
        if number % 2:
            person.disconnect()
    pages = await pages_of(owner, room="lobby", limit=3)
    assert pages == [["u_owner", "u_p0", "u_p1"], ["u_p2", "u_p3", "u_p4"], ["u_p5", "u_p6"]]
    assert owner.last("members")["count"] == 8


async def pages_of(person: Person, **asked: Any) -> list[list[str]]:
    """Return the ids on each page of `members`."""
    pages: list[list[str]] = []
    fields: dict[str, Any] = {}
    while True:
        await ask(person, "members", **asked, **fields)
        page = person.last("members")
        pages.append([member["id"] for member in page["members"]])
        if "cursor" not in page:
            return pages
        fields = {"cursor": page["cursor"]}


@pytest.mark.parametrize("kept", [False, True], ids=["made by joining", "that stays"])
@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 100])
async def test_member_pages_respect_the_limit_and_cover_every_member(chat: Chat, kept: bool, limit: int) -> None:
    """Including present users without a row: an admin, and every user of an ephemeral room."""
    owner = account(chat, "owner")
    if kept:
        await created(chat, owner)
    else:
        await ask(owner, "join", room="lobby")
    everybody = [owner, *(account(chat, f"p{number}") for number in range(4)), account(chat, "ada", role="admin")]
    for person in everybody[1:]:
        await ask(person, "join", room="lobby")
    everybody[2].disconnect()
    pages = await pages_of(owner, room="lobby", limit=limit)
    assert all(0 < len(page) <= limit for page in pages)
    wanted = sorted(person.session.user.id for person in everybody if kept or person is not everybody[2])
    assert [user_id for page in pages for user_id in page] == wanted


async def test_only_moderators_see_bans(chat: Chat) -> None:
    people = await staffed(chat)
    owner = people["owner"]
    for number in range(3):
        person = account(chat, f"p{number}")
        await ask(person, "join", room="lobby")
        fields = {"seconds": 5.0} if number == 0 else {}
        await ask(owner, "ban", room="lobby", user=id_of(person), reason=f"reason {number}", **fields)
    for name, code in (("readonly", "forbidden"), ("member", "forbidden"), ("moderator", "")):
        assert await code_of(people[name], "members", room="lobby", banned=True) == code
    told = people["moderator"].last("members")
    assert (told["count"], [member["reason"] for member in told["members"]]) == (
        3,
        ["reason 0", "reason 1", "reason 2"],
    )
    assert "role" not in told["members"][0]
    await passes(6)
    assert await pages_of(owner, room="lobby", banned=True, limit=1) == [["u_p1"], ["u_p2"]]
    await ask(owner, "unban", room="lobby", user="u_p1")
    assert await pages_of(owner, room="lobby", banned=True) == [["u_p2"]]


async def test_rooms_are_listed_before_they_are_stored(chat: Chat, repository: FaultyRepository) -> None:
    ann, ben = account(chat, "ann"), account(chat, "ben")
    repository.hold("write")
    await ask(ann, "create_room", room="lobby")
    assert set(await listed(ann, mine=True)) == set(await listed(ben)) == {"lobby"}


async def test_a_banned_member_no_longer_has_the_room_listed(chat: Chat) -> None:
    ann, ben = account(chat, "ann"), account(chat, "ben")
    await created(chat, ann)
    await ask(ben, "join", room="lobby")
    assert set(await listed(ben, mine=True)) == {"lobby"}
    await ask(ann, "ban", room="lobby", user="u_ben")
    assert set(await listed(ben, mine=True)) == set()


@pytest.mark.parametrize("how", ["banned", "direct", "seen"])
async def test_other_users_cannot_push_rooms_out_of_a_users_list(
    chat: Chat, repository: FaultyRepository, how: str
) -> None:
    """Neither from the list nor from search: not by bans, direct rooms opened by others, or rooms left long ago."""
    ann = account(chat, "ann")
    await created(chat, ann, "team")
    await said(ann, "needle", "team")
    rows = {
        "banned": Member(ann.session.user, banned_until=FOREVER),
        "direct": Member(ann.session.user, "member"),
        "seen": Member(ann.session.user, "member", joined_at=1, seen_at=2, read_seq=3),
    }
    kind: RoomKind = "direct" if how == "direct" else "public"
    for number in range(MINE_LIMIT + 1):
        record = RoomRecord(number + 1, f"!{number}", "2026-11-21T08:30:10.000001Z", kind)
        await repository.inner.writer().write([InsertRoom(record), SetMember(number + 1, rows[how])])
    ann.disconnect()
    await passes()
    ann = account(chat, "ann")
    assert "team" in await listed(ann, mine=True, q="team")
    await ask(ann, "search", q="needle")
    assert [message["room"] for message in ann.last("search")["messages"]] == ["team"]
