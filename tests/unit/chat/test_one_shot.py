"""Commands without a connection: the same rules, a response once stored, and nothing left in memory."""

import asyncio

import pytest

from chat.chat import Chat
from chat.handlers.manage import direct_name
from chat.one_shot import CommandRunner
from chat.ports import Identity
from model import commands
from model.errors import ParleyError
from model.events import Ack, Announcement, Left, RoomState
from model.limits import Limits
from model.room import User
from tests.support.chatting import Person, chatting
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes
from tests.unit.chat.one_shots import identity, nothing_left, post, refused, say
from tests.unit.chat.people import account, ask, code_of, created, look_at, staffed

# --- the command is carried out, and stored when it is answered ------------------------------------------------------


async def test_a_message_is_broadcast_and_answered_once_stored(
    chat: Chat, repository: FaultyRepository, runner: CommandRunner
) -> None:
    ann = account(chat, "ann")
    await created(chat, ann)
    ann.forget()
    seq = await say(runner, identity("ben"), "hello")
    assert await repository.stored("lobby") == ["hello"]
    (heard,) = ann.frames
    assert (heard["type"], heard["seq"], heard["sender_id"], heard["id"]) == ("message", seq, "u_ben", "m")


async def test_a_request_waits_for_storage(chat: Chat, repository: FaultyRepository, runner: CommandRunner) -> None:
    ann = account(chat, "ann")
    await created(chat, ann)
    repository.hold("write")
    asked = asyncio.ensure_future(say(runner, identity("ben"), "hello"))
    await passes(3)
    assert ann.heard() == ["hello"]
    assert not asked.done()
    repository.go("write")
    await passes(0.1)
    assert asked.result() == ann.last("message")["seq"]


async def test_a_repeated_id_is_the_same_message(chat: Chat, runner: CommandRunner) -> None:
    ann, ben = account(chat, "ann"), identity("ben")
    await created(chat, ann)
    first = await say(runner, ben, "hello", "m", resend=True)
    assert await say(runner, ben, "hello", "m", resend=True) == first
    assert await refused(runner, ben, post("other", resend=True)) == "conflict"
    assert await say(runner, identity("cal"), "hello", "m", resend=True) != first
    ann.disconnect()
    await passes()
    assert not chat.parts.hub.rooms
    assert await say(runner, ben, "hello", "m", resend=True) == first
    assert await refused(runner, ben, post("other", resend=True)) == "conflict"


async def test_concurrent_requests_with_one_id_post_one_message(
    chat: Chat, repository: FaultyRepository, runner: CommandRunner
) -> None:
    await created(chat, account(chat, "ann"))
    ben = identity("ben")
    seqs = await asyncio.gather(*(say(runner, ben, "hello", "m", resend=True) for _ in range(20)))
    assert len(set(seqs)) == 1
    assert await repository.stored("lobby") == ["hello"]


async def test_edits_deletions_and_reactions_work_over_http(chat: Chat, runner: CommandRunner) -> None:
    ann, ben = account(chat, "ann"), identity("ben")
    await created(chat, ann)
    seq = await say(runner, ben, "hello")
    owner = identity("ann")
    asked: list[tuple[Identity, commands.AnyCommand, str]] = [
        (ben, commands.EditMessage(id="e", room="lobby", seq=seq, content="hello, all"), "edited"),
        (owner, commands.React(id="r", room="lobby", seq=seq, emoji="👍"), "reaction"),
        (owner, commands.Pin(id="p", room="lobby", seq=seq), "pinned"),
        (owner, commands.DeleteMessage(id="d", room="lobby", seq=seq), "deleted"),
    ]
    for who, command, told in asked:
        ack = await runner.run(who, command, Ack)
        assert [(item.id, item.seq) for item in ack.ids] == [(command.id, seq)]
        assert ann.last(told)["seq"] == seq


async def test_a_room_is_created_without_any_session_in_it(
    chat: Chat, repository: FaultyRepository, runner: CommandRunner
) -> None:
    made = await runner.run(identity("ann"), commands.CreateRoom(id="c", room="lobby"), RoomState)
    assert (made.room, made.role, made.info.kind) == ("lobby", "owner", "public")
    record = await repository.inner.rooms.find_room("lobby")
    assert record is not None
    member = await repository.inner.rooms.find_member(record.room_id, "u_ann")
    assert member is not None
    assert (member.role, member.seen_at) == ("owner", 0)
    await passes()
    assert nothing_left(chat)


async def test_only_one_of_many_concurrent_creates_succeeds(chat: Chat, runner: CommandRunner) -> None:
    asked = [
        refused(runner, identity(f"u{n}"), commands.CreateRoom(id="c", room="lobby"), RoomState) for n in range(20)
    ]
    assert sorted(await asyncio.gather(*asked)) == [""] + ["room_exists"] * 19
    await passes()
    assert nothing_left(chat)


