"""Invitations are created, sent, listed, accepted, declined and withdrawn, and bounded."""

from typing import Any

import pytest

from chat.chat import Chat
from chat.maintenance import expire_once
from chat.rooms.parts import INVITES_BURST
from model.limits import INVITATION_DAYS, INVITATIONS
from model.room import Invitation, Member, RoomRecord, User
from storage.ports.rooms import InsertRoom, SetMember
from tests.support.chatting import Person, chatting
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes
from tests.unit.chat.people import account, ask, code_of, created, id_of, mine, staffed
from utils.clock import DAY_US


async def invited(person: Person) -> list[str]:
    """Return the rooms of the user's open invitations, the newest first."""
    await ask(person, "rooms", mine=True)
    return [entry["room"] for entry in person.last("rooms").get("invitations", ())]


async def offered(person: Person, room: str = "lobby", **fields: Any) -> list[str]:
    """Return the users invited to a room, as its moderators see them."""
    await ask(person, "members", room=room, invited=True, **fields)
    return [member["id"] for member in person.last("members")["members"]]


def heard(person: Person) -> list[bool]:
    return [frame["open"] for frame in person.of("invitation")]


@pytest.mark.parametrize("private", [True, False])
async def test_an_invitation_is_no_membership_until_it_is_accepted(chat: Chat, private: bool) -> None:
    ann, ben, twin = account(chat, "ann"), account(chat, "ben"), account(chat, "ben")
    await created(chat, ann, title="The lobby", private=private)
    assert await code_of(ann, "invite", room="lobby", user="u_ben") == ""
    for device in (ben, twin):
        told = device.last("invitation")
        assert (told["open"], told["info"]["title"], told["by"]["id"]) == (True, "The lobby", "u_ann")
    assert await invited(ben) == ["lobby"]
    assert await mine(ben) == {}
    assert await offered(ann) == ["u_ben"]
    await ask(ann, "members", room="lobby")
    assert [member["id"] for member in ann.last("members")["members"]] == ["u_ann"]
    await ask(ann, "message", room="lobby", content="needle")
    await ask(ben, "search", q="needle")
    assert ben.last("search")["messages"] == []

    assert await code_of(ben, "join", room="lobby") == ""
    assert ben.last("joined")["role"] == "member"
    assert heard(ben) == heard(twin) == [True, False]
    assert await invited(ben) == await offered(ann) == []
    assert set(await mine(ben)) == {"lobby"}
    await ask(ben, "leave", room="lobby", quit=True)
    assert await code_of(ben, "join", room="lobby") == ("no_such_room" if private else "")


async def test_an_invitation_survives_an_empty_room(chat: Chat) -> None:
    ann, ben = account(chat, "ann"), account(chat, "ben")
    await created(chat, ann, private=True)
    await ask(ann, "invite", room="lobby", user="u_ben")
    for person in (ann, ben):
        person.disconnect()
    await passes()
    assert not chat.parts.hub.rooms
    ben = account(chat, "ben")
    assert await invited(ben) == ["lobby"]
    assert await code_of(ben, "join", room="lobby") == ""
    assert heard(ben) == [False]


async def test_declining_an_invitation_notifies_the_inviter(chat: Chat) -> None:
    ann, ben, twin = account(chat, "ann"), account(chat, "ben"), account(chat, "ben")
    await created(chat, ann, private=True)
    await ask(ann, "invite", room="lobby", user="u_ben")
    frames = await ask(ben, "decline", id="d", room="lobby")
    assert frames[0] == {"type": "invitation", "id": "d", "room": "lobby", "open": False}
    assert "d" in ben.acked()
    assert twin.last("invitation") == {"type": "invitation", "room": "lobby", "open": False}
    told = ann.last("member")
    assert (told["action"], told["member"], told["by"]["id"]) == ("decline", {"id": "u_ben", "name": "ben"}, "u_ben")
    assert await invited(ben) == await offered(ann) == []
    assert await code_of(ben, "join", room="lobby") == "no_such_room"
    assert await code_of(ann, "invite", room="lobby", user="u_ben") == ""
    assert await invited(ben) == ["lobby"]


