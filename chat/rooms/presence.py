"""The users in a room, and notices of changes: at most one a second for each room, and only a count in a crowd."""

import asyncio
from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import islice
from typing import Generic, NamedTuple, TypeVar

from msgspec import Struct

from model.events import Entered, Exited
from model.events import Presence as PresenceEvent
from model.room import User
from utils.encoding import EncodedOnce

S = TypeVar("S", bound=Hashable)

# Above this many users, notices of joins and leaves are noise to each of them and a flood for the server.
CROWD = 200
# Seconds between two notices of a room; more in a large crowd, whose notices then cost about this many frames a second.
PAUSE = 1.0
LONGEST_PAUSE = 5.0
CROWD_FRAMES = 1000
# Users whose changes are recorded while the room is a crowd. Beyond that, the first notice afterwards lists everyone.
NOTED = 10 * CROWD
_NO_MEMBERS = EncodedOnce[User]()


class Present(Struct, frozen=True, gc=False):
    """A user in a room, and the number of their sessions there, 0 while they linger. It takes 32 bytes, a tuple 80."""

    user: User
    sessions: int


class _Change(NamedTuple):
    """The change of one user since the last notice.

    Attributes:
        before: the user as in the last notice, None when they were not here.
        user: the user with their current or last name.
        here: whether they are here now.
    """

    before: User | None
    user: User
    here: bool


def _ignore(*_: object, **__: object) -> None:
    """Do nothing: the room is unloaded."""


