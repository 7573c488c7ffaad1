"""A simulated client: it sends commands, keeps a view of each room, and checks every frame against the protocol.

A frame that contradicts docs/protocol.md, or an earlier frame, is an AssertionError when it is read.
"""

from collections.abc import Iterable
from operator import itemgetter

from chat.handlers.manage import direct_name
from model.permissions import LEAST, Action
from tests.support.asking import Asked, Asker
from tests.support.chatting import unframe
from tests.support.copies import CHANGES, Frame
from tests.support.views import View
from utils.clock import microseconds

PASSWORD = "sesame"
"""Of every room that has one."""

# Frames that only clients in the room may receive.
_INSIDE = frozenset(
    (*CHANGES, "message", "typing", "presence", "synced", "retracted", "history", "members", "member")
)  # fmt: skip
# Changes of a room and its members: the event is also the first answer to their sender.
_TOLD = frozenset(
    (
        "create_room",
        "update_room",
        "delete_room",
        "invite",
        "decline",
        "kick",
        "ban",
        "unban",
        "mute",
        "unmute",
        "set_role",
    )
)
# Commands that are answered by a frame of their own; the others by an `ack`.
ANSWERS = {
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
# For a frame about a message: the field with its user, the action that must be permitted, and whether a mute forbids
# it.
_DOES = {
    "message": ("sender_id", Action.POST, True),
    "reaction": ("user", Action.REACT, True),
    "pinned": ("by", Action.PIN, False),
    "typing": ("user", Action.TYPE, True),
    "member": ("by", Action.MUTE, False),
}


def read(devices: Iterable["Device"]) -> None:
    """Read all new frames, in the order in which the server wrote them."""
    everybody = tuple(devices)
    while came := sorted((write for device in everybody for write in device.fresh()), key=itemgetter(0)):
        for at, device, data in came:
            for frame in unframe(data):
                device.take(frame, at)


class Device(Asker):
    """See the top of this file."""

    def fresh(self) -> list[tuple[int, "Device", bytes]]:
        """Return the writes that were not read yet, each with its position among those of all connections."""
        if self.near is None:
            return []
        connection, first = self.near.connection, self._taken
        self._taken = len(connection.writes)
        return [(connection.order[at], self, connection.writes[at]) for at in range(first, self._taken)]

    def take(self, frame: Frame, at: int) -> None:
        """Handle a frame from the write at this position among all."""
        self._at = at
        self._ledger.told[frame["type"]] += 1
        kind, room = frame["type"], frame.get("room", "")
        view = self.views.get(room)
        if kind in _INSIDE or (kind == "room" and frame["action"] == "update_room"):
            is_in = view is not None and view.inside
            assert is_in, f"{self.name} is told what is said in {room}: {frame}"
        if kind in CHANGES or kind in ("message", "typing", "member", "room", "invitation"):
            self._note(frame)
        handle = getattr(self, f"_on_{kind}", None)
        if handle is not None:
            handle(frame, view)
        if kind != "error" and ANSWERS.get(self._kind(frame)) == kind:
            self._answered(frame)

    def _kind(self, frame: Frame) -> str:
        asked = self.asked.get(frame.get("id", ""))
        return "" if asked is None else asked.kind

    def _answered(self, frame: Frame) -> Asked:
        self.late.add(frame["id"])
        self.last[frame["type"]] = frame
        return self.asked.pop(frame["id"])

    def _note(self, frame: Frame) -> None:
        """Check that the user who made a change was permitted to, and note if it was one of this client's commands."""
        kind, view = frame["type"], self.views.get(frame["room"])
        if view is not None and view.inside and kind in _DOES:
            field, action, talk = _DOES[kind]
            who = frame[field] if isinstance(frame[field], str) else frame[field]["id"]
            at = microseconds(frame["timestamp"]) if "timestamp" in frame else self._clock.now_us()
            new = kind != "message" or (frame["version"] == frame["seq"] and view.copy.synced)
            if kind == "member" and "reason" in frame["member"]:  # the second time, for moderators and that user
                assert view.shows(frame["member"]), f"{self.name} receives only the copy with the reason: {frame}"
                new = False
            quits = kind == "member" and frame["action"] in ("leave", "decline")
            if new and not quits and who in self._accounts:
                assert view.allows(who, LEAST[action], at, talk=talk), f"{who} may not, and does: {frame}"
            if new and kind == "message":
                assert not view.hurries(who, at), f"{who} is too fast for {view.info}: {frame}"
        for key, asked in self.asked.items():
            if asked.fields.get("room") == frame["room"] and self._is(key, asked, frame):
                asked.version = frame["seq"] if kind == "message" else frame.get("version", 0)
                asked.versions.add(asked.version)

    def _is(self, key: str, asked: Asked, frame: Frame) -> bool:
        fields, kind = asked.fields, frame["type"]
        if kind == "message":
            return (key, self.id) == (frame.get("id"), frame["sender_id"]) and asked.kind == "message"
        if kind in ("member", "room", "invitation"):
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
            self.ask("history", loads=view.loads, room=room, limit=self._page)
        if not view.listed:
            self.ask("members", loads=view.stay, room=room, limit=500)
        self.wants.add(room)

    def _may_enter(self, frame: Frame) -> None:
        """Check that the user may enter: they are not banned, and have access to the room."""
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
        if asked.loads == view.loads and not view.copy.loaded:
            before = view.copy.on_page(frame)
            if before is not None:
                self.ask("history", loads=view.loads, room=frame["room"], limit=self._page, before=before)

    def _is_known(self, messages: list[Frame], view: View) -> None:
        """Check that a page is exactly as new as all that was received before it."""
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
        if self.asked[frame["id"]].fields.get("mine"):
            self.invited = {entry["room"]: entry["at"] for entry in frame.get("invitations", ())}
            for entry in frame["rooms"]:
                assert not self._is_out(entry["room"]), f"{self.name} was sent out, and is told {entry}"

    def _on_invitation(self, frame: Frame, view: View | None) -> None:
        if self.invited is not None:
            if frame["open"]:
                self.invited[frame["room"]] = frame["at"]
            else:
                self.invited.pop(frame["room"], None)

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
        if frame["action"] == "direct":
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
                assert "resend" in asked.fields or item["seq"] in asked.versions, f"acked, and not shown: {item}"
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
        assert code != "overloaded" or asked.version is None, f"refused, but shown: {frame}"
        if frame["retryable"] and (asked.loads or asked.kind == "join"):
            self.again.append(asked)
        elif asked.kind == "join" and not (view is not None and view.inside):
            self.wants.discard(asked.fields["room"])
