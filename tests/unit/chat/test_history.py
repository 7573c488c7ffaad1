"""`history`: pages are exact at every boundary, and include every message broadcast before the read."""

import json

import pytest

from chat.chat import Chat
from chat.delivery.session import STALL_SECONDS
from chat.queries.history import read_history
from chat.rooms.storing import READ_SECONDS
from model.commands import ReadHistory
from model.errors import SLOW_CONSUMER
from tests.support.chatting import Frame, Person, chatting
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes


async def ask(person: Person, **fields: object) -> Frame:
    person.send("history", id="q", room="general", **fields)
    await passes()
    frame = person.last("history")
    assert frame["id"] == "q"
    return frame


def told(page: Frame) -> tuple[list[str], bool, bool]:
    return [message["content"] for message in page["messages"]], page["has_older"], page["has_newer"]


@pytest.fixture
async def ann(chat: Chat) -> Person:
    """Return Ann in a room with the messages "0" to "9", the odd ones by Ben."""
    ann, ben = Person(chat, "ann", "general"), Person(chat, "ben", "general")
    await passes(2)
    for number in range(10):
        (ben if number % 2 else ann).say(f"{number} of ten")
    await passes()
    return ann


def contents(first: int, last: int) -> list[str]:
    return [f"{number} of ten" for number in range(first, last + 1)]


async def test_a_page_says_whether_there_is_more_on_either_side(ann: Person) -> None:
    seqs = [frame["seq"] for frame in ann.of("message")]
    first, last = seqs[0], seqs[9]
    assert told(await ask(ann)) == (contents(0, 9), False, False)
    assert told(await ask(ann, limit=10)) == (contents(0, 9), False, False)
    assert told(await ask(ann, limit=9)) == (contents(1, 9), True, False)
    assert told(await ask(ann, limit=1)) == (contents(9, 9), True, False)
    # Directly before a seq, which need not exist.
    assert told(await ask(ann, limit=3, before=seqs[5])) == (contents(2, 4), True, True)
    assert told(await ask(ann, limit=5, before=seqs[5])) == (contents(0, 4), False, True)
    assert told(await ask(ann, before=first)) == ([], False, True)
    assert told(await ask(ann, before=first + 1)) == (contents(0, 0), False, True)
    assert told(await ask(ann, before=last + 1)) == (contents(0, 9), False, False)
    assert told(await ask(ann, before=0)) == ([], False, True)
    # Directly after one.
    assert told(await ask(ann, limit=3, after=seqs[5])) == (contents(6, 8), True, True)
    assert told(await ask(ann, limit=4, after=seqs[5])) == (contents(6, 9), True, False)
    assert told(await ask(ann, after=last)) == ([], True, False)
    assert told(await ask(ann, after=last - 1)) == (contents(9, 9), True, False)
    assert told(await ask(ann, after=0, limit=2)) == (contents(0, 1), False, True)
    assert told(await ask(ann, after=first - 1, limit=10)) == (contents(0, 9), False, False)
    # Strictly between two.
    assert told(await ask(ann, after=seqs[2], before=seqs[6])) == (contents(3, 5), True, True)
    assert told(await ask(ann, after=seqs[2], before=seqs[6], limit=2)) == (contents(3, 4), True, True)
    assert told(await ask(ann, after=first - 1, before=last + 1)) == (contents(0, 9), False, False)
    assert told(await ask(ann, after=seqs[6], before=seqs[2])) == ([], True, True)


async def test_paging_in_both_directions_returns_every_message_once(ann: Person) -> None:
    for limit in range(1, 12):
        back: list[Frame] = []
        page = await ask(ann, limit=limit)
        back = page["messages"]
        while page["has_older"]:
            page = await ask(ann, limit=limit, before=page["messages"][0]["seq"])
            back = page["messages"] + back
        assert back == ann.of("message")
        there = page["messages"]
        while page["has_newer"]:
            page = await ask(ann, limit=limit, after=page["messages"][-1]["seq"])
            there = there + page["messages"]
        assert there == ann.of("message")


