"""A client that follows docs/protocol.md, without a socket: tests/support/load.py, or a model, connects it.

It keeps a copy of its rooms, sends its token after a reconnect, resumes, loads `history` if it cannot resume, and
resends (`resend`) what was not answered. It records what it sent, what was acked and what it saw.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.support.copies import CHANGES, Copy, Frame
from tests.support.operations import Delete, Operation, Post

# Clients reconnect sooner than `reconnect_after` asks, which is harder on the server.
PAUSE = (0.02, 0.2)


class Entry:
    """A pending operation: whether it may have reached the server, is in flight now, and at which seq it was seen."""

    def __init__(self, operation: Operation) -> None:
        self.operation = operation
        self.tried = False
        self.under_way = False
        self.seq: int | None = None


class Notes:
    """The shared notes of all clients of one load.

    Attributes:
        acks: the number of acks so far, including repeated ones.
        refusals: errors by code, except those in `Operation.risks`.
        places: every seq at which any client saw the operation of (room, author, id).
        heard: the number of frames received by all clients.
        lost_answers: how many requests over HTTP were not answered.
    """

    def __init__(self) -> None:
        self.acks = 0
        self.heard = 0
        self.lost_answers = 0
        self.refusals: defaultdict[str, int] = defaultdict(int)
        self.places: defaultdict[tuple[str, str, str], set[int]] = defaultdict(set)


class Person:
    """One principal over all its connections: its state, and its reactions to frames. It has no socket.

    Attributes:
        copies: of its rooms.
        present: the users who are in its rooms, as it was told.
        resumes, reloads: how often it could resume in a room, and how often it had to load one again that it had.

    The code that connects it calls `connected` with a way to send and the first `welcome`, `take` for every later
    frame, and `disconnected`.
    """

    def __init__(self, notes: Notes, name: str, rooms: Sequence[str]) -> None:
        self._notes = notes
        self.name = name
        self.copies = {room: Copy() for room in rooms}
        self.present: dict[str, set[str]] = {room: set() for room in rooms}
        self.outbox: list[Entry] = []
        self.sent: list[Operation] = []
        self.acked: dict[str, set[int]] = {}
        self.given_up: dict[str, str] = {}
        self.user = ""
        self.resumes = 0
        self.reloads = 0
        self.faults: list[str] = []
        self._token = ""
        self._online = False
        self._welcomed = False  # on this connection
        self._transmit: Callable[[Frame], None] | None = None
        self._marks: dict[str, asyncio.Future[None]] = {}
        self._joins: dict[str, tuple[str, int | None]] = {}  # by id: the room and `since`, until answered by `joined`
        self._made = 0
        self._repeated: set[str] = set()  # the ids of what was refused as unavailable: it may be answered twice

    @property
    def settled(self) -> bool:
        """Whether it is connected, and every copy is complete."""
        return self._online and all(copy.settled for copy in self.copies.values())

    @property
    def answered(self) -> bool:
        """Whether it is settled, and every operation is answered."""
        return not self.outbox and self.settled

    @property
    def waits_for(self) -> list[str]:
        """Describe what is missing; "" if everything is answered."""
        waits = [] if self._online else ["a welcome"]
        for room, copy in self.copies.items():
            if not copy.settled:
                step = "joined" if not copy.joined else "synced" if copy.loaded else "history"
                waits.append(f"{step} of {room}")
        for entry in self.outbox:
            seen = "never shown" if entry.seq is None else f"shown at {entry.seq}"
            waits.append(f"the answer to {entry.operation.id} in {entry.operation.room}, {seen}")
        return waits

    def changeable(self) -> list[tuple[Post, int]]:
        """Return the last of its stored messages that it did not delete, with their seqs."""
        deleted = {operation.target for operation in self.sent if isinstance(operation, Delete)}
        posts = [post for post in self.sent[-50:] if isinstance(post, Post) and post.id not in deleted]
        return [(post, min(self.acked[post.id])) for post in posts if post.id in self.acked]

    def do(self, operation: Operation) -> None:
        """Request an operation."""
        self.sent.append(operation)
        self.outbox.append(Entry(operation))
        self._flush(operation.room)

    # The connection.

    def connected(self, transmit: Callable[[Frame], None]) -> None:
        """Note a new connection; its first frame is `welcome`."""
        self._transmit = transmit
        self._welcomed = False

    def disconnected(self) -> None:
        """Note that the connection is lost."""
        self._online, self._transmit = False, None
        self._joins.clear()
        marks, self._marks = self._marks, {}
        for mark in marks.values():
            if not mark.done():
                mark.set_exception(ConnectionResetError())
                mark.exception()
        for copy in self.copies.values():
            copy.joined = False
        for entry in self.outbox:
            entry.under_way = False

    def _welcome(self, frame: Frame) -> None:
        if "id" not in frame and self._welcomed:
            return  # the node has another owner: one asks for invitations again; a `hello` is on its way already
        if "id" in frame and self._online:
            return  # a `hello` that was refused as unavailable and sent again may be answered twice
        self._welcomed = True
        if self._token and frame.get("id") != "hello":
            self._hello()
            return
        if self.user not in ("", frame["user"]["id"]):
            self.faults.append("is somebody else after a reconnect")
        self.user, self._token = frame["user"]["id"], frame["token"]
        self._online = True
        for room in self.copies:
            self._join(room)

    def _send(self, **frame: Any) -> str:
        self._made += 1
        named = str(frame.setdefault("id", f"q{self._made}"))
        if self._transmit is not None:
            self._transmit(frame)
        return named

    def _hello(self) -> None:
        self._send(type="hello", id="hello", token=self._token)

    def _join(self, room: str) -> None:
        known = self.copies[room].resume()
        self._joins[self._send(type="join", room=room, **known)] = room, known.get("since")

    def _load_page(self, room: str, before: int | None = None) -> None:
        fields = {} if before is None else {"before": before}
        self._send(type="history", id=f"page {room}", room=room, limit=500, **fields)

    def _flush(self, room: str) -> None:
        """Send what is due: a keyed operation once the previous one was seen in the room, others once it was acked.

        An operation that takes effect again when it is resent must not have later ones of its kind in flight.
        """
        if not self._online or not self.copies[room].joined:
            return
        changing = False
        for entry in [entry for entry in self.outbox if entry.operation.room == room]:
            keyed = entry.operation.keyed
            if not entry.under_way and (keyed or not changing):
                again = {"resend": True} if entry.tried else {}
                entry.under_way = entry.tried = True
                self._send(**entry.operation.command(), **again)
            changing = changing or not keyed
            if entry.seq is None and keyed:
                break

    def take(self, frame: Frame) -> None:
        """Handle a frame."""
        self._notes.heard += 1
        kind = frame["type"]
        copy = self.copies.get(frame.get("room", ""))
        if kind == "pong":
            if (mark := self._marks.pop(frame["id"], None)) is not None and not mark.done():
                mark.set_result(None)
        elif kind == "ack":
            for item in frame["ids"]:
                self._acked(item["id"], item["seq"])
        elif kind == "error":
            self._refused(frame)
        elif kind == "welcome":
            self._welcome(frame)
        elif copy is None:
            pass  # goodbye
        elif kind == "joined":
            had = copy.loaded
            self.present[frame["room"]] = {user["id"] for user in frame["members"]}
            _, since = self._joins.pop(frame.get("id", ""), ("", None))
            if copy.on_joined(frame, since):
                self.reloads += had
                self._place(frame["room"], {})
                self._load_page(frame["room"])
            else:
                self.resumes += 1
                self._flush(frame["room"])
        elif kind == "history":
            before = copy.on_page(frame)
            if before is not None:
                self._load_page(frame["room"], before)
            else:
                self._place(frame["room"], copy.states)
                self._flush(frame["room"])
        elif kind == "synced":
            copy.on_synced(frame)
        elif kind == "presence":
            self._on_presence(frame)
        elif kind == "retracted":
            copy.on_retracted(frame["seq"])
            for entry in self.outbox:
                if entry.seq == frame["seq"] and entry.operation.room == frame["room"]:
                    entry.seq = None
        elif kind == "message" or kind in CHANGES:
            copy.on_state(frame)
            if kind == "message" and "id" in frame:
                self._notes.places[frame["room"], frame["sender_id"], frame["id"]].add(frame["seq"])
            self._shown(frame)

    def _on_presence(self, frame: Frame) -> None:
        before = set() if frame.get("all") else self.present[frame["room"]]
        joined, left = ({user["id"] for user in frame.get(which, ())} for which in ("joined", "left"))
        self.present[frame["room"]] = (before | joined) - left

    def _place(self, room: str, states: Mapping[int, Frame]) -> None:
        """Find the unanswered operations in a room that was loaded again."""
        for entry in self.outbox:
            if entry.operation.room == room:
                places = [seq for seq, state in states.items() if entry.operation.shown(self.user, state)]
                entry.seq = places[0] if places else None

    def _shown(self, frame: Frame) -> None:
        if frame["type"] == "message" and frame["sender_id"] != self.user:
            return  # as nearly always
        for entry in self.outbox:
            if entry.operation.room == frame["room"] and entry.operation.shown(self.user, frame):
                entry.seq = frame["seq"]
                self._flush(frame["room"])
                return

    def _acked(self, id: str, seq: int) -> None:
        self.acked.setdefault(id, set()).add(seq)
        self._notes.acks += 1
        self._drop(id)

    def _drop(self, id: str) -> Entry | None:
        for entry in self.outbox:
            if entry.operation.id == id:
                self.outbox.remove(entry)
                self._flush(entry.operation.room)
                return entry
        return None

    def _refused(self, error: Frame) -> None:
        entry = next((entry for entry in self.outbox if entry.operation.id == error.get("id")), None)
        if entry is None or error["code"] not in entry.operation.risks:
            self._notes.refusals[error["code"]] += 1
        asked, _, room = str(error.get("id", "")).partition(" ")
        if asked in self._joins:
            room, _ = self._joins[asked]
            self._later(error, lambda: self._join_again(room))
        elif asked == "page" and room:
            self._later(error, lambda: self._load_page(room))
        elif asked == "hello" and error["retryable"]:
            self._later(error, self._hello)
        elif entry is None:
            if error.get("id") not in self._repeated:
                self.faults.append(f"an error for nothing: {error}")
        elif error["retryable"]:
            if error["code"] == "unavailable":
                self._repeated.add(entry.operation.id)
            if error["code"] == "overloaded" and entry.seq is not None and entry.operation.keyed:
                self.faults.append(f"refused, but shown: {error}")
            self._later(error, lambda: self._again(entry))
        elif error["code"] == "not_joined":
            entry.under_way = False
        else:
            self.given_up[entry.operation.id] = error["code"]
            self._drop(entry.operation.id)

    def _join_again(self, room: str) -> None:
        """Join a room, unless the refused `join` was answered after all."""
        if not self.copies[room].joined:
            self._join(room)

    def _again(self, entry: Entry) -> None:
        entry.under_way = False
        self._flush(entry.operation.room)

    def _later(self, error: Frame, do: Callable[[], None]) -> None:
        transmit = self._transmit

        def unless_gone() -> None:
            if transmit is self._transmit and transmit is not None:
                do()

        pause = min(error.get("retry_after") or 0.0, PAUSE[1]) * random.uniform(0.5, 1.0)
        asyncio.get_running_loop().call_later(pause, unless_gone)


def who_waits(people: Sequence[Person]) -> str:
    """Describe the clients that wait, and what each waits for first, for the message of a failing test."""
    waiting = [(person.name, person.waits_for) for person in people if not person.answered]
    words = [
        f"{name} waits for {waits[0]}{f' and {len(waits) - 1} more' * (len(waits) > 1)}" for name, waits in waiting
    ]
    return "; ".join(words[:5]) + f"; and {len(words) - 5} more people" * (len(words) > 5) or "nobody waits"
