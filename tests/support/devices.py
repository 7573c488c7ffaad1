"""A client program of a person: it asks, keeps a view of each room, and holds what it is told to what was promised.

Whatever contradicts docs/protocol.md, or an earlier frame, is an AssertionError when it is read.
"""

from collections import Counter
from collections.abc import Iterable
from operator import itemgetter
from typing import Any

from chat.chat import Chat
from chat.handlers.manage import direct_name
from chat.ports import Identity
from chat.room import Room
from model.permissions import LEAST, Action
from model.room import User
from tests.support.chatting import Person, unframe
from tests.support.copies import CHANGES, Frame
from tests.support.ledger import Ledger, Post, Principal
from tests.support.views import View
from utils.clock import Clock, microseconds

PASSWORD = "sesame"
"""Of every room that has one."""

# Frames that are about a room to those who are in it, and to nobody else.
_INSIDE = frozenset(
    (*CHANGES, "message", "typing", "presence", "synced", "retracted", "history", "members", "member")
)  # fmt: skip
# Changes of a room and its people: whoever asked for one is told of it first.
_TOLD = frozenset(
    ("create_room", "update_room", "delete_room", "invite", "kick", "ban", "unban", "mute", "unmute", "set_role")
)
# Commands that are answered by a frame of their own; the others by an `ack`.
_ANSWERS = {
    "join": "joined",
    "leave": "left",
    "history": "history",
    "members": "members",
    "rooms": "rooms",
    "search": "search",
    "direct": "room",
    "ping": "pong",
    "announce": "announcement",
}
_SILENT = frozenset(("typing", "read", "hello"))
# What a frame about a message needs: who did it, what it takes, and whether a mute forbids it.
_DOES = {
    "message": ("sender_id", Action.POST, True),
    "reaction": ("user", Action.REACT, True),
    "pinned": ("by", Action.PIN, False),
    "typing": ("user", Action.TYPE, True),
    "member": ("by", Action.MUTE, False),
}


class Asked:
    """A command on its way."""

    def __init__(self, kind: str, fields: Frame, *, loads: int) -> None:
        self.kind = kind
        self.fields = fields
        self.loads = loads  # the stay in a room that it is a part of the beginning of; 0 for none
        self.version: int | None = None  # as of which it was told


def read(devices: Iterable["Device"]) -> None:
    """Take what has come, in the order in which the server wrote it."""
    everybody = tuple(devices)
    while came := sorted((write for device in everybody for write in device.fresh()), key=itemgetter(0)):
        for at, device, data in came:
            for frame in unframe(data):
                device.take(frame, at)


