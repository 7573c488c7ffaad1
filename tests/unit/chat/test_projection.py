"""Clients of every dialect in one room: the frames that each receives for everything that can happen there.

The frames are written as the documents of the dialects give them. `{seq}`, `{time}` and the ids of guests are the
only parts that a test cannot know before.
"""

import json
from typing import Any

import pytest

from chat.chat import Chat
from chat.ports import Identity
from chat.writes.workers import PoolLimits
from model.principals import kind_of
from model.room import User
from tests.support.chatting import BY_PATH, Frame, Person, chatting
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes
from tests.unit.chat.people import account, code_of, created

ROOM = "den"
NOTHING: list[Frame] = []


class Meeting:
    """One room with a client of each dialect, and an admin with the native one."""

    def __init__(self, chat: Chat, repository: FaultyRepository) -> None:
        self.chat, self.repository = chat, repository
        self.owner = account(chat, "owner", "admin")

    async def open(self) -> None:
        await created(self.chat, self.owner, ROOM, title="The den")
        self.native = Person(self.chat, "nat", ROOM)
        self.plain = Person(self.chat, "pat", ROOM, dialect=BY_PATH["/chat"])
        self.rooms = Person(self.chat, dialect=BY_PATH["/ws"])
        self.rooms_send("join", room_id=ROOM, user_id="7", user_name="ros")
        eve = Identity(User("u_9", "eve"), guest=False, role="player")
        self.events = Person(self.chat, None, ROOM, dialect=BY_PATH["/api/chat"], identity=eve)
        await passes(3)
        self.forget()

    @property
    def everybody(self) -> dict[str, Person]:
        return {"native": self.native, "plain": self.plain, "rooms": self.rooms, "events": self.events}

    def forget(self) -> None:
        for person in (self.owner, *self.everybody.values()):
            person.forget()

    def rooms_send(self, type: str, **payload: Any) -> None:
        self.chat.receive(self.rooms.session, json.dumps({"type": type, "payload": payload}))

    def events_send(self, event: str, **fields: Any) -> None:
        self.chat.receive(self.events.session, json.dumps({"event": event, **fields}))

    def plain_send(self, text: str) -> None:
        self.chat.receive(self.plain.session, text)

    async def told(self) -> dict[str, list[Frame]]:
        """Return the frames since the last call, without presence, acks and the times of notices."""
        await passes(3)
        found = {}
        for name, person in self.everybody.items():
            frames = [frame for frame in person.frames if frame.get("type") not in ("presence", "ack")]
            for frame in frames:
                if frame.get("sender") == "SYSTEM" and name == "plain":
                    assert frame.pop("timestamp").endswith("Z")
            found[name] = frames
        self.forget()
        return found

    async def said(self, content: str = "hello") -> tuple[int, str]:
        """Post a message as the native user; return its seq and time."""
        self.native.say(content, f"m{content}", ROOM)
        await passes(0.1)
        message = self.native.last("message")
        self.forget()
        return message["seq"], message["timestamp"]


@pytest.fixture
async def meeting(chat: Chat, repository: FaultyRepository) -> Meeting:
    found = Meeting(chat, repository)
    await found.open()
    return found


def notice(content: str) -> list[Frame]:
    return [{"sender": "SYSTEM", "room": ROOM, "content": content}]


@pytest.mark.parametrize("who", ["native", "plain", "rooms", "events"])
async def test_a_message_in_every_dialect(meeting: Meeting, who: str) -> None:
    send = {
        "native": lambda: meeting.native.say("hello", "m", ROOM),
        "plain": lambda: meeting.plain_send("hello"),
        "rooms": lambda: meeting.rooms_send("message", room_id=ROOM, message="hello"),
        "events": lambda: meeting.events_send("message", content="hello"),
    }
    person = meeting.everybody[who]
    principal, name = person.session.user.id, person.session.user.name
    in_rooms = "7" if who == "rooms" else principal
    in_events = "9" if who == "events" else principal
    mark = {"kind": kind} if (kind := kind_of(principal)) else {}
    send[who]()
    told = await meeting.told()
    seq, time = told["native"][0]["seq"], told["native"][0]["timestamp"]
    message = {
        "type": "message", "room": ROOM, "seq": seq, "version": seq, "sender": name, "sender_id": principal,
        "content": "hello", "timestamp": time,
    }  # fmt: skip
    assert told == {
        "native": [{**message, "id": "m"} if who == "native" else message],
        "plain": [{"sender": name, "room": ROOM, "content": "hello", "timestamp": time, **mark}],
        "rooms": [
            {"type": "message", "payload": {"room_id": ROOM, "user_id": in_rooms, "user_name": name, "message": "hello",
             "seq": seq, "timestamp": time, **mark}}
        ],
        "events": [
            {"event": "message", "id": seq, "room": ROOM, "userid": in_events, "username": name, "content": "hello",
             "timestamp": time, **mark}
        ],
    }  # fmt: skip