async def test_declining_without_an_invitation_reveals_nothing(chat: Chat) -> None:
    ann, ben = account(chat, "ann"), account(chat, "ben")
    await created(chat, ann, "secret", private=True)
    await created(chat, ann, "public")
    refusals = []
    for room in ("secret", "public", "nothing"):
        await ask(ben, "decline", id="d", room=room)
        refusals.append({**ben.last("error"), "room": ""})
    assert refusals[0]["code"] == "no_such_invitation"
    assert refusals == [refusals[0]] * 3
    assert "nothing" not in chat.parts.hub.rooms
    assert await code_of(ann, "decline", room="secret") == "no_such_invitation"  # a member
    assert await code_of(ben, "decline", room="\x00") == "bad_field"


@pytest.mark.parametrize("how", ["kick", "ban", "delete_room"])
@pytest.mark.parametrize("cold", [True, False])
async def test_an_invitation_can_be_withdrawn(chat: Chat, how: str, cold: bool) -> None:
    """Also after the room was unloaded, and permanently: neither an unban nor a new room restores it."""
    ann, ben = account(chat, "ann"), account(chat, "ben")
    await created(chat, ann, private=True)
    await ask(ann, "invite", room="lobby", user="u_ben")
    if cold:
        ann.disconnect()
        await passes()
        ann = account(chat, "ann")
        await ask(ann, "join", room="lobby")
    assert await code_of(ann, how, room="lobby", **({} if how == "delete_room" else {"user": "u_ben"})) == ""
    assert heard(ben) == [True, False]
    assert await invited(ben) == []
    if how == "ban":
        assert await code_of(ann, "invite", room="lobby", user="u_ben") == "banned"
        await ask(ann, "unban", room="lobby", user="u_ben")
    elif how == "delete_room":
        await created(chat, ann, private=True)
    assert await offered(ann) == []
    assert await code_of(ben, "join", room="lobby") == "no_such_room"
    assert await code_of(ann, "kick", room="lobby", user="u_ben") == "no_such_user"


async def test_inviting_twice_or_inviting_a_member_changes_and_broadcasts_nothing(chat: Chat) -> None:
    people = await staffed(chat)
    owner, moderator, member, ben = *(people[name] for name in ("owner", "moderator", "member")), account(chat, "ben")
    assert await code_of(owner, "invite", room="lobby", user="u_ben") == ""
    first = ben.last("invitation")
    await passes(1)
    assert await code_of(moderator, "invite", room="lobby", user="u_ben") == ""
    assert ben.of("invitation") == [first]
    before = len(member.of("invitation", "room"))
    for asker in (owner, people["admin"]):
        assert await code_of(asker, "invite", room="lobby", user=id_of(member)) == ""
    assert len(member.of("invitation", "room")) == before
    assert owner.last("member")["member"]["role"] == "member"
    assert await code_of(member, "invite", room="lobby", user="u_ben") == "forbidden"
    assert await code_of(member, "members", room="lobby", invited=True) == "forbidden"


async def test_an_admin_adds_members_without_an_invitation(chat: Chat) -> None:
    ann, ada, ben = account(chat, "ann"), account(chat, "ada", "admin"), account(chat, "ben")
    await created(chat, ann, private=True)
    await ask(ada, "join", room="lobby")
    for inviter in (ann, ada):
        assert await code_of(inviter, "invite", room="lobby", user="u_ben") == ""
    assert heard(ben) == [True, False]
    told = ben.last("room")
    assert (told["action"], told["role"], told["by"]["id"]) == ("invite", "member", "u_ada")
    assert set(await mine(ben)) == {"lobby"}


async def test_becoming_a_member_in_another_way_ends_the_invitation(chat: Chat) -> None:
    orla, ben = account(chat, "orla", "organizer"), account(chat, "ben")
    for person in (orla, ben):
        await ask(person, "join", room="general")
    await ask(orla, "invite", room="general", user="u_ben")  # he is present, without a role
    assert await code_of(account(chat, "ada", "admin"), "join", room="general") == ""
    assert await code_of(orla, "update_room", room="general", topic="x") == ""
    ada = account(chat, "ada", "admin")
    await ask(ada, "join", room="general")
    assert await code_of(ada, "set_role", room="general", user="u_ben", role="member") == ""
    assert heard(ben) == [True, False]
    assert await invited(ben) == []


