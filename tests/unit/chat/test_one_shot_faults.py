"""Commands without a connection: faults of storage, cancelled requests, and what they leave behind."""

import asyncio

import pytest

from chat.chat import Chat
from chat.one_shot import ANSWER_SECONDS, CommandRunner
from chat.ports import Identity
from model import commands
from model.errors import ParleyError
from model.events import Ack, Announcement, RoomState
from model.room import FOREVER, User
from storage.ports.access import suspended
from storage.ports.errors import StorageUnavailable
from tests.support.chatting import Person, chatting
from tests.support.cluster import clustered
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes
from tests.unit.chat.one_shots import identity, nothing_left, post, refused, say
from tests.unit.chat.people import account, ask, created, id_of

# --- storage ---------------------------------------------------------------------------------------------------------


async def test_nothing_is_broadcast_while_storage_is_known_to_be_down(
    chat: Chat, repository: FaultyRepository, runner: CommandRunner
) -> None:
    ann = account(chat, "ann")
    await created(chat, ann)
    ann.forget()
    repository.standby = "another server writes"
    with pytest.raises(ParleyError) as error:
        await say(runner, identity("ben"), "hello")
    assert (error.value.code, error.value.retry_after) == ("unavailable", 2.0)
    assert not ann.frames
    command = commands.Announce(id="a", content="we are on it")
    await runner.run(identity("root", "admin"), command, Announcement)
    assert ann.types() == ["announcement"]


async def test_nothing_is_broadcast_where_writes_are_known_to_be_stuck(
    chat: Chat, repository: FaultyRepository, runner: CommandRunner
) -> None:
    ann = account(chat, "ann")
    await created(chat, ann)
    ann.forget()
    repository.faults["write"] = [StorageUnavailable("unplugged")]
    ann.say("waits", "1", "lobby")
    await passes()
    assert await refused(runner, identity("ben"), post("hello")) == "unavailable"
    await passes(2)
    assert await refused(runner, identity("ben"), post("hello")) == ""
    assert ann.heard() == ["waits", "hello"]


async def test_a_room_opened_for_a_refused_request_is_closed(
    chat: Chat, repository: FaultyRepository, runner: CommandRunner
) -> None:
    ann = account(chat, "ann")
    await created(chat, ann)
    repository.faults["write"] = [StorageUnavailable("unplugged")]
    ann.say("waits", "1", "lobby")
    await passes()
    assert await refused(runner, identity("ben"), post("hello", room="another")) == "unavailable"
    assert set(chat.parts.hub.rooms) == {"lobby"}


async def test_a_missing_storage_response_is_unavailable(
    chat: Chat, repository: FaultyRepository, runner: CommandRunner
) -> None:
    ann = account(chat, "ann")
    await created(chat, ann)
    repository.hold("write")
    started = chat.parts.clock.monotonic()
    assert await refused(runner, identity("ben"), post("hello")) == "unavailable"
    assert chat.parts.clock.monotonic() - started == pytest.approx(ANSWER_SECONDS)
    repository.go("write")
    await passes()
    assert await repository.stored("lobby") == ["hello"]
    assert await say(runner, identity("ben"), "hello", resend=True) == ann.last("message")["seq"]


async def test_a_message_that_storage_rejects_is_reported(
    chat: Chat, repository: FaultyRepository, runner: CommandRunner
) -> None:
    ann = account(chat, "ann")
    await created(chat, ann)
    repository.refused = lambda write: True
    assert await refused(runner, identity("ben"), post("hello")) == "not_stored"
    assert ann.types()[-1] == "retracted"
    owner = identity("ann")
    assert await refused(runner, owner, commands.Mute(id="u", room="lobby", user="u_ann")) == "not_stored"
    assert await refused(runner, owner, commands.CreateRoom(id="c", room="other"), RoomState) == "not_stored"


async def test_a_draining_server_refuses_requests(chat: Chat, runner: CommandRunner) -> None:
    await created(chat, account(chat, "ann"))
    await chat.drain(1.0)
    assert await refused(runner, identity("ben"), post("hello")) == "shutting_down"


async def test_an_internal_fault_is_reported(
    chat: Chat, runner: CommandRunner, repository: FaultyRepository, caplog: pytest.LogCaptureFixture
) -> None:
    await created(chat, account(chat, "ann"))
    repository.faults["find_user"] = [ZeroDivisionError("ours")]
    assert await refused(runner, identity("ann"), commands.Invite(id="i", room="lobby", user="u_ben")) == "internal"
    assert "ours" in caplog.text


# --- several servers -------------------------------------------------------------------------------------------------


async def test_a_server_without_rooms_carries_nothing_out() -> None:
    async with clustered() as cluster:
        _, edge = cluster.nodes
        assert await refused(CommandRunner(edge.chat), identity("ben"), post("hello")) == "unavailable"


async def test_a_command_does_not_go_on_at_the_next_server_with_the_rooms() -> None:
    """That one does not know its session."""
    repository = FaultyRepository()
    async with clustered(2, repository) as cluster:
        first, second = cluster.nodes
        repository.hold("find_room")
        posting = asyncio.ensure_future(refused(CommandRunner(first.chat), identity("ben"), post("hello")))
        await passes(0.1)
        second.own()
        await passes(0.1)
        repository.go("find_room")
        assert await posting == "unavailable"
        assert (first.chat.visits, first.node.edge.unanswered) == (0, 0)


