"""The identity of a session: `hello`, tokens and names."""

import asyncio

import pytest

from chat.chat import Chat
from chat.handlers.sessions import identify
from chat.ports import Identity
from model.limits import GUEST_SECONDS
from model.room import User
from server.auth.tokens import sign_account
from tests.support.chatting import BY_PATH, Person, VirtualClock, chatting, signer
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes
from tests.unit.chat.people import account, ask, code_of, created, id_of


async def test_a_guest_token_restores_the_same_guest(chat: Chat, repository: FaultyRepository) -> None:
    """So its retries after a reconnect are recognized."""
    ann = Person(chat, "ann", "general")
    await passes()
    ann.say("one", "1")
    await passes()
    ann.disconnect()
    back = Person(chat, "ann")
    back.send("hello", id="h", token=ann.token)
    assert back.last("welcome")["id"] == "h"
    assert back.last("welcome")["user"] == ann.last("welcome")["user"]
    back.send("join", room="general")
    back.say("one", "1", resend=True)
    await passes()
    assert back.acked() == ann.acked()
    assert await repository.stored() == ["one"]


async def test_a_requested_name_wins_over_the_name_in_the_token(chat: Chat) -> None:
    ann = Person(chat, "ann")
    renamed, same = Person(chat, "anna", token=ann.token), Person(chat, token=ann.token)
    assert renamed.last("welcome")["user"] == {"id": ann.session.user.id, "name": "anna"}
    assert same.last("welcome")["user"] == {"id": ann.session.user.id, "name": "ann"}


async def test_a_named_principal_cannot_be_replaced(chat: Chat) -> None:
    ann, ben = Person(chat, "ann"), Person(chat, "ben")
    back = Person(chat, token=ann.token)
    back.send("hello", id="other", token=ben.token)
    await passes(2)
    assert back.errors() == {"other": "principal_fixed"}
    back.send("hello", id="renewed", token=back.token)
    await passes(2)
    assert back.last("welcome")["id"] == "renewed"
    assert back.session.user.id == ann.session.user.id


async def test_an_account_renews_its_token_in_its_rooms(chat: Chat) -> None:
    """No event is sent, and the rate limit is not reset."""
    ann = Person(chat, room="general", identity=Identity(User("u_1", "ann"), False, "user", expires=10))
    ben = Person(chat, "ben", "general")
    await passes()
    ann.say("one", "1")
    await passes()
    bucket, told = ann.session.bucket, len(ben.frames)
    token = sign_account("secret", userid="1", username="ann", role="user", expires=4_000_000_000)
    assert ann.connection.ends == 10
    ann.send("hello", id="h", token=token)
    assert ann.last("welcome")["id"] == "h"
    assert ann.connection.ends == 4_000_000_000_000_000
    assert ann.session.bucket is bucket
    assert len(ben.frames) == told


async def test_a_bad_token_leaves_the_guest_unchanged(chat: Chat) -> None:
    ann, ben = Person(chat, "ann"), Person(chat, "ben")
    mine = ann.session.user
    stranger = signer(chat.parts.clock, "another secret").mint(ben.session.identity)  # type: ignore[arg-type]
    for number, token in enumerate(("", "nonsense", stranger, ben.token[:-3])):
        ann.send("hello", id=f"{number}", token=token)
    await passes(10)
    assert set(ann.errors().values()) == {"unauthorized"}
    assert ann.session.user == mine
    ann.send("hello", id="good", token=ben.token)  # the connection has no principal yet
    await passes(2)
    assert ann.session.user.id == ben.session.user.id


async def test_hellos_take_one_turn_each_and_are_rate_limited(chat: Chat) -> None:
    """A signature costs as much as ten commands; other clients are served between concurrent hellos."""
    ann = Person(chat, "ann")
    for number in range(100):
        ann.send("hello", id=f"{number}", token=ann.token)
    told = []
    while "99" not in ann.errors():
        before = len(ann.of("welcome"))
        await asyncio.sleep(0)  # a turn of the loop
        told.append(len(ann.of("welcome")) - before)
    assert max(told) <= 2
    assert len(ann.of("welcome")) == 51, "one for the connection, and 50 of 100"
    assert set(ann.errors().values()) == {"rate_limited"}


async def test_a_token_expires(repository: FaultyRepository) -> None:
    clock = VirtualClock()
    async with chatting(repository, clock) as chat:
        ann = Person(chat, "ann")
        clock.offset_us += (GUEST_SECONDS - 1) * 1_000_000
        Person(chat, "early").send("hello", token=ann.token)
        clock.offset_us += 1_000_000
        late = Person(chat, "late")
        late.send("hello", id="h", token=ann.token)
        assert late.errors() == {"h": "unauthorized"}


async def test_a_hello_in_a_room_is_seen_as_a_leave_and_a_join(chat: Chat) -> None:
    plain = Person(chat, "pat", "general", dialect=BY_PATH["/chat"])
    ben = Person(chat, "ben", "general")
    ann = Person(chat, "ann")
    guest = Person(chat, "guest", "general")
    await passes(3)
    ben.forget()
    plain.forget()
    before = guest.session.user.id
    guest.say("as the guest")
    guest.send("hello", token=ann.token)
    guest.say("as ann")
    await passes(3)
    assert [(m["content"], m["sender_id"]) for m in ben.of("message")] == [
        ("as the guest", before),
        ("as ann", ann.session.user.id),
    ]
    left = [user["id"] for frame in ben.of("presence") for user in frame.get("left", [])]
    came = [user["id"] for frame in ben.of("presence") for user in frame.get("joined", [])]
    assert (left, came) == ([before], [ann.session.user.id])
    assert ben.last("presence")["count"] == 3
    notices = b"".join(plain.connection.writes)
    assert notices.count(b"left the chat") == notices.count(b"entered the chat") == 1


