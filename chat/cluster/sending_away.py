"""The clients of a node that does not reach the owner are sent away: other nodes may reach it."""

import random
from collections.abc import Callable

from chat.chat import Chat
from chat.rooms.room import Session

AWAY_SECONDS = 30.0
"""Over how long clients are sent away: not all at once."""
LOOK_SECONDS = 1.0
"""Between two looks for clients whose time has come."""


class SendingAway:
    """See the top of this file.

    Args:
        chat: the chat of this node.
        now: a monotonic clock.

    Attributes:
        active: clients are sent away, so that no more should come.
    """

    def __init__(self, chat: Chat, now: Callable[[], float]) -> None:
        self._chat = chat
        self._now = now
        self._looked = 0.0
        self._times: dict[Session, float] = {}  # when to send each client away
        self.active = False

    def tick(self, *, cut_off: bool) -> None:
        """Send the clients away whose time has come; once this node reaches the owner again, the others stay.

        Args:
            cut_off: this node does not reach the owner, which lives.
        """
        self.active = cut_off
        now = self._now()
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        sessions = [session for session in self._chat.parts.hub.sessions if cut_off and not session.ended]
        known, self._times = self._times, {}
        for session in sessions:
            self._times[session] = known.get(session) or now + random.uniform(0.0, AWAY_SECONDS)
            if now >= self._times[session]:
                self._chat.send_away(session, "unreachable")
