"""Moderation: who may kick, ban, mute and promote whom, the effects, and the events that are broadcast."""

from typing import Any

import pytest

from chat.chat import Chat
from model.room import FOREVER
from tests.support.chatting import Person, chatting
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes
from tests.unit.chat.people import account, ask, code_of, id_of, staffed
from utils.clock import microseconds

RANKS = {"readonly": 2, "member": 3, "moderator": 4, "organizer": 4, "owner": 5, "admin": 6}
ABOUT = ("kick", "ban", "mute", "unmute", "unban", "set_role")


def fields(command: str, target: Person) -> dict[str, Any]:
    return {"room": "lobby", "user": id_of(target)} | ({"role": "member"} if command == "set_role" else {})


@pytest.mark.parametrize("command", ABOUT)
@pytest.mark.parametrize("actor", RANKS)
@pytest.mark.parametrize("target", RANKS)
async def test_only_a_higher_role_may_moderate(chat: Chat, actor: str, target: str, command: str) -> None:
    if actor == target:
        return
    people = await staffed(chat)
    needed = 5 if command == "set_role" else 4
    allowed = RANKS[actor] >= needed and RANKS[actor] > RANKS[target]
    code = await code_of(people[actor], command, **fields(command, people[target]))
    if allowed:
        dethrones = target == "owner" and command in ("set_role", "kick", "ban")
        assert code == ("last_owner" if dethrones else "")
    else:
        assert code == "forbidden"
        assert "lobby" in people[target].session.rooms


async def test_the_last_owner_cannot_lose_the_role(chat: Chat) -> None:
    people = await staffed(chat)
    owner, member = people["owner"], people["member"]
    assert await code_of(owner, "set_role", room="lobby", user=id_of(owner), role="member") == "last_owner"
    assert await code_of(owner, "set_role", room="lobby", user=id_of(member), role="owner") == ""
    assert await code_of(owner, "set_role", room="lobby", user=id_of(owner), role="member") == ""
    assert await code_of(owner, "update_room", room="lobby", private=True) == "forbidden"
    assert await code_of(member, "update_room", room="lobby", private=True) == ""


@pytest.mark.parametrize("actor", ["moderator", "organizer"])
@pytest.mark.parametrize("command", ["kick", "ban", "mute"])
async def test_an_owner_who_is_offline_keeps_their_rank(chat: Chat, command: str, actor: str) -> None:
    """There is a second owner, so the first one is not protected as the last."""
    people = await staffed(chat)
    owner, member = people["owner"], people["member"]
    assert await code_of(owner, "set_role", room="lobby", user=id_of(member), role="owner") == ""
    owner.disconnect()
    await passes()
    assert await code_of(people[actor], command, room="lobby", user=id_of(owner)) == "forbidden"
    assert await code_of(member, command, room="lobby", user=id_of(owner)) == ""


@pytest.mark.parametrize("command", ["kick", "ban"])
async def test_an_admin_must_name_another_owner_before_removing_the_last_one(chat: Chat, command: str) -> None:
    people = await staffed(chat)
    admin, owner, member = people["admin"], people["owner"], people["member"]
    assert await code_of(admin, command, room="lobby", user=id_of(owner)) == "last_owner"
    assert "lobby" in owner.session.rooms
    assert await code_of(admin, "set_role", room="lobby", user=id_of(member), role="owner") == ""
    assert await code_of(admin, command, room="lobby", user=id_of(owner)) == ""
    assert "lobby" not in owner.session.rooms


async def test_a_moderator_cannot_grant_roles(chat: Chat) -> None:
    people = await staffed(chat)
    for actor in ("moderator", "organizer", "member"):
        code = await code_of(people[actor], "set_role", room="lobby", user=id_of(people["readonly"]), role="member")
        assert code == "forbidden"


