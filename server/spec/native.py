"""What ``parley.v1`` says and hears: the records of model/, one example of each, and what answers what."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
from msgspec import Struct

from model import commands, events
from model.commands import AnyCommand
from model.events import NativeEvent, RoomInfo
from model.limits import Limits
from model.message import Message, Quote
from model.room import User
from server.dialects import NATIVE, SUBPROTOCOL
from server.spec.described import TOKEN, Description, Frame

_ANN = User("g_5nq0X7dPVtXq", "ann")
_BOB = User("g_7wqT1c9Zk2Ls", "bob")
_SEQ = 1795224671000001
_AT = "2026-11-21T08:31:11.000001Z"
_MESSAGE = Message("general", _SEQ, _SEQ, "ann", _ANN.id, "hello", _AT, id="m-17")
_INFO = RoomInfo("public", title="General", topic="anything at all")
_TOKEN = "eyJhbGciOi..."  # noqa: S105  # the beginning of one

_COMMANDS: tuple[tuple[commands.Command, tuple[str, ...]], ...] = (
    (commands.Hello(id="h1", token=_TOKEN), ("welcome",)),
    (commands.Join(id="j1", room="general", since=_SEQ, epoch="e_Xb1k"), ("joined",)),
    (commands.Leave(id="l1", room="general"), ("left",)),
    (commands.PostMessage(id="m-18", room="general", content="hello, @bob", reply_to=_SEQ), ("message", "ack")),
    (commands.EditMessage(id="e-1", room="general", seq=_SEQ, content="hello, all"), ("edited", "ack")),
    (commands.DeleteMessage(id="d-1", room="general", seq=_SEQ), ("deleted", "ack")),
    (commands.React(id="r-1", room="general", seq=_SEQ, emoji="👍"), ("reaction", "ack")),
    (commands.Pin(id="p-1", room="general", seq=_SEQ), ("pinned", "ack")),
    (commands.Typing(room="general"), ()),
    (commands.MarkRead(room="general", seq=_SEQ), ()),
    (commands.ReadHistory(id="q1", room="general", limit=50, before=_SEQ), ("history",)),
    (commands.Search(id="s1", q="release notes"), ("search",)),
    (commands.CreateRoom(id="c1", room="plans", title="Plans", private=True), ("room", "joined", "ack")),
    (commands.UpdateRoom(id="c2", room="plans", topic="what comes next", slow_mode=10), ("room", "ack")),
    (commands.DeleteRoom(id="c3", room="plans"), ("left", "ack")),
    (commands.Invite(id="c4", room="plans", user=_BOB.id), ("member", "ack")),
    (commands.Decline(id="c6", room="plans"), ("invitation", "ack")),
    (commands.ListRooms(id="l2", mine=True), ("rooms",)),
    (commands.ListMembers(id="l3", room="plans"), ("members",)),
    (commands.OpenDirect(id="c5", user=_BOB.id), ("room", "joined", "ack")),
    (commands.Kick(id="k1", room="plans", user=_BOB.id, reason="not now"), ("member", "ack")),
    (commands.Ban(id="k2", room="plans", user=_BOB.id, seconds=3600.0, reason="spam"), ("member", "ack")),
    (commands.Unban(id="k3", room="plans", user=_BOB.id), ("member", "ack")),
    (commands.Mute(id="k4", room="plans", user=_BOB.id, seconds=60.0), ("member", "ack")),
    (commands.Unmute(id="k5", room="plans", user=_BOB.id), ("member", "ack")),
    (commands.SetRole(id="k6", room="plans", user=_BOB.id, role="moderator"), ("member", "ack")),
    (commands.Announce(id="a1", content="a new version in five minutes"), ("announcement",)),
    (commands.Ping(id="p1"), ("pong",)),
)
"""One of each command, and the types of what answers it. Any of them may be answered by ``error`` instead."""

_EVENTS: tuple[NativeEvent, ...] = (
    events.Welcome("s_0mVb2b6w", _ANN, True, _TOKEN, "e_Xb1k", Limits(), 20.0, "parley"),
    events.Joined("general", "e_Xb1k", _SEQ, True, "member", [_ANN, _BOB], 2, _INFO, read=_SEQ, id="j1"),
    events.Left("general", id="l1"),
    Message(
        "general", _SEQ + 5, _SEQ + 5, "bob", _BOB.id, "hello, @ann", "2026-11-21T08:31:11.000006Z",
        id="m-1", reply_to=Quote(_SEQ, "ann", "hello"), mentions=("ann",),
    ),
    events.Edited("general", _SEQ, _SEQ + 9, "ann", "hello, all", "2026-11-21T08:31:11.000010Z"),
    events.Deleted("general", _SEQ, _SEQ + 12, "ann", "2026-11-21T08:31:11.000013Z"),
    events.Reaction("general", _SEQ, _SEQ + 10, _BOB, "👍", True, 1),
    events.Pinned("general", _SEQ, _SEQ + 11, True, _BOB, "2026-11-21T08:31:11.000012Z"),
    events.Typing("general", _BOB, 5.0),
    events.Read("general", _BOB, _SEQ),
    events.Synced("general", _SEQ + 12),
    events.Retracted("general", _SEQ, "ann"),
    events.Ack([events.AckItem("m-17", "general", _SEQ)]),
    events.HistoryPage("general", [_MESSAGE], True, False, id="q1"),
    events.SearchPage([_MESSAGE], True, f"{_SEQ}.77", id="s1"),
    events.Presence("general", 2, [_BOB]),
    events.RoomState("plans", "create_room", RoomInfo("private", title="Plans"), "owner", id="c1"),
    events.InvitationState("plans", True, RoomInfo("private", title="Plans"), _ANN, _AT),
    events.Rooms(
        [events.RoomEntry("public", room="general", members=40, online=2, role="member", read=_SEQ, unread=3)],
        "general",
        id="l2",
    ),
    events.Members("plans", [events.MemberInfo(_ANN.id, "ann", "owner", True, read=_SEQ)], 1, id="l3"),
    events.MemberChanged("plans", "set_role", events.MemberInfo(_BOB.id, "bob", "moderator"), _ANN, id="k6"),
    events.Announcement("a new version in five minutes", User("u_1", "root"), _AT, id="a1"),
    events.Pong("2026-11-21T08:31:12.000001Z", id="p1"),
    events.Error("rate_limited", "too many at once, slow down", True, retry_after=0.05, id="m-17"),
    events.Goodbye("shutting_down", 1.74),
)  # fmt: skip


class NativeAddress(Struct):
    """What the address may say; a client that has a token says neither, and sends ``hello`` and ``join``.

    Attributes:
        u: the name of a guest, 1 to 64 characters; without it the server makes one up.
        r: a room to join at once.
    """

    u: str | None = None
    r: str | None = None


def tag_of(record: type[Struct]) -> str:
    """The ``type`` of a record's frames."""
    return str(record.__struct_config__.tag)


