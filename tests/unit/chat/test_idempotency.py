"""The same (room, principal, id) is stored once, whenever and from whichever session it is sent again."""

import pytest

from chat.chat import Chat
from storage.ports.messages import InsertMessage
from storage.ports.storage import Write
from tests.support.chatting import Person, chatting
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes


async def test_a_retry_during_the_write_is_acked_once_stored(chat: Chat, repository: FaultyRepository) -> None:
    """One broadcast, one row, and one ack, once it is stored."""
    repository.hold("write")
    ann = Person(chat, "ann", "general")
    await passes()
    for _ in range(3):
        ann.say("one", "1")
        ann.say("one", "1", resend=True)
        await passes()
    assert not ann.acked()
    repository.go("write")
    await passes()
    assert ann.heard() == ["one"]
    assert len(ann.of("ack")) == 1
    assert ann.acked() == {"1": ann.last("message")["seq"]}
    assert await repository.stored() == ["one"]


async def test_a_retry_after_the_write_gets_the_same_ack(chat: Chat, repository: FaultyRepository) -> None:
    ann = Person(chat, "ann", "general")
    await passes()
    ann.say("one", "1")
    await passes()
    ann.say("one", "1")
    ann.say("one", "1", resend=True)
    await passes()
    assert [item for frame in ann.of("ack") for item in frame["ids"]] == [
        {"id": "1", "room": "general", "seq": ann.last("message")["seq"]}
    ] * 3
    assert ann.heard() == ["one"]
    assert repository.calls["find_posted"] == 0
    assert await repository.stored() == ["one"]


@pytest.mark.parametrize("resend", [False, True])
@pytest.mark.parametrize("stored", [False, True])
async def test_the_same_id_with_another_body_is_a_conflict(
    chat: Chat, repository: FaultyRepository, stored: bool, resend: bool
) -> None:
    if not stored:
        repository.hold("write")
    ann = Person(chat, "ann", "general")
    await passes()
    ann.say("one", "1")
    await passes()
    ann.say("another", "1", resend=resend)
    await passes()
    assert ann.errors() == {"1": "conflict"}
    assert ann.heard() == ["one"]
    repository.go("write")
    await passes()
    assert list(ann.acked()) == ["1"]
    assert await repository.stored() == ["one"]


async def test_the_same_id_from_another_user_or_room_is_another_message(
    chat: Chat, repository: FaultyRepository
) -> None:
    ann, ben = Person(chat, "ann", "general"), Person(chat, "ann", "general")
    ann.send("join", room="other")
    await passes()
    ann.say("by ann", "1")
    ben.say("by another ann", "1")
    ann.say("elsewhere", "1", room="other")
    await passes()
    assert await repository.stored() == ["by ann", "by another ann"]
    assert await repository.stored("other") == ["elsewhere"]
    assert not ann.errors()
    assert not ben.errors()


@pytest.mark.parametrize("resend", [False, True])
@pytest.mark.parametrize("room_tail", [0, 500])
async def test_concurrent_retries_of_two_sessions_post_one_message(
    repository: FaultyRepository, resend: bool, room_tail: int
) -> None:
    async with chatting(repository, room_tail=room_tail) as chat:
        ann = Person(chat, "ann")
        twin = Person(chat, "ann", token=ann.token)
        for person in (ann, twin):
            person.send("join", room="general")
        await passes()
        repository.hold("find_posted")
        for person in (ann, twin):
            person.say("one", "1", resend=resend)
        await passes()
        repository.go("find_posted")
        await passes()
        assert ann.heard() == twin.heard() == ["one"]
        assert ann.acked() == twin.acked() == {"1": ann.last("message")["seq"]}
        assert await repository.stored() == ["one"]


async def test_a_retry_of_a_message_the_server_never_received_is_posted(
    chat: Chat, repository: FaultyRepository
) -> None:
    ann = Person(chat, "ann", "general")
    await passes()
    ann.say("one", "1", resend=True)
    await passes()
    assert repository.calls["find_posted"] == 1
    assert ann.heard() == ["one"]
    assert list(ann.acked()) == ["1"]


async def test_messages_without_an_id_are_never_duplicates(chat: Chat, repository: FaultyRepository) -> None:
    ann = Person(chat, "ann", "general")
    await passes()
    ann.say("one")
    ann.say("one", resend=True)
    await passes()
    assert await repository.stored() == ["one", "one"]
    assert not ann.of("ack")


async def forgotten_by_the_tail(chat: Chat, tail: int) -> Person:
    """Return Ann, whose message "one" with id "1" has been evicted and is only in storage."""
    ann = Person(chat, "ann", "general")
    await passes(2)
    ann.say("one", "1")
    await passes()
    for number in range(tail + 1):
        ann.say(f"filler {number}")
        await passes()
    assert chat.parts.hub.rooms["general"].tail.posted(ann.session.user.id, "1") is None
    return ann