@pytest.mark.parametrize("private", [False, True])
async def test_a_kick_removes_every_device_and_gives_the_reason(chat: Chat, private: bool) -> None:
    people = await staffed(chat, private=private)
    owner, member = people["owner"], people["member"]
    other = account(chat, "member")
    await ask(other, "join", room="lobby")
    frames = await ask(owner, "kick", id="k", room="lobby", user=id_of(member), reason="too loud")
    by = {"id": "u_owner", "name": "owner"}
    assert frames[0] == {
        "type": "member", "id": "k", "room": "lobby", "action": "kick", "by": by,
        "member": {"id": "u_member", "name": "member", "online": True},
    }  # fmt: skip
    assert "k" in owner.acked()
    for device in (member, other):
        assert device.last("left") == {
            "type": "left",
            "room": "lobby",
            "reason": "kicked",
            "by": by,
            "text": "too loud",
        }
        assert not device.session.rooms
        assert device.connection.closed is None
    await passes(1.1)
    assert people["admin"].last("presence")["left"] == [{"id": "u_member", "name": "member"}]
    assert await code_of(member, "join", room="lobby") == ("no_such_room" if private else "")


async def test_a_ban_holds_until_it_expires(chat: Chat) -> None:
    people = await staffed(chat)
    owner, member = people["owner"], people["member"]
    await ask(owner, "ban", room="lobby", user=id_of(member), seconds=60, reason="spam")
    assert member.last("left")["reason"] == "banned"
    told = owner.last("member")["member"]
    assert told["reason"] == "spam"
    assert 59 < microseconds(told["banned_until"]) / 1e6 - chat.parts.clock.now_us() / 1e6 <= 60
    assert await code_of(member, "join", room="lobby") == "banned"
    assert await code_of(owner, "invite", room="lobby", user=id_of(member)) == "banned"
    await passes(61)
    assert await code_of(member, "join", room="lobby") == ""


async def test_a_permanent_ban_can_be_lifted(chat: Chat, repository: FaultyRepository) -> None:
    people = await staffed(chat)
    owner, member = people["owner"], people["member"]
    await ask(owner, "ban", room="lobby", user=id_of(member))
    assert owner.last("member")["member"]["banned_until"] == "9999-12-31T23:59:59.999999Z"
    for person in people.values():
        person.disconnect()
    await passes()
    assert not chat.parts.hub.rooms  # found in storage too
    back, member = account(chat, "owner"), account(chat, "member")
    assert await code_of(member, "join", room="lobby") == "banned"
    await ask(back, "join", room="lobby")
    assert await code_of(back, "unban", room="lobby", user=id_of(member)) == ""
    assert await code_of(member, "join", room="lobby") == ""


async def test_a_guest_is_banned_by_id(chat: Chat) -> None:
    people = await staffed(chat)
    guest = Person(chat, "guest")
    await ask(guest, "join", room="lobby")
    await ask(people["moderator"], "ban", room="lobby", user=id_of(guest))
    again = Person(chat, "guest", token=guest.token)
    assert await code_of(again, "join", room="lobby") == "banned"


async def test_an_admin_cannot_be_banned(chat: Chat) -> None:
    people = await staffed(chat, private=True)
    stranger = account(chat, "boss", "admin")
    assert await code_of(stranger, "join", room="lobby") == ""
    assert stranger.last("joined")["role"] == "admin"
    assert await code_of(people["owner"], "ban", room="lobby", user=id_of(stranger)) == "forbidden"


@pytest.mark.parametrize("what", ["message", "edit", "react", "typing"])
async def test_a_muted_user_cannot_post(chat: Chat, what: str) -> None:
    people = await staffed(chat)
    owner, member = people["owner"], people["member"]
    member.say("before", "m", "lobby")
    await passes(0.1)
    seq = member.acked()["m"]
    possible: dict[str, dict[str, Any]] = {
        "message": {"content": "x"}, "edit": {"seq": seq, "content": "x"}, "react": {"seq": seq, "emoji": "x"},
        "typing": {},
    }  # fmt: skip
    asked = possible[what]
    assert await code_of(member, what, room="lobby", **asked) == ""
    await ask(owner, "mute", room="lobby", user=id_of(member), seconds=30)
    assert await code_of(member, what, id="q", room="lobby", **asked) == "muted"
    assert 29 < member.of("error")[-1]["retry_after"] <= 30
    await ask(owner, "unmute", room="lobby", user=id_of(member))
    assert await code_of(member, what, room="lobby", **asked) == ""
    await ask(owner, "mute", room="lobby", user=id_of(member), seconds=1)
    await passes(2.5)
    assert await code_of(member, what, room="lobby", **asked) == ""


