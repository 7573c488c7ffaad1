"""Direct rooms: there is one for each pair of users, hidden from all others."""

import pytest

from chat.chat import Chat
from chat.delivery.ratelimit import Allowances
from chat.handlers.manage import direct_name
from chat.queries.history import read_history
from model.commands import ReadHistory
from model.room import Member, Role, RoomKind, RoomRecord, User
from storage.ports.errors import StorageUnavailable
from storage.ports.rooms import InsertRoom, SetMember
from tests.support.chatting import Person
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes
from tests.support.world import Plainly
from tests.unit.chat.people import RoomsPerson, account, ask, code_of, id_of

NAME = direct_name("u_ann", "u_ben")


async def test_opening_a_direct_room_notifies_the_other_user_at_once(chat: Chat) -> None:
    ann, ben = account(chat, "ann"), account(chat, "ben")
    frames = await ask(ann, "direct", id="d", user="u_ben")
    shown = [frame for frame in frames if frame["type"] != "presence"]
    ben_user, ann_user = {"id": "u_ben", "name": "ben"}, {"id": "u_ann", "name": "ann"}
    room = {"type": "room", "room": NAME, "action": "direct", "info": {"kind": "direct"}, "role": "member"}
    assert shown[0] == {**room, "id": "d", "peer": ben_user}
    assert (shown[1]["type"], shown[1]["peer"], shown[1]["role"]) == ("joined", ben_user, "member")
    assert shown[2]["ids"][0]["id"] == "d"
    assert ben.frames[-1] == {**room, "peer": ann_user}
    await ask(ben, "rooms", mine=True)
    entry = ben.last("rooms")["rooms"][0]
    assert (entry["room"], entry["kind"], entry["peer"], entry["members"]) == (NAME, "direct", ann_user, 2)


async def test_both_users_open_the_same_room(chat: Chat) -> None:
    ann, ben = account(chat, "ann"), account(chat, "ben")
    await ask(ann, "direct", user="u_ben")
    ann.say("psst", "m", NAME)
    await ask(ben, "direct", user="u_ann")
    assert (ben.of("room")[-1]["peer"]["name"], len(ben.of("room"))) == ("ann", 2)
    await ask(ben, "history", room=NAME)
    assert [message["content"] for message in ben.last("history")["messages"]] == ["psst"]
    ben.say("what?", room=NAME)
    await passes(0.1)
    assert ann.heard() == ["psst", "what?"]


async def test_a_direct_room_is_there_when_both_users_return(chat: Chat, repository: FaultyRepository) -> None:
    ann, ben = account(chat, "ann"), account(chat, "ben")
    await ask(ann, "direct", user="u_ben")
    ann.say("psst", "m", NAME)
    await passes(0.1)
    for person in (ann, ben):
        person.disconnect()
    await passes()
    assert not chat.parts.hub.rooms
    ben = account(chat, "ben")
    await ask(ben, "rooms", mine=True)
    entry = ben.last("rooms")["rooms"][0]
    assert (entry["room"], entry["unread"], entry["peer"]["id"]) == (NAME, 1, "u_ann")
    assert await code_of(ben, "join", room=NAME) == ""
    assert ben.last("joined")["peer"]["id"] == "u_ann"
    ben.disconnect()
    await passes()
    ben = account(chat, "ben")
    assert await code_of(ben, "direct", user="u_ann") == ""  # known, although offline
    assert ben.last("room")["peer"] == {"id": "u_ann", "name": "ann"}


@pytest.mark.parametrize("role", ["user", "organizer", "admin"])
@pytest.mark.parametrize("cold", [False, True])
async def test_a_direct_room_is_hidden_from_other_users(chat: Chat, role: str, cold: bool) -> None:
    chat.parts.passwords = Plainly()
    ann = account(chat, "ann")
    account(chat, "ben")
    await ask(ann, "direct", user="u_ben")
    ann.say("psst", "m", NAME)
    await passes(0.1)
    if cold:
        ann.disconnect()
        await passes()
    cat = account(chat, "cat", role)
    for fields in ({}, {"create": False}, {"password": "x"}):
        assert await code_of(cat, "join", room=NAME, **fields) == "no_such_room"
    assert await code_of(cat, "create_room", room=NAME) == "reserved_name"
    await ask(cat, "rooms")
    assert cat.last("rooms")["rooms"] == []
    await ask(cat, "search", q="psst")
    assert cat.last("search")["messages"] == []
    assert await read_history(chat.parts, NAME, ReadHistory(room=NAME), cat.session.identity) is None


async def test_the_name_of_a_direct_room_cannot_be_used_to_create_one(chat: Chat) -> None:
    assert await code_of(account(chat, "ann"), "join", room=NAME) == "no_such_room"
    assert await code_of(Person(chat, "guest"), "join", room="@") == "no_such_room"
    assert not chat.parts.hub.rooms