class Device:
    """See the top of this file.

    Args:
        principal: whose it is.
        number: which of theirs.
        accounts: the roles of all accounts, by principal.
        page: messages and members that it asks for at once.
    """

    def __init__(
        self, principal: Principal, number: int, accounts: dict[str, str], ledger: Ledger, clock: Clock, page: int = 3
    ) -> None:
        self.principal = principal
        self.name = f"{principal.name}{number}"
        self._accounts = accounts
        self._ledger = ledger
        self._clock = clock
        self._page = page
        self.near: Person | None = None
        self.views: dict[str, View] = {}
        self.wants: set[str] = set()
        self.asked: dict[str, Asked] = {}
        self.late: set[str] = set()  # answered, and perhaps to be acked too
        self.again: list[Asked] = []
        self.last: dict[str, Frame] = {}
        self.invites: Counter[str] = Counter()
        self.reads: dict[str, Frame] = {}
        self._taken = 0
        self._made = 0
        self._at = 0

    @property
    def id(self) -> str:
        return self.principal.id

    @property
    def ended(self) -> bool:
        """The server has closed the connection."""
        return self.near is not None and self.near.session.ended

    @property
    def settled(self) -> bool:
        """Everything was answered, and everything has come."""
        loaded = all(view.settled for view in self.views.values() if view.inside)
        return self.near is not None and not self.asked and not self.again and loaded

    @property
    def waits_for(self) -> str:
        """For a failing test."""
        views = [f"{name} (inside {view.inside})" for name, view in self.views.items() if not view.settled]
        asked = [f"{key} {asked.kind} {asked.fields}" for key, asked in self.asked.items()]
        return f"{self.name} waits for {asked}, {[again.kind for again in self.again]}, {views}"

    def rooms(self) -> list[str]:
        """Where it is."""
        return [name for name, view in self.views.items() if view.inside]

    # The connection.

    def connect(self, chat: Chat) -> None:
        """Come, or come back, to all the rooms it was in."""
        principal = self.principal
        if principal.role == "guest":
            self.near = Person(chat, principal.name, token=principal.token)
        else:
            identity = Identity(User(principal.id, principal.name), guest=False, role=principal.role)
            self.near = Person(chat, identity=identity)
        self._taken = 0
        self.invites.clear()
        principal.id = self.near.session.user.id
        if principal.token is None and principal.role == "guest":
            principal.token = self.near.token
        self._accounts[principal.id] = principal.role
        for room in sorted(self.wants):
            self.join(room)

    def lost(self) -> None:
        """The connection is gone, and whatever was not answered with it."""
        if self.near is not None and self.near.connection.order:
            last = self.near.connection.order[-1]
            for asked in self.asked.values():  # perhaps it came true, and nobody was there to hear it
                if asked.kind in ("join", "create_room", "invite"):
                    self._ledger.came[asked.fields.get("user", self.id), asked.fields["room"]] = last
        self.near = None
        self.asked.clear()
        self.late.clear()
        self.again.clear()
        for view in self.views.values():
            view.leave()

    def disconnect(self) -> None:
        """Close the connection."""
        if self.near is not None:
            self.near.disconnect()
            self.lost()

    # Asking.

    def ask(self, kind: str, *, loads: int = 0, id: str | None = None, **fields: Any) -> None:
        """Send a command; nothing happens while it is not connected."""
        self._made += 1
        if self.near is None or self.ended:
            return
        key = id or f"{self.name}-{self._made}"
        self._ledger.on_ask(kind, fields)
        if kind not in _SILENT:
            self.asked[key] = Asked(kind, fields, loads=loads)
        self.near.send(kind, id=key, **fields)

    def began(self) -> int | None:
        """When its connection began, by the order of all writes; None when it has none, or not any more."""
        return self.near.connection.order[0] if self.near is not None and not self.ended else None

    def hears(self, room: Room) -> bool:
        """Whether it is told at once of whatever happens in a room."""
        view = self.views.get(room.name)
        if self.near is None or self.ended or view is None or not view.inside:
            return False
        session = self.near.session
        return session.rooms.get(room.name) is room and not room.audience.is_syncing(session)

    def join(self, room: str, *, resume: bool = True, **fields: Any) -> None:
        """Enter a room, with what is known of it; once at a time."""
        for asked in self.asked.values():
            if asked.kind in ("direct", "create_room") or (asked.kind == "join" and asked.fields["room"] == room):
                return
        view = self.views.get(room)
        known = view.copy.resume() if view is not None and resume else {}
        self.ask("join", room=room, **known, **fields)

    def say(self, room: str, content: str, **fields: Any) -> None:
        """Say something, under an id that nobody else uses."""
        key = f"{self.name}-m{self._made}"
        self._ledger.posts[self.id, key] = Post(key, room, {"content": content, **fields})
        self.ask("message", id=key, room=room, content=content, **fields)

    def repeat(self, post: Post) -> None:
        """Send something again that one said before, perhaps on another device."""
        if post.id not in self.asked:
            self.ask("message", id=post.id, room=post.room, resend=True, **post.fields)

    def retry(self) -> None:
        """Ask again what could not be answered."""
        again, self.again = self.again, []
        for asked in again:
            if asked.kind == "join":
                self.join(asked.fields["room"])
            elif self.views[asked.fields["room"]].inside:
                self.ask(asked.kind, loads=asked.loads, **asked.fields)

    # Listening.

    def fresh(self) -> list[tuple[int, "Device", bytes]]:
        """What has come and was not taken yet, each with its place among the writes of all connections."""
        if self.near is None:
            return []
        connection, first = self.near.connection, self._taken
        self._taken = len(connection.writes)
        return [(connection.order[at], self, connection.writes[at]) for at in range(first, self._taken)]

    def take(self, frame: Frame, at: int) -> None:
        """A frame has come, in a write at this place among all."""
        self._at = at
        self._ledger.told[frame["type"]] += 1
        kind, room = frame["type"], frame.get("room", "")
        view = self.views.get(room)
        if kind in _INSIDE or (kind == "room" and frame["action"] == "update_room"):
            is_in = view is not None and view.inside
            assert is_in, f"{self.name} is told what is said in {room}: {frame}"
        if kind in CHANGES or kind in ("message", "typing", "member", "room"):
            self._note(frame)
        handle = getattr(self, f"_on_{kind}", None)
        if handle is not None:
            handle(frame, view)
        if kind != "error" and _ANSWERS.get(self._kind(frame)) == kind:
            self._answered(frame)

    def _kind(self, frame: Frame) -> str:
        asked = self.asked.get(frame.get("id", ""))
        return "" if asked is None else asked.kind

    def _answered(self, frame: Frame) -> Asked:
        self.late.add(frame["id"])
        self.last[frame["type"]] = frame
        return self.asked.pop(frame["id"])

    def _note(self, frame: Frame) -> None:
        """A change was told: was it mine, and may whoever made it?"""
        kind, view = frame["type"], self.views.get(frame["room"])
        if view is not None and view.inside and kind in _DOES:
            field, action, talk = _DOES[kind]
            who = frame[field] if isinstance(frame[field], str) else frame[field]["id"]
            at = microseconds(frame["timestamp"]) if "timestamp" in frame else self._clock.now_us()
            new = kind != "message" or (frame["version"] == frame["seq"] and view.copy.synced)
            quits = kind == "member" and frame["action"] == "leave"
            if new and not quits and who in self._accounts:
                assert view.allows(who, LEAST[action], at, talk=talk), f"{who} may not, and does: {frame}"
            if new and kind == "message":
                assert not view.hurries(who, at), f"{who} is too fast for {view.info}: {frame}"
        for key, asked in self.asked.items():
            if asked.fields.get("room") == frame["room"] and self._is(key, asked, frame):
                asked.version = frame["seq"] if kind == "message" else frame.get("version", 0)

    def _is(self, key: str, asked: Asked, frame: Frame) -> bool:
        fields, kind = asked.fields, frame["type"]
        if kind == "message":
            return (key, self.id) == (frame.get("id"), frame["sender_id"]) and asked.kind == "message"
        if kind in ("member", "room"):
            return key == frame.get("id")
        if kind == "typing" or fields.get("seq") != frame["seq"]:
            return False
        same = {
            "edited": ("edit", fields.get("content") == frame.get("content")),
            "deleted": ("delete", True),
            "reaction": ("react", self._mine(frame, "user") and fields.get("emoji") == frame.get("emoji")),
            "pinned": ("pin", self._mine(frame, "by")),
        }
        wanted, fits = same[kind]
        return asked.kind == wanted and fits and fields.get("on", True) == frame.get("on", True)

    def _mine(self, frame: Frame, field: str) -> bool:
        return field in frame and frame[field]["id"] == self.id

    # By type.

    def _on_joined(self, frame: Frame, view: View | None) -> None:
        room = frame["room"]
        self._may_enter(frame)
        self._ledger.came[self.id, room] = self._at
        view = self.views.setdefault(room, View(self.id, self._accounts))
        asked = self.asked.get(frame.get("id", ""))
        resumes = asked is not None and "since" in asked.fields
        if asked is not None and resumes and frame["recovered"]:
            view.copy.since = asked.fields["since"]
        if view.on_joined(frame, resumes=resumes):
            self.ask("history", loads=view.stay, room=room, limit=self._page)
        if not view.listed:
            self.ask("members", loads=view.stay, room=room, limit=500)
        self.wants.add(room)

    def _may_enter(self, frame: Frame) -> None:
        """Nobody gets in where they were kept out, or where they have no business."""
        room, ledger, asked = frame["room"], self._ledger, self.asked.get(frame.get("id", ""))
        if frame["info"]["kind"] == "direct":
            assert direct_name(self.id, frame["peer"]["id"]) == room, f"{self.name} is with somebody else: {frame}"
        if self._is_out(room):
            assert "read" not in frame, f"{self.name} was sent out, and is told how far it had read: {frame}"
        if self.principal.role == "admin":
            return
        assert not ledger.is_kept_out(self.id, room), f"{self.name} is banned, and gets into {room}"
        if frame["info"]["kind"] == "private" and asked is not None and asked.fields.get("password") != PASSWORD:
            assert not ledger.is_foreign(self.id, room), f"{self.name} gets into {room}, which is private"

    def _on_left(self, frame: Frame, view: View | None) -> None:
        assert view is not None
        asked = self.asked.get(frame.get("id", ""))
        quits = asked is not None and asked.fields.get("quit", False)
        if asked is not None and asked.kind == "delete_room":
            asked.version = 0
        view.leave()
        if reason := frame.get("reason", "quit" if quits else ""):
            self._ledger.on_out(self.id, frame["room"], self._at, reason)
        self.wants.discard(frame["room"])

    def _on_history(self, frame: Frame, view: View | None) -> None:
        asked = self.asked[frame["id"]]
        assert view is not None
        seqs = [state["seq"] for state in frame["messages"]]
        assert seqs == sorted(set(seqs)), "a page out of order"
        assert len(seqs) <= asked.fields.get("limit", 50)
        if not asked.fields.get("include_deleted"):
            self._is_known(frame["messages"], view)
        if asked.loads == view.stay and not view.copy.loaded:
            before = view.copy.on_page(frame)
            if before is not None:
                self.ask("history", loads=view.stay, room=frame["room"], limit=self._page, before=before)

    def _is_known(self, messages: list[Frame], view: View) -> None:
        """What is read is as new as all that was told before, and not newer."""
        for state in messages if view.copy.settled else ():
            known = view.copy.states.get(state["seq"])
            assert state == known, f"{self.name} reads {state}, and was told {known}"

    def _on_search(self, frame: Frame, view: View | None) -> None:
        for state in frame["messages"]:
            room = state["room"]
            assert not self._is_out(room), f"{self.name} finds what is said in {room}, and was sent out"
            if room in self.views:
                self._is_known([state], self.views[room])

    def _on_rooms(self, frame: Frame, view: View | None) -> None:
        for entry in frame["rooms"] if self.asked[frame["id"]].fields.get("mine") else ():
            assert not self._is_out(entry["room"]), f"{self.name} was sent out, and is told {entry}"

    def _is_out(self, room: str) -> bool:
        return self._ledger.is_out(self.id, room)

    def _on_members(self, frame: Frame, view: View | None) -> None:
        assert view is not None
        asked = self.asked[frame["id"]]
        assert len(frame["members"]) <= asked.fields["limit"], f"more than {asked.fields}: {frame}"
        if asked.loads:
            assert "cursor" not in frame
            view.on_members(frame["members"])

    def _on_message(self, frame: Frame, view: View | None) -> None:
        assert view is not None
        view.copy.on_state(frame)
        assert not view.copy.disorder, f"{self.name}: out of order, or does not add up: {frame}"

    _on_edited = _on_deleted = _on_reaction = _on_pinned = _on_message

    def _on_retracted(self, frame: Frame, view: View | None) -> None:
        assert view is not None
        view.copy.on_retracted(frame["seq"])

    def _on_synced(self, frame: Frame, view: View | None) -> None:
        assert view is not None
        view.copy.on_synced(frame)

    def _on_presence(self, frame: Frame, view: View | None) -> None:
        assert view is not None
        view.on_presence(frame)

    def _on_member(self, frame: Frame, view: View | None) -> None:
        assert view is not None
        view.on_member(frame)
        if frame["action"] == "invite":
            self._ledger.invites[frame["member"]["id"], frame["room"]].setdefault(frame["id"], self._at)
        if frame["action"] in ("kick", "ban", "leave"):
            self._ledger.on_out(frame["member"]["id"], frame["room"], self._at, frame["action"])
        elif frame["member"].get("role") is not None:
            self._ledger.came[frame["member"]["id"], frame["room"]] = self._at

    def _on_room(self, frame: Frame, view: View | None) -> None:
        if view is not None and view.inside:
            if view.on_room(frame):
                self.ask("members", loads=view.stay, room=frame["room"], limit=500)
        else:
            self._ledger.came[self.id, frame["room"]] = self._at
        if frame["action"] == "invite":
            self.invites[frame["room"]] += 1
        elif frame["action"] == "direct":
            assert direct_name(self.id, frame["peer"]["id"]) == frame["room"], f"not of {self.name}: {frame}"

    def _on_read(self, frame: Frame, view: View | None) -> None:
        key = frame["user"]["id"], frame["room"]
        assert frame["seq"] >= self._ledger.read[key], f"a cursor goes back: {frame}"
        self._ledger.read[key] = frame["seq"]
        if frame["user"]["id"] == self.id:
            self.reads[frame["room"]] = frame
        if view is not None and view.inside:
            view.on_read(frame)
        else:
            assert frame["user"]["id"] == self.id, "somebody else's cursor in a room that one is not in"
            assert not self._is_out(frame["room"]), "one's own, in a room that one is out of"

    def _on_ack(self, frame: Frame, view: View | None) -> None:
        for item in frame["ids"]:
            asked = self.asked.pop(item["id"], None)
            if asked is None:
                assert item["id"] in self.late, f"an ack for nothing: {item}"
                continue
            self.late.add(item["id"])
            if asked.kind == "message":
                self._ledger.acked[self.id, item["id"]].add(item["seq"])
                assert "resend" in asked.fields or asked.version == item["seq"], f"acked, and not shown: {item}"
            elif asked.kind in ("edit", "delete", "react", "pin"):
                assert asked.version is not None, f"acked, and never told: {asked.kind} {asked.fields}"
                self._note_change(item, asked.version)
            elif asked.kind in _TOLD:
                assert asked.version is not None, f"acked, and never told: {asked.kind} {asked.fields}"
                if asked.kind == "ban" and "seconds" not in asked.fields:
                    self._ledger.banned.add((asked.fields["user"], item["room"]))

    def _note_change(self, item: Frame, version: int) -> None:
        view = self.views.get(item["room"])
        state = view.copy.states.get(item["seq"]) if view is not None else None
        if state is not None and "id" in state:
            key = state["sender_id"], state["id"]
            self._ledger.changed[key] = max(self._ledger.changed[key], version)

    def _on_error(self, frame: Frame, view: View | None) -> None:
        code = frame["code"]
        self._ledger.refused[code] += 1
        assert code not in ("internal", "bad_json", "unknown_type"), f"{self.name}: {frame}"
        asked = self.asked.pop(frame.get("id", ""), None)
        if asked is None:
            return  # what is not answered otherwise
        self.late.add(frame["id"])
        if frame["retryable"] and (asked.loads or asked.kind == "join"):
            self.again.append(asked)
        elif asked.kind == "join" and not (view is not None and view.inside):
            self.wants.discard(asked.fields["room"])
