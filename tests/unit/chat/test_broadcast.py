"""How frames reach the members of a room: encoded once, written once per loop turn, in a guaranteed order."""

from chat.chat import Chat
from model.errors import SLOW_CONSUMER
from model.message import Message
from tests.support.chatting import BY_PATH, CountingDialect, Person, chatting
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes


async def test_a_message_is_encoded_once_for_each_dialect(chat: Chat) -> None:
    first, second = CountingDialect(), CountingDialect()
    people = [Person(chat, room="general", dialect=dialect) for dialect in (first, second) for _ in range(20)]
    await passes()
    people[0].say("hello")
    await passes()
    assert [person.heard() for person in people] == [["hello"]] * 40
    for dialect in (first, second):
        assert sum(type(event) is Message for event in dialect.encoded) == 1


async def test_messages_of_one_loop_turn_are_one_write_to_each_member(chat: Chat) -> None:
    people = [Person(chat, room="general") for _ in range(3)]
    await passes(10)
    for person in people:
        person.forget()
    for number in range(50):
        people[number % 3].say(f"{number}")
    assert not people[0].connection.writes
    await passes()
    for person in people:
        assert len(person.connection.writes) == 1
        assert person.heard() == [f"{number}" for number in range(50)]
    people[0].say("next turn")
    await passes()
    assert [len(person.connection.writes) for person in people] == [2, 2, 2]


async def test_a_new_member_gets_no_messages_from_before_they_joined(chat: Chat) -> None:
    ann = Person(chat, "ann", "general")
    await passes()
    ann.say("before")
    ben = Person(chat, "ben", "general")
    ann.say("after")
    await passes()
    assert ann.heard() == ["before", "after"]
    assert ben.heard() == ["after"]
    assert ben.last("joined")["head"] == ann.of("message")[0]["seq"]


async def test_a_leaving_member_gets_every_message_sent_until_then(chat: Chat) -> None:
    ann, ben = Person(chat, "ann", "general"), Person(chat, "ben", "general")
    await passes(2)
    ben.forget()
    ann.say("before")
    ben.send("leave", room="general")
    ann.say("after")
    await passes()
    assert ben.types() == ["message", "left"]
    assert ben.heard() == ["before"]


async def test_a_response_comes_after_the_messages_sent_before_it(chat: Chat) -> None:
    ann = Person(chat, "ann", "general")
    await passes()
    ann.forget()
    ann.say("one", "1")
    ann.send("ping", id="p")
    ann.say("two", "2")
    await passes()
    assert ann.types() == ["message", "pong", "message", "ack"]


async def test_rejoining_in_the_same_turn_comes_after_earlier_messages(chat: Chat) -> None:
    """No event from before a ``joined`` follows it, whether or not the session was in the room."""
    ann = Person(chat, "ann", "general")
    await passes(2)
    ann.forget()
    ann.say("one")
    ann.send("join", room="general")
    await passes()
    assert ann.types() == ["message", "joined"]
    assert ann.last("joined")["head"] == ann.last("message")["seq"]


async def test_acks_of_one_turn_are_one_frame_after_all_messages(chat: Chat) -> None:
    ann = Person(chat, "ann")
    for room in ("a", "b"):
        ann.send("join", room=room)
    await passes(2)
    ann.forget()
    for number in range(10):
        ann.say("hi", f"{number}", room="ab"[number % 2])
    ann.say("nobody asks for this one's fate", room="a")
    await passes()
    assert ann.types() == ["message"] * 11 + ["ack"]
    seqs = {frame["id"]: frame["seq"] for frame in ann.of("message") if "id" in frame}
    assert ann.acked() == seqs
    assert {item["room"] for item in ann.last("ack")["ids"]} == {"a", "b"}


async def test_an_ack_from_memory_storage_is_in_the_same_write_as_its_message(chat: Chat) -> None:
    people = [Person(chat, room="general") for _ in range(3)]
    people[0].say("the room has to be stored before its first message")
    await passes(10)
    for person in people:
        person.forget()
    for person in people:
        person.say("hello", "m")
    await passes()
    for person in people:
        assert len(person.connection.writes) == 1
        assert person.types() == ["message", "message", "message", "ack"]


async def test_only_the_author_is_acked(chat: Chat) -> None:
    ann, ben = Person(chat, "ann", "general"), Person(chat, "ben", "general")
    await passes()
    ann.say("one", "1")
    await passes()
    assert ann.acked()
    assert not ben.of("ack")


# --- slow readers ----------------------------------------------------------------------------------------------------


async def test_a_congested_member_gets_no_presence(chat: Chat) -> None:
    ann, slow = Person(chat, "ann", "general"), Person(chat, "slow", "general", low=10_000)
    await passes(2)
    slow.connection.stalled = True
    for _ in range(4):
        ann.say("x" * 4000)
        await passes()
    assert slow.session.congested
    slow.forget()
    ann.forget()
    ben = Person(chat, "ben", "general")  # the diff and the message are in one turn: the bytes must be separable
    ann.say("still here")
    await passes()
    assert sorted(ann.types()) == ["message", "presence"]
    assert slow.types() == ["message"]
    slow.connection.drain()
    slow.connection.stalled = False
    ben.disconnect()
    await passes(2)
    assert slow.types() == ["message", "presence"]


