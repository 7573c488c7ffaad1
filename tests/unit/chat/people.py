"""Users for the tests of rooms and roles: with an account, in a room, with a role there."""

import json
from typing import Any

from chat.chat import Chat
from chat.handlers.sessions import identify
from chat.ports import Identity
from chat.rooms.access import RoomAccess, read_as
from model.permissions import Action
from model.room import User
from tests.support.chatting import BY_PATH, Frame, Person
from tests.support.virtual import passes


class RoomsPerson(Person):
    """A client of `/ws`."""

    def __init__(self, chat: Chat, identity: Identity | None = None, **options: Any) -> None:
        super().__init__(chat, dialect=BY_PATH["/ws"], identity=identity, **options)

    def ask(self, type: str, **payload: str) -> None:
        self.chat.receive(self.session, json.dumps({"type": type, "payload": payload}))

    def join(self, user_id: str, user_name: str, room_id: str = "general") -> None:
        self.ask("join", room_id=room_id, user_id=user_id, user_name=user_name)

    def payloads(self, *types: str) -> list[Frame]:
        return [frame["payload"] for frame in self.of(*types)]

    def codes(self) -> list[str]:
        return [payload["code"] for payload in self.payloads("error")]


def account(chat: Chat, name: str, role: str = "user") -> Person:
    """Return a client with an account."""
    person = Person(chat, name)
    identify(chat.parts, person.session, Identity(User(f"u_{name}", name), guest=False, role=role))
    person.session.provisional = False
    return person


def id_of(person: Person) -> str:
    return person.session.user.id


async def ask(person: Person, type: str, **fields: Any) -> list[dict[str, Any]]:
    """Send a command and return the frames that the client receives within the next turns."""
    before = len(person.frames)
    person.send(type, **fields)
    await passes(0.2)
    return person.frames[before:]


async def code_of(person: Person, type: str, **fields: Any) -> str:
    """Return the error code of a command; "" if it succeeds."""
    errors = [frame for frame in await ask(person, type, **fields) if frame["type"] == "error"]
    return str(errors[0]["code"]) if errors else ""


async def created(chat: Chat, owner: Person, room: str = "lobby", **fields: Any) -> None:
    """Create a room with this owner."""
    assert await code_of(owner, "create_room", room=room, **fields) == ""


async def staffed(chat: Chat, room: str = "lobby", **fields: Any) -> dict[str, Person]:
    """Create a room with a user of every access level in it, plus an admin and an organizer."""
    people = {name: account(chat, name) for name in ("owner", "moderator", "member", "readonly")}
    people["admin"], people["organizer"] = account(chat, "admin", "admin"), account(chat, "organizer", "organizer")
    owner = people["owner"]
    await created(chat, owner, room, **fields)
    for name, person in people.items():
        if name != "owner":
            assert await code_of(owner, "invite", room=room, user=id_of(person)) == ""
            assert await code_of(person, "join", room=room) == ""
    for name in ("moderator", "readonly"):
        assert await code_of(owner, "set_role", room=room, user=id_of(people[name]), role=name) == ""
    return people


async def look_at(chat: Chat, name: str, identity: Identity | None, action: Action = Action.SEE) -> RoomAccess | None:
    """Return the room of this name, as a user sees it who may perform this action."""

    async def read(seen: RoomAccess) -> RoomAccess:
        return seen

    return await read_as(chat.parts, name, identity, read, action)


async def said(person: Person, content: str = "hello", room: str = "", **fields: object) -> int:
    """Post a message, by default in the first room that the client has joined, wait for the ack, and return the seq."""
    key = f"m{len(person.frames)}"
    person.say(content, key, room or next(iter(person.session.rooms)), **fields)
    await passes(0.1)
    return person.acked()[key]


async def mine(person: Person) -> dict[str, dict[str, Any]]:
    """Return the user's own rooms by name, as `rooms` lists them."""
    await ask(person, "rooms", mine=True)
    return {entry["room"]: entry for entry in person.last("rooms")["rooms"]}
