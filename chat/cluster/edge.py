"""A node without rooms: it sends what its clients do to the owner, and delivers what the owner sends.

No handler runs here but that of ``hello``, which verifies a token. A command is remembered until it is answered: when
the owner changes, the next one is asked again.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from msgspec import Raw

from chat.chat import Chat
from chat.cluster import operations as op
from chat.cluster.clients import EdgeClients
from chat.cluster.mirrors import Returning, mirror_of
from chat.cluster.peers import NoAnswer, Peer
from chat.cluster.statistics import Statistics
from chat.cluster.unanswered import Asked, UnansweredCommands
from chat.delivery.session import DEFERRED_COMMANDS, PAUSED_BY_LINK, PAUSED_BY_OWNER
from chat.handlers import HANDLERS
from chat.handlers.sessions import Handlers, hello
from chat.ports import Dialect
from chat.rooms.parts import Parts
from chat.rooms.room import Session
from model import commands
from model.errors import ParleyError, unavailable

log = logging.getLogger(__name__)

# Seconds without a sign of life of the owner, or without an acknowledgement, after which commands are refused at once.
SILENT_SECONDS = 1.5
# Seconds without an owner, or a sign of life of it, after which this node is not ready.
READY_SECONDS = 3.0
# The same after which its clients are sent away, if the owner lives.
CUT_OFF_SECONDS = 10.0
# Seconds that commands wait for a next owner, or for an answer of one that is silent.
HELD_SECONDS = 8.0
# How often questions that wait for an owner look whether there is still hope.
ASK_SECONDS = 0.5
# Bytes that the owner has not acknowledged: above it, this node reads nothing more from the clients that send.
PAUSE_BYTES = 4 << 20


def unreachable() -> ParleyError:
    """Make the refusal of a command that no owner can carry out now."""
    return unavailable("the server that has the rooms cannot be reached")


class Edge:
    """See the top of this file. It is the chat's `chat.ports.Elsewhere`, as long as this node has no rooms.

    Args:
        chat: the chat of this node.
        dialects: by name.
        now: a monotonic clock.
        serve: answers a question if this node has got the rooms.
        obstacle: why there may be no link with the owner, in words.

    Attributes:
        owner: the node that has the rooms, None while there is none.
        token: of its tenure.
        epoch: of the owner, or of the last one.
        storage_problem: why the owner stores nothing, as it says; empty if it does.
    """

    def __init__(
        self,
        chat: Chat,
        dialects: Mapping[str, Dialect],
        now: Callable[[], float],
        serve: Callable[[bytes], Awaitable[bytes]],
        statistics: Statistics,
        obstacle: Callable[[], str | None],
    ) -> None:
        self._obstacle = obstacle
        self._statistics = statistics
        self.owner: Peer | None = None
        self.token = 0
        self.epoch = ""
        self.storage_problem = ""
        self._silent = False  # the owner, at the last tick
        self._begun = False  # the owner has said that what follows belongs to its tenure
        self._misses = False  # clients may have missed what came before that tenure
        self._received = 0  # the last tenure, if the clients have received everything from it; else 0
        self._chat = chat
        self._now = now
        self._serve = serve
        self._handlers: Handlers = dict.fromkeys(HANDLERS, self._forward)
        self._handlers = {**self._handlers, commands.Hello: partial(hello, self._handlers)}
        self._unanswered = UnansweredCommands(self._ask_now)
        self._clients = EdgeClients(chat.parts, dialects, self._unanswered, self._drained)
        self._paused: set[Session] = set()
        self._alone_since: float | None = now()  # without an owner; None with one
        self._held_since = now()  # no command was carried out from then on until this owner
        self._reached_at = now()  # when the last owner was reached, or this node had the rooms
        self._decided = asyncio.Event()  # set with an owner, and while this node has the rooms

    # What clients do.

    def begin(self, returning: Iterable[Returning], token: int = 0, *, clean: bool, held: float = 0.0) -> None:
        """Begin to be an edge: keep the places of this node's sessions in the rooms that it had.

        Args:
            returning: the sessions that should have entered rooms here.
            token: of the tenure of this node; 0 if it had none.
            clean: nothing of what this node has decided is lost.
            held: for how many seconds it has carried out no commands.
        """
        chat, hub = self._chat, self._chat.parts.hub
        chat.handlers, chat.elsewhere = self._handlers, self
        self.token, self._received = token, token if clean else 0
        self._alone_since = self._reached_at = self._now()
        self._held_since = self._reached_at - held
        self._decided.clear()
        self._clients.sessions = {session.id: session for session in hub.sessions}
        for room in tuple(hub.rooms.values()):
            if here := [session for session in room.presence.sessions if session.remote is None]:
                self._clients.mirrors[room.name] = mirror_of(hub, room, here, self.epoch, self._received)
        for there in returning:
            for session in there.everybody():
                if session.id in self._clients.sessions and there.room not in session.rooms:
                    mirror = self._clients.mirror(there.room, there.head)
                    behind = session in there.behind
                    mirror.wait(session, there.epoch, there.head, there.token, behind=behind)

    def _forward(self, parts: Parts, session: Session, command: Any) -> None:
        """Send a command to the owner, or hold it until there is one.

        Raises:
            ParleyError: ``unavailable``.
        """
        if not self.hopeful():
            raise unreachable()
        self._ask(session, command)

    def _ask(self, session: Session, asked: Asked) -> None:
        number = self._unanswered.add(session, asked)
        if number is not None and self.owner is not None:
            self._run(self.owner, session, number, asked)
        else:
            waiting = self._unanswered.of(session) if self.owner is None else self._unanswered.waiting(session)
            if waiting >= DEFERRED_COMMANDS:
                self._pause(session)

    def _ask_now(self, session: Session, number: int, asked: Asked) -> None:
        if self.owner is not None:
            self._run(self.owner, session, number, asked)

    def hopeful(self) -> bool:
        """Whether an owner answers, or a next one may be there soon."""
        if self._alone_since is not None:
            return self._now() - self._alone_since < HELD_SECONDS
        return self.owner is not None and self._now() - self.owner.link.reached < SILENT_SECONDS

    def _run(self, owner: Peer, session: Session, number: int, asked: Asked) -> None:
        self._statistics.forwarded_commands += 1
        if isinstance(asked, ParleyError):
            owner.put(op.Refuse(session.id, number, asked.code, asked.message, asked.field, asked.id))
        else:
            command = op.encode(asked)
            owner.put(op.Run(session.id, number, Raw(command)), len(command))
        # One client can send more in an iteration of the event loop than may wait in total.
        if owner.link.waiting_bytes + owner.link.queued_bytes > PAUSE_BYTES:
            self._pause(session)

    def _pause(self, session: Session) -> None:
        self._paused.add(session)
        session.pause_reading(PAUSED_BY_LINK)

    def opened(self, session: Session) -> None:
        """Tell the owner that a client has connected here."""
        self._clients.sessions[session.id] = session
        if self.owner is not None:
            self._open(self.owner, session)

    def _open(self, owner: Peer, session: Session, held: float = 0.0) -> None:
        owner.put(
            op.Open(
                session.id,
                session.identity,
                session.provisional,
                session.asked_name,
                session.dialect.name,
                session.address_room,
                session.address,
                session.network,
                session.since,
                held,
            )
        )

    def closed(self, session: Session) -> None:
        """Tell the owner that a client has disconnected, and remove the session from its rooms."""
        if self.owner is not None and not self.hopeful() and self._unanswered.of(session):
            self._withdraw(self.owner, lambda one: one == session.id, session.id.encode())
        self._unanswered.forget(session)
        self._paused.discard(session)
        for name in tuple(session.rooms):
            self._clients.leave(name, session)
        if self._clients.sessions.pop(session.id, None) is not None and self.owner is not None:
            self.owner.put(op.Gone(session.id))

    def refuse(self, session: Session, error: ParleyError) -> None:
        """Have the owner refuse a frame that is not a valid command, in the order of the session's commands."""
        if self.hopeful() and not self._chat.parts.draining:
            self._ask(session, error)
        else:
            session.refuse(error, error.id)

    @property
    def unanswered(self) -> int:
        """How many commands have no answer yet."""
        return len(self._unanswered)

    def cut_off(self) -> bool:
        """Whether the owner has not been reached for `CUT_OFF_SECONDS`."""
        reached_at = self._reached_at if self.owner is None else self.owner.link.reached
        return self._now() - reached_at > CUT_OFF_SECONDS

    async def idle(self) -> None:
        """Wait until every command was answered."""
        await self._unanswered.none()

    def problem(self) -> str | None:
        """Return why commands are not carried out, for an operator; None if they are, or soon will be."""
        if self.owner is not None:
            silent = self._now() - self.owner.link.reached
            return f"node {self.owner}, which has the rooms, cannot be reached" if silent > READY_SECONDS else None
        waits = self._alone_since is None or self._now() - self._alone_since <= READY_SECONDS
        if waits and self.epoch:
            return None
        obstacle = self._obstacle()
        return "no node that has the rooms can be reached" + (f": {obstacle}" if obstacle else "")

    async def ask(self, question: bytes, *, reads: bool = False) -> bytes:
        """Return the owner's answer to a question that is not of a session; if this node has got the rooms, its own.

        Raises:
            ParleyError: ``unavailable``.
        """
        while True:
            while not self._decided.is_set():
                if not self.hopeful():
                    raise unreachable()
                with suppress(TimeoutError):
                    async with asyncio.timeout(ASK_SECONDS):
                        await self._decided.wait()
            if self.owner is None:
                return await self._serve(question)
            if not self.hopeful():
                raise unreachable()
            if (answer := await self.owner.ask(question, reads=reads)) is not None:
                return answer

    def tick(self) -> None:
        """Give up what has waited too long, and read again from paused clients. Call it every 100 ms or so."""
        owner, silent = self.owner, not self.hopeful()
        if owner is None:
            if silent:
                self._give_up_all()
                self._resume()
            return
        if silent and not self._silent:
            self._withdraw(owner, lambda one: one not in self._clients.sessions)
        elif silent and self._now() - owner.link.reached >= HELD_SECONDS and (self._unanswered or owner.questions):
            owner.link.withdraw(lambda put: isinstance(put, op.Run | op.Refuse | op.Ask))
            owner.drop_questions(NoAnswer.LOST)
            self._give_up_all()
        self._silent = silent
        if owner.link.waiting_bytes < PAUSE_BYTES / 2:
            self._resume()

    def _withdraw(self, owner: Peer, is_gone: Callable[[str], bool], naming: bytes = b"") -> None:
        """Withdraw the commands of disconnected clients, which may have sent newer ones to another node since.

        ``is_gone`` is called with the id of each session.
        """
        owner.link.withdraw(lambda put: isinstance(put, op.Run | op.Refuse) and is_gone(put.session), naming)

    def _give_up_all(self) -> None:
        for session, asked in self._unanswered.give_up():
            self._give_up(session, asked)

    def _resume(self) -> None:
        paused, self._paused = self._paused, set()
        for session in paused:
            if self._unanswered.waiting(session) >= DEFERRED_COMMANDS:
                self._paused.add(session)
                continue
            since = session.resume_reading(PAUSED_BY_LINK)
            if session.held_since is None:
                session.held_since = since

    def _give_up(self, session: Session, asked: Asked) -> None:
        if isinstance(asked, ParleyError):
            session.refuse(asked, asked.id)
        else:
            self._chat.refuse(session, asked, unreachable())

    # The owner changes.

    def lose_owner(self, *, clean: bool, held: float = 0.0) -> None:
        """Hold commands until there is another owner.

        With ``clean``, the owner has answered every command that it carried out. Otherwise it may have carried out
        those without an answer, too.
        """
        if self.owner is not None:
            self.owner.drop_questions(NoAnswer.NOT_DONE if clean else NoAnswer.LOST)
            self._reached_at = self.owner.link.reached
            self._held_since = self._reached_at - held
        self.owner, self.storage_problem = None, ""
        self._decided.clear()
        self._alone_since = self._now()
        self._received = self.token if clean and self._begun else 0
        for mirror in self._clients.mirrors.values():
            mirror.wait_all(self.epoch, self._received)
        for session in self._clients.sessions.values():
            session.resume_reading(PAUSED_BY_OWNER)
        if not clean:
            self._unanswered.doubt()

    def adopt(self, owner: Peer, token: int, epoch: str) -> None:
        """Go on with an owner: it learns of every session here, and of the rooms in which they are."""
        self._misses = self._misses_before(token)
        self.token, self.epoch = token, epoch
        self._chat.parts.hub.epoch = epoch  # for `welcome`
        self.owner, self._alone_since, self._begun, self._silent = owner, None, False, False
        self._decided.set()
        self._clients.adopted_at = self._now()
        held = self._now() - self._held_since
        owner.put(op.Begin(token))
        for session in self._chat.parts.hub.sessions:
            if not session.ended:
                self._clients.sessions[session.id] = session
                self._open(owner, session, held)
        for mirror in self._clients.mirrors.values():
            for there in mirror.returning():
                sessions, behind = ([session.id for session in group] for group in (there.sessions, there.behind))
                owner.put(op.Rejoin(there.room, there.head, there.epoch, there.token, sessions, behind, there.people))
        self._statistics.repeated_commands += self._unanswered.ask_again(partial(self._run, owner), self._give_up)
        self._resume()

    def _misses_before(self, token: int) -> bool:
        """Whether clients may have missed what concerns them before a tenure, such as invitations.

        They ask for it again when they are welcomed. A tenure may pass without a link to its owner.
        """
        return self.token > 0 and self._received != token - 1

    def end(self, token: int) -> tuple[list[Returning], list[tuple[Session, Asked]]]:
        """Stop being an edge: this node has the rooms from now on, in the tenure ``token``.

        Returns the sessions that are in rooms, and the commands to be carried out.
        """
        if self.owner is not None:
            self.lose_owner(clean=False)
        self._alone_since = None
        self._decided.set()
        returning = [there for mirror in self._clients.mirrors.values() for there in mirror.returning()]
        for mirror in tuple(self._clients.mirrors.values()):
            for session in tuple(mirror.sessions):
                self._clients.leave(mirror.name, session)
        waiting: list[tuple[Session, Asked]] = []
        self._statistics.repeated_commands += self._unanswered.ask_again(
            lambda session, _, asked: waiting.append((session, asked)), self._give_up
        )
        for session in tuple(dict.fromkeys(session for session, _ in waiting)):
            waiting += [(session, asked) for asked in self._unanswered.take_waiting(session)]
            self._unanswered.forget(session)
        self._resume()
        self._clients.sessions.clear()
        if self._misses_before(token):
            self._chat.welcome_again()
        return returning, waiting

    # What the owner says.

    def take(self, operation: op.FromOwner) -> None:
        """Carry out an operation of the owner, unless it belongs to an earlier tenure."""
        if isinstance(operation, op.Moved):
            if operation.token == self.token:
                self.lose_owner(clean=operation.clean, held=operation.held)
        elif isinstance(operation, op.Begun):
            self._begun = operation.token == self.token
            if self._begun and (self._misses or operation.late):
                self._chat.welcome_again()
        elif self._begun and isinstance(operation, op.Answer):
            if self.owner is not None:
                self.owner.answered(operation)
        elif self._begun:
            self._clients.take(operation, self.token)

    def _drained(self, session: Session, token: int) -> None:
        if self.owner is not None and self.token == token:
            self.owner.put(op.Drained(session.id))
