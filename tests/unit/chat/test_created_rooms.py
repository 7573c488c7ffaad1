"""Lasting rooms: created, changed, joined by permitted users, deleted."""

import pytest

from chat.chat import Chat
from chat.writes.workers import PoolLimits
from storage.factory import open_storage
from tests.support.chatting import BY_PATH, Person, chatting
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes
from tests.support.world import Plainly
from tests.unit.chat.people import account, ask, code_of, created, id_of, mine


@pytest.fixture(autouse=True)
def passwords(chat: Chat) -> None:
    chat.parts.passwords = Plainly()


async def test_the_creator_of_a_room_owns_it_and_has_joined_it(chat: Chat, repository: FaultyRepository) -> None:
    ann = account(chat, "ann")
    frames = await ask(ann, "create_room", id="c", room="lobby", title="The lobby", topic="talk")
    assert [frame["type"] for frame in frames if frame["type"] != "presence"] == ["room", "joined", "ack"]
    room, joined, ack = (frame for frame in frames if frame["type"] != "presence")
    info = {"kind": "public", "title": "The lobby", "topic": "talk"}
    assert room == {
        "type": "room", "id": "c", "room": "lobby", "action": "create_room", "info": info, "role": "owner",
    }  # fmt: skip
    assert (joined["role"], joined["info"], joined["head"]) == ("owner", info, 0)
    assert ack["ids"] == [{"id": "c", "room": "lobby", "seq": 0}]
    record = await repository.inner.rooms.find_room("lobby")
    assert record is not None
    assert (record.kind, record.title, record.topic) == ("public", "The lobby", "talk")
    member = await repository.inner.rooms.find_member(record.room_id, id_of(ann))
    assert member is not None
    assert member.role == "owner"


async def test_only_one_of_many_concurrent_creates_succeeds(chat: Chat, repository: FaultyRepository) -> None:
    repository.hold("find_room")
    people = [account(chat, f"p{number}") for number in range(50)]
    for person in people:
        person.send("create_room", id="c", room="lobby")
    await passes()
    repository.go("find_room")
    await passes(0.1)
    winners = [person for person in people if person.of("room")]
    assert len(winners) == 1
    assert [person.errors() for person in people if person not in winners] == [{"c": "room_exists"}] * 49
    assert list(winners[0].acked()) == ["c"]


@pytest.mark.parametrize("cold", [False, True])
async def test_an_existing_room_cannot_be_created_again(chat: Chat, cold: bool) -> None:
    ann, ben = account(chat, "ann"), account(chat, "ben")
    await created(chat, ann)
    if cold:
        ann.disconnect()
        await passes()
        assert not chat.parts.hub.rooms
    assert await code_of(ben, "create_room", room="lobby") == "room_exists"


async def test_an_ephemeral_room_in_use_cannot_be_created(chat: Chat) -> None:
    Person(chat, "guest", "general")
    await passes()
    assert await code_of(account(chat, "ann"), "create_room", room="general") == "room_exists"


@pytest.mark.parametrize("name", ["@x", ".", "..", "", " ", "a" * 65, "a\nb", "a\u202eb"])
async def test_an_invalid_room_name_is_refused(chat: Chat, name: str) -> None:
    code = await code_of(account(chat, "ann"), "create_room", room=name)
    assert code in ("bad_field", "reserved_name")


@pytest.mark.parametrize(
    ("field", "value"),
    [("title", "x" * 65), ("title", "a\u202eb"), ("topic", "a\u2028b"), ("topic", "x" * 501), ("topic", "a\x00b")],
)
async def test_an_invalid_title_or_topic_is_refused(chat: Chat, field: str, value: str) -> None:
    assert await code_of(account(chat, "ann"), "create_room", room="lobby", **{field: value}) == "bad_field"


async def test_joining_makes_a_lasting_member(chat: Chat, repository: FaultyRepository) -> None:
    ann, ben = account(chat, "ann"), account(chat, "ben")
    await created(chat, ann)
    await ask(ben, "join", room="lobby")
    assert ben.last("joined")["role"] == "member"
    ben.disconnect()
    await passes()
    record = await repository.inner.rooms.find_room("lobby")
    assert record is not None
    member = await repository.inner.rooms.find_member(record.room_id, id_of(ben))
    assert member is not None
    assert (member.role, member.seen_at > 0) == ("member", True)
    assert "u_ben" not in chat.parts.hub.rooms["lobby"].members  # in storage, not in memory


async def test_joining_without_create_does_not_create_the_room(chat: Chat) -> None:
    assert await code_of(account(chat, "ann"), "join", room="nowhere", create=False) == "no_such_room"
    assert not chat.parts.hub.rooms
    ben = Person(chat, "ben", "somewhere")
    await passes()
    assert await code_of(account(chat, "ann"), "join", room="somewhere", create=False) == ""
    assert ben.session.rooms