async def test_joins_and_leaves_in_every_dialect(meeting: Meeting) -> None:
    new = Person(meeting.chat, "new", ROOM)
    told = await meeting.told()
    principal = new.session.user.id
    person = {"room_id": ROOM, "user_id": principal, "user_name": "new", "kind": "guest"}
    assert told["plain"] == notice("User new entered the chat")
    assert told["rooms"] == [{"type": "user_joined", "payload": person}]
    assert told["events"] == [{"event": "join", "userid": principal, "username": "new", "kind": "guest"}]
    new.disconnect()
    told = await meeting.told()
    assert told["native"] == NOTHING
    assert told["plain"] == notice("User new left the chat")
    assert told["rooms"] == [{"type": "user_left", "payload": person}]
    assert told["events"] == [{"event": "leave", "userid": principal, "username": "new", "kind": "guest"}]


async def test_events_sent_to_the_author_of_a_command(meeting: Meeting) -> None:
    other = Person(meeting.chat, dialect=BY_PATH["/ws"])
    asked = {"room_id": "plans", "room_name": "Plans", "user_id": "8", "user_name": "rob"}
    meeting.chat.receive(other.session, json.dumps({"type": "create_room", "payload": asked}))
    await passes(0.1)
    meeting.chat.receive(other.session, '{"type":"leave","payload":{"room_id":"plans"}}')
    meeting.chat.receive(other.session, '{"type":"ping","payload":null}')
    await passes(0.1)
    time = other.frames[-1]["payload"]["timestamp"]
    room = {"room_id": "plans", "room_name": "Plans"}
    rob = {"user_id": "8", "user_name": "rob", "kind": "claimed"}
    assert other.frames == [
        {"type": "room_created", "payload": room},
        {"type": "joined", "payload": {**room, "users": [rob]}},
        {"type": "user_joined", "payload": {"room_id": "plans", **rob}},
        {"type": "left", "payload": {"room_id": "plans"}},
        {"type": "pong", "payload": {"timestamp": time}},
    ]


async def test_an_edit_in_every_dialect(meeting: Meeting) -> None:
    seq, _ = await meeting.said()
    meeting.native.send("edit", room=ROOM, seq=seq, content="hello, all")
    told = await meeting.told()
    edited = told["native"][0]
    assert edited == {
        "type": "edited", "room": ROOM, "seq": seq, "version": edited["version"], "sender": "nat",
        "content": "hello, all", "edited_at": edited["edited_at"], "kind": "guest",
    }  # fmt: skip
    assert told["plain"] == [
        {"sender": "nat", "room": ROOM, "content": "edited: hello, all", "timestamp": edited["edited_at"],
         "kind": "guest"}
    ]  # fmt: skip
    assert told["rooms"] == [
        {"type": "message_edited", "payload": {"room_id": ROOM, "seq": seq, "message": "hello, all"}}
    ]
    assert told["events"] == [{"event": "edit", "id": seq, "content": "hello, all", "edited_at": edited["edited_at"]}]


async def test_an_edit_from_the_events_dialect(meeting: Meeting) -> None:
    meeting.events_send("message", content="first")
    seq = (await meeting.told())["events"][0]["id"]
    meeting.events_send("edit", id=seq, content="second")
    told = await meeting.told()
    assert told["native"][0]["content"] == "second"
    (edit,) = told["plain"]
    assert (edit["sender"], edit["content"]) == ("eve", "edited: second")
    await passes(60)
    meeting.events_send("edit", id=seq, content="third")
    told = await meeting.told()
    assert told["events"] == [{"event": "error", "content": "a message can be edited for 60 seconds"}]
    seq, _ = await meeting.said()
    meeting.events_send("edit", id=seq, content="mine")
    assert (await meeting.told())["events"] == [
        {"event": "error", "content": "only the author of a message can do this"}
    ]