async def test_the_other_user_of_a_direct_room_is_validated(chat: Chat) -> None:
    ann = account(chat, "ann")
    assert await code_of(ann, "direct", user="u_nobody") == "no_such_user"
    assert await code_of(ann, "direct", user="u_ann") == "bad_field"
    guest = Person(chat, "guest")
    assert await code_of(ann, "direct", user=id_of(guest)) == ""


@pytest.mark.parametrize(
    ("command", "fields", "code"),
    [
        ("kick", {"user": "u_ben"}, "forbidden"),
        ("ban", {"user": "u_ben"}, "forbidden"),
        ("invite", {"user": "u_cat"}, "forbidden"),
        ("delete_room", {}, "forbidden"),
        ("update_room", {"title": "x"}, "forbidden"),
        ("leave", {"quit": True}, "forbidden"),
        ("leave", {}, ""),
    ],
)
async def test_neither_user_owns_a_direct_room(chat: Chat, command: str, fields: dict[str, object], code: str) -> None:
    ann = account(chat, "ann")
    account(chat, "ben")
    account(chat, "cat")
    await ask(ann, "direct", user="u_ben")
    assert await code_of(ann, command, room=NAME, **fields) == code


async def test_opening_it_concurrently_creates_one_room(chat: Chat, repository: FaultyRepository) -> None:
    ann, ben = account(chat, "ann"), account(chat, "ben")
    repository.hold("find_room")
    ann.send("direct", user="u_ben")
    ben.send("direct", user="u_ann")
    await passes()
    repository.go("find_room")
    await passes(0.1)
    for person in (ann, ben):
        assert not person.of("error")
        assert NAME in person.session.rooms


# --- guests, and claimed ids -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("stored", [[], ["ann"], ["ben"]])
async def test_a_server_stopped_while_it_created_the_room(
    chat: Chat, repository: FaultyRepository, stored: list[str]
) -> None:
    """The missing rows are created when one of the two users opens it again."""
    record = RoomRecord(77, NAME, "2026-11-21T08:30:10.000001Z", kind="direct")
    rows = [SetMember(77, Member(User(f"u_{name}", name), "member")) for name in stored]
    await repository.inner.writer().write([InsertRoom(record), *rows])
    ann, ben = account(chat, "ann"), account(chat, "ben")
    await ask(ann, "direct", id="d", user="u_ben")
    assert ann.of("room")[0]["peer"]["name"] == ann.last("joined")["peer"]["name"] == "ben"
    assert "d" in ann.acked()
    assert [frame["peer"]["name"] for frame in ben.of("room")] == ([] if "ben" in stored else ["ann"])
    ann.say("psst", "m", NAME)
    await ask(ben, "rooms", mine=True)
    assert [entry["peer"]["name"] for entry in ben.last("rooms")["rooms"]] == ["ann"]
    assert await code_of(ben, "join", room=NAME) == ""


async def test_a_guest_opens_a_direct_room_only_with_a_user_in_a_shared_room(chat: Chat) -> None:
    """Any other user looks like an unknown id."""
    ann, guest = account(chat, "ann"), Person(chat, "guest")
    refusals = []
    for user in ("u_ann", "u_nobody"):
        await ask(guest, "direct", id="d", user=user)
        refusals.append(guest.last("error"))
    assert refusals[0] == refusals[1]
    assert refusals[0]["code"] == "no_such_user"
    assert len(ann.of("room")) == 0
    assert not chat.parts.hub.rooms, "nothing is left of the attempt"


@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize("made", ["joined", "created"])
async def test_a_guest_shares_a_room_with_its_present_users_or_members(chat: Chat, inside: bool, made: str) -> None:
    """In an ephemeral room its present users; in a lasting one its members, online or not."""
    ann, guest = account(chat, "ann"), Person(chat, "guest")
    if made == "created":
        await ask(ann, "create_room", room="lobby")
    for person in (ann, guest):
        await ask(person, "join", room="lobby")
    if not inside:
        await ask(ann, "leave", room="lobby")
    expected = "" if inside or made == "created" else "no_such_user"
    assert await code_of(guest, "direct", user="u_ann") == expected


async def test_a_guest_returns_to_a_direct_room(chat: Chat) -> None:
    ann, guest = account(chat, "ann"), Person(chat, "guest")
    await ask(ann, "direct", user=id_of(guest))
    assert await code_of(guest, "direct", user="u_ann") == ""
    assert await code_of(guest, "direct", user="u_ann") == ""


