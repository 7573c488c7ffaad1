"""Who is in a room, and telling it: at most once a second and room, and to a crowd only how many they are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from model.events import AnyEvent, Entered, Exited
from model.events import Presence as PresenceEvent
from model.room import User

if TYPE_CHECKING:
    from chat.session import Session

# Above this many people, comings and goings are noise to each of them and a flood to the server.
CROWD = 200
# Seconds between two diffs of a room. A large crowd waits longer: it costs this many frames a second, or a little more.
PAUSE = 1.0
LONGEST_PAUSE = 5.0
CROWD_FRAMES = 1000
# People whose comings and goings a crowd remembers until it is none any more; of more, it tells who is here.
NOTED = 10 * CROWD


class Presence:
    """The sessions in one room, counted by principal: somebody with three tabs came once.

    ``Entered`` and ``Exited`` are broadcast at once, for dialects that say them in words; the diff of all of them,
    ``presence``, at most once in `PAUSE` seconds. Somebody whose last connection was lost is here for a while longer:
    most come back at once, and nobody wants to see them flicker.

    Args:
        room: its name.
        broadcast: as `chat.room.Room.broadcast`.
        lingered: called with the id of somebody who did not come back in time.
    """

    __slots__ = (
        "_broadcast",
        "_changed",
        "_forgot",
        "_linger_timer",
        "_lingered",
        "_lingering",
        "_room",
        "_timer",
        "_typed",
        "_untold",
        "people",
        "sessions",
    )

    def __init__(self, room: str, broadcast: Callable[..., None], lingered: Callable[[str], None]) -> None:
        self._room = room
        self._broadcast = broadcast
        self._lingered = lingered
        self.sessions: dict[Session, User] = {}
        self.people: dict[str, tuple[User, int]] = {}
        self._changed: dict[str, tuple[User, bool]] = {}
        self._forgot = self._untold = False
        self._timer: asyncio.TimerHandle | None = None
        self._lingering: dict[
            str, float
        ] = {}  # until when, by the loop's clock; those are in `people`, with 0 sessions
        self._linger_timer: asyncio.TimerHandle | None = None
        self._typed: dict[str, float] = {}

    def enter(self, session: Session, user: User) -> None:
        """Count a session of ``user``."""
        self.sessions[session] = user
        known = self.people.get(user.id)
        if known is None:
            self.people[user.id] = (user, 1)
            self._tell(user, True)
        else:
            if not known[1]:
                del self._lingering[user.id]
            self.people[user.id] = (user, known[1] + 1)

    def exit(self, session: Session, grace: float = 0.0) -> None:
        """Count a session no more. The last one of somebody who may be back within ``grace`` seconds is told later."""
        user = self.sessions.pop(session)
        _, count = self.people[user.id]
        if count > 1:
            self.people[user.id] = (user, count - 1)
        elif grace and self.sessions:
            self.people[user.id] = (user, 0)
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
            self._gone(self.people[user_id][0])
            self._lingered(user_id)

    def expel(self, user_id: str) -> None:
        """Somebody who was sent out, and has no session here any more, does not linger."""
        if self._lingering.pop(user_id, None) is not None:
            self._gone(self.people[user_id][0])

    def _gone(self, user: User) -> None:
        self._typed.pop(user.id, None)
        del self.people[user.id]
        self._tell(user, False)

    def has_sessions(self, user_id: str) -> bool:
        """Whether somebody is connected here: who lingers is not."""
        known = self.people.get(user_id)
        return known is not None and known[1] > 0

    def may_type(self, user_id: str, now: float, pause: float) -> bool:
        """Whether somebody's typing is passed on: not in a crowd, and once in ``pause`` seconds."""
        if len(self.people) > CROWD or now - self._typed.get(user_id, -pause) < pause:
            return False
        self._typed[user_id] = now
        return True

    def members(self) -> list[User]:
        """At most `CROWD` people, those who have been here longest first."""
        if len(self.people) <= CROWD:
            return [user for user, _ in self.people.values()]
        return [user for (user, _), _ in zip(self.people.values(), range(CROWD), strict=False)]

    def _tell(self, user: User, here: bool) -> None:
        if len(self.people) <= CROWD:
            event: AnyEvent = Entered(self._room, user) if here else Exited(self._room, user)
            self._broadcast(event, ephemeral=True)
        # Noted in a crowd too, and told when it is none any more: nobody keeps ghosts in the list. Coming and going
        # again do not cancel out: whoever got a snapshot in between has to hear of the second.
        self._changed[user.id] = (user, here)
        if len(self._changed) > NOTED:
            self._changed.clear()
            self._forgot = True
        self._untold = True
        if self._timer is None:
            self._send_diff()

    def _send_diff(self) -> None:
        self._timer = None
        if not self._untold:
            return
        self._untold = False
        count = len(self.people)
        if count > CROWD:
            told = PresenceEvent(room=self._room, count=count)
        else:
            told = self._diff(count)
            self._changed, self._forgot = {}, False
        self._broadcast(told, ephemeral=True)
        if self.sessions:
            pause = min(max(PAUSE, count / CROWD_FRAMES), LONGEST_PAUSE)
            self._timer = asyncio.get_running_loop().call_later(pause, self._send_diff)

    def _diff(self, count: int) -> PresenceEvent:
        if self._forgot:
            return PresenceEvent(room=self._room, count=count, joined=self.members(), all=True)
        joined = [user for user, here in self._changed.values() if here]
        left = [user for user, here in self._changed.values() if not here]
        return PresenceEvent(room=self._room, count=count, joined=joined, left=left)

    def close(self) -> None:
        """The room is forgotten: no timer stays behind."""
        for timer in (self._timer, self._linger_timer):
            if timer is not None:
                timer.cancel()
        self._timer = self._linger_timer = None