async def test_a_direct_room_is_opened_over_http(chat: Chat, runner: CommandRunner) -> None:
    ben = account(chat, "ben")
    command = commands.OpenDirect(id="d", user="u_ben")
    await runner.run(identity("ann"), command, RoomState)
    opened = await runner.run(identity("ann"), command, RoomState)
    assert (opened.room, opened.peer) == (direct_name("u_ann", "u_ben"), User("u_ben", "ben"))
    assert ben.types().count("room") == 1
    assert await say(runner, identity("ann"), "psst", room=opened.room)
    assert await refused(runner, identity("cal"), post("psst", room=opened.room)) == "no_such_room"
    ben.disconnect()
    await passes()
    assert nothing_left(chat)


async def test_quitting_removes_every_device(chat: Chat, repository: FaultyRepository, runner: CommandRunner) -> None:
    ann, ben = account(chat, "ann"), account(chat, "ben")
    await created(chat, ann)
    await ask(ben, "join", room="lobby")
    await runner.run(identity("ben"), commands.Leave(id="q", room="lobby", quit=True), Left)
    assert ben.last("left")["reason"] == "quit"
    record = chat.parts.hub.rooms["lobby"].record
    assert await repository.inner.rooms.find_member(record.room_id, "u_ben") is None
    quit_again = commands.Leave(id="q", room="lobby", quit=True)
    assert await refused(runner, identity("ben"), quit_again, Left) == ""
    assert await refused(runner, identity("ann"), quit_again, Left) == "last_owner"


async def test_an_announcement_over_http_reaches_every_session(chat: Chat, runner: CommandRunner) -> None:
    ann = account(chat, "ann")
    command = commands.Announce(id="a", content="soon")
    assert await refused(runner, identity("ben"), command, Announcement) == "forbidden"
    told = await runner.run(identity("root", "admin"), command, Announcement)
    assert (told.content, told.sender.id) == ("soon", "u_root")
    assert ann.last("announcement")["content"] == "soon"


async def test_an_admin_without_a_connection_adds_themself_as_a_member(
    chat: Chat, repository: FaultyRepository, runner: CommandRunner
) -> None:
    """The server does not know them yet, as they have no connection."""
    await created(chat, account(chat, "ann"), private=True)
    root = identity("root", "admin")
    await runner.run(root, commands.Invite(id="i", room="lobby", user="u_root"), Ack)
    member = await repository.inner.rooms.find_member(chat.parts.hub.rooms["lobby"].record.room_id, "u_root")
    assert member is not None
    assert member.role == "member"


# --- no presence, no membership --------------------------------------------------------------------------------------


async def test_an_http_request_causes_no_presence(chat: Chat, runner: CommandRunner) -> None:
    ann = account(chat, "ann")
    await created(chat, ann)
    await passes(2)
    ann.forget()
    await runner.run(identity("ben"), commands.Leave(id="q", room="lobby", quit=True), Left)
    await say(runner, identity("ben"), "hello")
    await passes(2)
    assert ann.types() == ["message"]
    assert set(chat.parts.directory.people) == {"u_ann"}
    assert set(chat.parts.hub.rooms["lobby"].presence.people) == {"u_ann"}


async def test_posting_in_a_public_room_creates_no_membership(
    chat: Chat, repository: FaultyRepository, runner: CommandRunner
) -> None:
    await created(chat, account(chat, "ann"))
    await say(runner, identity("ben"), "hello")
    record = chat.parts.hub.rooms["lobby"].record
    assert await repository.inner.rooms.find_member(record.room_id, "u_ben") is None


async def edit_during_a_read(chat: Chat, repository: FaultyRepository, runner: CommandRunner) -> asyncio.Future[str]:
    """Have a member edit a message that storage is being asked for; return what the edit will be refused with."""
    seq = await say(runner, identity("member"), "hello")
    room = chat.parts.hub.rooms["lobby"]
    room.tail.forget(room.head + 1, 0)
    repository.hold("find_message")
    edit = commands.EditMessage(id="e", room="lobby", seq=seq, content="x")
    asked = asyncio.ensure_future(refused(runner, identity("member"), edit))
    await passes()
    return asked


async def test_a_user_kicked_during_a_request_is_refused(
    chat: Chat, repository: FaultyRepository, runner: CommandRunner
) -> None:
    """The request has no session that could be removed; access is checked again afterwards."""
    people = await staffed(chat, private=True)
    people["member"].disconnect()
    asked = await edit_during_a_read(chat, repository, runner)
    assert await code_of(people["owner"], "ban", room="lobby", user="u_member") == ""
    repository.go("find_message")
    assert await asked == "no_such_room"


async def test_a_room_deleted_during_a_request_is_not_found(
    chat: Chat, repository: FaultyRepository, runner: CommandRunner
) -> None:
    people = await staffed(chat)
    asked = await edit_during_a_read(chat, repository, runner)
    assert await code_of(people["owner"], "delete_room", room="lobby") == ""
    repository.go("find_message")
    assert await asked == "no_such_room"
    for person in people.values():
        person.disconnect()
    await passes()
    assert nothing_left(chat)


# --- permissions -----------------------------------------------------------------------------------------------------