async def test_a_muted_user_learns_how_long(chat: Chat) -> None:
    people = await staffed(chat)
    owner, member = people["owner"], people["member"]
    for fields, text in (
        ({"seconds": 60}, "you are muted in this room for another 60 seconds"),
        ({}, "you are muted in this room"),
    ):
        await ask(owner, "mute", room="lobby", user=id_of(member), **fields)
        frames = await ask(member, "message", room="lobby", content="x")
        assert [frame["message"] for frame in frames if frame["type"] == "error"] == [text]


async def test_a_mute_survives_leaving_and_quitting(chat: Chat) -> None:
    people = await staffed(chat)
    member = people["member"]
    await ask(people["owner"], "mute", room="lobby", user=id_of(member))
    await ask(member, "leave", room="lobby", quit=True)
    await ask(member, "join", room="lobby")
    assert await code_of(member, "message", room="lobby", content="x") == "muted"
    await ask(member, "leave", room="lobby")
    await ask(member, "join", room="lobby")
    assert await code_of(member, "message", room="lobby", content="x") == "muted"


async def test_a_readonly_member_stays_readonly_after_rejoining(chat: Chat) -> None:
    people = await staffed(chat)
    reader = people["readonly"]
    await ask(reader, "leave", room="lobby", quit=True)
    assert await code_of(reader, "join", room="lobby") == ""
    for command, fields in (("message", {"content": "x"}), ("typing", {})):
        assert await code_of(reader, command, room="lobby", **fields) == "muted"
    assert await code_of(people["moderator"], "unmute", room="lobby", user=id_of(reader)) == ""
    assert await code_of(reader, "message", room="lobby", content="x") == ""


async def test_an_expired_sanction_is_not_listed(chat: Chat) -> None:
    people = await staffed(chat)
    owner, member = people["owner"], people["member"]
    for command in ("ban", "mute"):
        await ask(owner, command, room="lobby", user=id_of(member), seconds=5.0, reason="an old story")
    await passes(6)
    await ask(member, "join", room="lobby")
    await ask(owner, "set_role", room="lobby", user=id_of(member), role="readonly")
    told = {"id": id_of(member), "name": "member", "role": "readonly", "online": True}
    assert owner.last("member")["member"] == told
    await ask(owner, "members", room="lobby")
    assert told in owner.last("members")["members"]


async def test_moderating_an_unknown_user_is_refused(chat: Chat) -> None:
    people = await staffed(chat)
    for command in (*ABOUT, "invite"):
        asked = {"room": "lobby", "user": "g_nobody"} | ({"role": "member"} if command == "set_role" else {})
        assert await code_of(people["owner"], command, **asked) == "no_such_user", command


async def test_a_user_who_never_joined_can_only_be_banned(chat: Chat) -> None:
    people, ben = await staffed(chat), account(chat, "ben")
    assert await code_of(people["owner"], "kick", room="lobby", user=id_of(ben)) == "no_such_user"
    role = await code_of(people["owner"], "set_role", room="lobby", user=id_of(ben), role="moderator")
    assert role == "no_such_user"
    assert await code_of(people["owner"], "ban", room="lobby", user=id_of(ben)) == ""
    assert await code_of(ben, "join", room="lobby") == "banned"


@pytest.mark.parametrize("command", ["kick", "ban"])
async def test_users_cannot_kick_themselves(chat: Chat, command: str) -> None:
    people = await staffed(chat)
    assert await code_of(people["owner"], command, room="lobby", user="u_owner") == "bad_field"


