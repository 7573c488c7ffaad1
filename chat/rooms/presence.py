"""Who is in a room, and telling it: at most once a second and room, and to a crowd only how many they are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Sequence
from itertools import islice
from typing import Generic, NamedTuple, TypeVar

from msgspec import Struct

from model.events import Entered, Exited
from model.events import Presence as PresenceEvent
from model.room import User
from utils.encoding import EncodedOnce

S = TypeVar("S", bound=Hashable)

# Above this many people, comings and goings are noise to each of them and a flood to the server.
CROWD = 200
# Seconds between two diffs of a room. A large crowd waits longer: it costs this many frames a second, or a little more.
PAUSE = 1.0
LONGEST_PAUSE = 5.0
CROWD_FRAMES = 1000
# People whose comings and goings a crowd remembers until it is none any more; of more, it tells who is here.
NOTED = 10 * CROWD
_NO_MEMBERS = EncodedOnce[User]()


class Present(Struct, frozen=True, gc=False):
    """A user in a room, and the number of their sessions there: 0 for one who lingers. 32 bytes, a tuple has 80."""

    user: User
    sessions: int


class _Change(NamedTuple):
    """What became of one person since the last notice.

    Attributes:
        before: as the room was last told of them, None when they were not here.
        user: as they are or were called now.
        here: whether they are here now.
    """

    before: User | None
    user: User
    here: bool


def _ignore(*_: object, **__: object) -> None:
    """Nobody is there to be told."""


class Presence(Generic[S]):
    """The sessions in one room, counted by principal: three tabs of one person are one arrival.

    Changes are collected and told at most once in `PAUSE` seconds, in every dialect: as one ``presence``, and as
    ``Entered`` and ``Exited`` for the dialects that have a frame for each person. A person whose last connection was
    lost stays here for a while longer: most come back at once, and must not flicker in the list.

    A person has the name of the session that entered last, or was renamed last; the end of a session that has another
    name does not bring that name back.

    Args:
        room: its name.
        publish: as `chat.rooms.room.Room.publish`.
        lingered: called with the id of somebody who did not come back in time.
    """

    __slots__ = (
        "_changed",
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
        self._timer: asyncio.TimerHandle | None = None
        self._lingering: dict[
            str, float
        ] = {}  # until when, by the loop's clock; those are in `people`, with 0 sessions
        self._linger_timer: asyncio.TimerHandle | None = None
        self._typed: dict[str, float] = {}

    def enter(self, session: S, user: User) -> None:
        """Count a session of ``user``."""
        self.sessions[session] = user
        known = self.people.get(user.id)
        before, count = (None, 0) if known is None else (known.user, known.sessions)
        self.people[user.id] = Present(user, count + 1)
        if before is not None and before != user:
            self._members = _NO_MEMBERS
        if not count:
            self._lingering.pop(user.id, None)
        if before != user:
            self._tell(before, user, True)

    def rename(self, session: S, user: User) -> None:
        """The person of a session that is counted is called otherwise from now on."""
        self.sessions[session] = user
        known = self.people[user.id]
        before = known.user
        self.people[user.id] = Present(user, known.sessions)
        if before != user:
            self._members = _NO_MEMBERS
            self._tell(before, user, True)

    def exit(self, session: S, grace: float = 0.0) -> None:
        """Count a session no more. If a person's last one may be back within ``grace`` seconds, that is told later."""
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
        """One timer for all: they leave in the order in which they were lost, as all have the same grace."""
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
        """Somebody who was sent out, and has no session here any more, does not linger."""
        if self._lingering.pop(user_id, None) is not None:
            self._gone(self.people[user_id].user)

    def _gone(self, user: User) -> None:
        self._typed.pop(user.id, None)
        del self.people[user.id]
        self._members = _NO_MEMBERS
        self._tell(user, user, False)

    def has_sessions(self, user_id: str) -> bool:
        """Whether somebody is connected here: who lingers is not."""
        known = self.people.get(user_id)
        return known is not None and known.sessions > 0

    def may_type(self, user_id: str, now: float, pause: float) -> bool:
        """Whether somebody's typing is passed on: not in a crowd, and once in ``pause`` seconds."""
        if len(self.people) > CROWD or now - self._typed.get(user_id, -pause) < pause:
            return False
        self._typed[user_id] = now
        return True

    def members(self) -> Sequence[User]:
        """At most `CROWD` people, those who have been here longest first.

        Clients that join one after another get the same sequence, or one that goes on where it ended.
        """
        shown = len(self._members)
        if shown < min(len(self.people), CROWD):
            more = islice(self.people.values(), shown, CROWD)
            self._members = self._members.followed_by(here.user for here in more)
        return self._members

    def _tell(self, before: User | None, user: User, here: bool) -> None:
        # Noted in a crowd too, and told when it is none any more, so that no list keeps ghosts. Coming and going again
        # do not cancel out: a client that got a snapshot in between must hear of the second.
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
            self._members = _NO_MEMBERS  # nobody has come for a while: an idle room keeps no snapshot
            return
        self._untold = False
        count = len(self.people)
        if count > CROWD:
            told = PresenceEvent(room=self._room, count=count)
        else:
            told = self._diff(count)
            changed, self._changed = self._changed.values(), {}
            self._forgot = False
            for change in changed:
                self._tell_one_by_one(change, brief=len(changed) > CROWD)
        self._publish(told, ephemeral=True)
        if self.sessions:
            pause = min(max(PAUSE, count / CROWD_FRAMES), LONGEST_PAUSE)
            self._timer = asyncio.get_running_loop().call_later(pause, self._send_diff)

    def _tell_one_by_one(self, change: _Change, *, brief: bool) -> None:
        """At most two events about one person; with ``brief`` only what they are now.

        A person who came and went, or went and came, in between is told as both, in that order: the words stay
        balanced, and a client whose snapshot was taken in the middle ends up with the right list. So does one that has
        the former name of a person.
        """
        before, user, here = change
        if here:
            if before is not None and not brief:
                self._publish(Exited(self._room, before), ephemeral=True)
            self._publish(Entered(self._room, user), ephemeral=True)
        else:
            if before is None and not brief:
                self._publish(Entered(self._room, user), ephemeral=True)
            self._publish(Exited(self._room, user if before is None else before), ephemeral=True)

    def _diff(self, count: int) -> PresenceEvent:
        if self._forgot:
            return PresenceEvent(room=self._room, count=count, joined=list(self.members()), all=True)
        joined = [change.user for change in self._changed.values() if change.here]
        left = [change.user for change in self._changed.values() if not change.here]
        return PresenceEvent(room=self._room, count=count, joined=joined, left=left)

    def close(self) -> None:
        """The room is forgotten: no timer stays behind."""
        for timer in (self._timer, self._linger_timer):
            if timer is not None:
                timer.cancel()
        self._timer = self._linger_timer = None
        self._publish = self._lingered = _ignore  # the room's own methods: it is freed with its last user