@pytest.mark.parametrize("room_tail", [0, 1, 5])
async def test_a_duplicate_known_only_to_storage_is_retracted_and_acked(
    repository: FaultyRepository, room_tail: int
) -> None:
    """Sent again without ``resend``: the copy is broadcast, retracted, and acked with the first one's seq."""
    async with chatting(repository, room_tail=room_tail) as chat:
        ann = await forgotten_by_the_tail(chat, room_tail)
        ben = Person(chat, "ben", "general")
        first = ann.acked()["1"]
        ann.forget()
        ben.forget()
        ann.say("one", "1")
        await passes()
        shown = ann.last("message")["seq"]
        assert ann.acked() == {"1": first}
        for person in (ann, ben):
            assert [f["type"] for f in person.of("message", "retracted")] == ["message", "retracted"]
            assert person.last("retracted") == {"type": "retracted", "room": "general", "seq": shown, "sender": "ann"}
        assert (await repository.stored()).count("one") == 1
        assert ann.types().index("retracted") < ann.types().index("ack")


@pytest.mark.parametrize("room_tail", [0, 1, 5])
async def test_a_retry_known_only_to_storage_is_not_broadcast_again(
    repository: FaultyRepository, room_tail: int
) -> None:
    async with chatting(repository, room_tail=room_tail) as chat:
        ann = await forgotten_by_the_tail(chat, room_tail)
        first = ann.acked()["1"]
        ann.forget()
        ann.say("one", "1", resend=True)
        await passes()
        assert ann.types() == ["ack"]
        assert ann.acked() == {"1": first}
        ann.say("something else", "1", resend=True)
        await passes()
        assert ann.errors() == {"1": "conflict"}
        assert not ann.of("message")


async def test_a_conflict_known_only_to_storage_is_reported(repository: FaultyRepository) -> None:
    async with chatting(repository, room_tail=0) as chat:
        ann = await forgotten_by_the_tail(chat, 0)
        ann.forget()
        ann.say("something else", "1")
        await passes()
        assert ann.types() == ["message", "retracted", "error"]
        assert ann.errors() == {"1": "conflict"}
        assert "something else" not in await repository.stored()


async def test_a_retry_during_a_storage_outage_can_be_repeated(chat: Chat, repository: FaultyRepository) -> None:
    ann = Person(chat, "ann", "general")
    await passes()
    repository.away = "unplugged"
    ann.say("one", "1", resend=True)
    await passes()
    assert ann.errors() == {"1": "unavailable"}
    assert ann.last("error")["retry_after"] > 0
    assert not ann.heard()
    repository.away = None
    ann.say("one", "1", resend=True)
    await passes()
    assert await repository.stored() == ["one"]


@pytest.mark.parametrize("goes", ["disconnect", "leave"])
async def test_a_disconnect_while_a_retry_is_looked_up_posts_nothing(
    chat: Chat, repository: FaultyRepository, goes: str
) -> None:
    ann, ben = Person(chat, "ann", "general"), Person(chat, "ben", "general")
    await passes(2)
    repository.hold("find_posted")
    ann.say("one", "1", resend=True)
    if goes == "disconnect":
        ann.disconnect()
    else:
        ann.send("leave", room="general")
    repository.go("find_posted")
    await passes()
    # A leave waits for the command before it, so the message is posted first.
    assert ben.heard() == ([] if goes == "disconnect" else ["one"])
    assert not len(chat.parts.tasks)


async def test_a_message_that_storage_rejects_may_be_sent_again(chat: Chat, repository: FaultyRepository) -> None:
    """A rejected message is forgotten: its id is free, and a retry is not acked as a duplicate."""

    def refused(write: Write) -> bool:
        return isinstance(write, InsertMessage) and write.message.content == "bad"

    ann = Person(chat, "ann", "general")
    await passes()
    repository.refused = refused
    ann.say("bad", "1")
    await passes()
    assert ann.errors() == {"1": "not_stored"}
    repository.refused = None
    ann.say("bad", "1")
    await passes()
    assert ann.acked() == {"1": ann.last("message")["seq"]}
    assert await repository.stored() == ["bad"]


async def test_a_lost_storage_response_causes_no_second_row_or_seq(chat: Chat, repository: FaultyRepository) -> None:
    ann = Person(chat, "ann", "general")
    await passes()
    repository.lost_answers = 3
    for number in range(10):
        ann.say(f"{number}", f"{number}")
    ann.say("without an id")
    await passes(10)
    assert len(repository.batches) == 4
    assert ann.acked() == {frame["id"]: frame["seq"] for frame in ann.of("message") if "id" in frame}
    assert await repository.stored() == [*map(str, range(10)), "without an id"]
    assert not ann.of("retracted")
