"""What the clients of an edge have sent and the owner has not answered: where it is safe, the next owner is asked."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from msgspec.structs import replace

from chat.cluster import operations as op
from chat.command_kinds import READS
from chat.ports import Adopt
from chat.rooms.room import Session
from model import commands
from model.errors import ParleyError

Asked = op.Sent | ParleyError
"""What a client has sent: a command, or what to refuse it with."""

# Commands that have no answer, although they may have an id.
_SILENT = (commands.Typing, commands.MarkRead)
# Commands that may be carried out twice: the second time changes nothing.
_REPEATABLE = (
    Adopt,
    commands.Join,
    *READS,
    commands.MarkRead,
    commands.Typing,
    commands.Ping,
    ParleyError,
)


class _Note:
    """What was asked, with the number that asks for a `op.Done`; ``in_doubt``: a lost owner may have carried it out."""

    __slots__ = ("asked", "in_doubt", "number")

    def __init__(self, asked: Asked, number: int) -> None:
        self.asked = asked
        self.number = number
        self.in_doubt = False


class UnansweredCommands:
    """See the top of this file.

    An answer names the id of its command, and ids may repeat: in several rooms, or in commands of several kinds. So a
    command waits while another one of its session with the same id has no answer, and the later ones wait behind it.

    Args:
        ask: called with a command that has waited, and its number.
    """

    def __init__(self, ask: Callable[[Session, int, Asked], object]) -> None:
        self._ask = ask
        self._of: dict[Session, dict[op.Key, _Note]] = {}  # what was asked, by id or else by number
        self._waiting: dict[Session, deque[Asked]] = {}
        # The ids and rooms of what each session has last given up.
        self._given_up: dict[Session, frozenset[tuple[str, str | None]]] = {}
        self._numbers = 0
        self._none = asyncio.Event()
        self._none.set()

    def __len__(self) -> int:
        return sum(map(len, self._of.values())) + sum(map(len, self._waiting.values()))

    def of(self, session: Session) -> int:
        """Return how many commands of a session have no answer."""
        return len(self._of.get(session, ())) + self.waiting(session)

    def waiting(self, session: Session) -> int:
        """Return how many commands of a session wait for an answer to an earlier one with the same id."""
        return len(self._waiting.get(session, ()))

    async def none(self) -> None:
        """Wait until every command was answered."""
        await self._none.wait()

    def add(self, session: Session, asked: Asked) -> int | None:
        """Note what a session has sent.

        Returns its number, 0 for what has an answer with an id; None if it has to wait.
        """
        there = self._of.setdefault(session, {})
        if session in self._waiting or asked.id in there:
            self._waiting.setdefault(session, deque()).append(asked)
            return None
        return self._note(there, asked)

    def _note(self, there: dict[op.Key, _Note], asked: Asked) -> int:
        number = 0
        if asked.id is None or isinstance(asked, (*_SILENT, ParleyError)):
            self._numbers = number = self._numbers + 1
        there[number if asked.id is None else asked.id] = _Note(asked, number)
        self._none.clear()
        return number

    def answered(self, session: Session, key: op.Key, room: str | None = None) -> None:
        """Forget a command that was answered; ``room`` is that of the answer, None if it has none."""
        there = self._of.get(session)
        if there is None or (note := there.get(key)) is None or self._is_of_another(session, key, note, room):
            return
        del there[key]
        self._ask_waiting(session, there, self._ask)
        if not there:
            self._forget_unanswered(session)

    def _is_of_another(self, session: Session, id: op.Key, note: _Note, room: str | None) -> bool:
        """Whether an answer is to a command that was given up, and not to this one with the same id."""
        now = _room_of(note.asked)
        return now is not None and room not in (None, now) and (id, room) in self._given_up.get(session, ())

    def _ask_waiting(
        self, session: Session, there: dict[op.Key, _Note], ask: Callable[[Session, int, Asked], object]
    ) -> None:
        waiting = self._waiting.get(session)
        while waiting and waiting[0].id not in there:
            asked = waiting.popleft()
            if not waiting:
                del self._waiting[session]
            ask(session, self._note(there, asked), asked)

    def done(self, session: Session, number: int) -> None:
        """Forget the commands of a session with numbers up to this one."""
        for key, note in tuple(self._of.get(session, {}).items()):
            if 0 < note.number <= number:
                self.answered(session, key)

    def forget(self, session: Session) -> None:
        """Forget the commands of a session."""
        self._given_up.pop(session, None)
        self._forget_unanswered(session)

    def _forget_unanswered(self, session: Session) -> None:
        self._of.pop(session, None)
        self._waiting.pop(session, None)
        if not self._of:
            self._none.set()

    def doubt(self) -> None:
        """Note that a lost owner may have carried out every command that it was asked."""
        for there in self._of.values():
            for note in there.values():
                note.in_doubt = True

    def give_up(self) -> Iterator[tuple[Session, Asked]]:
        """Forget and yield all, each session's in the order in which it sent them; see :meth:`is_late`."""
        for session, there in tuple(self._of.items()):
            sent = [note.asked for note in there.values()]
            given_up = [*sent, *self._waiting.get(session, ())]
            self._forget_unanswered(session)
            if late := frozenset((asked.id, _room_of(asked)) for asked in sent if asked.id is not None):
                self._given_up[session] = late
            for asked in given_up:
                yield session, asked

    def is_late(self, session: Session, id: str, room: str | None) -> bool:
        """Whether a command with this id was given up, and none with it was sent since that is not answered.

        Then a refusal is not for the client. It was told that the outcome is unknown; and if it has sent the command
        again, it was told that it succeeded the first time. ``room`` is that of the refusal, None if it has none.
        """
        if all(id != given_up for given_up, _ in self._given_up.get(session, ())):
            return False
        note = self._of.get(session, {}).get(id)
        return note is None or self._is_of_another(session, id, note, room)

    def ask_again(
        self,
        ask: Callable[[Session, int, Asked], object],
        give_up: Callable[[Session, Asked], object],
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
            for key, note in tuple(there.items()):
                if note.in_doubt:
                    again = _again(note.asked)
                    if again is None:
                        del there[key]
                        give_up(session, note.asked)
                        continue
                    twice += 1
                    note.asked, note.in_doubt = again, False
                ask(session, note.number, note.asked)
            self._ask_waiting(session, there, ask)
            if not there:
                self._forget_unanswered(session)
        return twice

    def take_waiting(self, session: Session) -> Iterable[Asked]:
        """Forget and return the commands of a session that wait: they were not asked."""
        return self._waiting.pop(session, ())


def _room_of(asked: Asked) -> str | None:
    """Return the room that a command names, None if it names none."""
    return getattr(asked.then if isinstance(asked, commands.Claim) else asked, "room", None)


def _again(asked: Asked) -> Asked | None:
    """Return what to ask instead of a command that may have been carried out; None if it must not be asked again."""
    if isinstance(asked, commands.PostMessage) and asked.id is not None:
        return replace(asked, resend=True)
    then = asked.then if isinstance(asked, commands.Claim) else asked
    return asked if isinstance(then, _REPEATABLE) else None