async def test_a_failing_storage_lookup_for_a_guest_returns_an_error(chat: Chat, repository: FaultyRepository) -> None:
    guest = Person(chat, "guest")
    account(chat, "ann")
    repository.faults["share_a_room"].append(StorageUnavailable("away"))
    assert await code_of(guest, "direct", user="u_ann") == "unavailable"


@pytest.mark.parametrize("role", ["user", "admin"])
async def test_a_claimed_id_gets_no_direct_room_and_no_moderating_role(chat: Chat, role: str) -> None:
    """Whether or not the server knows the id."""
    ann, seven = account(chat, "ann", role), RoomsPerson(chat)
    await ask(ann, "create_room", room="den", private=True)
    await ask(ann, "create_room", room="lobby")
    seven.join("7", "ben", "lobby")
    await passes()
    assert "w_7" in chat.parts.hub.rooms["lobby"].presence.people
    for user in ("w_7", "w_8"):
        assert await code_of(ann, "direct", user=user) == "forbidden"
    for room in ("den", "lobby"):
        assert await code_of(ann, "invite", room=room, user="w_7") == "forbidden"
    for given in ("moderator", "owner"):
        assert await code_of(ann, "set_role", room="lobby", user="w_7", role=given) == "forbidden"
    assert await code_of(ann, "set_role", room="lobby", user="w_7", role="readonly") == ""
    assert await code_of(ann, "set_role", room="lobby", user="w_7", role="member") == ""


async def test_a_room_that_becomes_private_removes_claimed_ids(chat: Chat) -> None:
    """Whether it was ephemeral or lasting, with a password or without one."""
    chat.parts.passwords = Plainly()
    ann = account(chat, "ann", "admin")
    for room, fields in (("a", {"private": True}), ("b", {"password": "sesame"})):
        for made in ("join", "create_room"):
            name = f"{room} {made}"
            await ask(ann, made, room=name)
            seven = RoomsPerson(chat)
            seven.join("7", "ben", name)
            await passes()
            assert await code_of(ann, "update_room", room=name, **fields) == ""
            assert seven.payloads("left") == [{"room_id": name, "reason": "kicked"}]
            assert not seven.session.rooms
            await passes(1.5)  # for presence
            assert [user["id"] for user in ann.last("presence")["left"]] == ["w_7"]
            ann.say("psst", room=name)
            seven.join("7", "ben", name)
            await passes()
            assert seven.codes() == ["no_such_room"]
            assert "psst" not in str(seven.frames)


@pytest.mark.parametrize("kind", ["private", "direct"])
@pytest.mark.parametrize("role", ["member", "owner"])
async def test_a_claimed_id_stored_as_a_member_by_an_older_version_is_refused(
    chat: Chat, repository: FaultyRepository, kind: RoomKind, role: Role
) -> None:
    name = direct_name("u_ann", "w_7") if kind == "direct" else "den"
    record = RoomRecord(7, name, "2026-11-21T08:30:10.000001Z", kind)
    rows = [Member(User("u_ann", "ann"), "owner"), Member(User("w_7", "ben"), role)]
    await repository.inner.writer().write([InsertRoom(record), *(SetMember(7, row) for row in rows)])
    ann = account(chat, "ann")
    assert await code_of(ann, "join", room=name) == ""
    ann.say("psst", room=name)
    seven = RoomsPerson(chat)
    seven.join("7", "ben", name)
    seven.ask("message", room_id=name, message="let me in")
    await passes(0.1)
    assert seven.codes() == ["no_such_room", "not_joined"]
    assert "psst" not in str(seven.frames)
    assert ann.heard() == ["psst"]


async def test_guests_open_few_new_direct_rooms(chat: Chat) -> None:
    """New guests cost nothing: they are counted by their address, and for the user whom they write to."""
    chat.parts.guest_directs, chat.parts.received_directs = Allowances(0.001, 2.0), Allowances(0.001, 3.0)
    ann, ben = account(chat, "ann"), account(chat, "ben")
    await ask(ann, "join", room="lobby")
    await ask(ben, "join", room="lobby")
    guests = [Person(chat, f"guest{n}", "lobby", network=f"192.0.2.{n // 3}") for n in range(6)]
    await passes(0.2)
    codes = [await code_of(guest, "direct", user="u_ann") for guest in guests]
    assert codes == ["", "", "rate_limited", "", "rate_limited", "rate_limited"]
    assert guests[-1].last("error")["retry_after"] > 1
    assert await code_of(guests[0], "direct", user="u_ann") == ""  # it exists
    assert await code_of(guests[4], "direct", user="u_ben") == ""  # what was refused does not count
    assert await code_of(ben, "direct", user="u_ann") == ""  # an account
    assert await code_of(ann, "direct", user=id_of(guests[5])) == ""
