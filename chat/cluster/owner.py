"""The owner of the rooms: it runs the commands of the clients of all nodes, those of its edges on stubs."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping

import msgspec

from chat.chat import Chat
from chat.cluster import operations as op
from chat.cluster import rejoining
from chat.cluster.mirrors import Returning
from chat.cluster.peers import Peer
from chat.cluster.statistics import Statistics
from chat.cluster.stubs import Stub
from chat.delivery.audience import Remote
from chat.handlers import HANDLERS
from chat.handlers.sessions import check_devices, identify
from chat.ports import Dialect
from chat.rooms.impostors import check_name
from chat.rooms.reading import flush_cursors
from chat.rooms.room import Session
from chat.rooms.storing import TENURE
from chat.writes.workers import WorkerPool
from model.errors import EPOCH_CHANGED, REFUSED, TRY_AGAIN, ParleyError
from model.events import AnyEvent
from utils.fairness import RankedTurns

log = logging.getLogger(__name__)

# Rooms that are loaded at once for the sessions of a previous owner: storage has other readers too.
REJOINING = 16
# How often `move_out` looks whether everything is done, in seconds.
LOOK_SECONDS = 0.005
# How often to look whether clients have read the snapshots of other rooms, in seconds.
READ_SECONDS = 0.05
# How long commands wait for the other nodes to accept a new owner, so that it knows their clients: a user who is not
# known here cannot be invited.
GATHER_SECONDS = 0.5


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
        self._token = 0
        self._stubs: dict[Peer, dict[str, Stub]] = {}  # of the edges that have accepted this owner
        self._gathering: set[Peer] = set()  # the nodes that are waited for
        self._gathered: asyncio.TimerHandle | None = None
        self._stays = asyncio.Event()  # not set while the rooms are about to move
        self._stays.set()
        self._moves_since = 0.0  # when it was last cleared
        self._held: list[tuple[Peer, op.Ask]] = []
        self._answering = 0
        self._returning: dict[Returning, asyncio.Task[None]] = {}
        self._lines: dict[Remote | None, RankedTurns] = {}  # of the rooms that are to be entered, by node
        self._rooms_left: Counter[str] = Counter()  # how many of those each user has, all guests of a network as one
        self._loading = asyncio.Semaphore(REJOINING)
        self._entering = 0  # rooms that are being entered

    @property
    def stubs(self) -> int:
        """How many clients of other nodes there are."""
        return sum(map(len, self._stubs.values()))

    @property
    def linked(self) -> bool:
        """Whether an edge has accepted this owner, and is not known to be dead."""
        return bool(self._stubs)

    def begin(self, token: int, epoch: str | None, nodes: Iterable[Peer]) -> None:
        """Have the rooms from now on. Commands wait until these nodes know of it, but not for long.

        Args:
            token: of the tenure.
            epoch: see `chat.rooms.hub.Hub.begin`.
        """
        chat = self._chat
        chat.parts.hub.begin(epoch)
        chat.handlers, chat.elsewhere, chat.parts.edges = HANDLERS, None, self
        self._token = token
        self._lines.clear()
        self._gathering = set(nodes)
        if self._gathering:
            chat.hold()
            self._gathered = asyncio.get_running_loop().call_later(GATHER_SECONDS, self._go_on)

    def _go_on(self) -> None:
        """Carry out what was held."""
        self._stop_gathering()
        self._stays.set()
        self._chat.go_on()
        held, self._held = self._held, []
        for peer, asked in held:
            self.take(peer, asked)

    def _stop_gathering(self) -> None:
        self._gathering.clear()
        if self._gathered is not None:
            self._gathered.cancel()
            self._gathered = None

    def _found(self, peer: Peer) -> None:
        """Do not wait for a node any longer."""
        if peer in self._gathering:
            self._gathering.remove(peer)
            if not self._gathering and self._gathered is not None:
                self._gathered.cancel()
                # Soon: its sessions are still to be read from the same packet.
                self._gathered = asyncio.get_running_loop().call_later(0.0, self._go_on)

    # What edges say.

    def take(self, peer: Peer, operation: op.FromEdge) -> None:
        """Carry out an operation of an edge, unless it was meant for an earlier tenure."""
        if isinstance(operation, op.Begin):
            self._accepted(peer, operation.token)
        elif peer not in self._stubs:
            return
        elif isinstance(operation, op.Open):
            self._open(peer, operation)
        elif isinstance(operation, op.Ask):
            if self._chat.going.is_set():
                self._chat.parts.tasks.spawn(self._answer(peer, operation), name=f"question of {peer.name}")
            else:
                self._held.append((peer, operation))
        elif isinstance(operation, op.Rejoin):
            self._rejoin(peer, operation)
        elif (stub := self._stubs[peer].get(operation.session)) is not None:
            self._run(peer, stub, operation)

    def _accepted(self, peer: Peer, token: int) -> None:
        if token == self._token:
            late = self._gathered is None
            self.lost(peer)
            self._stubs[peer] = {}
            peer.put(op.Begun(token, late))
            self._found(peer)

    def _open(self, peer: Peer, opened: op.Open) -> None:
        parts = self._chat.parts
        stub = Stub(parts.hub, peer, self._dialects[opened.dialect], opened)
        stub.busy = int(not self._chat.going.is_set())
        if opened.held:
            stub.held_since = parts.clock.monotonic() - opened.held
        self._stubs[peer][opened.session] = stub
        if (denied := parts.tokens.denial(opened.identity, opened.address)) is not None:
            stub.refuse(denied.error)  # the edge may not have heard of it
            stub.close(denied.close)
        elif opened.identity is not None:
            try:
                check_devices(parts, opened.identity.user.id)
                if opened.identity.guest:
                    check_name(parts, opened.identity.user.name)
            except ParleyError as error:
                stub.refuse(error)
                stub.close(TRY_AGAIN if error.kind.retryable else REFUSED)
            else:
                identify(parts, stub, opened.identity)

    def _run(self, peer: Peer, stub: Stub, operation: op.Run | op.Refuse | op.Gone | op.Drained) -> None:
        match operation:
            case op.Run():
                try:
                    command = op.decode_command(operation.command)
                except msgspec.DecodeError:  # the edge has checked it already
                    log.exception("a command of %s cannot be read", peer)
                    self._chat.receive(stub, ParleyError("internal"))
                else:
                    self._chat.receive(stub, command)
                stub.carried_out(operation.number)
            case op.Refuse(code=code, message=message, field=field, id=id):
                self._chat.receive(stub, ParleyError(code, message, field=field, id=id))
                stub.carried_out(operation.number)
            case op.Drained():
                stub.client_has_read()
            case op.Gone():
                del self._stubs[peer][stub.id]
                self._depart(stub)

    def _depart(self, stub: Stub) -> None:
        stub.end()
        self._chat.depart(stub)

    async def _answer(self, peer: Peer, asked: op.Ask) -> None:
        self._answering += not asked.reads
        answer = None
        try:
            answer = await self._serve(asked.question)
        finally:
            self._answering -= not asked.reads
            if peer in self._stubs:
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
        self._found(peer)
        self._lines.pop(peer, None)
        for stub in self._stubs.pop(peer, {}).values():
            self._depart(stub)

    # Sessions that were in rooms of the previous owner.

    def _rejoin(self, peer: Peer, asked: op.Rejoin) -> None:
        stubs = self._stubs[peer]
        returning = Returning(asked.room, asked.epoch, asked.head, asked.token, asked.people)
        for ids, sessions in ((asked.sessions, returning.sessions), (asked.behind, returning.behind)):
            sessions += [stub for session in ids if (stub := stubs.get(session)) is not None and not stub.ended]
        self.rejoin(returning)

    def rejoin(self, returning: Returning) -> None:
        """Take sessions of one node into a room in which they were at the previous owner.

        Their commands wait until then. A user with one room does not wait for those of a user with a thousand: what
        counts is how many rooms its users are to enter before this one, for the user with the fewest.
        """
        everybody = returning.everybody()
        self._statistics.rejoined_sessions += len(everybody)
        for session in everybody:
            self._chat.hold_session(session)
        users = {_user_of(session) for session in everybody}
        rank = min((self._rooms_left[user] for user in users), default=0)
        self._rooms_left.update(users)
        tasks, tenure = self._chat.parts.tasks, self._chat.parts.hub.tenure
        task = tasks.spawn(self._enter_again(returning, rank, tenure), name=f"rejoin {returning.room}")
        self._returning[returning] = task
        task.add_done_callback(lambda _: self._returned(returning, users))

    async def _enter_again(self, returning: Returning, rank: int, tenure: int) -> None:
        TENURE.set(tenure)
        remote = next((session.remote for session in returning.everybody()), None)
        line = self._lines.setdefault(remote, RankedTurns(REJOINING))
        try:
            while returning.everybody():
                async with line.turn(rank):
                    if isinstance(remote, Peer):
                        await remote.keeps_up()
                    async with self._loading:
                        await self._enter_readable(returning)
                if returning.everybody():
                    rank += 1
                    await _readable(returning)
        except Exception:
            log.exception("taking over room %r failed: its clients load it again", returning.room)
            for session in returning.everybody():
                session.close(EPOCH_CHANGED)

    async def _enter_readable(self, returning: Returning) -> None:
        """Take those into a room whose clients have read the snapshots of others."""
        await self._stays.wait()
        self._entering += 1
        try:
            there = returning.readable()
            complete = there.token == self._token - 1
            for session, command, work in await rejoining.rejoin(self._chat.parts, there, complete=complete):
                self._chat.wait_for(session, command, work)
            returning.have_returned(there)
            for session in there.everybody():
                self._chat.proceed(session)
        finally:
            self._entering -= 1

    def _returned(self, returning: Returning, users: set[str]) -> None:
        self._returning.pop(returning, None)
        for user in users:
            self._rooms_left[user] -= 1
            if not self._rooms_left[user]:
                del self._rooms_left[user]
        for session in returning.everybody():
            self._chat.proceed(session)

    def not_returned(self) -> list[Returning]:
        """Return the sessions that wait to be taken into their rooms; of those of this node, all that there are."""
        return list(self._returning)

    # The end.

    async def move_out(self, seconds: float) -> bool:
        """Hold every command from now on, and carry out and answer everything accepted before.

        What only reads is asked again where the rooms are then: a user could let it take seconds. Returns whether
        everything else was done within ``seconds``: then it is stored. Call :meth:`stay` or :meth:`end` next.
        """
        self._stays.clear()
        self._moves_since = self._chat.parts.clock.monotonic()
        self._stop_gathering()
        self._chat.hold()
        self._chat.put_back_reads()
        parts = self._chat.parts
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while not self._stays.is_set() and loop.time() < until:
            flush_cursors(parts)
            everybody = (*parts.hub.sessions, *self.sessions())
            at_work = any(session.at_work and session not in self._chat.not_begun for session in everybody)
            pinned = any(room.pins for room in parts.hub.rooms.values())
            # Rooms that are not being entered now, and commands that have not begun, wait for the next owner.
            asked = self._answering or self._entering or self._chat.visits
            if not (at_work or pinned or asked or len(parts.pool)):
                parts.hub.flush()
                return True
            await asyncio.sleep(LOOK_SECONDS)
        return False

    def held(self) -> float:
        """Return for how many seconds commands have waited because the rooms are about to move."""
        return 0.0 if self._stays.is_set() else self._chat.parts.clock.monotonic() - self._moves_since

    def stay(self) -> None:
        """Carry out what was held: the rooms stay here."""
        if not self._stays.is_set():
            self._go_on()

    def end(self, nodes: Iterable[Peer], *, clean: bool) -> None:
        """Have the rooms no longer: tell these nodes, and answer what is not stored as ``unavailable``.

        Call it once the sessions of this node have left their rooms.
        """
        parts = self._chat.parts
        parts.hub.flush()
        parts.edges = None
        self._stop_gathering()
        held = self.held()
        self._stays.set()
        self._held.clear()
        for task in tuple(self._returning.values()):
            task.cancel()
        stubs, self._stubs = self._stubs, {}
        for peer in nodes:
            peer.put(op.Moved(self._token, clean, held))
        for there in stubs.values():
            for stub in there.values():
                self._forget(stub)
        for job in parts.pool.abandon():
            job.abandon()
        parts.tasks.spawn(_close(parts.pool), name="workers of the last tenure")
        parts.pool = WorkerPool(parts.storage, parts.options.pool, parts.counters)
        parts.pool.start()
        parts.cursors.close()
        parts.hub.unload()
        self._chat.go_on()

    def _forget(self, stub: Stub) -> None:
        """Forget a client of another node, which goes on at another owner: nothing is sent to it."""
        stub.forget()
        if stub.identity is not None:
            self._chat.parts.directory.departed(stub)


async def _readable(returning: Returning) -> None:
    """Wait until some of them have read what they were sent, or have disconnected."""
    while True:
        if returning.readable().everybody():
            return
        await asyncio.sleep(READ_SECONDS)


def _user_of(session: Session) -> str:
    """Return the account, or the network of a guest: a new guest costs nothing."""
    if session.identity is None:
        return session.network
    return session.network if session.identity.guest and session.network else session.user.id


async def _close(pool: WorkerPool) -> None:
    for name in await pool.close(2.0):
        log.error("task %s did not stop", name)