@pytest.mark.parametrize("who", ["native", "events", "moderator"])
async def test_a_deletion_in_every_dialect(meeting: Meeting, who: str) -> None:
    if who == "events":
        meeting.events_send("message", content="hello")
        seq = (await meeting.told())["events"][0]["id"]
        meeting.events_send("delete", id=seq)
    else:
        seq, _ = await meeting.said()
        (meeting.native if who == "native" else meeting.owner).send("delete", room=ROOM, seq=seq)
    told = await meeting.told()
    author = "eve" if who == "events" else "nat"
    deleted = told["native"][0]
    assert deleted == {
        "type": "deleted", "room": ROOM, "seq": seq, "version": deleted["version"], "sender": author,
        "deleted_at": deleted["deleted_at"],
    }  # fmt: skip
    assert told["plain"] == notice(f'a message by "{author}" was removed')
    assert told["rooms"] == [{"type": "message_deleted", "payload": {"room_id": ROOM, "seq": seq}}]
    assert told["events"] == [{"event": "delete", "id": seq, "deleted_at": deleted["deleted_at"]}]


async def test_a_retraction_in_every_dialect(meeting: Meeting) -> None:
    meeting.repository.refused = lambda write: type(write).__name__ == "InsertMessage"
    meeting.native.say("poison", "p", ROOM)
    told = await meeting.told()
    seq = told["native"][0]["seq"]
    assert {"type": "retracted", "room": ROOM, "seq": seq, "sender": "nat"} in told["native"]
    assert [frame["code"] for frame in told["native"] if frame["type"] == "error"] == ["not_stored"]
    assert told["plain"][1:] == notice('a message by "nat" was removed')
    assert told["rooms"][1:] == [{"type": "message_deleted", "payload": {"room_id": ROOM, "seq": seq}}]
    gone = told["events"][1]
    assert gone == {"event": "delete", "id": seq, "deleted_at": gone["deleted_at"]}


async def test_typing_in_every_dialect(meeting: Meeting) -> None:
    meeting.events_send("typing")
    told = await meeting.told()
    assert told == {
        "native": [{"type": "typing", "room": ROOM, "user": {"id": "u_9", "name": "eve"}, "expires": 5.0}],
        "plain": NOTHING,
        "rooms": NOTHING,
        "events": [{"event": "typing", "userid": "9", "username": "eve"}],
    }


@pytest.mark.parametrize("what", ["react", "pin", "read", "update_room", "mute"])
async def test_events_that_only_the_native_protocol_has(meeting: Meeting, what: str) -> None:
    seq, _ = await meeting.said()
    possible: dict[str, dict[str, Any]] = {
        "react": {"seq": seq, "emoji": "👍"}, "pin": {"seq": seq}, "read": {"seq": seq}, "update_room": {"topic": "t"},
        "mute": {"user": meeting.native.session.user.id},
    }  # fmt: skip
    fields = possible[what]
    assert await code_of(meeting.owner, what, room=ROOM, **fields) == ""
    told = await meeting.told()
    kind = {"react": "reaction", "pin": "pinned", "read": "read", "update_room": "room", "mute": "member"}[what]
    assert [frame["type"] for frame in told["native"]] == [kind]
    assert told["plain"] == told["rooms"] == told["events"] == NOTHING


async def test_an_error_is_sent_only_to_its_author(meeting: Meeting) -> None:
    meeting.native.say(" ", "e", ROOM)
    meeting.plain_send(" ")
    meeting.rooms_send("message", room_id=ROOM, message=" ")
    meeting.events_send("message", content=" ")
    sentence = "a message must contain at least one visible character"
    assert await meeting.told() == {
        "native": [
            {"type": "error", "id": "e", "code": "empty", "message": sentence, "retryable": False, "field": "content",
             "room": ROOM}
        ],
        "plain": notice(sentence),
        "rooms": [{"type": "error", "payload": {"code": "empty", "message": sentence}}],
        "events": [{"event": "error", "content": sentence}],
    }  # fmt: skip