class Presence(Generic[S]):
    """The sessions in one room, counted by principal: three tabs of one user are one arrival.

    Changes are collected and broadcast at most once in `PAUSE` seconds, in every dialect: as one ``presence``, and as
    ``Entered`` and ``Exited`` for the dialects with a frame for each user. A user whose last connection was lost
    lingers for a while: most users reconnect at once, and must not flicker in the list.

    A user has the name of the session that most recently entered or was renamed; the end of another session does not
    change it.

    Args:
        room: the name of the room.
        publish: `chat.rooms.room.Room.publish`.
        lingered: called with the id of a user who lingered and did not return in time.
    """

    __slots__ = (
        "_changed",
        "_expects",
        "_forgot",
        "_linger_timer",
        "_lingered",
        "_lingering",
        "_members",
        "_publish",
        "_room",
        "_timer",
        "_typed",
        "_untold",
        "people",
        "sessions",
    )

    def __init__(self, room: str, publish: Callable[..., None], lingered: Callable[[str], None]) -> None:
        self._room = room
        self._publish = publish
        self._lingered = lingered
        self.sessions: dict[S, User] = {}
        self.people: dict[str, Present] = {}
        self._members = _NO_MEMBERS  # of `people`, from the first one on
        self._changed: dict[str, _Change] = {}
        self._forgot = self._untold = False
        self._expects = False  # it is known whom the others in the room knew to be here at another server
        self._timer: asyncio.TimerHandle | None = None
        # Until when each user lingers, by the loop's clock; they are in `people`, with 0 sessions.
        self._lingering: dict[str, float] = {}
        self._linger_timer: asyncio.TimerHandle | None = None
        self._typed: dict[str, float] = {}

    def enter(self, session: S, user: User) -> None:
        """Count a session of ``user``; if it is counted already, only update the user's name."""
        known = self.people.get(user.id)
        before, count = (None, 0) if known is None else (known.user, known.sessions)
        self.people[user.id] = Present(user, count + (session not in self.sessions))
        self.sessions[session] = user
        if not count:
            self._lingering.pop(user.id, None)
        if before != user:
            if before is not None:
                self._members = _NO_MEMBERS
            self._note(before, user, True)

    def expect(self, users: Iterable[User], seconds: float) -> None:
        """Let users linger whom the others in the room know to be here, from another server, until they enter again."""
        self._expects = True
        loop = asyncio.get_running_loop()
        for user in users:
            if user.id not in self.people:
                self.people[user.id] = Present(user, 0)
                self._lingering[user.id] = loop.time() + seconds
        if self._lingering and self._linger_timer is None:
            self._linger_timer = loop.call_later(seconds, self._end_lingering)

    def enter_again(self, session: S, user: User) -> None:
        """Count a session whose user was here before, at another server; the others in the room may know that."""
        known = self.people.get(user.id)
        self.people[user.id] = Present(user, (known.sessions if known is not None else 0) + 1)
        self.sessions[session] = user
        self._lingering.pop(user.id, None)
        if known is not None and known.user != user:
            self._members = _NO_MEMBERS
        # Not all come back at the same time, and some do not: the whole list is sent a little later.
        self._forgot = self._untold = True
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(PAUSE, self._send_diff)
        if known is None and self._expects:
            self._note(None, user, True)

    def exit(self, session: S, grace: float = 0.0) -> None:
        """Stop counting a session. If it was its user's last one, the user lingers for ``grace`` seconds."""
        user_id = self.sessions.pop(session).id
        here = self.people[user_id]
        user, count = here.user, here.sessions
        if count > 1:
            self.people[user_id] = Present(user, count - 1)
        elif grace and self.sessions:
            self.people[user.id] = Present(user, 0)
            loop = asyncio.get_running_loop()
            self._lingering[user.id] = loop.time() + grace
            if self._linger_timer is None:
                self._linger_timer = loop.call_later(grace, self._end_lingering)
        else:
            self._gone(user)

    def _end_lingering(self) -> None:
        """Remove the users who did not return in time. All have the same grace, so one timer serves them in order."""
        self._linger_timer = None
        loop = asyncio.get_running_loop()
        for user_id, until in tuple(self._lingering.items()):
            if until > loop.time():
                self._linger_timer = loop.call_later(until - loop.time(), self._end_lingering)
                break
            del self._lingering[user_id]
            self._gone(self.people[user_id].user)
            self._lingered(user_id)

    def expel(self, user_id: str) -> None:
        """End the lingering of a user who was removed and has no session here any longer."""
        if self._lingering.pop(user_id, None) is not None:
            self._gone(self.people[user_id].user)

    def _gone(self, user: User) -> None:
        self._typed.pop(user.id, None)
        del self.people[user.id]
        self._members = _NO_MEMBERS
        self._note(user, user, False)

    @property
    def crowded(self) -> bool:
        """Whether there are too many users to tell who enters and leaves."""
        return len(self.people) > CROWD

    def everyone(self) -> PresenceEvent:
        """Return a notice of all users, or of as many as are shown."""
        return PresenceEvent(room=self._room, count=len(self.people), joined=list(self.members()), all=True)

    def tell(self) -> None:
        """Send what is to be told since the last notice at once, because the room moves to another server."""
        if self._untold and self._timer is not None:
            self._timer.cancel()
            self._send_diff()

    def has_sessions(self, user_id: str) -> bool:
        """Whether a user is connected here, not just lingering."""
        return user_id in self.people and self.people[user_id].sessions > 0

    def may_type(self, user_id: str, now: float, pause: float) -> bool:
        """Whether to broadcast that a user is typing: not in a crowd, and at most once in ``pause`` seconds."""
        if len(self.people) > CROWD or now - self._typed.get(user_id, -pause) < pause:
            return False
        self._typed[user_id] = now
        return True

    def members_bytes(self) -> int:
        """Return the size of the list of :meth:`members` as sent."""
        self.members()
        return self._members.json_bytes()

    def members(self) -> Sequence[User]:
        """Return at most `CROWD` users, in the order in which they entered.

        Clients that join one after another get the same sequence, or a longer one that begins with it.
        """
        shown = len(self._members)
        if shown < min(len(self.people), CROWD):
            more = islice(self.people.values(), shown, CROWD)
            self._members = self._members.followed_by(here.user for here in more)
        return self._members

    def _note(self, before: User | None, user: User, here: bool) -> None:
        # Recorded in a crowd too, and broadcast once the room is small again, so that no list keeps ghosts. Entering
        # and leaving do not cancel out: a client that got a snapshot in between must receive the second.
        known = self._changed.get(user.id)
        self._changed[user.id] = _Change(before if known is None else known.before, user, here)
        if len(self._changed) > NOTED:
            self._changed.clear()
            self._forgot = True
        self._untold = True
        if self._timer is None:
            self._send_diff()

    def _send_diff(self) -> None:
        self._timer = None
        if not self._untold:
            self._members = _NO_MEMBERS  # no changes for a while: an idle room keeps no snapshot
            return
        self._untold = False
        count = len(self.people)
        if count > CROWD:
            notice = PresenceEvent(room=self._room, count=count)
        else:
            notice = self._diff(count)
            changed, self._changed = self._changed.values(), {}
            self._forgot = False
            for change in changed:
                self._publish_one(change, brief=len(changed) > CROWD)
        self._publish(notice, ephemeral=True)
        if self.sessions:
            pause = min(max(PAUSE, count / CROWD_FRAMES), LONGEST_PAUSE)
            self._timer = asyncio.get_running_loop().call_later(pause, self._send_diff)

    def _publish_one(self, change: _Change, *, brief: bool) -> None:
        """Publish one or two events about one user; with ``brief`` only the last one.

        A user who entered and left, or left and entered, since the last notice causes both events, in that order: the
        events stay balanced, and a client whose snapshot was taken in between, or has the user's former name, ends up
        with the right list.
        """
        before, user, here = change
        entered, exited = Entered(self._room, user), Exited(self._room, before or user)
        first, last = (exited, entered) if here else (entered, exited)
        if here == (before is not None) and not brief:
            self._publish(first, ephemeral=True)
        self._publish(last, ephemeral=True)

    def _diff(self, count: int) -> PresenceEvent:
        if self._forgot:
            return self.everyone()
        joined = [change.user for change in self._changed.values() if change.here]
        left = [change.user for change in self._changed.values() if not change.here]
        return PresenceEvent(room=self._room, count=count, joined=joined, left=left)

    def close(self) -> None:
        """Cancel the timers: the room is unloaded."""
        for timer in (self._timer, self._linger_timer):
            if timer is not None:
                timer.cancel()
        self._timer = self._linger_timer = None
        self._publish = self._lingered = _ignore  # the room's own methods would keep it alive