# --- nothing is left in memory ---------------------------------------------------------------------------------------


async def test_a_thousand_requests_leave_nothing_in_memory(
    chat: Chat, repository: FaultyRepository, runner: CommandRunner
) -> None:
    await runner.run(identity("ann"), commands.CreateRoom(id="c", room="lobby"), RoomState)
    for number in range(1000):
        who = identity(f"u{number}")
        match number % 4:
            case 0:
                await say(runner, who, "x", f"m{number}")
            case 1:
                assert await refused(runner, who, post("x", room=f"nothing {number}")) == "no_such_room"
            case 2:
                assert await refused(runner, who, commands.Pin(id="p", room="lobby", seq=1)) == "forbidden"
            case _:
                command = commands.CreateRoom(id="c", room=f"room {number}", private=True)
                await runner.run(who, command, RoomState)
        await passes(0.1)
    await passes()
    assert nothing_left(chat)
    assert len(runner._commands) <= 2  # the others' are full again
    assert len(await repository.stored("lobby")) == 250


async def test_requests_to_a_loaded_room_leave_nothing_in_memory(chat: Chat, runner: CommandRunner) -> None:
    """Rows of plain members are cached only while a request or session needs them."""
    ann = account(chat, "ann")
    await created(chat, ann, private=True)
    others = [account(chat, f"u{number}") for number in range(50)]
    for other in others:
        await created(chat, other, f"of {id_of(other)}")  # so that storage knows them
    for other in others:
        other.disconnect()
        invite = commands.Invite(id="i", room="lobby", user=id_of(other))
        await runner.run(identity("root", "admin"), invite, Ack)
    assert set(chat.parts.hub.rooms["lobby"].members) == {"u_ann"}
    for number in range(50):
        await say(runner, identity(f"u{number}"), "x", f"m{number}")
    assert set(chat.parts.hub.rooms["lobby"].members) == {"u_ann"}
    assert not chat.parts.hub.rooms["lobby"].pins


@pytest.mark.parametrize("point", ["find_room", "find_member", "find_posted", "write"])
async def test_a_cancelled_request_leaves_nothing(
    chat: Chat, repository: FaultyRepository, runner: CommandRunner, point: str
) -> None:
    """A stopping server cancels running requests."""
    await runner.run(identity("ann"), commands.CreateRoom(id="c", room="lobby"), RoomState)
    await passes()
    assert nothing_left(chat)
    repository.hold(point)
    asked = asyncio.ensure_future(say(runner, identity("ben"), "hello", resend=True))
    await passes()
    asked.cancel()
    await asyncio.wait([asked])
    assert asked.cancelled()
    repository.go(point)
    await passes()
    assert nothing_left(chat)


async def test_a_cancelled_request_does_not_fail_others(
    chat: Chat, repository: FaultyRepository, runner: CommandRunner
) -> None:
    """It was loading the room for the other requests too."""
    await runner.run(identity("ann"), commands.CreateRoom(id="c", room="lobby"), RoomState)
    await passes()
    repository.hold("find_room")
    first, *others = [asyncio.ensure_future(say(runner, identity(f"u{number}"), "hello")) for number in range(4)]
    await passes()
    first.cancel()
    await passes()
    repository.go("find_room")
    assert len(set(await asyncio.gather(*others))) == 3


async def test_a_user_at_the_room_limit_does_not_fail_others(repository: FaultyRepository) -> None:
    async with chatting(repository, address_rooms=1) as chat:
        runner = CommandRunner(chat)
        for name, room in (("ann", "lobby"), ("amy", "other")):
            owner = account(chat, name)
            await created(chat, owner, room)
            owner.disconnect()
            await passes()
        busy = Person(chat, "ben")
        busy.session.network = "192.0.2.1"
        await ask(busy, "join", room="other")
        asked = [
            runner.run(Identity(User(f"g_{name}", name), guest=True), post("x", name), Ack, network=address)
            for name, address in (("ben", "192.0.2.1"), ("cal", "192.0.2.2"))
        ]
        refusal, ack = await asyncio.gather(*asked, return_exceptions=True)
        assert isinstance(refusal, ParleyError)
        assert refusal.code == "too_many_rooms"
        assert isinstance(ack, Ack)
        busy.disconnect()


async def test_a_request_that_timed_out_leaves_nothing(
    chat: Chat, repository: FaultyRepository, runner: CommandRunner
) -> None:
    await runner.run(identity("ann"), commands.CreateRoom(id="c", room="lobby"), RoomState)
    await passes()
    repository.hold("write")
    assert await refused(runner, identity("ben"), post("hello")) == "unavailable"
    assert list(chat.parts.hub.rooms) == ["lobby"]  # its message is not stored yet
    repository.go("write")
    await passes()
    assert nothing_left(chat)


async def test_a_user_who_is_suspended_while_storage_is_asked_posts_nothing(
    chat: Chat, repository: FaultyRepository, runner: CommandRunner
) -> None:
    ann = account(chat, "ann")
    await created(chat, ann)
    ann.forget()
    repository.hold("find_member")
    posting = asyncio.ensure_future(refused(runner, identity("ben"), post("hello")))
    await passes()
    assert not posting.done()
    chat.parts.tokens._access.take([suspended("u_ben", 0, FOREVER, "", 0)])  # type: ignore[attr-defined]
    repository.go("find_member")
    assert await posting == "suspended"
    assert not ann.frames