async def test_history_is_filtered_by_sender_and_by_words(ann: Person) -> None:
    odd = [f"{number} of ten" for number in range(1, 10, 2)]
    assert told(await ask(ann, sender="ben")) == (odd, False, False)
    assert told(await ask(ann, sender="ben", limit=2)) == (odd[3:], True, False)
    assert told(await ask(ann, sender="nobody")) == ([], False, False)
    assert told(await ask(ann, q="TEN 3")) == (["3 of ten"], False, False)
    assert told(await ask(ann, q="ten", sender="ann", limit=1, after=0)) == (["0 of ten"], False, True)
    assert told(await ask(ann, q="eleven")) == ([], False, False)
    ann.send("history", id="bad", room="general", q="?!")
    await passes()
    assert ann.last("error") | {"message": ""} == {
        "type": "error",
        "id": "bad",
        "code": "bad_field",
        "field": "q",
        "room": "general",
        "message": "",
        "retryable": False,
    }


async def test_history_includes_every_message_broadcast_before_the_read(
    chat: Chat, repository: FaultyRepository
) -> None:
    repository.hold("write")
    ann = Person(chat, "ann", "general")
    await passes()
    for number in range(5):
        ann.say(f"{number}")
    ann.send("history", id="q", room="general")
    await passes(1)
    assert not ann.of("history")
    ann.say("held behind the question")
    repository.go("write")
    await passes()
    assert told(ann.last("history"))[0] == [*map(str, range(5))]
    assert ann.types().index("history") < len(ann.types()) - 1
    assert ann.heard()[-1] == "held behind the question"


async def test_a_history_read_waits_only_for_earlier_messages(chat: Chat, repository: FaultyRepository) -> None:
    """A room with constant traffic can still be read."""
    ann, ben = Person(chat, "ann", "general"), Person(chat, "ben", "general")
    await passes(2)
    repository.hold("write")
    ann.say("before")
    ben.send("history", id="q", room="general")
    await passes()
    for _ in range(20):
        ann.say("after")
    repository.go("write")
    await passes(0)
    await passes()
    assert told(ben.last("history"))[0][0] == "before"


async def test_a_history_read_times_out_when_writes_are_stuck(chat: Chat, repository: FaultyRepository) -> None:
    repository.hold("write")
    ann = Person(chat, "ann", "general")
    await passes()
    ann.say("stuck")
    asked = chat.parts.clock.monotonic()
    ann.send("history", id="q", room="general")
    await passes(READ_SECONDS - 0.1)
    assert not ann.of("error")
    await passes(0.2)
    assert ann.errors() == {"q": "unavailable"}
    assert ann.last("error")["retry_after"] > 0
    assert chat.parts.clock.monotonic() - asked < READ_SECONDS + 1
    repository.go("write")
    await passes()
    assert told(await ask(ann))[0] == ["stuck"]


async def test_history_reads_that_timed_out_leave_nothing(chat: Chat, repository: FaultyRepository) -> None:
    """Clients request the history repeatedly while storage is unavailable."""
    repository.hold("write")
    ann = Person(chat, "ann", "general")
    await passes()
    ann.say("stuck")
    for _ in range(500):
        chat.parts.tasks.spawn(_refused(chat), name="asks")
    await passes(READ_SECONDS + 0.1)
    assert not len(chat.parts.tasks)
    room = chat.parts.hub.rooms["general"]
    assert len(room.backlog._waiters) == 1
    repository.go("write")
    await passes()
    assert not room.backlog._waiters
    page = await read_history(chat.parts, "general", ReadHistory(room="general"), None)
    assert page is not None
    assert [message.content for message in page.messages] == ["stuck"]


async def _refused(chat: Chat) -> None:
    with pytest.raises(Exception, match="unavailable"):
        await read_history(chat.parts, "general", ReadHistory(room="general"), None)


