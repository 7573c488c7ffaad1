"""Commands are carried out in order, bounded, and rate limited."""

import gc
import json
import math
import sys

import pytest

from chat.chat import Chat
from chat.delivery.session import DEFERRED_BYTES, DEFERRED_COMMANDS
from chat.handlers import HANDLERS
from chat.rooms.pacing import COMMANDS_BURST, COMMANDS_PER_SECOND
from model.commands import Ping
from tests.support.chatting import Person, chatting, limits
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes


async def test_commands_never_overtake_each_other(chat: Chat, repository: FaultyRepository) -> None:
    """In one packet: a join of a room that must be loaded, and a message to it."""
    repository.hold("find_room")
    ann = Person(chat, "ann")
    ann.send("join", id="1", room="cold")
    ann.say("hello", "2", room="cold")
    ann.send("nonsense", id="3")
    ann.send("join", id="4", room="colder")
    ann.say("hello", "5", room="colder")
    ann.send("leave", id="6", room="cold")
    ann.say("too late", "7", room="cold")
    ann.send("ping", id="8")
    await passes()
    assert ann.types() == ["welcome"]
    repository.go("find_room")
    await passes()
    order = [frame["id"] for frame in ann.frames if frame["type"] not in ("ack", "welcome") and "id" in frame]
    assert order == ["1", "2", "3", "4", "5", "6", "7", "8"]
    assert ann.errors() == {"3": "unknown_type", "7": "not_joined"}
    assert sorted(ann.acked()) == ["2", "5"]


async def test_messages_sent_during_a_resume_are_deferred(chat: Chat, repository: FaultyRepository) -> None:
    ann, ben = Person(chat, "ann", "general"), Person(chat, "ben", "general")
    await passes(2)
    ann.say("one")
    await passes()
    repository.hold("count_changed")
    ben.disconnect()
    ann.disconnect()
    back = Person(chat, "ben")
    back.send("join", room="general", since=0, epoch=chat.parts.hub.epoch)
    back.say("two", "2")
    await passes()
    repository.go("count_changed")
    await passes()
    assert [kind for kind in back.types() if kind != "presence"] == [
        "welcome",
        "joined",
        "message",
        "synced",
        "message",
        "ack",
    ]


async def test_deferred_commands_are_bounded_by_pausing_reads(chat: Chat, repository: FaultyRepository) -> None:
    repository.hold("find_room")
    ann = Person(chat, "ann", "general")
    for number in range(DEFERRED_COMMANDS - 1):
        ann.send("ping", id=f"{number}")
    assert ann.is_read()
    ann.send("ping", id=f"{DEFERRED_COMMANDS - 1}")
    assert not ann.is_read()
    for number in range(DEFERRED_COMMANDS, DEFERRED_COMMANDS + 10):  # already received by the last read
        ann.send("ping", id=f"{number}")
    assert ann.types() == ["welcome"]
    repository.go("find_room")
    await passes()
    assert [frame["id"] for frame in ann.of("pong")] == [f"{number}" for number in range(DEFERRED_COMMANDS + 10)]
    assert ann.is_read()


@pytest.mark.parametrize("letter", ["a", "\xe9", "\U0001f4a3"])
async def test_deferred_commands_are_bounded_in_bytes(chat: Chat, repository: FaultyRepository, letter: str) -> None:
    """The bound applies again afterwards: commands that were carried out no longer count."""
    ann = Person(chat, "ann", "general")
    await passes()
    text = '{"type":"ping","x":"' + letter * 10_000 + '"}'
    for _ in range(3):
        repository.hold("history")
        ann.send("history", room="general")
        for _ in range(math.ceil(DEFERRED_BYTES / sys.getsizeof(text))):
            assert ann.is_read()
            chat.receive(ann.session, text)
        assert not ann.is_read()
        repository.go("history")
        await passes()
        assert ann.is_read()


