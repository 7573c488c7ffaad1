"""The owner of the rooms: it runs the commands of the clients of all nodes, those of its edges on stubs."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

import msgspec

from chat.chat import Chat
from chat.cluster import operations as op
from chat.cluster import rejoining
from chat.cluster.peers import Peer
from chat.cluster.statistics import Statistics
from chat.cluster.stubs import Stub
from chat.handlers import HANDLERS
from chat.handlers.sessions import check_devices, identify
from chat.ports import Dialect
from chat.rooms.reading import flush_cursors
from chat.rooms.room import Session
from chat.writes.workers import WorkerPool
from model.errors import EPOCH_CHANGED, TRY_AGAIN, ParleyError
from model.events import AnyEvent

log = logging.getLogger(__name__)

# Rooms that are loaded at once for the sessions of a previous owner: storage has other readers too.
REJOINING = 16
# How often `move_out` looks whether everything is done, in seconds.
LOOK_SECONDS = 0.005


class Owner:
    """The rooms of all nodes, while this node has them.

    Args:
        chat: the chat of this node.
        dialects: by name.
        serve: answers a question of an edge, such as an HTTP request.
    """

    def __init__(
        self,
        chat: Chat,
        dialects: Mapping[str, Dialect],
        serve: Callable[[bytes], Awaitable[bytes]],
        statistics: Statistics,
    ) -> None:
        self._statistics = statistics
        self._chat = chat
        self._dialects = dialects
        self._serve = serve
        self._stubs: dict[Peer, dict[str, Stub]] = {}
        self._moving = False
        self._held: list[tuple[Peer, op.FromEdge]] = []  # while the rooms are about to be given away
        self._rejoining: Counter[Session] = Counter()
        self._turns = asyncio.Semaphore(REJOINING)

    @property
    def stubs(self) -> int:
        """How many clients of other nodes there are."""
        return sum(map(len, self._stubs.values()))

    def begin(self, epoch: str | None) -> None:
        """Have the rooms from now on; see `chat.rooms.hub.Hub.begin`."""
        chat = self._chat
        chat.parts.hub.begin(epoch)
        chat.handlers, chat.elsewhere, chat.parts.edges = HANDLERS, None, self

    # What edges say.

    def take(self, peer: Peer, operation: op.FromEdge) -> None:
        """Carry out an operation of an edge."""
        if self._moving and isinstance(operation, op.Run | op.Refuse | op.Rejoin | op.Ask):
            self._held.append((peer, operation))
        elif isinstance(operation, op.Open):
            self._open(peer, operation)
        elif isinstance(operation, op.Ask):
            self._chat.parts.tasks.spawn(self._answer(peer, operation), name=f"question of {peer.name}")
        elif isinstance(operation, op.Rejoin):
            self._rejoin(peer, operation)
        elif (stub := self._stubs.get(peer, {}).get(operation.session)) is not None:
            self._run(peer, stub, operation)

    def _open(self, peer: Peer, opened: op.Open) -> None:
        parts = self._chat.parts
        stub = Stub(parts.hub, peer, self._dialects[opened.dialect], opened)
        self._stubs.setdefault(peer, {})[opened.session] = stub
        if opened.identity is not None:
            try:
                check_devices(parts, opened.identity.user.id)
            except ParleyError as error:
                stub.refuse(error)
                stub.close(TRY_AGAIN)
            else:
                identify(parts, stub, opened.identity)

    def _run(self, peer: Peer, stub: Stub, operation: op.Run | op.Refuse | op.Gone | op.Drained) -> None:
        match operation:
            case op.Run():
                try:
                    command = op.decode_command(operation.command)
                except msgspec.DecodeError:  # the edge has checked it already
                    log.exception("a command of %s cannot be read", peer)
                    stub.refuse(ParleyError("internal"))
                else:
                    self._chat.receive(stub, command)
                if operation.number:
                    stub.carry_out(operation.number)
                elif not stub.busy:
                    stub.settle()
            case op.Refuse():
                self._chat.receive(
                    stub, ParleyError(operation.code, operation.message, field=operation.field, id=operation.id)
                )
            case op.Drained():
                stub.client_has_read()
            case op.Gone():
                del self._stubs[peer][stub.id]
                self._depart(stub)

    def _depart(self, stub: Stub) -> None:
        stub.end()
        self._chat.depart(stub)

    async def _answer(self, peer: Peer, asked: op.Ask) -> None:
        answer = None
        try:
            answer = await self._serve(asked.question)
        finally:
            peer.put(op.Answer(asked.number, answer))

    def sessions(self) -> Iterable[Stub]:
        """Return the sessions of the edges' clients."""
        return (stub for stubs in self._stubs.values() for stub in stubs.values())

    def broadcast(self, event: AnyEvent, but: Session) -> None:
        """Send an event to every client of an edge, but not to the session ``but``."""
        frames = {name: frame for name, dialect in self._dialects.items() if (frame := dialect.frame(event))}
        for peer in self._stubs:
            peer.put(op.Broadcast(frames, but.id))

    def lost(self, peer: Peer) -> None:
        """Disconnect the clients of an edge that is dead."""
        for stub in self._stubs.pop(peer, {}).values():
            self._depart(stub)

    # Sessions that were in rooms of the previous owner.

    def _rejoin(self, peer: Peer, asked: op.Rejoin) -> None:
        stubs = self._stubs.get(peer, {})
        sessions = [stubs[session] for session in asked.sessions if session in stubs]
        behind = [stubs[session] for session in asked.behind if session in stubs]
        self.rejoin(asked.room, asked.head, asked.epoch, sessions, behind)

    def rejoin(
        self, name: str, head: int, epoch: str, sessions: Sequence[Session], behind: Sequence[Session] = ()
    ) -> None:
        """Take sessions into a room in which they were at the previous owner; their commands wait until then.

        Args:
            name: the room.
            head: up to where they have received the room's log; not those in ``behind``, who were resuming.
            epoch: of the previous owner.
        """
        everybody = (*sessions, *behind)
        self._statistics.rejoined_sessions += len(everybody)
        for session in everybody:
            self._rejoining[session] += 1
            session.busy = True
        again = self._enter_again(name, head, epoch, everybody, frozenset(behind))
        self._chat.parts.tasks.spawn(again, name=f"rejoin {name}")

    async def _enter_again(
        self, name: str, head: int, epoch: str, sessions: Sequence[Session], behind: frozenset[Session]
    ) -> None:
        parts = self._chat.parts
        tenure = parts.hub.tenure
        try:
            async with self._turns:
                await rejoining.rejoin(parts, name, head, epoch, sessions, behind)
        except Exception:
            log.exception("taking over room %r failed: its clients load it again", name)
            for session in sessions:
                session.close(EPOCH_CHANGED)
        finally:
            if parts.hub.tenure == tenure:
                for session in sessions:
                    self._rejoined(session)

    def _rejoined(self, session: Session) -> None:
        self._rejoining[session] -= 1
        if not self._rejoining[session]:
            del self._rejoining[session]
            self._chat.proceed(session)

    # The end.

    async def move_out(self, seconds: float) -> bool:
        """Carry out and answer everything accepted, and hold what comes from now on. New local commands must not come.

        Returns whether everything was done within ``seconds``. Then nothing is under way and everything is stored;
        otherwise call :meth:`stay` or :meth:`end`.
        """
        self._moving = True
        parts = self._chat.parts
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while loop.time() < until:
            flush_cursors(parts)
            busy = any(session.at_work for session in (*parts.hub.sessions, *self.sessions()))
            if not busy and not len(parts.pool) and not any(room.pins for room in parts.hub.rooms.values()):
                parts.hub.flush()
                return True
            await asyncio.sleep(LOOK_SECONDS)
        return False

    def stay(self) -> None:
        """Carry out what was held: the rooms stay here."""
        self._moving = False
        held, self._held = self._held, []
        for peer, operation in held:
            self.take(peer, operation)

    def end(self, clean: bool) -> None:
        """Have the rooms no longer: tell the edges, and answer what is not stored as ``unavailable``.

        Call it once the sessions of this node have left their rooms.
        """
        parts = self._chat.parts
        parts.hub.flush()
        parts.edges = None
        self._moving = False
        self._held.clear()
        self._rejoining.clear()
        stubs, self._stubs = self._stubs, {}
        for peer, there in stubs.items():
            peer.put(op.Moved(clean))
            for stub in there.values():
                forget(self._chat, stub)
        for job in parts.pool.abandon():
            job.abandon()
        parts.tasks.spawn(_close(parts.pool), name="workers of the last tenure")
        parts.pool = WorkerPool(parts.storage, parts.options.pool, parts.counters)
        parts.pool.start()
        parts.cursors.close()
        parts.hub.unload()


def forget(chat: Chat, stub: Stub) -> None:
    """Forget a client of another node, who goes on at another owner: nothing is sent to it."""
    stub.ended = True
    stub.client_has_read()  # ends what waits for that
    stub.rooms.clear()
    if stub.identity is not None:
        chat.parts.directory.departed(stub)


async def _close(pool: WorkerPool) -> None:
    for name in await pool.close(2.0):
        log.error("task %s did not stop", name)