async def test_a_private_room_admits_only_invited_users(chat: Chat) -> None:
    ann, ben, guest = account(chat, "ann"), account(chat, "ben"), Person(chat, "guest")
    await created(chat, ann, private=True)
    for person in (ben, guest):
        assert await code_of(person, "join", room="lobby") == "no_such_room"
        assert await code_of(person, "join", room="lobby", create=False) == "no_such_room"
        assert await code_of(person, "join", room="lobby", password="x") == "no_such_room"
    frames = await ask(ann, "invite", id="i", room="lobby", user=id_of(ben))
    assert [frame["type"] for frame in frames] == ["member", "ack"]
    offer = ben.last("invitation")
    assert offer.pop("at") == ann.last("member")["member"]["invited_at"]
    by = {"id": "u_ann", "name": "ann"}
    assert offer == {"type": "invitation", "room": "lobby", "open": True, "info": {"kind": "private"}, "by": by}
    assert await code_of(ben, "join", room="lobby") == ""
    assert await code_of(guest, "join", room="lobby") == "no_such_room"


async def test_the_password_of_a_private_room_makes_a_lasting_member(chat: Chat, repository: FaultyRepository) -> None:
    ann, ben = account(chat, "ann"), account(chat, "ben")
    await created(chat, ann, password="sesame")
    assert ann.last("joined")["info"] == {"kind": "private", "password": True}
    assert await code_of(ben, "join", room="lobby") == "no_such_room"
    assert await code_of(ben, "join", room="lobby", password="Sesame") == "no_such_room"
    assert await code_of(ben, "join", room="lobby", password="sesame") == ""
    await ask(ben, "leave", room="lobby")
    assert await code_of(ben, "join", room="lobby") == ""
    record = await repository.inner.rooms.find_room("lobby")
    assert record is not None
    assert record.password == "hashed sesame"


async def test_a_muted_user_who_was_kicked_can_rejoin_with_the_password(chat: Chat) -> None:
    """Their row is cached, and says that they are not a member."""
    ann, ben = account(chat, "ann"), account(chat, "ben")
    await created(chat, ann, password="sesame")
    assert await code_of(ben, "join", room="lobby", password="sesame") == ""
    for command in ("mute", "kick"):
        assert await code_of(ann, command, room="lobby", user=id_of(ben)) == ""
    assert await code_of(ben, "join", room="lobby") == "no_such_room"
    assert await code_of(ben, "join", room="lobby", password="sesame") == ""
    assert await code_of(ben, "message", room="lobby", content="x") == "muted"


LIKE = ("General", "general", "GENERAL", "Ｇeneral")


@pytest.mark.parametrize("private", [False, True])
@pytest.mark.parametrize("cold", [False, True])
async def test_lasting_rooms_cannot_differ_only_by_case_or_width(chat: Chat, private: bool, cold: bool) -> None:
    ann, ben = account(chat, "ann"), account(chat, "ben")
    await created(chat, ann, LIKE[0], private=private)
    if cold:
        ann.disconnect()
        await passes(0.1)
        assert not chat.parts.hub.rooms
    for name in LIKE[1:]:
        assert await code_of(ben, "create_room", room=name) == "room_exists"
        assert await code_of(ben, "join", room=name) == "", "a room that is made by joining is another one"
    assert await code_of(ben, "create_room", room="Generals") == ""
    if not cold:
        assert await code_of(ann, "delete_room", room=LIKE[0]) == ""
        await ask(ben, "leave", room=LIKE[1])
        assert await code_of(ann, "create_room", room=LIKE[1]) == ""


@pytest.mark.parametrize("held", ["kept_like", "write", "find_room"])
async def test_only_one_of_concurrent_creates_with_similar_names_succeeds(
    chat: Chat, repository: FaultyRepository, held: str
) -> None:
    people = [account(chat, f"p{number}") for number in range(len(LIKE))]
    repository.hold(held)
    for person, name in zip(people, LIKE, strict=True):
        person.send("create_room", id="c", room=name)
        await passes()
    repository.go(held)
    await passes(0.5)
    assert sorted(person.errors().get("c", "") for person in people) == ["", *["room_exists"] * 3]
    assert sum("c" in person.acked() for person in people) == 1


async def test_a_deleted_room_frees_its_name_and_similar_ones(chat: Chat, repository: FaultyRepository) -> None:
    """Even before storage confirms the deletion."""
    ann = account(chat, "ann")
    await created(chat, ann, LIKE[0])
    await passes(0.1)
    repository.hold("write")
    ann.send("delete_room", room=LIKE[0])
    ann.send("create_room", id="c", room=LIKE[1])
    await passes()
    repository.go("write")
    await passes(0.1)
    assert "c" in ann.acked()