async def test_reading_resumes_only_when_no_command_is_deferred(chat: Chat, repository: FaultyRepository) -> None:
    repository.hold("history")
    ann = Person(chat, "ann", "general")
    await passes()
    for number in range(DEFERRED_COMMANDS + 1):
        ann.send("history", id=f"{number}", room="general")
    assert not ann.is_read()
    for number in range(DEFERRED_COMMANDS + 1):
        assert not ann.is_read()
        repository.go("history")
        while len(ann.of("history")) == number:
            await passes(0)
        repository.hold("history")
    repository.go("history")
    await passes()
    assert ann.is_read()
    assert [frame["id"] for frame in ann.of("history")] == [f"{number}" for number in range(DEFERRED_COMMANDS + 1)]


async def test_an_ended_session_drops_its_deferred_commands(chat: Chat, repository: FaultyRepository) -> None:
    ben = Person(chat, "ben", "general")
    await passes()
    repository.hold("history")
    ann = Person(chat, "ann", "general")
    ann.send("history", room="general")
    for number in range(DEFERRED_COMMANDS + 5):
        ann.say(f"{number}")
    ann.disconnect()
    repository.go("history")
    await passes()
    assert not ben.heard()
    assert ann.is_read()


async def test_a_fault_in_a_handler_fails_only_that_command(
    chat: Chat, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    ann = Person(chat, "ann", "general")
    await passes()
    with monkeypatch.context() as patched:
        patched.setitem(HANDLERS, Ping, broken)  # type: ignore[misc]  # a dict of types, which it cannot infer
        ann.send("ping", id="1")
    ann.send("ping", id="2")
    assert ann.errors() == {"1": "internal"}
    assert ann.last("pong")["id"] == "2"
    assert "ZeroDivisionError" in caplog.text


async def test_a_failed_resume_closes_the_connection(repository: FaultyRepository) -> None:
    """Otherwise the client would wait forever for the live events deferred until its end."""
    async with chatting(repository, room_tail=0) as chat:
        ann = Person(chat, "ann", "general")
        await passes(2)
        for number in range(5):
            ann.say(f"{number}")
            await passes()
        ben = Person(chat, "ben")
        repository.faults["changed"].append(ZeroDivisionError("a bug"))
        ben.send("join", id="j", room="general", since=0, epoch=chat.parts.hub.epoch)
        await passes()
        assert ben.errors() == {"j": "internal"}
        assert ben.connection.closed is not None


# --- rates -----------------------------------------------------------------------------------------------------------


async def test_the_rate_limit_is_per_principal_not_per_session(repository: FaultyRepository) -> None:
    async with chatting(repository, limits=limits(messages_per_second=10.0, messages_burst=6)) as chat:
        ann = Person(chat, "ann")
        twin = Person(chat, token=ann.token)
        ann.send("join", room="general")
        twin.send("join", room="general")
        ben = Person(chat, "ben", "general")
        await passes(2)
        for number in range(5):
            ann.say("x", f"ann {number}")
            twin.say("x", f"twin {number}")
        assert ann.errors() == {"ann 3": "rate_limited", "ann 4": "rate_limited"}
        assert twin.errors() == {"twin 3": "rate_limited", "twin 4": "rate_limited"}
        assert ann.last("error")["retry_after"] == pytest.approx(0.1)
        assert ann.last("error")["retryable"] is True
        ben.say("x", "ben")
        assert not ben.errors()
        await passes(0.1)
        twin.say("x", "later")
        ann.say("x", "not yet")
        await passes()
        assert "later" in twin.acked()
        assert ann.errors()["not yet"] == "rate_limited"
        assert len(await repository.stored()) == 8
        ann.send("ping", id="p")
        assert ann.last("pong")["id"] == "p"  # other commands have their own rate


async def test_reconnecting_does_not_reset_the_rate_limit(repository: FaultyRepository) -> None:
    """Neither before the old connection is garbage-collected nor afterwards."""
    async with chatting(repository, limits=limits(messages_per_second=10.0, messages_burst=6)) as chat:
        ann = Person(chat, "ann", "general")
        await passes()
        for wave in range(3):
            for number in range(6):
                ann.say("x", f"{wave} {number}")
            await passes()
            assert len(ann.acked()) == (0 if wave else 6)
            chat.disconnect(ann.session)
            token = ann.token
            del ann
            gc.collect()
            ann = Person(chat, token=token)
            ann.send("join", room="general")
        await passes(1)
        ann.say("x", "later")
        await passes()
        assert "later" in ann.acked()
        chat.disconnect(ann.session)
        await passes(1)
        ben = Person(chat, "ben", "general")
        ben.say("x", "1")
        chat.disconnect(ben.session)
        assert chat.parts.speakers is not None
        assert len(chat.parts.speakers) == 1  # kept only until it is full again


async def test_other_commands_and_invalid_frames_are_rate_limited(chat: Chat) -> None:
    """Everything except messages: other commands, and invalid frames."""
    ann = Person(chat, "ann")
    for _ in range(COMMANDS_BURST // 2):
        ann.send("ping")
        ann.send("no such thing")
    assert "rate_limited" not in ann.errors().values()
    ann.send("ping", id="p")
    ann.send("no such thing", id="n")
    chat.receive(ann.session, "{")
    assert ann.errors()["p"] == "rate_limited"
    assert ann.errors()["n"] == "rate_limited"
    assert ann.last("error")["code"] == "rate_limited"
    await passes(1)
    ann.send("ping", id="again")
    assert ann.last("pong")["id"] == "again"


async def test_a_client_that_waits_for_retry_after_is_accepted(chat: Chat) -> None:
    """However short the time is: half a millisecond is not rounded to zero."""
    ann = Person(chat, "ann")
    for _ in range(COMMANDS_BURST):
        ann.send("ping")
    await passes(1 / COMMANDS_PER_SECOND - 0.0004)
    ann.send("ping")
    assert ann.last("error")["retry_after"] == 0.001
    await passes(ann.last("error")["retry_after"])
    ann.send("ping", id="again")
    assert ann.last("pong")["id"] == "again"


# --- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "code", "field"),
    [
        ("{", "bad_json", None),
        ("[]", "bad_json", None),
        ("[" * 5000, "bad_json", None),
        ('{"type":"dance"}', "unknown_type", "type"),
        ('{"room":"general"}', "bad_field", "type"),
        ('{"type":"message","room":"general"}', "bad_field", "content"),
        ('{"type":"message","room":"general","content":7}', "bad_field", "content"),
        ('{"type":"message","room":"general","content":"  \\n "}', "empty", "content"),
        ('{"type":"message","room":"general","content":"a\\u0000b"}', "bad_field", "content"),
        ('{"type":"message","room":"general","content":"a","id":""}', "bad_field", "id"),
        ('{"type":"message","room":"general","content":"a","id":"' + "x" * 65 + '"}', "bad_field", "id"),
        ('{"type":"message","room":"general","content":"a","id":"a\\u0000b"}', "bad_field", "id"),
        ('{"type":"join","room":""}', "bad_field", "room"),
        ('{"type":"join","room":"' + "x" * 65 + '"}', "bad_field", "room"),
        ('{"type":"join","room":"a","since":-1}', "bad_field", "since"),
        ('{"type":"join","room":"a","since":9007199254740992}', "bad_field", "since"),
        ('{"type":"history","room":"general","limit":0}', "bad_field", "limit"),
        ('{"type":"history","room":"general","limit":501}', "bad_field", "limit"),
    ],
)
async def test_bad_input_returns_a_named_error_and_keeps_the_connection(
    chat: Chat, repository: FaultyRepository, frame: str, code: str, field: str | None
) -> None:
    ann = Person(chat, "ann", "general")
    await passes()
    chat.receive(ann.session, frame)
    error = ann.last("error")
    assert (error["code"], error.get("field")) == (code, field)
    ann.say("still here", "1")
    await passes()
    assert ann.heard() == ["still here"]
    assert await repository.stored() == ["still here"]


async def test_a_message_that_is_too_long_is_refused(repository: FaultyRepository) -> None:
    async with chatting(repository, limits=limits(max_content_chars=5)) as chat:
        ann = Person(chat, "ann", "general")
        await passes()
        ann.say("12345", "fits")
        ann.say("123456", "long")
        await passes()
        assert list(ann.acked()) == ["fits"]
        assert ann.errors() == {"long": "too_large"}


async def test_unknown_fields_are_ignored(chat: Chat) -> None:
    ann = Person(chat, "ann")
    chat.receive(ann.session, json.dumps({"type": "ping", "id": "p", "mood": "sunny"}))
    assert ann.last("pong")["id"] == "p"
