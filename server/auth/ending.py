"""Ends the connections of principals and addresses that may no longer act.

Also those of the other servers, if this one has the rooms: they may be cut off from the notices.
"""

import asyncio
from collections.abc import Callable, Sequence

from chat.chat import Chat
from chat.handlers.sessions import SESSIONS_PER_TURN
from chat.ports import Denial
from chat.rooms.room import Session
from model.account import Notice, NoticeKind
from model.errors import ACCOUNT_CHANGED, TOKEN_EXPIRED, ParleyError
from server.auth.access_list import AccessList
from server.auth.tokens import EXPIRED

# Ending a session takes as long as looking at this many: 0.1 ms, and as long again when its connection is lost.
ENDING = SESSIONS_PER_TURN // 25

TOO_LATE = Denial(TOKEN_EXPIRED, ParleyError("unauthorized", EXPIRED))


class Ending:
    """Ends the connections that new notices concern; see `server.auth.follower.Listener`."""

    def __init__(self, chat: Chat, access: AccessList) -> None:
        self._chat = chat
        self._access = access

    async def end_denied(self, notices: Sequence[Notice]) -> None:
        """Close the connections whose principal, login, key, name or address the notices deny.

        Without notices, some may have been missed: then every account made here and every bot connects again.
        """
        denial = self._denials(notices) if notices else _missed
        if denial is None:
            return
        count = 0
        for session in self._chat.everyone():
            if count >= SESSIONS_PER_TURN:
                count = 0
                await asyncio.sleep(0)
            count += 1
            if not session.ended and (denied := denial(session)) is not None:
                end(session, denied)
                count += ENDING

    def _denials(self, notices: Sequence[Notice]) -> Callable[[Session], Denial | None] | None:
        """Return what finds out whether the notices deny something to a session; None if they deny nothing."""
        subjects: dict[NoticeKind, set[str]] = {}
        for notice in notices:
            subjects.setdefault(notice.kind, set()).add(notice.subject)
        principals = subjects.get("account", set()) | subjects.get("guest", set())
        logins = subjects.get("login", set()) | subjects.get("key", set())
        names, networks = "name" in subjects, "network" in subjects
        access = self._access
        if not (principals or logins or names or networks):
            return None

        def denial(session: Session) -> Denial | None:
            denied = access.denial_of(session.address) if networks else None
            identity = session.identity
            if denied is None and identity is not None:
                if identity.user.id in principals or identity.login in logins:
                    denied = access.denial(identity)
                elif names:
                    denied = access.name_denial(identity)
            return denied

        return denial


def end(session: Session, denial: Denial) -> None:
    """Close a session, and say why."""
    session.refuse(denial.error)
    session.close(denial.close)


def _missed(session: Session) -> Denial | None:
    identity = session.identity
    if identity is None or not identity.login:
        return None
    return Denial(ACCOUNT_CHANGED, ParleyError("unauthorized", "the account may have changed; connect again"))