async def test_at_most_a_hundred_invitations_are_open_even_under_concurrency(
    chat: Chat, repository: FaultyRepository
) -> None:
    ben = account(chat, "ben")
    people = [account(chat, f"p{number}") for number in range(20)]
    for number in range(INVITATIONS + 10):
        owner = people[number % len(people)]
        await created(chat, owner, f"room {number}", private=True)
    repository.hold("invitations")
    for number in range(INVITATIONS + 10):
        people[number % len(people)].send("invite", room=f"room {number}", user="u_ben")
    await passes(0.1)
    repository.go("invitations")
    await passes(1)
    refused = [frame["code"] for person in people for frame in person.of("error")]
    assert refused == ["too_many_invitations"] * 10
    open_rooms = await invited(ben)
    assert len(open_rooms) == INVITATIONS
    assert await code_of(people[0], "invite", room="room 0", user="u_ben") == ""  # this one is open
    await ask(ben, "decline", room=open_rooms[0])
    again = int(open_rooms[0].split()[1])
    assert await code_of(people[again % len(people)], "invite", room=open_rooms[0], user="u_ben") == ""
    assert await mine(ben) == {}


async def test_an_invitation_that_is_not_stored_yet_is_listed_and_counted(
    chat: Chat, repository: FaultyRepository
) -> None:
    people = [account(chat, f"p{number}") for number in range(2)]
    ben = account(chat, "ben")
    for number in range(INVITATIONS + 1):
        await created(chat, people[number % 2], f"room {number}", private=True)
    repository.hold("write")
    for number in range(INVITATIONS):
        people[number % 2].send("invite", room=f"room {number}", user="u_ben")
    await passes(0.1)
    assert len(heard(ben)) == len(await invited(ben)) == INVITATIONS
    assert await code_of(people[0], "invite", room=f"room {INVITATIONS}", user="u_ben") == "too_many_invitations"
    people[0].send("kick", room="room 0", user="u_ben")
    people[1].send("delete_room", room="room 1")
    await passes(0.1)
    left = await invited(ben)
    assert set(left) == {f"room {number}" for number in range(2, INVITATIONS)}
    repository.go("write")
    await passes(0.1)
    assert await invited(ben) == left
    assert not chat.parts.changes._queued


async def test_an_invitation_created_while_the_list_is_read_is_in_it(chat: Chat, repository: FaultyRepository) -> None:
    ann, ben = account(chat, "ann"), account(chat, "ben")
    for room in ("one", "two", "three"):
        await created(chat, ann, room, private=True)
    await ask(ann, "invite", room="one", user="u_ben")
    await passes(1)
    repository.early.add("invitations")
    repository.delay("invitations")
    ben.send("rooms", mine=True)
    await passes()
    ann.send("invite", room="two", user="u_ben")
    ann.send("invite", room="three", user="u_ben")
    await passes(1)
    ann.send("kick", room="three", user="u_ben")
    await passes(0.1)
    assert heard(ben) == [True, True, True, False]
    repository.go("invitations")
    await passes(0.1)
    assert [entry["room"] for entry in ben.last("rooms")["invitations"]] == ["two", "one"]


async def test_invitations_are_rate_limited_per_inviter_across_rooms(chat: Chat) -> None:
    ann, twin = account(chat, "ann"), account(chat, "ann")
    account(chat, "ben")
    for room in ("one", "two"):
        await created(chat, ann, room)
    await ask(twin, "join", room="two")
    for number in range(INVITES_BURST):
        who, room = ((ann, "one"), (twin, "two"))[number % 2]
        who.send("invite", room=room, user="u_ben")
    await passes(0.1)
    assert not ann.of("error")
    for who, room in ((ann, "one"), (twin, "two")):
        assert await code_of(who, "invite", room=room, user="u_ben") == "rate_limited"
        assert 9 < who.last("error")["retry_after"] <= 10
    ada = account(chat, "ada", "admin")
    await ask(ada, "join", room="one")
    assert await code_of(ada, "invite", room="one", user="u_ben") == ""
    await passes(10)
    assert await code_of(ann, "invite", room="one", user="u_ben") == ""


