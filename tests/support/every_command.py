"""A frame of each command in each dialect that has it, for tests of servers that must treat all of them alike."""

import json
import re
from typing import Any, get_args

import msgspec

from chat.handlers import HANDLERS
from chat.ports import Adopt
from model.commands import AnyCommand, Claim, UseLink
from server.dialects.api_chat import _AnyRequest as EventsRequest
from server.dialects.ws_frames import AnyRequest as RoomsRequest
from tests.support.chatting import Frame

ROOM = "den"
# A value for each field that a command requires; `seq` is replaced by that of a message of the client itself.
FIELDS: dict[str, Any] = {
    "room": ROOM,
    "user": "u_low",
    "seq": "seq",
    "content": "@low look",
    "emoji": "+1",
    "q": "look",
    "role": "readonly",
    "token": "token",
}
# More fields, where the required ones are not all that matters.
MORE: dict[str, list[Frame]] = {
    "join": [{}, {"since": 1, "epoch": "e_none"}, {"room": "new"}],
    "leave": [{}, {"quit": True}],
    "message": [{}, {"reply_to": "seq"}, {"resend": True}, {"content": ""}],
    "history": [{}, {"around": "seq"}, {"include_deleted": True}, {"pinned": True}],
    "create_room": [{"room": "new"}, {}, {"room": "new", "password": "sesame"}],
    "update_room": [{"title": "The den"}, {"private": True}, {"password": "sesame"}, {"slow_mode": 5}],
    "rooms": [{}, {"mine": True}],
    "members": [{}, {"banned": True}, {"invited": True}],
    "ban": [{}, {"seconds": 5, "reason": "enough"}],
    "mute": [{}, {"seconds": 5, "reason": "enough"}],
    "kick": [{}, {"user": "u_nobody"}],
    "invite": [{}, {"user": "u_far"}],
    "direct": [{}, {"user": "u_far"}, {"user": "u_nobody"}],
    "decline": [{"room": "offered"}, {}],
}


def native_frames() -> list[Frame]:
    """A frame of each command that a native client can send, with each of the fields in `MORE`."""
    frames = []
    for kind in get_args(AnyCommand):
        tag = kind.__struct_config__.tag
        required = {
            field.name: FIELDS[field.name]
            for field in msgspec.structs.fields(kind)
            if field.required and field.name != "id"
        }
        frames += [{"type": tag, "id": "c", **required, **more} for more in MORE.get(tag, [{}])]
    return frames


CLAIM = {"room_id": ROOM, "user_id": "wendy", "user_name": "wendy"}
ROOMS_FRAMES: list[Frame] = [
    {"type": "message", "payload": {"room_id": ROOM, "message": "hi"}},
    {"type": "join", "payload": {**CLAIM, "room_id": "open"}},
    {"type": "join", "payload": {**CLAIM, "user_id": "other"}},
    {"type": "create_room", "payload": {**CLAIM, "room_id": "new", "room_name": "New"}},
    {"type": "leave", "payload": {"room_id": ROOM}},
    {"type": "ping"},
]
EVENTS_FRAMES: list[Frame] = [
    {"event": "message", "content": "hi"},
    {"event": "typing"},
    {"event": "edit", "id": "seq", "content": "changed"},
    {"event": "delete", "id": "seq"},
]


def untried() -> set[str]:
    """Return the commands, by dialect, of which there is no frame here; in the plain dialect any text is a message."""
    dialects = (
        ("native", AnyCommand, {frame["type"] for frame in native_frames()} | MORE.keys()),
        ("rooms", RoomsRequest, {frame["type"] for frame in ROOMS_FRAMES}),
        ("events", EventsRequest, {frame["event"] for frame in EVENTS_FRAMES}),
    )
    unknown = {kind.__name__ for kind in HANDLERS.keys() ^ {*get_args(AnyCommand), UseLink, Claim, Adopt}}
    return unknown.union(*({f"{name} {tag}" for tag in _tags(union) ^ tried} for name, union, tried in dialects))


def _tags(union: Any) -> set[str]:
    return {str(kind.__struct_config__.tag) for kind in get_args(union)}


class Names:
    """Replaces what differs between two runs: seqs, times and generated ids, by their order of appearance."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def of(self, frames: list[Frame]) -> list[Frame]:
        """Return frames in which nothing differs by chance."""
        text = json.dumps(frames)
        text = re.sub(r"\b1[67]\d{14}\b|\"20\d\d-[^\"]+Z\"", "0", text)
        text = re.sub(r"@[0-9a-f]{40}\b|\b(?:[segw]_[\w-]+|eyJ[\w.-]+)", self._name, text)
        frames = json.loads(text)
        for frame in frames:
            for key in ("joined", "left", "members"):
                if isinstance(frame.get(key), list):  # users who come at the same time come in any order
                    frame[key].sort(key=lambda user: user["id"])
        return frames

    def _name(self, found: re.Match[str]) -> str:
        return self._known.setdefault(found[0], f"{found[0][0]}{len(self._known)}")
