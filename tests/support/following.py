"""A client of a real server that keeps the state that docs/protocol.md describes, and resumes after a disconnect.

`tests.support.devices` does the same without sockets, and checks more of every frame.
"""

import itertools
from typing import Any

from model.events import RoomInfo
from tests.support.client import Client
from tests.support.copies import CHANGES, Frame
from tests.support.views import View
from tests.support.web import token_of

# Commands that are answered by their own frame; the others are acked once they are stored.
_ANSWERS = {"join": "joined", "leave": "left", "history": "history", "members": "members", "rooms": "rooms"}
# The optional fields of a room that both `info` and an entry of a list have.
_SAID = frozenset(RoomInfo.__struct_fields__)
_numbers = itertools.count()


class Follower:
    """An account, with its view of each room that it enters, over one connection after another.

    Args:
        url: `ws://host:port`.
        name: the account's name and id at the application; its role there is `user`.
    """

    def __init__(self, url: str, name: str) -> None:
        self._url = url
        self.name = name
        self.id = f"u_{name}"
        self.views: dict[str, View] = {}
        self.client: Client
        self._taken = 0
        self._resuming = ""

    async def connect(self) -> None:
        """Connect, without joining a room."""
        self.client = await Client(self._url, token=token_of(self.name)).open()
        self._taken = 0

    async def cut(self) -> None:
        """Lose the connection; frames that arrived before count, later ones do not."""
        await self.client.abort()
        self.lost()

    def lost(self) -> None:
        """Note that the connection is lost."""
        self.take()
        for view in self.views.values():
            view.leave()

    async def do(self, kind: str, **fields: Any) -> Frame:
        """Send a command that must not be refused, and wait until it is stored. Returns the answer, or the ack."""
        answer = await self.ask(kind, **fields)
        assert answer["type"] != "error", f"{self.name} may not {kind} {fields}: {answer}"
        return answer

    async def ask(self, kind: str, **fields: Any) -> Frame:
        """Do the same for a command that may be refused; then it returns the error."""
        key, wanted = f"{kind}-{next(_numbers)}", "ack" if "quit" in fields else _ANSWERS.get(kind, "ack")
        await self.client.send(kind, id=key, **fields)

        def answers(frame: Frame) -> bool:
            if frame["type"] == "ack" == wanted:
                return any(item["id"] == key for item in frame["ids"])
            return frame.get("id") == key and frame["type"] in (wanted, "error")

        return await self.client.until(answers, f"answer of {kind} {fields} for {self.name}")

    async def say(self, room: str, content: str, **fields: Any) -> int:
        """Post a message, and return its seq once it is stored."""
        ack = await self.do("message", room=room, content=content, **fields)
        return int(ack["ids"][-1]["seq"])

    async def enter(self, room: str, **fields: Any) -> Frame:
        """Join with the known state of the room, and load what a resume does not replay; return the answer or error."""
        view = self.views.get(room)
        known = view.copy.resume() if view is not None else {}
        self._resuming = room if known else ""
        answer = await self.ask("join", room=room, **known, **fields)
        if answer["type"] == "error":
            return answer
        if known and answer["recovered"]:
            await self.client.expect("synced", room=room)
        self.take()
        await self._load(room)
        return answer

    async def caught_up(self) -> None:
        """Handle everything that was sent before now."""
        key = f"ping-{next(_numbers)}"
        await self.client.send("ping", id=key)
        await self.client.expect("pong", id=key)
        self.take()

    def take(self) -> None:
        """Handle every received frame, in order."""
        while self._taken < len(self.client.frames):
            self._taken += 1
            frame = self.client.frames[self._taken - 1]
            if frame["type"] == "joined":
                view = self.views.setdefault(frame["room"], View(self.id, {self.id: "user"}))
                view.on_joined(frame, resumes=frame["room"] == self._resuming)
            elif (view := self.views.get(frame.get("room", ""))) is not None and view.inside:  # type: ignore[assignment]
                self._take(frame, view)

    def _take(self, frame: Frame, view: View) -> None:
        kind, copy = frame["type"], view.copy
        if kind == "message" or kind in CHANGES:
            copy.on_state(frame)
            assert not copy.disorder, f"{self.name} is told twice, out of order, or what does not add up: {frame}"
        elif kind == "synced":
            copy.on_synced(frame)
        elif kind == "retracted":
            copy.on_retracted(frame["seq"])
        elif kind == "presence":
            view.on_presence(frame)
        elif kind == "member":
            view.on_member(frame)
        elif kind == "room":
            view.on_room(frame)
        elif kind == "read":
            view.on_read(frame)
        elif kind == "left":
            view.leave()

    async def _load(self, room: str) -> None:
        """Load what must be requested: the history, page by page, and the members."""
        view, before = self.views[room], None
        while not view.copy.loaded:
            page = await self.do("history", room=room, limit=3, **({} if before is None else {"before": before}))
            self.take()
            before = view.copy.on_page(page)
        if not view.listed:
            members = await self.do("members", room=room, limit=500)
            self.take()
            view.on_members(members["members"])


async def fresh(url: str, name: str, room: str) -> tuple[View, Frame | None]:
    """Return what a new device receives: a view of the room, and its entry among the user's own rooms."""
    newcomer = Follower(url, name)
    await newcomer.connect()
    try:
        joined = await newcomer.enter(room, create=False)
        view = newcomer.views.get(room) or View(newcomer.id, {newcomer.id: "user"})
        assert view.inside == (joined["type"] == "joined")
        rooms = await newcomer.do("rooms", mine=True, limit=500)
        return view, next((entry for entry in rooms["rooms"] if entry["room"] == room), None)
    finally:
        await newcomer.client.close()


def differs(view: View, newest: View, entry: Frame | None) -> str:
    """Describe how a view and a list entry differ from those just received; "" if they are equal."""
    if wrong := view.differs(newest):
        return wrong
    if entry is None:
        return "the room is not among one's own"
    ours = {**view.info, "role": view.role, "read": view.read, "online": view.count}
    theirs = {name: entry.get(name, 0) for name in ours}
    unsaid = {name: entry[name] for name in _SAID & entry.keys() - ours.keys()}
    return "" if (ours, unsaid) == (theirs, {}) else f"the room is {ours}, and its line in the list {entry}"