async def test_guests_of_one_address_share_one_invitation_rate(chat: Chat) -> None:
    account(chat, "ben")
    codes = []
    for number in range(12):
        guest = Person(chat, f"guest {number}")
        guest.session.network = "192.0.2.1"
        await created(chat, guest, f"room {number}")
        for _ in range(INVITES_BURST // 10):
            guest.send("invite", room=f"room {number}", user="u_ben")
        await passes(0.1)
        codes.append([frame["code"] for frame in guest.of("error")])
    assert codes[:10] == [[]] * 10
    assert set(codes[11]) == {"rate_limited"}


async def test_an_invitation_expires_after_thirty_days(repository: FaultyRepository) -> None:
    async with chatting(repository) as chat:
        ann, ben = account(chat, "ann"), account(chat, "ben")
        for room in ("old", "new"):
            await created(chat, ann, room, private=True)
        await ask(ann, "invite", room="old", user="u_ben")
        await passes(60)
        await ask(ann, "invite", room="new", user="u_ben")
        chat.parts.clock.offset_us += INVITATION_DAYS * DAY_US - 30_000_000  # type: ignore[attr-defined]
        assert await invited(ben) == ["new"]
        assert await offered(ann, "old") == []
        assert await code_of(ben, "decline", room="old") == "no_such_invitation"
        assert await code_of(ben, "join", room="old") == "no_such_room"
        await expire_once(chat.parts, repository.inner.writer())
        rooms = [await repository.inner.rooms.find_room(name) for name in ("old", "new")]
        rows = [await repository.inner.rooms.find_member(room.room_id, "u_ben") for room in rooms if room is not None]
        assert [row is not None for row in rows] == [False, True]
        assert await code_of(ann, "invite", room="old", user="u_ben") == ""
        assert await invited(ben) == ["old", "new"]


async def test_invitations_from_strangers_do_not_fill_a_users_room_list(chat: Chat) -> None:
    """Their rooms sort first by name, but are not among the invited user's own."""
    vic = account(chat, "vic")
    await created(chat, vic, "team")
    strangers = [Person(chat, f"guest {number}") for number in range(3)]
    for number in range(30):
        guest = strangers[number % 3]
        await created(chat, guest, f"!{number}")
        await ask(guest, "invite", room=f"!{number}", user="u_vic")
        await ask(guest, "leave", room=f"!{number}")
    assert set(await mine(vic)) == {"team"}
    assert len(await invited(vic)) == 30


@pytest.mark.parametrize("point", ["find_user", "invitations", "write"])
async def test_a_storage_failure_during_an_invitation_is_reported(
    chat: Chat, repository: FaultyRepository, point: str
) -> None:
    ann = account(chat, "ann")
    await created(chat, ann)
    far = RoomRecord(77, "far", "2026-11-21T08:30:10.000001Z")
    await repository.inner.writer().write([InsertRoom(far), SetMember(77, Member(User("u_far", "far"), "member"))])
    repository.hold(point)
    ann.send("invite", id="i", room="lobby", user="u_far")
    await passes(0.1)
    repository.away = "unplugged"
    repository.go(point)
    await passes(1)
    repository.away = None
    await passes(3)
    if point == "write":
        assert "i" in ann.acked()  # decided, and stored when storage was back
    else:
        assert ann.errors() == {"i": "unavailable"}
        assert not ann.of("member")
    assert (await offered(ann) == ["u_far"]) == (point == "write")


async def test_a_user_kicked_during_the_lookup_cannot_invite(chat: Chat, repository: FaultyRepository) -> None:
    people = await staffed(chat)
    ben = account(chat, "ben")
    repository.hold("invitations")
    people["moderator"].send("invite", id="i", room="lobby", user="u_ben")
    await passes()
    await ask(people["owner"], "kick", room="lobby", user=id_of(people["moderator"]))
    repository.go("invitations")
    await passes(0.1)
    assert people["moderator"].errors() == {"i": "not_joined"}
    assert not ben.of("invitation")


async def test_a_guest_can_return_to_an_invitation(chat: Chat) -> None:
    ann, guest = account(chat, "ann"), Person(chat, "guest")
    await created(chat, ann, private=True)
    assert await code_of(ann, "invite", room="lobby", user=id_of(guest)) == ""
    guest.disconnect()
    back = Person(chat, token=guest.token)
    assert await invited(back) == ["lobby"]
    assert await code_of(back, "join", room="lobby") == ""


def test_a_row_with_only_an_invitation_is_not_a_member() -> None:
    assert not Member(User("u", "u"), invitation=Invitation(User("v", "v"), 1)).belongs