async def test_an_organizer_moderates_ephemeral_rooms(chat: Chat) -> None:
    guest, organizer = Person(chat, "guest", "general"), account(chat, "organizer", "organizer")
    await ask(organizer, "join", room="general")
    assert organizer.last("joined")["role"] == "moderator"
    await ask(organizer, "ban", room="general", user=id_of(guest))
    assert guest.last("left")["reason"] == "banned"
    assert await code_of(guest, "join", room="general") == "banned"


async def test_a_moderator_kicked_during_the_lookup_decides_nothing(chat: Chat, repository: FaultyRepository) -> None:
    """Their command waits for storage; when that answers, they have no role any longer."""
    people = await staffed(chat)
    far = account(chat, "far")
    await ask(far, "join", room="lobby")
    far.disconnect()
    await passes()
    repository.hold("find_member")
    people["moderator"].send("ban", id="b", room="lobby", user=id_of(far))
    await passes()
    await ask(people["owner"], "kick", room="lobby", user=id_of(people["moderator"]))
    repository.go("find_member")
    await passes(0.1)
    assert people["moderator"].errors() == {"b": "not_joined"}
    assert await code_of(account(chat, "far"), "join", room="lobby") == ""


async def test_a_user_banned_while_joining_is_not_admitted(chat: Chat, repository: FaultyRepository) -> None:
    people, ben = await staffed(chat), account(chat, "ben")
    repository.hold("find_member")
    ben.send("join", id="j", room="lobby")
    await passes()
    people["owner"].send("ban", room="lobby", user=id_of(ben))
    await passes()
    repository.go("find_member")
    await passes(0.1)
    assert ben.errors() == {"j": "banned"} or ben.of("left")
    assert not ben.session.rooms
    row = chat.parts.hub.rooms["lobby"].members[id_of(ben)]
    assert (row.role, row.banned_until) == (None, FOREVER)


async def test_lifting_a_mute_in_an_ephemeral_room_leaves_no_row_in_memory(
    chat: Chat, repository: FaultyRepository
) -> None:
    """The user is in an ephemeral room, where plain users need no row."""
    organizer, ben = account(chat, "organizer", "organizer"), account(chat, "ben")
    for person in (organizer, ben):
        await ask(person, "join", room="general")
    assert await code_of(organizer, "unmute", room="general", user="u_ben") == ""
    room = chat.parts.hub.rooms["general"]
    assert "u_ben" not in room.members
    assert await repository.inner.rooms.find_member(room.record.room_id, "u_ben") is None


async def test_an_expired_mute_is_forgotten(chat: Chat, repository: FaultyRepository) -> None:
    people = await staffed(chat)
    owner, member = people["owner"], people["member"]
    assert await code_of(owner, "set_role", room="lobby", user="u_readonly", role="member") == ""
    room = chat.parts.hub.rooms["lobby"]
    await ask(owner, "mute", room="lobby", user="u_member", seconds=1, reason="calm down")
    await ask(owner, "mute", room="lobby", user="u_moderator", seconds=3)
    restricted = [room.unrestricted]
    await passes(1)
    assert await code_of(member, "message", room="lobby", content="x") == ""
    restricted.append(room.unrestricted)  # by the other moderator
    await passes(2)
    assert await code_of(owner, "message", room="lobby", content="x") == ""
    restricted.append(room.unrestricted)
    assert restricted == [False, False, True]
    for user_id in ("u_member", "u_moderator"):
        row = await repository.inner.rooms.find_member(room.record.room_id, user_id)
        assert row is not None
        assert (row.muted_until, row.reason, row.role) == (0, "", user_id[2:])
        assert room.members[user_id].muted_until == 0


