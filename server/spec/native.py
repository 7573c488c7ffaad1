"""``parley.v1``, described: an example of each record of model/ that is a frame, and the answers to each command."""

from msgspec import Struct

from model import commands, events
from model.events import NativeEvent, RoomInfo
from model.limits import Limits
from model.message import Message, Quote
from model.room import User
from server.dialects import NATIVE, SUBPROTOCOL
from server.spec.described import AT, SEQ, TOKEN, Description, Names

_NAMES = Names("{}Command", "{}Event")

_ANN = User("g_5nq0X7dPVtXq", "ann")
_BOB = User("g_7wqT1c9Zk2Ls", "bob")
_MESSAGE = Message("general", SEQ, SEQ, "ann", _ANN.id, "hello", AT, id="m-17")
_INFO = RoomInfo("public", title="General", topic="anything at all")
_TOKEN = "eyJhbGciOi..."  # noqa: S105  # the beginning of one

# One of each command, in the order of `AnyCommand`, and the types of its answers except ``error``.
_COMMANDS: tuple[tuple[commands.Command, tuple[str, ...]], ...] = (
    (commands.Hello(id="h1", token=_TOKEN), ("welcome",)),
    (commands.Join(id="j1", room="general", since=SEQ, epoch="e_Xb1k"), ("joined",)),
    (commands.Leave(id="l1", room="general"), ("left",)),
    (commands.PostMessage(id="m-18", room="general", content="hello, @bob", reply_to=SEQ), ("message", "ack")),
    (commands.EditMessage(id="e-1", room="general", seq=SEQ, content="hello, all"), ("edited", "ack")),
    (commands.DeleteMessage(id="d-1", room="general", seq=SEQ), ("deleted", "ack")),
    (commands.React(id="r-1", room="general", seq=SEQ, emoji="👍"), ("reaction", "ack")),
    (commands.Pin(id="p-1", room="general", seq=SEQ), ("pinned", "ack")),
    (commands.Typing(room="general"), ()),
    (commands.MarkRead(room="general", seq=SEQ), ()),
    (commands.ReadHistory(id="q1", room="general", limit=50, before=SEQ), ("history",)),
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

_EVENTS: tuple[NativeEvent, ...] = (
    events.Welcome("s_0mVb2b6w", _ANN, True, _TOKEN, "e_Xb1k", Limits(), 20.0, "parley"),
    events.Joined("general", "e_Xb1k", SEQ, True, "member", [_ANN, _BOB], 2, _INFO, read=SEQ, id="j1"),
    events.Left("general", id="l1"),
    Message(
        "general", SEQ + 5, SEQ + 5, "bob", _BOB.id, "hello, @ann", "2026-11-21T08:31:11.000006Z",
        id="m-1", reply_to=Quote(SEQ, "ann", "hello"), mentions=("ann",),
    ),
    events.Edited("general", SEQ, SEQ + 9, "ann", "hello, all", "2026-11-21T08:31:11.000010Z"),
    events.Deleted("general", SEQ, SEQ + 12, "ann", "2026-11-21T08:31:11.000013Z"),
    events.Reaction("general", SEQ, SEQ + 10, _BOB, "👍", True, 1),
    events.Pinned("general", SEQ, SEQ + 11, True, _BOB, "2026-11-21T08:31:11.000012Z"),
    events.Adopted("general", _ANN.id, User("a_1rVqGZ2kXo0cYc4e", "ann")),
    events.Typing("general", _BOB, 5.0),
    events.Read("general", _BOB, SEQ),
    events.Synced("general", SEQ + 12),
    events.Retracted("general", SEQ, "ann"),
    events.Ack([events.AckItem("m-17", "general", SEQ)]),
    events.HistoryPage("general", [_MESSAGE], True, False, id="q1"),
    events.SearchPage([_MESSAGE], True, f"{SEQ}.77", id="s1"),
    events.Presence("general", 2, [_BOB]),
    events.RoomState("plans", "create_room", RoomInfo("private", title="Plans"), "owner", id="c1"),
    events.InvitationState("plans", True, RoomInfo("private", title="Plans"), _ANN, AT),
    events.Rooms(
        [events.RoomEntry("public", room="general", members=40, online=2, role="member", read=SEQ, unread=3)],
        "general",
        id="l2",
    ),
    events.Members("plans", [events.MemberInfo(_ANN.id, "ann", "owner", True, read=SEQ)], 1, id="l3"),
    events.MemberChanged("plans", "set_role", events.MemberInfo(_BOB.id, "bob", "moderator"), _ANN, id="k6"),
    events.Announcement("a new version in five minutes", User("u_1", "root"), AT, id="a1"),
    events.Pong("2026-11-21T08:31:12.000001Z", id="p1"),
    events.Error("rate_limited", "too many requests; slow down", True, retry_after=0.05, id="m-17"),
    events.Goodbye("shutting_down", 1.74),
)  # fmt: skip


class NativeAddress(Struct):
    """The parameters of the address; a client that has a token omits them, and sends ``hello`` and ``join``.

    Attributes:
        u: a guest's display name, 1 to 64 characters; generated by the server if absent.
        r: a room to join on connect.
    """

    u: str | None = None
    r: str | None = None


PARLEY_V1 = Description(
    dialect=NATIVE.name,
    path="/chat",
    title="Native: JSON frames, acks, resume",
    text="One JSON object with a `type` in each text frame. Receivers ignore fields that they do not know, in both "
    "directions: new fields may be added at any time. `welcome` comes first. Also spoken at the paths of the other "
    "dialects, if the client offers the subprotocol.",
    query=NativeAddress,
    headers={"Sec-WebSocket-Protocol": {"type": "string", "const": SUBPROTOCOL}, "Authorization?": TOKEN},
    client=_NAMES.requests(_COMMANDS),
    server=_NAMES.events(_EVENTS),
)