async def test_history_is_unavailable_while_storage_is_down(chat: Chat, repository: FaultyRepository) -> None:
    ann = Person(chat, "ann", "general")
    await passes()
    repository.away = "unplugged"
    ann.send("history", id="q", room="general")
    await passes()
    assert ann.errors() == {"q": "unavailable"}


@pytest.mark.parametrize("direction", ["before", "after"])
async def test_pages_of_long_messages_have_fewer_messages(repository: FaultyRepository, direction: str) -> None:
    """A page is bounded in bytes as sent, and says that there is more; paging still returns every message once."""
    async with chatting(repository, slow_high=80_000) as chat:
        ann = Person(chat, "ann", "general")
        await passes(2)
        for number in range(20):
            ann.say(f"{number} ".ljust(4000, "x"))
        await passes()
        everything = ann.of("message")
        page = await ask(ann) if direction == "before" else await ask(ann, after=0)
        met = page["messages"]
        pages = 1
        while page["has_older" if direction == "before" else "has_newer"]:
            assert len(json.dumps(page)) <= 80_000 // 2 + 1000
            assert len(page["messages"]) >= 1
            cursor = page["messages"][0 if direction == "before" else -1]["seq"]
            page = await ask(ann, **{direction: cursor})
            met = page["messages"] + met if direction == "before" else met + page["messages"]
            pages += 1
        assert met == everything
        assert pages >= 3


async def test_the_next_command_waits_until_the_client_has_read_its_page(repository: FaultyRepository) -> None:
    """So a client that requests many pages at once is not disconnected."""
    async with chatting(repository, slow_high=100_000) as chat:
        ann = Person(chat, "ann", "general", low=8000)
        await passes(2)
        for number in range(20):
            ann.say(f"{number} ".ljust(4000, "x"))
        await passes()
        ann.forget()
        ann.connection.stalled = True
        for number in range(20):
            ann.send("history", id=f"{number}", room="general")
        for _ in range(20):
            await passes()
            assert ann.connection.buffered() < 50_000
            ann.connection.drain()
        await passes()
        assert [frame["id"] for frame in ann.of("history")] == [*map(str, range(20))]
        assert ann.connection.closed is None


async def unread_page(chat: Chat) -> tuple[Person, Person]:
    """Return Ann, who has read nothing of a page yet, and Ben, in one room."""
    ann, ben = Person(chat, "ann", "general", low=8000), Person(chat, "ben", "general")
    await passes(2)
    for number in range(20):
        ben.say(f"{number} ".ljust(4000, "x"))
    await passes()
    ann.connection.stalled = True
    ann.send("history", id="1", room="general")
    ann.send("ping", id="2")
    await passes()
    return ann, ben


async def test_a_client_that_does_not_read_its_page_is_disconnected(chat: Chat) -> None:
    """As over HTTP; its later commands are not carried out."""
    ann, ben = await unread_page(chat)
    await passes(STALL_SECONDS - 1)
    assert chat.parts.counters.slow_members == 0
    await passes(2)
    assert ann.connection.closed == SLOW_CONSUMER
    assert not ann.of("pong")
    assert chat.parts.counters.slow_members == 1
    assert ben.connection.closed is None


async def test_a_client_that_reads_its_page_in_time_stays_connected(chat: Chat) -> None:
    ann, _ = await unread_page(chat)
    await passes(STALL_SECONDS - 1)
    ann.connection.drain()
    await passes(3 * STALL_SECONDS)
    assert ann.connection.closed is None
    assert ann.last("pong")["id"] == "2"


async def test_a_client_that_trickles_its_reads_is_disconnected_later(chat: Chat) -> None:
    ann, _ = await unread_page(chat)
    seconds = 0
    while ann.connection.closed is None:
        ann.connection._waiting -= 1
        await passes(1)
        seconds += 1
        assert seconds < 3 * STALL_SECONDS
    assert seconds > 1.5 * STALL_SECONDS
    assert ann.connection.closed == SLOW_CONSUMER