# --- guests off ------------------------------------------------------------------------------------------------------


async def test_without_guests_every_command_before_hello_is_refused(repository: FaultyRepository) -> None:
    async with chatting(repository, guests=False) as chat:
        ann = Person(chat, "ann", "general")
        await passes()
        assert not ann.frames
        for kind in ("join", "leave", "history"):
            ann.send(kind, id=kind, room="general")
        ann.say("hi", "message")
        ann.send("ping", id="ping")
        assert set(ann.errors().values()) == {"unauthorized"}
        assert len(ann.errors()) == 5
        assert not chat.parts.hub.rooms
        token = chat.parts.tokens.mint(Identity(User("g_1", "ann"), guest=True))
        ann.send("hello", id="h", token=token)
        assert ann.errors()["h"] == "unauthorized"
        ann.disconnect()


async def test_without_guests_a_plain_client_is_refused(repository: FaultyRepository) -> None:
    async with chatting(repository, guests=False) as chat:
        pat = Person(chat, "pat", "general", dialect=BY_PATH["/chat"])
        assert pat.connection.closed is not None
        assert pat.connection.closed.code == 4102
        assert b"SYSTEM" in pat.connection.writes[0]


# --- the name and room in the address --------------------------------------------------------------------------------


async def test_guests_without_a_name_get_one(chat: Chat) -> None:
    assert Person(chat).session.user.name.startswith("guest-")
    assert Person(chat, dialect=BY_PATH["/chat"]).session.user.name == "Anonymous"


@pytest.mark.parametrize("name", ["SYSTEM", "s.y.s.t.e.m", "x" * 65, "a\u202eb"])
async def test_an_invalid_name_is_reported(chat: Chat, name: str) -> None:
    """A native client continues as a nameless guest; a plain one, with no other way to send a name, is disconnected."""
    ann = Person(chat, name, "general")
    await passes()
    assert ann.last("error")["field"] == "u"
    assert ann.session.user.name.startswith("guest-")
    assert ann.of("joined")
    pat = Person(chat, name, "general", dialect=BY_PATH["/chat"])
    assert pat.connection.closed is not None
    assert pat.connection.closed.code == 4102


async def test_an_invalid_room_is_reported(chat: Chat) -> None:
    ann = Person(chat, "ann", "x" * 65)
    assert ann.last("error")["code"] == "bad_field"
    assert ann.connection.closed is None
    pat = Person(chat, "pat", "x" * 65, dialect=BY_PATH["/chat"])
    assert b"SYSTEM" in pat.connection.writes[-1]
    assert pat.connection.closed is not None
    assert pat.connection.closed.code == 4102
    assert not chat.parts.hub.rooms


async def test_a_plain_client_whose_room_cannot_be_loaded_is_asked_to_retry(
    chat: Chat, repository: FaultyRepository
) -> None:
    repository.away = "unplugged"
    pat = Person(chat, "pat", "general", dialect=BY_PATH["/chat"])
    await passes()
    assert b"SYSTEM" in pat.connection.writes[-1]
    assert pat.connection.closed is not None
    assert pat.connection.closed.code in {1013, *range(4000, 4100)}


@pytest.mark.parametrize("kind", ["public", "private", "ephemeral"])
async def test_a_hello_in_a_room_keeps_the_session_only_if_the_new_user_may_be_there(chat: Chat, kind: str) -> None:
    """The room admitted another user: in a room with members, the new user has to join."""
    ann, boss = account(chat, "ann"), Person(chat, "boss")
    if kind != "ephemeral":
        await created(chat, ann, private=kind == "private")
    guest = Person(chat, "guest")
    guest.send("join", room="lobby")
    if kind == "private":
        await ask(ann, "invite", room="lobby", user=id_of(guest))
    await ask(guest, "join", room="lobby")
    assert "lobby" in guest.session.rooms
    guest.send("hello", token=boss.token)
    await passes(0.1)
    if kind == "ephemeral":
        assert [user.id for user in chat.parts.hub.rooms["lobby"].presence.sessions.values()] == [id_of(boss)]
        return
    assert guest.last("left") == {"type": "left", "room": "lobby", "reason": "identity"}
    assert not guest.session.rooms
    code = await code_of(guest, "join", room="lobby")
    assert code == ("no_such_room" if kind == "private" else "")


async def test_a_former_admin_is_removed_from_rooms_they_may_not_enter(chat: Chat) -> None:
    ann, root = account(chat, "ann"), account(chat, "root", "admin")
    await created(chat, ann, private=True)
    await ask(root, "join", room="lobby")
    identify(chat.parts, root.session, Identity(User("u_root", "root"), guest=False, role="user"))
    assert root.last("left")["reason"] == "identity"
    assert not root.session.rooms
