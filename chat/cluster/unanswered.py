"""What the clients of an edge have sent and the owner has not answered: where it is safe, the next owner is asked."""

import asyncio
from collections.abc import Callable, Iterator
from typing import NamedTuple

from msgspec.structs import replace

from chat.cluster import operations as op
from chat.ports import Adopt
from chat.rooms.room import Session
from model import commands
from model.errors import ParleyError

Asked = op.Sent | ParleyError
"""What a client has sent: a command, or what to refuse it with."""

# Commands that have no answer, although they may have an id.
_SILENT = (commands.Typing, commands.MarkRead)
# What may be carried out twice, because nothing happens twice.
_REPEATABLE = (
    Adopt,
    commands.Join,
    commands.ReadHistory,
    commands.Search,
    commands.ListRooms,
    commands.ListMembers,
    commands.MarkRead,
    commands.Typing,
    commands.Ping,
    ParleyError,
)


class _InDoubt(NamedTuple):
    """What a lost owner may have carried out."""

    asked: Asked


class UnansweredCommands:
    """See the top of this file."""

    def __init__(self) -> None:
        self._of: dict[Session, dict[op.Key, Asked | _InDoubt]] = {}
        self._given_up: dict[Session, frozenset[str]] = {}  # the ids of what each session has last given up
        self._numbers = 0
        self._none = asyncio.Event()
        self._none.set()

    def __len__(self) -> int:
        return sum(map(len, self._of.values()))

    def of(self, session: Session) -> int:
        """Return how many commands of a session have no answer."""
        return len(self._of.get(session, ()))

    async def none(self) -> None:
        """Wait until every command was answered."""
        await self._none.wait()

    def add(self, session: Session, asked: Asked) -> int:
        """Note what a session has sent. Returns its number; 0 for what has an answer with an id."""
        number = 0
        if asked.id is None or isinstance(asked, (*_SILENT, ParleyError)):
            self._numbers = number = self._numbers + 1
        self._of.setdefault(session, {})[number or str(asked.id)] = asked
        self._none.clear()
        return number

    def answered(self, session: Session, key: op.Key) -> None:
        """Forget a command that was answered."""
        there = self._of.get(session)
        if there is not None and there.pop(key, None) is not None and not there:
            self._forget_unanswered(session)

    def done(self, session: Session, number: int) -> None:
        """Forget the commands of a session with numbers up to this one."""
        for key in tuple(self._of.get(session, ())):
            if isinstance(key, int) and key <= number:
                self.answered(session, key)

    def forget(self, session: Session) -> None:
        """Forget the commands of a session."""
        self._given_up.pop(session, None)
        self._forget_unanswered(session)

    def _forget_unanswered(self, session: Session) -> None:
        self._of.pop(session, None)
        if not self._of:
            self._none.set()

    def doubt(self) -> None:
        """Note that a lost owner may have carried out every command."""
        for there in self._of.values():
            for key, asked in there.items():
                if not isinstance(asked, _InDoubt):
                    there[key] = _InDoubt(asked)

    def give_up(self) -> Iterator[tuple[Session, Asked]]:
        """Forget and yield all, each session's in the order in which it sent them; see :meth:`is_late`."""
        for session, there in tuple(self._of.items()):
            given_up = [_asked(asked) for asked in there.values()]
            self._forget_unanswered(session)
            if ids := frozenset(asked.id for asked in given_up if asked.id is not None):
                self._given_up[session] = ids
            for asked in given_up:
                yield session, asked

    def is_late(self, session: Session, id: str) -> bool:
        """Whether a command with this id was given up, and none with it was sent since that is not answered.

        Then a refusal is not for the client. It was told that the outcome is unknown; and if it has sent the command
        again, it was told that it succeeded the first time.
        """
        if id not in self._given_up.get(session, ()):
            return False
        return all(_asked(asked).id != id for asked in self._of.get(session, {}).values())

    def ask_again(
        self, ask: Callable[[Session, int, Asked], object], give_up: Callable[[Session, Asked], object]
    ) -> int:
        """Ask the next owner, each session's commands in the order in which it sent them.

        Args:
            ask: called with each command that may be asked, and its number.
            give_up: called with each that must not be carried out twice, and may have been carried out.

        Returns:
            How many of them may be carried out twice.
        """
        twice = 0
        self._given_up.clear()  # that was another owner
        for session, there in tuple(self._of.items()):
            for key, asked in tuple(there.items()):
                if isinstance(asked, _InDoubt):
                    again = _again(asked.asked)
                    if again is None:
                        self.answered(session, key)
                        give_up(session, asked.asked)
                        continue
                    twice += 1
                    asked = there[key] = again
                ask(session, key if isinstance(key, int) else 0, asked)
        return twice


def _asked(asked: Asked | _InDoubt) -> Asked:
    return asked.asked if isinstance(asked, _InDoubt) else asked


def _again(asked: Asked) -> Asked | None:
    """Return what to ask instead of a command that may have been carried out; None if it must not be asked again."""
    if isinstance(asked, commands.PostMessage) and asked.id is not None:
        return replace(asked, resend=True)
    then = asked.then if isinstance(asked, commands.Claim) else asked
    return asked if isinstance(then, _REPEATABLE) else None
