"""Who is in a room, and telling it: at most once a second and room, and not at all in a crowd."""

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
# Seconds between two diffs of a room.
PAUSE = 1.0


class Presence:
    """The sessions in one room, counted by principal: somebody with three tabs came once.

    ``Entered`` and ``Exited`` are broadcast at once, for dialects that say them in words; the diff of all of them,
    ``presence``, at most once in `PAUSE` seconds.
    """

    __slots__ = ("_broadcast", "_changed", "_room", "_timer", "people", "sessions")

    def __init__(self, room: str, broadcast: Callable[..., None]) -> None:
        self._room = room
        self._broadcast = broadcast
        self.sessions: dict[Session, User] = {}
        self.people: dict[str, tuple[User, int]] = {}
        self._changed: dict[str, tuple[User, bool]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def enter(self, session: Session, user: User) -> None:
        """Count a session of ``user``."""
        self.sessions[session] = user
        _, count = self.people.get(user.id, (user, 0))
        self.people[user.id] = (user, count + 1)
        if not count:
            self._tell(user, True)

    def exit(self, session: Session) -> None:
        """Count a session no more."""
        user = self.sessions.pop(session)
        _, count = self.people[user.id]
        if count > 1:
            self.people[user.id] = (user, count - 1)
        else:
            del self.people[user.id]
            self._tell(user, False)

    def members(self) -> list[User]:
        """At most `CROWD` people, those who have been here longest first."""
        if len(self.people) <= CROWD:
            return [user for user, _ in self.people.values()]
        return [user for (user, _), _ in zip(self.people.values(), range(CROWD), strict=False)]

    def _tell(self, user: User, here: bool) -> None:
        crowd = len(self.people) > CROWD
        if not crowd:
            event: AnyEvent = Entered(self._room, user) if here else Exited(self._room, user)
            self._broadcast(event, ephemeral=True)
        # Noted in a crowd too, and told when it is none any more: nobody keeps ghosts in the list. Bounded by who was
        # told of and who is here, as coming and going again cancel out.
        before = self._changed.pop(user.id, None)
        if before is None or before[1] == here:
            self._changed[user.id] = (user, here)
        if self._timer is None and not crowd:
            self._send_diff()

    def _send_diff(self) -> None:
        self._timer = None
        changed = self._changed
        if not changed or len(self.people) > CROWD:
            return
        self._changed = {}
        self._broadcast(
            PresenceEvent(
                room=self._room,
                joined=[user for user, here in changed.values() if here],
                left=[user for user, here in changed.values() if not here],
                count=len(self.people),
            ),
            ephemeral=True,
        )
        if self.sessions:
            self._timer = asyncio.get_running_loop().call_later(PAUSE, self._send_diff)

    def close(self) -> None:
        """The room is forgotten: no timer stays behind."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