async def test_a_turn_with_only_presence_writes_nothing_to_a_congested_member(chat: Chat) -> None:
    slow = Person(chat, "slow", "general", low=0)
    await passes(2)
    slow.connection.stalled = True
    slow.send("ping")
    assert slow.session.congested
    slow.forget()
    Person(chat, "ben", "general")
    await passes()
    assert not slow.connection.writes


async def test_only_the_member_that_does_not_read_is_disconnected(repository: FaultyRepository) -> None:
    async with chatting(repository, slow_high=100_000) as chat:
        ann = Person(chat, "ann", "general")
        slow = Person(chat, "slow", "general", low=10_000)
        await passes(2)
        slow.connection.stalled = True
        said = 0
        while slow.connection.closed is None:
            ann.say(f"{said} " + "x" * 1000)
            said += 1
            await passes()
            assert slow.connection.buffered() <= 100_000 + 2000
        assert slow.connection.closed == SLOW_CONSUMER
        assert slow.connection.buffered() > 100_000
        assert chat.parts.counters.slow_members == 1
        told = len(slow.connection.writes)
        ann.say("on we go")
        await passes()
        assert len(slow.connection.writes) == told
        assert len(ann.heard()) == said + 1
        # There is no gap: the client has a prefix, and can request the rest with `since`.
        assert slow.heard() == ann.heard()[: len(slow.heard())]
        slow.disconnect()
        again = Person(chat, "slow")
        epoch = slow.last("joined")["epoch"]
        again.send("join", room="general", since=slow.last("message")["seq"], epoch=epoch)
        await passes()
        assert slow.heard() + again.heard() == ann.heard()


async def test_a_single_write_above_the_limit_disconnects(repository: FaultyRepository) -> None:
    async with chatting(repository, slow_high=10_000) as chat:
        ann, slow = Person(chat, "ann", "general"), Person(chat, "slow", "general", low=1000)
        await passes(2)
        slow.connection.stalled = True
        for _ in range(20):
            ann.say("x" * 1000)
        await passes()
        assert slow.connection.closed == SLOW_CONSUMER
        ann.say("still there")
        await passes()
        assert ann.heard()[-1] == "still there"


async def test_responses_count_toward_the_send_limit(repository: FaultyRepository) -> None:
    async with chatting(repository, slow_high=5000) as chat:
        ann = Person(chat, "ann", low=1000)
        ann.connection.stalled = True
        for _ in range(200):
            ann.send("ping")
        assert ann.connection.closed == SLOW_CONSUMER
        assert ann.connection.buffered() < 5200


async def test_acks_count_toward_the_send_limit(repository: FaultyRepository) -> None:
    async with chatting(repository, slow_high=20_000) as chat:
        ann = Person(chat, "ann", "general", low=1000)
        await passes(2)
        repository.hold("write")
        for number in range(40):
            ann.say("x", f"{number:064}")
        await passes()
        ann.connection.stalled = True
        ann.connection._waiting = 18_000
        ann.session.on_congested()
        repository.go("write")
        await passes()
        assert ann.connection.closed == SLOW_CONSUMER


async def test_nothing_is_written_to_an_ended_session(chat: Chat) -> None:
    """Between its Close frame and the end of the connection a session is still listed, but gets nothing."""
    ann, ben = Person(chat, "ann", "general"), Person(chat, "ben", "general")
    await passes()
    ben.session.close(SLOW_CONSUMER)
    ben.forget()
    ann.say("one")
    ben.say("lost")
    await passes()
    assert not ben.connection.writes
    assert ann.heard() == ["one"]


async def test_each_dialect_gets_only_its_own_frames(chat: Chat) -> None:
    plain = Person(chat, "pat", "general", dialect=BY_PATH["/chat"])
    ann = Person(chat, "ann", "general")
    await passes()
    ann.say("hello", "1")
    await passes()
    assert plain.connection.writes
    contents = [data for data in plain.connection.writes if b'"hello"' in data]
    assert len(contents) == 1
    assert b'"type"' not in contents[0]


async def test_acks_of_many_authors_are_sent_even_if_no_message_follows(
    chat: Chat, repository: FaultyRepository
) -> None:
    """Acks may wait for the next frames of their rooms, but not for long."""
    repository.hold("write")
    people = [Person(chat, room=f"room {number % 5}") for number in range(100)]
    await passes(2)
    for number, person in enumerate(people):
        person.say("hi", "1", room=f"room {number % 5}")
    await passes()
    repository.go("write")
    await passes(1)
    assert all(list(person.acked()) == ["1"] for person in people)
    for person in people:
        kinds = person.types()
        assert kinds.index("message") < kinds.index("ack")


async def test_an_ack_that_was_sent_alone_does_not_slow_down_the_next_flush(
    chat: Chat, repository: FaultyRepository
) -> None:
    """Looking for acks that may ride with frames costs a check of each member."""
    ann, ben = Person(chat, "ann", "general"), Person(chat, "ben", "general")
    await passes(2)
    repository.hold("write")
    ann.say("hi", "1")
    await passes()
    repository.go("write")
    await passes()
    assert ann.acked()
    assert ben.heard() == ["hi"]
    assert ann.session.rooms["general"].audience.acking == 0
