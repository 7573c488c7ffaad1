"""A node without rooms: it sends what its clients do to the owner, and delivers what the owner sends.

No handler runs here but that of ``hello``, which verifies a token. A command is remembered until it is answered: when
the owner changes, the next one is asked again.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from msgspec import Raw
from msgspec.structs import replace

from chat.chat import Chat
from chat.cluster import operations as op
from chat.cluster.mirrors import Mirror, mirror_of
from chat.cluster.peers import Peer
from chat.cluster.statistics import Statistics
from chat.delivery.session import DEFERRED_COMMANDS, PAUSED_BY_LINK, PAUSED_BY_OWNER
from chat.handlers import HANDLERS
from chat.handlers.sessions import Handlers, hello, write_to_all
from chat.ports import Adopt, Dialect, Identity
from chat.rooms.pacing import give_guest_back, release_buckets
from chat.rooms.parts import Parts
from chat.rooms.room import Session
from model import commands
from model.errors import RETRY_AFTER, CloseCode, ParleyError
from model.events import Ack, AckItem

log = logging.getLogger(__name__)

# Seconds without a sign of life of the owner after which commands are refused at once.
SILENT_SECONDS = 1.5
# Seconds without an owner, or a sign of life of it, after which this node is not ready.
READY_SECONDS = 3.0
# The same after which its clients are sent away, if the owner lives.
CUT_OFF_SECONDS = 10.0
# Seconds that commands wait for a next owner.
HELD_SECONDS = 8.0
# Bytes that the owner has not acknowledged: above it, this node reads nothing more from the clients that send.
PAUSE_BYTES = 4 << 20

# Commands that have no answer, although they may have an id.
UNANSWERED = (commands.Typing, commands.MarkRead)
# Commands that the next owner is asked again although the last one may have carried them out: nothing happens twice.
REPEATABLE = (
    Adopt,
    commands.Join,
    commands.ReadHistory,
    commands.Search,
    commands.ListRooms,
    commands.ListMembers,
    commands.MarkRead,
    commands.Typing,
    commands.Ping,
)


class _InDoubt(NamedTuple):
    """A command that a lost owner may have carried out."""

    command: op.Sent


class Rejoining(NamedTuple):
    """Sessions of this node in a room, when the owner changes; see `chat.cluster.owner.Owner.rejoin`."""

    room: str
    head: int
    sessions: list[Session]
    behind: list[Session]


def unavailable() -> ParleyError:
    """Make the refusal of a command that no owner can carry out now."""
    return ParleyError("unavailable", "the server that has the rooms cannot be reached", retry_after=RETRY_AFTER)


class Edge:
    """See the top of this file. It is the chat's `chat.ports.Elsewhere`, as long as this node has no rooms.

    Args:
        chat: the chat of this node.
        dialects: by name.
        now: a monotonic clock.
        obstacle: why there may be no link with the owner, in words.

    Attributes:
        owner: the node that has the rooms, None while there is none.
        epoch: of the owner, or of the last one.
    """

    def __init__(
        self,
        chat: Chat,
        dialects: Mapping[str, Dialect],
        now: Callable[[], float],
        statistics: Statistics,
        obstacle: Callable[[], str | None],
    ) -> None:
        self._obstacle = obstacle
        self._statistics = statistics
        self.owner: Peer | None = None
        self.epoch = ""
        self._chat = chat
        self._dialects = dialects
        self._now = now
        self._handlers: Handlers = dict.fromkeys(HANDLERS, self._forward)
        self._handlers = {**self._handlers, commands.Hello: partial(hello, self._handlers)}
        self._mirrors: dict[str, Mirror] = {}
        self._sessions: dict[str, Session] = {}
        self._asked: dict[Session, dict[op.Key, op.Sent | _InDoubt]] = {}
        self._all_answered = asyncio.Event()
        self._all_answered.set()
        self._numbers = 0
        self._paused: set[Session] = set()
        self._alone_since: float | None = now()  # without an owner; None with one

    # What clients do.

    def begin(self) -> None:
        """Hold the commands of this node's clients from now on, until there is an owner."""
        self._chat.handlers = self._handlers
        self._alone_since = self._now()

    def take_rooms(self) -> None:
        """Keep the sessions of the rooms that this node has had."""
        chat = self._chat
        chat.elsewhere = self
        hub = chat.parts.hub
        self._sessions = {session.id: session for session in hub.sessions}
        for room in tuple(hub.rooms.values()):
            if (mirror := mirror_of(hub, room)) is not None:
                self._mirrors[room.name] = mirror

    def _forward(self, parts: Parts, session: Session, command: Any) -> None:
        """Send a command to the owner, or hold it until there is one.

        Raises:
            ParleyError: ``unavailable``.
        """
        if not self.hopeful():
            raise unavailable()
        number = 0
        if command.id is None or isinstance(command, UNANSWERED):
            self._numbers = number = self._numbers + 1
        asked = self._asked.setdefault(session, {})
        self._all_answered.clear()
        asked[number or command.id] = command
        if self.owner is not None:
            self._run(self.owner, session, number, command)
        elif len(asked) >= DEFERRED_COMMANDS:
            self._pause(session)

    def hopeful(self) -> bool:
        """Whether an owner answers, or a next one may be there soon."""
        if self._alone_since is not None:
            return self._now() - self._alone_since < HELD_SECONDS
        return self.owner is not None and self._now() - self.owner.link.heard < SILENT_SECONDS

    def _run(self, owner: Peer, session: Session, number: int, command: op.Sent) -> None:
        self._statistics.forwarded_commands += 1
        owner.put(op.Run(session.id, number, Raw(op.encode(command))))
        if owner.link.waiting_bytes > PAUSE_BYTES:
            self._pause(session)

    def _pause(self, session: Session) -> None:
        self._paused.add(session)
        session.pause_reading(PAUSED_BY_LINK)

    def opened(self, session: Session) -> None:
        """Tell the owner that a client has connected here."""
        self._sessions[session.id] = session
        if self.owner is not None:
            self._open(self.owner, session)

    def _open(self, owner: Peer, session: Session) -> None:
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
            )
        )

    def closed(self, session: Session) -> None:
        """Tell the owner that a client has disconnected, and remove the session from its rooms."""
        self._asked.pop(session, None)
        if not self._asked:
            self._all_answered.set()
        self._paused.discard(session)
        for name in tuple(session.rooms):
            self._leave(name, session)
        if self._sessions.pop(session.id, None) is not None and self.owner is not None:
            self.owner.put(op.Gone(session.id))

    def refuse(self, session: Session, error: ParleyError) -> None:
        """Have the owner refuse a frame that is not a valid command, in the order of the session's commands."""
        if self.owner is not None:
            self.owner.put(op.Refuse(session.id, error.code, error.message, error.field, error.id))
        else:
            session.refuse(error, error.id)

    @property
    def unanswered(self) -> int:
        """How many commands have no answer yet."""
        return sum(map(len, self._asked.values()))

    def cut_off(self) -> bool:
        """Whether the owner has not been reached for `CUT_OFF_SECONDS`."""
        if self.owner is not None:
            return self._now() - self.owner.link.heard > CUT_OFF_SECONDS
        return self._alone_since is not None and self._now() - self._alone_since > CUT_OFF_SECONDS

    async def idle(self) -> None:
        """Wait until every command was answered."""
        await self._all_answered.wait()

    def problem(self) -> str | None:
        """Return why commands are not carried out, for an operator; None if they are, or soon will be."""
        if self.owner is not None:
            silent = self._now() - self.owner.link.heard
            return f"node {self.owner}, which has the rooms, cannot be reached" if silent > READY_SECONDS else None
        waits = self._alone_since is None or self._now() - self._alone_since <= READY_SECONDS
        if waits and self.epoch:
            return None
        obstacle = self._obstacle()
        return "no node that has the rooms can be reached" + (f": {obstacle}" if obstacle else "")

    async def ask(self, question: bytes) -> bytes:
        """Return the owner's answer to a question that is not of a session.

        Raises:
            ParleyError: ``unavailable``.
        """
        if self.owner is None or not self.hopeful():
            raise unavailable()
        return await self.owner.ask(question)

    def tick(self) -> None:
        """Give up what has waited too long, and read again from clients that were paused. Call it every 50 ms or so."""
        if self.owner is None and not self.hopeful():
            for session, asked in tuple(self._asked.items()):
                for key in tuple(asked):
                    self._give_up(session, key)
            self._resume()
        if self.owner is not None and self.owner.link.waiting_bytes < PAUSE_BYTES / 2:
            self._resume()

    def _resume(self) -> None:
        paused, self._paused = self._paused, set()
        for session in paused:
            session.resume_reading(PAUSED_BY_LINK)

    def _give_up(self, session: Session, key: op.Key) -> None:
        asked = self._asked[session][key]
        command = asked.command if isinstance(asked, _InDoubt) else asked
        self._answered(session, key)
        session.refuse(unavailable(), command.id, getattr(command, "room", None))

    def _answered(self, session: Session, key: op.Key) -> None:
        asked = self._asked.get(session)
        if asked is not None and asked.pop(key, None) is not None and not asked:
            del self._asked[session]
            if not self._asked:
                self._all_answered.set()

    # The owner changes.

    def lose_owner(self, *, clean: bool) -> None:
        """Hold commands until there is another owner.

        With ``clean``, the owner has answered every command that it carried out. Otherwise it may have carried out
        those without an answer, too.
        """
        if self.owner is not None:
            self.owner.drop_questions()
        self.owner = None
        self._alone_since = self._now()
        for mirror in self._mirrors.values():
            mirror.catch_up()
        for session in self._sessions.values():
            session.resume_reading(PAUSED_BY_OWNER)
        if not clean:
            for asked in self._asked.values():
                for key, command in asked.items():
                    if not isinstance(command, _InDoubt):
                        asked[key] = _InDoubt(command)

    def adopt(self, owner: Peer, epoch: str) -> None:
        """Go on with an owner: it learns of every session here, and of the rooms in which they are."""
        before, self.epoch = self.epoch, epoch
        self._chat.parts.hub.epoch = epoch  # for `welcome`
        self.owner, self._alone_since = owner, None
        for session in self._chat.parts.hub.sessions:
            if not session.ended:
                self._sessions[session.id] = session
                self._open(owner, session)
        for mirror in self._mirrors.values():
            mirror.audience.flush()
            here = [session for session in mirror.sessions if not session.ended]
            behind = [session.id for session in here if session in mirror.behind]
            sessions = [session.id for session in here if session not in mirror.behind]
            owner.put(op.Rejoin(mirror.name, mirror.head, before, sessions, behind))
        self._ask_again(partial(self._again, owner))

    def _again(self, owner: Peer, session: Session, key: op.Key, command: op.Sent) -> None:
        self._asked[session][key] = command
        self._run(owner, session, key if isinstance(key, int) else 0, command)

    def _ask_again(self, run: Callable[[Session, op.Key, op.Sent], object]) -> None:
        for session, asked in tuple(self._asked.items()):
            for key, command in tuple(asked.items()):
                if isinstance(command, _InDoubt):
                    self._statistics.repeated_commands += 1
                    command = command.command
                    if isinstance(command, commands.PostMessage) and command.id is not None:
                        command = replace(command, resend=True)
                    elif not isinstance(command, REPEATABLE):
                        self._give_up(session, key)
                        continue
                run(session, key, command)
        self._resume()

    def end(self) -> tuple[list[Rejoining], list[tuple[Session, op.Sent]]]:
        """Stop being an edge: this node has the rooms from now on.

        Returns the sessions that are in rooms, and the commands to be carried out.
        """
        if self.owner is not None:
            self.lose_owner(clean=False)
        self._alone_since = None
        rejoining = []
        for mirror in tuple(self._mirrors.values()):
            behind = list(mirror.behind)
            sessions = [session for session in mirror.sessions if session not in mirror.behind]
            for session in (*behind, *sessions):
                self._leave(mirror.name, session)
            rejoining.append(Rejoining(mirror.name, mirror.head, sessions, behind))
        waiting: list[tuple[Session, op.Sent]] = []
        self._ask_again(lambda session, _, command: waiting.append((session, command)))
        self._asked.clear()
        self._all_answered.set()
        self._sessions.clear()
        return rejoining, waiting

    # What the owner says.

    def take(self, operation: op.FromOwner) -> None:
        """Carry out an operation of the owner."""
        match operation:
            case op.Frames(room, dialect, frames, lasting, head):
                if (mirror := self._mirrors.get(room)) is not None:
                    mirror.head = head
                    mirror.audience.relay(self._dialects[dialect], frames, lasting)
            case op.Acks(items):
                for session_id, room, command, seq in items:
                    self._ack(session_id, AckItem(command, room, seq))
            case op.Broadcast(frames=by_dialect, but=but):
                sending = write_to_all(self._chat.parts, lambda dialect: by_dialect.get(dialect.name), but)
                self._chat.parts.tasks.spawn(sending, name="announcement")
            case op.Answer():
                if self.owner is not None:
                    self.owner.answered(operation)
            case op.Moved(clean):
                self.lose_owner(clean=clean)
            case _:
                session = self._sessions.get(operation.session)
                if session is not None and not session.ended:
                    self._take(session, operation)

    def _take(
        self,
        session: Session,
        operation: op.Attach
        | op.Detach
        | op.Release
        | op.Tell
        | op.Page
        | op.Done
        | op.Pause
        | op.Close
        | op.Identified,
    ) -> None:
        match operation:
            case op.Tell(frames=frames, answers=answers, room=room):
                self._tell(session, answers, lambda: self._write(session, frames, room))
            case op.Page(frames=frames, answers=answers):
                self._tell(session, answers, lambda: self._page(session, frames))
            case op.Done(number=number):
                for key in tuple(self._asked.get(session, ())):
                    if isinstance(key, int) and key <= number:
                        self._answered(session, key)
            case op.Attach(room=room, syncing=syncing, head=head):
                mirror = self._mirrors.get(room)
                if mirror is None:
                    mirror = self._mirrors[room] = Mirror(self._chat.parts.hub, room, head)
                mirror.head = head
                mirror.add(session, syncing=syncing)
            case op.Detach(room=room):
                self._leave(room, session)
            case op.Release(room=room):
                if (mirror := self._mirrors.get(room)) is not None:
                    waiting = mirror.audience.release(session)
                    session.released()
                    for data in waiting:
                        session.write(data)
            case op.Pause(paused=True):
                session.pause_reading(PAUSED_BY_OWNER)
            case op.Pause():
                session.resume_reading(PAUSED_BY_OWNER)
            case op.Close(code=code, reason=reason):
                session.close(CloseCode(code, reason, "the server that has the rooms closes it"))
            case op.Identified(identity=identity, provisional=provisional):
                self._identify(session, identity, provisional=provisional)

    def _leave(self, room: str, session: Session) -> None:
        if (mirror := self._mirrors.get(room)) is not None:
            mirror.discard(session)
            if not mirror.sessions:
                del self._mirrors[room]

    def _tell(self, session: Session, answers: str | None, write: Callable[[], object]) -> None:
        if answers is not None:
            self._answered(session, answers)
        for room in session.rooms.values():
            if room.audience.dirty:
                room.audience.flush()
        write()

    def _write(self, session: Session, frames: bytes, room: str | None) -> None:
        mirror = self._mirrors.get(room) if room is not None else None
        if mirror is not None:
            mirror.audience.write(session, frames)
        elif frames:
            session.write(frames)

    def _page(self, session: Session, frames: bytes) -> None:
        self._chat.parts.tasks.spawn(self._drain(session, session.write_page(frames)), name=f"page {session.id}")

    async def _drain(self, session: Session, read: Any) -> None:
        owner = self.owner
        await read
        if owner is not None:
            owner.put(op.Drained(session.id))

    def _ack(self, session_id: str, item: AckItem) -> None:
        session = self._sessions.get(session_id)
        if session is None or session.ended:
            return
        self._answered(session, item.id)
        if (mirror := self._mirrors.get(item.room)) is not None:
            session.ack(item, mirror.audience)
        else:
            session.reply(Ack(ids=[item]))

    def _identify(self, session: Session, identity: Identity, *, provisional: bool) -> None:
        parts = self._chat.parts
        if session.identity is not None:
            parts.directory.departed(session)
            release_buckets(parts, session)
            if session.provisional and session.user.id != identity.user.id:
                give_guest_back(parts, session)
        session.identity, session.user, session.provisional = identity, identity.user, provisional
        session.connection.end_at(identity.expires)
        parts.directory.arrived(session)