async def test_a_limit_is_reported_to_the_client_that_exceeds_it(meeting: Meeting) -> None:
    await code_of(meeting.owner, "update_room", room=ROOM, slow_mode=60)
    await meeting.told()
    for number in range(2):
        meeting.plain_send(f"{number}")
        meeting.rooms_send("message", room_id=ROOM, message=f"{number}")
        meeting.events_send("message", content=f"{number}")
    told = await meeting.told()
    sentence = "this room is in slow mode; wait 60 seconds"
    assert [frame["content"] for frame in told["plain"]].count(sentence) == 1
    assert told["rooms"][-1] == {"type": "error", "payload": {"code": "slow_mode", "message": sentence}}
    assert {"event": "error", "content": sentence} in told["events"]


async def test_overloaded_in_every_dialect(repository: FaultyRepository) -> None:
    async with chatting(repository, pool=PoolLimits(workers=1, queue_messages=8)) as chat:
        meeting = Meeting(chat, repository)
        await meeting.open()
        repository.hold("write")
        for number in range(20):
            meeting.owner.say(f"{number}", room=ROOM)
        await meeting.told()
        meeting.plain_send("x")
        meeting.rooms_send("message", room_id=ROOM, message="x")
        meeting.events_send("message", content="x")
        sentence = "the server is overloaded"
        told = await meeting.told()
        assert told["plain"] == notice(sentence)
        assert told["rooms"] == [{"type": "error", "payload": {"code": "overloaded", "message": sentence}}]
        assert told["events"] == [{"event": "error", "content": sentence}]
        repository.go("write")
        await passes(2)


async def test_an_announcement_in_every_dialect(meeting: Meeting) -> None:
    meeting.owner.send("announce", content="be kind")
    told = await meeting.told()
    time = told["native"][0]["timestamp"]
    assert told["native"] == [
        {"type": "announcement", "content": "be kind", "sender": {"id": "u_owner", "name": "owner"}, "timestamp": time}
    ]
    assert told["rooms"] == [
        {"type": "announcement", "payload": {"message": "be kind", "user_name": "owner", "timestamp": time}}
    ]
    assert told["events"] == [{"event": "announcement", "content": "be kind", "username": "owner", "timestamp": time}]
    assert told["plain"] == [{"sender": "SYSTEM", "room": "", "content": '"owner" announces: be kind'}]


async def test_a_kicked_user_gets_the_reason_in_every_dialect(meeting: Meeting) -> None:
    for person in meeting.everybody.values():
        meeting.owner.send("kick", room=ROOM, user=person.session.user.id, reason="late")
    told = await meeting.told()
    by = {"id": "u_owner", "name": "owner"}
    sentence = 'you were removed from "den" by "owner": "late"'
    assert told["native"][-1] == {"type": "left", "room": ROOM, "reason": "kicked", "by": by, "text": "late"}
    assert told["plain"][-1:] == notice(sentence)
    assert told["rooms"][-1] == {"type": "left", "payload": {"room_id": ROOM, "reason": "kicked"}}
    assert told["events"][-1] == {"event": "error", "content": sentence}
    closes = {name: person.connection.closed for name, person in meeting.everybody.items()}
    assert {name: close and close.code for name, close in closes.items()} == {
        "native": None, "plain": 4102, "rooms": None, "events": 4102,
    }  # fmt: skip


async def test_a_deleted_room_in_every_dialect(meeting: Meeting) -> None:
    meeting.owner.send("delete_room", room=ROOM)
    told = await meeting.told()
    by = {"id": "u_owner", "name": "owner"}
    assert told["native"] == [{"type": "left", "room": ROOM, "reason": "deleted", "by": by}]
    assert told["plain"][-1:] == notice('"den" was deleted by "owner"')
    assert told["rooms"][-1] == {"type": "left", "payload": {"room_id": ROOM, "reason": "deleted"}}
    assert told["events"][-1] == {"event": "error", "content": '"den" was deleted by "owner"'}