async def test_an_expired_ban_is_forgotten_when_the_room_is_reloaded(chat: Chat, repository: FaultyRepository) -> None:
    people = await staffed(chat)
    owner = people["owner"]
    for name, seconds in (("member", 60), ("readonly", 600)):
        assert await code_of(owner, "ban", room="lobby", user=f"u_{name}", seconds=seconds) == ""
    for person in people.values():
        person.disconnect()
    await passes(100)
    assert not chat.parts.hub.rooms
    back = account(chat, "owner")
    assert await code_of(back, "join", room="lobby") == ""
    room = chat.parts.hub.rooms["lobby"]
    assert set(room.members) == {"u_owner", "u_moderator", "u_readonly"}
    rows = await repository.inner.rooms.special_members(room.record.room_id)
    assert {row.user.id for row in rows} == {"u_owner", "u_moderator", "u_readonly"}
    assert await repository.inner.rooms.find_member(room.record.room_id, "u_member") is None
    assert await code_of(account(chat, "readonly"), "join", room="lobby") == "banned"
    ben = account(chat, "member")
    assert await code_of(ben, "join", room="lobby") == ""


async def test_slow_mode_remembers_a_bounded_number_of_speakers(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    """And only checks the oldest of them for each message."""
    monkeypatch.setattr("chat.handlers.messages.SPEAKERS", 10)
    people = await staffed(chat)
    await ask(people["owner"], "update_room", room="lobby", slow_mode=60)
    crowd = [account(chat, f"p{number}") for number in range(15)]
    room = chat.parts.hub.rooms["lobby"]
    for person in crowd:
        await ask(person, "join", room="lobby")
        assert await code_of(person, "message", room="lobby", content="x") == ""
    assert list(room.last_spoke) == [f"u_p{number}" for number in range(5, 15)]
    assert await code_of(crowd[5], "message", room="lobby", content="y") == "slow_mode"
    await passes(57.5)  # some of them may post again, and do
    assert await code_of(crowd[6], "message", room="lobby", content="y") == ""
    assert "u_p5" not in room.last_spoke
    assert list(room.last_spoke)[-1] == "u_p6"
    await passes(60)
    assert await code_of(crowd[7], "message", room="lobby", content="y") == ""
    assert list(room.last_spoke) == ["u_p7"]


async def test_slow_mode_does_not_apply_to_moderators(chat: Chat) -> None:
    people = await staffed(chat)
    assert await code_of(people["moderator"], "update_room", room="lobby", slow_mode=10) == ""
    for name, slow in (("member", True), ("moderator", False), ("owner", False), ("admin", False)):
        person = people[name]
        assert await code_of(person, "message", room="lobby", content="one") == ""
        assert await code_of(person, "message", room="lobby", content="two") == ("slow_mode" if slow else "")
    assert 9 < people["member"].of("error")[-1]["retry_after"] <= 10
    await passes(10)
    assert await code_of(people["member"], "message", room="lobby", content="three") == ""
    await ask(people["owner"], "update_room", room="lobby", slow_mode=0)
    assert await code_of(people["member"], "message", room="lobby", content="four") == ""


async def test_a_kicked_plain_client_is_disconnected() -> None:
    from tests.support.chatting import BY_PATH

    async with chatting() as chat:
        organizer = account(chat, "organizer", "organizer")
        plain = Person(chat, "guest", "general", dialect=BY_PATH["/chat"])
        await ask(organizer, "join", room="general")
        await ask(organizer, "kick", room="general", user=id_of(plain))
        assert plain.connection.closed is not None
        assert plain.connection.closed.code == 4102


async def test_an_announcement_reaches_every_user_and_requires_an_admin(chat: Chat) -> None:
    people = await staffed(chat)
    guest = Person(chat, "guest")
    for name in ("owner", "organizer", "member"):
        assert await code_of(people[name], "announce", content="x") == "forbidden"
    await ask(people["admin"], "announce", id="a", content="closing at ten")
    for person in (guest, people["owner"]):
        told = person.last("announcement")
        assert (told["content"], told["sender"]["name"], "id" in told) == ("closing at ten", "admin", False)
    assert people["admin"].last("announcement")["id"] == "a"
    assert len(people["admin"].of("announcement")) == 1