async def test_an_ephemeral_room_cannot_become_lasting_under_a_similar_name(chat: Chat) -> None:
    ann, admin = account(chat, "ann"), account(chat, "admin", "admin")
    await created(chat, ann, LIKE[0])
    await ask(admin, "join", room=LIKE[1])
    assert await code_of(admin, "update_room", room=LIKE[1], private=True) == "room_exists"
    assert await code_of(admin, "update_room", room=LIKE[1], topic="x") == ""


async def test_a_public_room_has_no_password(chat: Chat, repository: FaultyRepository) -> None:
    ann, ben = account(chat, "ann"), account(chat, "ben")
    await created(chat, ann, password="sesame")
    assert await code_of(ann, "update_room", room="lobby", private=False) == ""
    assert ann.last("room")["info"] == {"kind": "public"}
    assert await code_of(ben, "join", room="lobby") == ""
    assert ben.last("joined")["info"] == {"kind": "public"}
    assert await code_of(ann, "update_room", room="lobby", private=False, password="x") == "bad_field"
    assert await code_of(ann, "update_room", room="lobby", private=True) == ""
    assert await code_of(account(chat, "cat"), "join", room="lobby", password="sesame") == "no_such_room"
    record = await repository.inner.rooms.find_room("lobby")
    assert record is not None
    assert record.password is None


async def test_password_attempts_are_rate_limited(chat: Chat) -> None:
    ann = account(chat, "ann")
    await created(chat, ann, password="sesame")
    codes = [await code_of(Person(chat), "join", room="lobby", password=f"{number}") for number in range(40)]
    assert codes[:20] == ["no_such_room"] * 20
    assert codes[-1] == "rate_limited"
    assert await code_of(ann, "join", room="lobby") == ""  # members need no password


async def test_password_attempts_are_rate_limited_in_an_unloaded_room(chat: Chat) -> None:
    """The room is unloaded after each attempt; the attempts are remembered."""
    ann, ben = account(chat, "ann"), account(chat, "ben")
    await created(chat, ann, password="sesame")
    ann.disconnect()
    codes = []
    for number in range(40):
        codes.append(await code_of(ben, "join", room="lobby", password=f"{number}"))
        assert not chat.parts.hub.rooms
    assert codes[:20] == ["no_such_room"] * 20
    assert codes[-1] == "rate_limited"
    await passes(60)
    assert await code_of(ben, "join", room="lobby", password="sesame") == ""


async def test_a_room_update_is_applied_and_broadcast(chat: Chat, repository: FaultyRepository) -> None:
    ann, ben = account(chat, "ann"), account(chat, "ben")
    await created(chat, ann, topic="old")
    await ask(ben, "join", room="lobby")
    frames = await ask(ann, "update_room", id="u", room="lobby", title="T", slow_mode=5, retention_days=7)
    assert [frame["type"] for frame in frames] == ["room", "ack"]
    info = {"kind": "public", "title": "T", "topic": "old", "slow_mode": 5, "retention_days": 7}
    assert ben.last("room") == {
        "type": "room", "id": "u", "room": "lobby", "action": "update_room", "info": info,
        "by": {"id": "u_ann", "name": "ann"},
    }  # fmt: skip
    await ask(ann, "update_room", room="lobby", password="sesame")
    assert ben.last("room")["info"] == {**info, "kind": "private", "password": True}
    await ask(ann, "update_room", room="lobby", password="", private=False, slow_mode=0, retention_days=0, title="")
    assert ben.last("room")["info"] == {"kind": "public", "topic": "old"}
    record = await repository.inner.rooms.find_room("lobby")
    assert record is not None
    assert (record.kind, record.password, record.title, record.topic) == ("public", None, "", "old")


async def test_a_deleted_room_is_gone_for_all_users_and_its_name_is_free(
    chat: Chat, repository: FaultyRepository
) -> None:
    ann, ben, plain = account(chat, "ann"), account(chat, "ben"), account(chat, "cat")
    await created(chat, ann)
    for person in (ben, plain):
        await ask(person, "join", room="lobby")
    ben.say("kept for an audit", "m", "lobby")
    await passes()
    frames = await ask(ann, "delete_room", id="d", room="lobby")
    by = {"id": "u_ann", "name": "ann"}
    left = {"type": "left", "room": "lobby", "reason": "deleted", "by": by}
    assert [frame for frame in frames if frame["type"] == "left"] == [{**left, "id": "d"}]
    assert "d" in ann.acked()
    assert ben.last("left") == left
    assert not ben.session.rooms
    assert await code_of(ben, "message", room="lobby", content="x") == "not_joined"
    assert await repository.inner.rooms.find_room("lobby") is None
    assert await code_of(ben, "join", room="lobby", create=False) == "no_such_room"
    assert await code_of(ben, "create_room", room="lobby") == ""
    assert (await ask(ben, "history", room="lobby"))[-1]["messages"] == []