def command_name(tag: str) -> str:
    """What a command is called in the document: those of both directions share some words (``message``, ``typing``)."""
    return f"{_camel(tag)}Command"


def event_name(tag: str) -> str:
    """What an event is called in the document."""
    return f"{_camel(tag)}Event"


def _camel(tag: str) -> str:
    return "".join(part.capitalize() for part in tag.split("_"))


def _said(record: Struct) -> dict[str, Any]:
    """A record as a client would write it: what has nothing to say is left out."""
    defaults = {field.name: field.default for field in msgspec.structs.fields(record)}
    given = msgspec.to_builtins(record)
    return {name: value for name, value in given.items() if value != defaults.get(name, ...)}


def describe() -> Description:
    """The description, of all records of `AnyCommand` and `NativeEvent`, in their order.

    Raises:
        KeyError: one of them has no example above.
    """
    asked = {type(example): (example, answers) for example, answers in _COMMANDS}
    told = {type(example): example for example in _EVENTS}
    client = []
    for kind in get_args(AnyCommand):
        example, answers = asked[kind]
        names = tuple(event_name(tag) for tag in (*answers, "error"))
        client.append(Frame(command_name(tag_of(kind)), kind, _said(example), answers=names))
    return Description(
        dialect=NATIVE.name,
        path="/chat",
        title="Native: JSON frames, acks, resume",
        text="One JSON object with a `type` in each text frame. Fields that a receiver does not know are to be "
        "ignored, in both directions: new ones may come at any time. `welcome` comes first. Spoken at the paths of the "
        "other dialects too, where the subprotocol is offered.",
        query=NativeAddress,
        headers={"Sec-WebSocket-Protocol": {"type": "string", "const": SUBPROTOCOL}, "Authorization?": TOKEN},
        client=tuple(client),
        server=tuple(Frame(event_name(tag_of(kind)), kind, told[kind]) for kind in get_args(NativeEvent)),
    )