async def test_a_hidden_room_looks_like_a_missing_one(chat: Chat, runner: CommandRunner) -> None:
    await created(chat, account(chat, "ann"), private=True)
    refusals = []
    for room in ("lobby", "nothing"):
        for command in (
            post("x", room=room),
            commands.DeleteRoom(id="d", room=room),
            commands.Invite(id="i", room=room, user="u_ben"),
            commands.Leave(id="l", room=room, quit=True),
        ):
            with pytest.raises(ParleyError) as error:
                await runner.run(identity("ben"), command, Ack)
            refusals.append((room, error.value.code, error.value.message, error.value.field, error.value.retry_after))
    assert len({refusal[1:] for refusal in refusals}) == 1
    assert refusals[0][1] == "no_such_room"


async def test_requests_alone_do_not_create_a_room(
    chat: Chat, repository: FaultyRepository, runner: CommandRunner
) -> None:
    """Two concurrent requests do not create it for each other, nor for a reader."""
    repository.hold("head")
    asked = [asyncio.ensure_future(refused(runner, identity(f"u{n}"), post("x", room="nothing"))) for n in range(3)]
    await passes()
    assert await look_at(chat, "nothing", identity("ben")) is None
    repository.go("head")
    assert await asyncio.gather(*asked) == ["no_such_room"] * 3
    assert nothing_left(chat)


async def test_a_room_with_a_session_in_it_exists(chat: Chat, runner: CommandRunner) -> None:
    guest = Person(chat, "guest", "general")
    await passes()
    await say(runner, identity("ben"), "hello", room="general")
    assert guest.heard() == ["hello"]
    assert await look_at(chat, "general", None) is not None


@pytest.mark.parametrize("kind", ["public", "private"])
async def test_a_banned_user_is_refused(chat: Chat, runner: CommandRunner, kind: str) -> None:
    people = await staffed(chat, private=kind == "private")
    await ask(people["owner"], "ban", room="lobby", user="u_member")
    code = "banned" if kind == "public" else "no_such_room"
    assert await refused(runner, identity("member"), post("x")) == code


async def test_the_row_of_a_user_stays_cached_for_a_second_concurrent_request(
    chat: Chat, repository: FaultyRepository, runner: CommandRunner
) -> None:
    people = await staffed(chat, private=True)
    people["member"].disconnect()
    member = identity("member")
    seq = await say(runner, member, "hello", "1")
    room = chat.parts.hub.rooms["lobby"]
    room.tail.forget(room.head + 1, 0)
    repository.hold("find_message")
    slow = asyncio.ensure_future(refused(runner, member, post("reply", "2", reply_to=seq)))
    await passes()
    await say(runner, member, "meanwhile", "3")
    repository.go("find_message")
    assert await slow == ""
    assert "u_member" not in room.members


# --- rates -----------------------------------------------------------------------------------------------------------


async def test_http_and_websocket_share_one_message_rate(repository: FaultyRepository) -> None:
    limits = Limits(messages_per_second=1.0, messages_burst=5)
    async with chatting(repository, limits=limits) as chat:
        runner, ann = CommandRunner(chat), account(chat, "ann")
        await created(chat, ann)
        for number in range(3):
            await say(runner, identity("ann"), "x", f"v{number}")
        ann.say("x", "a", "lobby")
        ann.say("x", "b", "lobby")
        assert await refused(runner, identity("ann"), post("x", "v")) == "rate_limited"
        ann.say("x", "c", "lobby")
        await passes(0.1)
        assert ann.errors() == {"c": "rate_limited"}
        await passes(1.0)
        assert await refused(runner, identity("ann"), post("x", "v")) == ""
        assert await refused(runner, identity("ben"), post("x", "v")) == ""
        ann.disconnect()


async def test_http_and_websocket_share_one_command_rate(chat: Chat, runner: CommandRunner) -> None:
    await created(chat, account(chat, "ann"))
    codes = [
        await refused(runner, identity("ben"), commands.Leave(id="q", room="lobby", quit=True), Left)
        for _ in range(501)
    ]
    assert codes[-1] == "rate_limited"
    assert set(codes[:-1]) == {""}
    with pytest.raises(ParleyError) as error:
        runner.count(identity("ben"))
    assert error.value.retry_after == pytest.approx(0.02, abs=0.01)
    runner.count(identity("cal"))


async def test_slow_mode_applies_to_posts_in_an_empty_room(
    chat: Chat, runner: CommandRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.rooms.freed.ROOMS", 1)
    ann, ben = identity("ann"), identity("ben")
    await runner.run(ann, commands.CreateRoom(id="c", room="lobby"), RoomState)
    await runner.run(ann, commands.UpdateRoom(id="u", room="lobby", slow_mode=60), Ack)
    await say(runner, ben, "one", "1")
    await passes()
    assert nothing_left(chat)
    assert await refused(runner, ben, post("two", "2")) == "slow_mode"
    await passes(60)
    assert await refused(runner, ben, post("three", "3")) == ""
    assert await refused(runner, identity("cal"), post("four", "4")) == ""
