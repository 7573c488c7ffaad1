"""Connections that were opened with a cookie live as long as their login, which any tab, at any server, may refresh.

So when one is due to end, storage is asked whether its login ends later by now.
"""

import asyncio

from chat.chat import Chat
from chat.rooms.room import Session
from model.account import Login
from server.auth.ending import TOO_LATE, end
from storage.ports.errors import StorageUnavailable, TooManyReads
from storage.ports.storage import READER
from utils.fairness import Party

# Storage is asked again this often while it does not answer; then the connections end.
TRIES = 30
PAUSE_SECONDS = 1.0


class Renewals:
    """See the top of this file. All connections of a login that are due together ask once."""

    def __init__(self, chat: Chat) -> None:
        self._chat = chat
        self._asking: dict[str, list[Session]] = {}

    def ask(self, session: Session) -> None:
        """Let a session go on until its login ends, or close it if that has ended."""
        identity = session.actor.identity
        waiting = self._asking.get(identity.login)
        if waiting is not None:
            waiting.append(session)
        elif not self._chat.parts.draining:
            self._asking[identity.login] = [session]
            self._chat.parts.tasks.spawn(self._renew(identity.login), name="renewal")

    async def _renew(self, login_id: str) -> None:
        READER.set(Party("renewals"))
        login = None
        try:
            login = await self._find(login_id)
        finally:
            sessions = self._asking.pop(login_id)
        for session in sessions:
            if session.ended:  # an end would keep its lost connection in memory until then
                continue
            if login is not None:
                session.connection.end_at(login.ends_at)
            else:
                end(session, TOO_LATE)

    async def _find(self, login_id: str) -> Login | None:
        parts = self._chat.parts
        for _ in range(TRIES):
            try:
                return await parts.storage.logins.find(login_id, parts.clock.now_us())
            except (StorageUnavailable, TooManyReads):
                await asyncio.sleep(PAUSE_SECONDS)
        return None