async def test_members_of_a_deleted_room_do_not_see_each_other_leave(chat: Chat) -> None:
    ann = account(chat, "ann")
    await created(chat, ann)
    guests = [Person(chat, f"p{number}", "lobby", dialect=BY_PATH["/chat"]) for number in range(10)]
    await passes(3)
    for guest in guests:
        guest.forget()
    await ask(ann, "delete_room", room="lobby")
    for guest in guests:
        assert [frame["content"] for frame in guest.frames] == ['"lobby" was deleted by "ann"']


async def test_full_memory_storage_refuses_new_rooms_and_evicts_none() -> None:
    async with chatting(FaultyRepository(open_storage(None, memory_rooms=10))) as chat:
        ann = account(chat, "ann")
        codes = [await code_of(ann, "create_room", room=f"r{number}") for number in range(10)]
        assert codes == [""] * 9 + ["too_many_rooms"]
        ben = account(chat, "ben")
        assert await code_of(ben, "direct", user=id_of(ann)) == "too_many_rooms"
        assert set(await mine(ann)) == {f"r{number}" for number in range(9)}
        assert await code_of(ann, "delete_room", room="r0") == ""
        assert await code_of(ann, "create_room", room="r9") == ""


async def test_a_create_waits_until_the_deleted_room_of_that_name_is_gone(
    chat: Chat, repository: FaultyRepository
) -> None:
    ann, ben = account(chat, "ann"), account(chat, "ben")
    await created(chat, ann)
    repository.hold("write")
    await ask(ann, "delete_room", id="d", room="lobby")
    ben.send("create_room", id="c", room="lobby")
    await passes(1)
    assert not ben.of("room", "error")
    repository.go("write")
    await passes(0.1)
    assert "c" in ben.acked()
    assert "d" in ann.acked()


async def test_quitting_ends_membership_on_every_device(chat: Chat, repository: FaultyRepository) -> None:
    ann, ben, other = account(chat, "ann"), account(chat, "ben"), account(chat, "ben")
    await created(chat, ann, private=True)
    await ask(ann, "invite", room="lobby", user=id_of(ben))
    for device in (ben, other):
        await ask(device, "join", room="lobby")
    frames = await ask(ben, "leave", id="l", room="lobby", quit=True)
    assert {"type": "left", "id": "l", "room": "lobby"} in frames
    assert "l" in ben.acked()
    assert other.last("left")["reason"] == "quit"
    assert ann.last("member")["action"] == "leave"
    assert await code_of(ben, "join", room="lobby") == "no_such_room"
    assert await code_of(ann, "leave", room="lobby", quit=True) == "last_owner"


async def test_readonly_guests_can_read_but_not_post(repository: FaultyRepository) -> None:

    async with chatting(repository, guest_role="readonly") as chat:
        guest, ann = Person(chat, "guest", "general"), account(chat, "ann")
        await passes()
        assert guest.last("joined")["role"] == "readonly"
        assert await code_of(guest, "message", room="general", content="x") == "forbidden"
        await ask(ann, "join", room="general")
        assert await code_of(ann, "message", room="general", content="x") == ""


async def test_the_creator_is_notified_when_storage_rejects_the_room(chat: Chat, repository: FaultyRepository) -> None:
    repository.refused = lambda write: True
    ann = account(chat, "ann")
    await ask(ann, "create_room", id="c", room="lobby")
    assert "not_stored" in ann.errors().values()
    assert ann.connection.closed is not None
    assert ann.connection.closed.code == 4002
    repository.refused = None
    ann.disconnect()
    await passes()
    assert await code_of(account(chat, "ben"), "create_room", room="lobby") == ""


@pytest.mark.parametrize("command", ["update_room", "delete_room"])
async def test_changes_are_refused_while_storage_is_full(repository: FaultyRepository, command: str) -> None:

    async with chatting(repository, pool=PoolLimits(workers=1, queue_messages=8)) as chat:
        ann = account(chat, "ann")
        await created(chat, ann)
        repository.hold("write")
        for number in range(20):
            ann.say(f"{number}", room="lobby")
        assert await code_of(ann, command, id="x", room="lobby") == "overloaded"
        repository.go("write")
        await passes(2)
        assert await code_of(ann, command, id="y", room="lobby") == ""
