"""The sending half of a simulated client: its connection, and its unanswered commands."""

from collections.abc import Callable
from typing import Any

from chat.chat import Chat
from chat.ports import Identity
from chat.rooms.room import Room
from model.room import User
from tests.support.chatting import Person
from tests.support.copies import Frame
from tests.support.ledger import Ledger, Post, Principal
from tests.support.views import View
from utils.clock import Clock

_SILENT = frozenset(("typing", "read", "hello"))
_LOW = 1000
"""Bytes that may be queued for a device before it is congested."""


class Asked:
    """A command that was sent and not answered yet."""

    def __init__(self, kind: str, fields: Frame, *, loads: int) -> None:
        self.kind = kind
        self.fields = fields
        self.loads = loads  # the number of the load, or for members of the stay, that it belongs to; 0 for none
        self.version: int | None = None  # the version that the answer reflects
        # All versions that were shown: of a message sent twice, the second may be retracted, and acked as the first.
        self.versions: set[int] = set()


class Asker:
    """See the top of this file.

    Args:
        principal: the user of the client.
        number: which of the user's devices it is.
        accounts: the roles of all accounts, by principal.
        page: the number of messages and members per requested page.
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
        self.over_http: Callable[[Principal, str, str, Frame], None] | None = None  # used instead of the connection
        self.views: dict[str, View] = {}
        self.wants: set[str] = set()
        self.asked: dict[str, Asked] = {}
        self.late: set[str] = set()  # answered; an ack may follow
        self.again: list[Asked] = []
        self.last: dict[str, Frame] = {}
        self.invited: dict[str, str] | None = None  # rooms and times, once requested
        self.reads: dict[str, Frame] = {}
        self._taken = 0
        self._made = 0
        self._at = 0

    @property
    def id(self) -> str:
        return self.principal.id

    @property
    def ended(self) -> bool:
        """Whether the server has closed the connection."""
        return self.near is not None and self.near.session.ended

    @property
    def settled(self) -> bool:
        """Whether every command is answered, and every room loaded."""
        loaded = all(view.settled for view in self.views.values() if view.inside)
        return self.near is not None and not self.asked and not self.again and loaded

    @property
    def waits_for(self) -> str:
        """What it waits for, for the message of a failing test."""
        views = [f"{name} (inside {view.inside})" for name, view in self.views.items() if not view.settled]
        asked = [f"{key} {asked.kind} {asked.fields}" for key, asked in self.asked.items()]
        return f"{self.name} waits for {asked}, {[again.kind for again in self.again]}, {views}"

    def rooms(self) -> list[str]:
        """The rooms that it is in."""
        return [name for name, view in self.views.items() if view.inside]

    # The connection.

    def connect(self, chat: Chat) -> None:
        """Connect, and rejoin all rooms that it was in."""
        principal = self.principal
        if principal.role == "guest":
            self.near = Person(chat, principal.name, token=principal.token, low=_LOW)
        else:
            identity = Identity(User(principal.id, principal.name), guest=False, role=principal.role)
            self.near = Person(chat, identity=identity, low=_LOW)
        self._taken = 0
        self.invited = None
        if principal.token is None and principal.role == "guest":
            principal.token = self.near.token
            principal.id = self.near.session.user.id
        self._accounts[principal.id] = principal.role
        for room in sorted(self.wants):
            self.join(room)

    def lost(self) -> None:
        """Note the loss of the connection, and of all unanswered commands with it."""
        if self.near is not None and self.near.connection.order:
            last = self.near.connection.order[-1]
            for asked in self.asked.values():  # the command may have taken effect without an answer
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

    def stall(self) -> None:
        """Stop reading, or read only what is queued."""
        if self.near is not None and not self.near.connection.stalled:  # else `go_on` is due: it may be congested
            self.near.connection.drain()
            self.near.connection.stalled = True

    def go_on(self, chat: Chat) -> None:
        """Read again. A device that was congested reconnects: it missed changes of presence and read cursors."""
        if self.near is not None and self.near.connection.stalled:
            congested = self.near.connection.was_congested
            self.near.connection.stalled = False
            self.near.connection.drain()
            if congested:
                self.disconnect()
                self.connect(chat)

    # Commands.

    def ask(self, kind: str, *, loads: int = 0, id: str | None = None, **fields: Any) -> None:
        """Send a command; do nothing while disconnected."""
        self._made += 1
        key = id or f"{self.name}-{self._made}"
        if self.over_http is not None:
            self.over_http(self.principal, kind, key, fields)
            return
        if self.near is None or self.ended:
            return
        self._ledger.on_ask(kind, fields)
        if kind not in _SILENT:
            self.asked[key] = Asked(kind, fields, loads=loads)
        self.near.send(kind, id=key, **fields)

    def hears(self, room: Room) -> bool:
        """Whether it receives the live events of a room."""
        view = self.views.get(room.name)
        if self.near is None or self.ended or view is None or not view.inside:
            return False
        session = self.near.session
        if self.near.connection.was_congested:
            return False
        return session.rooms.get(room.name) is room and not room.audience.is_syncing(session)

    def join(self, room: str, *, resume: bool = True, **fields: Any) -> None:
        """Join a room, with the state of the client's copy; one join at a time."""
        for asked in self.asked.values():
            if asked.kind in ("direct", "create_room") or (asked.kind == "join" and asked.fields["room"] == room):
                return
        view = self.views.get(room)
        known = view.copy.resume() if view is not None and resume else {}
        self.ask("join", room=room, **known, **fields)

    def say(self, room: str, content: str, **fields: Any) -> None:
        """Post a message with a unique id."""
        key = f"{self.name}-m{self._made}"
        self._ledger.posts[self.id, key] = Post(key, room, {"content": content, **fields})
        self._ledger.texts[self.id, key].add(content)
        self.ask("message", id=key, room=room, content=content, **fields)

    def repeat(self, post: Post, **changed: Any) -> None:
        """Resend one of the user's messages, possibly one from another device."""
        if post.id not in self.asked:
            fields = post.fields | changed
            self._ledger.texts[self.id, post.id].add(fields["content"])
            self.ask("message", id=post.id, room=post.room, resend=True, **fields)

    def retry(self) -> None:
        """Repeat the commands that could not be answered."""
        again, self.again = self.again, []
        for asked in again:
            if asked.kind == "join":
                self.join(asked.fields["room"])
            elif self.views[asked.fields["room"]].inside:
                self.ask(asked.kind, loads=asked.loads, **asked.fields)
