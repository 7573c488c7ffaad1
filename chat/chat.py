"""The chat of one server: sessions connect and disconnect, and their commands reach the handlers."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Literal

from msgspec.structs import replace

from chat.command_kinds import ABOUT_MESSAGES, BROADCAST, CHANGES, READS, READS_ONLY
from chat.delivery.ratelimit import allowances, rate_limited
from chat.delivery.session import PAUSED_BY_LINK
from chat.delivery.session import Session as AnySession
from chat.handlers import HANDLERS
from chat.handlers.sessions import SESSIONS_PER_TURN, Handlers, check_devices, identify, welcome
from chat.ports import Admitted, Adopt, Connection, Dialect, Elsewhere, Identity, Received, ThisNode, Tokens
from chat.rooms import impostors, members
from chat.rooms.makers import Makers
from chat.rooms.pacing import release_buckets, save_held, take_command, take_guest, take_message, too_fast
from chat.rooms.parts import ChatOptions, Parts
from chat.rooms.reading import flush_cursors
from chat.rooms.room import Session
from chat.rooms.storing import TENURE, reads_for, require_tenure
from model.commands import AnyCommand, Claim, Hello, Join, Leave, PostMessage, UseLink
from model.errors import EPOCH_CHANGED, GOING_AWAY, INTERNAL, REFUSED, TRY_AGAIN, ParleyError
from model.events import Goodbye
from model.room import User
from model.text import check_user_name
from storage.ports.storage import Storage
from utils.clock import Clock
from utils.ids import new_token

log = logging.getLogger(__name__)

# Why a server is not ready, in one word: storage was not reached yet, cannot be used now, or is being written by
# another server; the node that has the rooms cannot be reached; this is that node, and an edge was asked for; or this
# server is stopping.
NotReadyReason = Literal["starting", "storage", "standby", "owner", "owning", "stopping"]

# How many commands a `hello` counts as: verifying its signature costs that much.
HELLO_COMMANDS = 10.0

# How long a stopping server waits for another one to answer what its clients have sent; they can ask again.
ANSWERED_SECONDS = 2.0

# Largest `reconnect_after`, in seconds: clients reconnect spread over this time, not all at once.
RECONNECT_SECONDS = 5.0


class Chat:
    """One chat, from :meth:`start` to :meth:`close`.

    Attributes:
        parts: what the handlers and queries work with.
        handlers: the handler of each command: those of `chat.handlers`, as long as this server has the rooms.
        elsewhere: the server that has the rooms, None for this one.
        node: this server as one node of several; None for a single server.
        going: set, except while commands wait because the rooms move; see :meth:`hold`.
        visits: how many commands of `chat.one_shot` are being carried out.
        traces: whether each command is logged, at level DEBUG.
        not_begun: sessions at other servers, whose command waits until the link to that server keeps up.
    """

    def __init__(self, storage: Storage, clock: Clock, tokens: Tokens, options: ChatOptions) -> None:
        self.parts = Parts(storage, clock, tokens, options)
        self.handlers: Handlers = HANDLERS
        self.elsewhere: Elsewhere | None = None
        self.node: ThisNode | None = None
        self.going = asyncio.Event()
        self.going.set()
        self.visits = 0
        self.traces = False
        self.not_begun: set[Session] = set()
        self._reading: dict[Session, tuple[AnyCommand | UseLink | Claim | Adopt, asyncio.Task[None]]] = {}

    def renew(self, options: ChatOptions) -> None:
        """Apply new options, except those that are read only at the start.

        If a rate has changed, every client has a full burst again.
        """
        parts, before = self.parts, self.parts.options
        parts.options, parts.limits = options, options.limits
        if (options.messages, options.guest_messages) != (before.messages, before.guest_messages):
            parts.speakers, parts.speaking_guests = allowances(options.messages), allowances(options.guest_messages)
            for session in self.everyone():
                session.bucket = session.address_bucket = None
        if options.new_guests != before.new_guests:
            parts.newcomers = allowances(options.new_guests)
        if options.address_rooms != before.address_rooms:
            parts.makers = Makers(options.address_rooms)
        for room in parts.hub.rooms.values():
            members.refresh_unrestricted(parts, room)

    def start(self) -> None:
        """Start the workers, which write to storage."""
        self.parts.pool.start()

    # Sessions.

    def connect(
        self,
        connection: Connection,
        dialect: Dialect,
        *,
        name: str | None,
        room: str | None,
        opened: Callable[[Session], None],
        identity: Identity | None = None,
        address: str = "",
        network: str = "",
    ) -> None:
        """Open a session for a client that has connected.

        Args:
            connection: the client's connection.
            dialect: the client's dialect.
            name, room: those in the address, unchecked.
            opened: receives the session before anything is written to the connection.
            identity: what the client has already proved; None for a new guest.
            address: the client's, for the log; "" if unknown.
            network: the network that its limits per address count for; "" if unknown.
        """
        unique = new_token("", 18)  # for two ids of 9 bytes, in the time of one
        session: Session = AnySession(
            self.parts.hub,
            connection,
            dialect,
            f"s_{unique[:12]}",
            room or dialect.default_room or "",
            address,
            network,
            since=self.parts.clock.now_us(),
        )
        opened(session)
        session.busy = int(not self.going.is_set())
        self.parts.hub.sessions[session] = None
        self.parts.counters.connections_total += 1
        if self.traces:
            log.debug("a session of the dialect %s has begun", dialect.name, extra=session.marks)
        wrong: ParleyError | None = None
        try:
            if name and (identity is None or identity.guest):
                session.asked_name = impostors.check_name(self.parts, check_user_name(name, "u"), "u")
        except ParleyError as error:
            wrong = error
        if identity is not None:
            if session.asked_name:
                identity = replace(identity, user=User(identity.user.id, session.asked_name))
            try:
                check_devices(self.parts, identity.user.id)
                if identity.guest:
                    impostors.check_name(self.parts, identity.user.name)
            except ParleyError as error:
                session.refuse(error)
                session.close(TRY_AGAIN if error.kind.retryable else REFUSED)
                return
            identify(self.parts, session, identity)
        elif self.parts.options.guests and (wait := take_guest(self.parts, network)):
            wrong = rate_limited(wait)  # a `hello` with a token may still follow
        elif self.parts.options.guests:
            user = User(
                f"g_{unique[12:]}", session.asked_name or dialect.default_name or f"guest-{random.randrange(10**5):05}"
            )
            identify(self.parts, session, Identity(user, guest=True))
            session.provisional = True
        elif dialect.bound_to_address:
            wrong = ParleyError("unauthorized", "guest access is disabled")
        if dialect.welcomes and session.identity is not None:
            session.send(welcome(self.parts, session))
        if wrong is not None:
            session.refuse(wrong)
            if dialect.bound_to_address:
                session.close(TRY_AGAIN if wrong.kind.retryable else REFUSED)
                return
        if self.elsewhere is not None:
            self.elsewhere.opened(session)
        if session.identity is not None and session.address_room:
            self.receive(session, Join(room=session.address_room))

    def send_tokens(self) -> None:
        """Send every guest a ``welcome`` with their token: it could not be signed before, or is signed with another key
        from now on."""
        self._welcome_later([s for s in self.parts.hub.sessions if s.identity and s.identity.guest])

    def welcome_again(self) -> None:
        """Send every client a ``welcome``: it may have missed what is sent to a user rather than to a room."""
        self._welcome_later([s for s in self.parts.hub.sessions if s.identity])

    def _welcome_later(self, sessions: Sequence[Session]) -> None:
        if sessions := [session for session in sessions if session.dialect.welcomes]:
            self.parts.tasks.spawn(self._send_welcomes(sessions), name="welcomes")

    async def _send_welcomes(self, sessions: Sequence[Session]) -> None:
        for count, session in enumerate(sessions, 1):
            if not session.ended:
                session.reply(welcome(self.parts, session))
            if count % SESSIONS_PER_TURN == 0:
                await asyncio.sleep(0)

    def disconnect(self, session: Session) -> None:
        """Remove the session of a lost connection from its rooms. Idempotent."""
        if session in self.parts.hub.sessions:
            del self.parts.hub.sessions[session]
            session.end()
            if self.elsewhere is not None:
                self.elsewhere.closed(session)
            self.depart(session)
            if self.traces:
                log.debug("the session has ended", extra=session.marks)

    def depart(self, session: Session) -> None:
        """Remove an ended session from its rooms and from the directory."""
        for room in tuple(session.rooms.values()):
            members.leave(self.parts, room, session, grace=self.parts.options.presence_grace)
        if session.identity is not None:
            release_buckets(self.parts, session)
            self.parts.directory.departed(session)
            self.parts.guest_networks.note(session.actor, self.parts.clock.monotonic())

    # Commands.

    def receive(self, session: Session, received: Received) -> None:
        """Run the command in a text frame, at once or after the session's earlier commands.

        Another server sends the command that it has decoded, or the error if it could not be decoded.
        """
        if session.ended:
            return
        if session.busy:
            session.defer(received)
            return
        if isinstance(received, str):
            try:
                received = session.dialect.command(received, session.address_room)
            except ParleyError as error:  # it must not outlive this block: its traceback has this frame
                self.refuse_frame(session, error)
                return
        if isinstance(received, ParleyError):
            self.refuse_frame(session, received)
        elif isinstance(received, Admitted):
            self.run(session, received.command, admitted=True)
        else:
            self.run(session, received)

    def run(self, session: Session, command: AnyCommand | UseLink | Claim | Adopt, *, admitted: bool = False) -> None:
        """Run a command, synchronously unless it needs storage; ``admitted`` says that it has been counted before."""
        if self.traces:
            self._trace("%s", session, command)
        try:
            if self.parts.speakers is not None or type(command) is not PostMessage or session.identity is None:
                if not admitted:
                    self._admit(session, command)
                if session.identity is None:
                    self._require_identity(session, command)
            waits = self.handlers[type(command)](self.parts, session, command)
        except ParleyError as error:
            self.refuse(session, command, error)
        except Exception:
            # An internal error fails the command, not the whole connection.
            log.exception("the handler of %s failed", type(command).__name__, extra=session.marks)
            session.refuse(ParleyError("internal"), command.id)
        else:
            if waits is not None:
                self.wait_for(session, command, waits)

    def wait_for(self, session: Session, command: AnyCommand | UseLink | Claim | Adopt, waits: Awaitable[None]) -> None:
        """Let a session's later commands wait for the rest of this one."""
        session.running = True
        session.busy += 1
        name = f"{type(command).__name__} {session.id}"
        task = self.parts.tasks.spawn(self._finish(session, command, waits, self.parts.hub.tenure), name=name)
        if type(command) in READS:
            self._reading[session] = command, task
        if isinstance(waits, Coroutine):  # a task that is cancelled before it starts never awaits it
            task.add_done_callback(lambda _: waits.close())

    def _admit(self, session: Session, command: AnyCommand | UseLink | Claim | Adopt) -> None:
        kind, identity = type(command), session.identity
        quits = isinstance(command, Leave) and command.quit
        if identity is not None and identity.scope == "read" and (quits or kind in CHANGES):
            raise ParleyError("forbidden", READS_ONLY)
        broadcasts = quits or kind in BROADCAST
        if broadcasts and session.identity is not None and (speakers := self.parts.speakers) is not None:
            wait = take_message(self.parts, speakers, session)
        elif kind in ABOUT_MESSAGES and session.identity is not None:
            wait = 0.0
        else:
            wait = take_command(self.parts, session, HELLO_COMMANDS if kind is Hello else 1.0)
        if wait:
            raise too_fast(self.parts, session, wait)

    def _require_identity(self, session: Session, command: AnyCommand | UseLink | Claim | Adopt) -> None:
        # With the rooms elsewhere, the identity comes from there: whether the `hello` was accepted is known there.
        if not isinstance(command, Hello | Adopt) and (self.elsewhere is None or not session.greeted):
            raise ParleyError("unauthorized", "send hello with a token first")

    async def _finish(
        self, session: Session, command: AnyCommand | UseLink | Claim | Adopt, waits: Awaitable[None], tenure: int
    ) -> None:
        reads_for(session.identity, session.network)
        TENURE.set(tenure)
        try:
            if session.remote is not None:  # its answer, or a replay, may be large
                self.not_begun.add(session)
                try:
                    await session.remote.keeps_up()
                finally:
                    self.not_begun.discard(session)
            require_tenure(self.parts, tenure)
            await waits
        except ParleyError as error:
            self.refuse(session, command, error)
        except Exception:
            log.exception("the handler of %s failed", type(command).__name__, extra=session.marks)
            session.refuse(ParleyError("internal"), command.id)
            if any(room.audience.is_syncing(session) for room in session.rooms.values()):
                session.close(INTERNAL)  # the resume cannot end, so no live event would ever be sent
        self._reading.pop(session, None)
        session.running = False
        self.proceed(session)

    def proceed(self, session: Session) -> None:
        """Run the commands that a session deferred, if what has just ended is the last thing that they waited for."""
        session.busy -= 1
        while session.deferred and not session.busy:
            self.receive(session, session.deferred.popleft())
        if not session.busy and session.held_since is not None:
            if session.paused:  # what its client has sent is yet to be read
                save_held(self.parts, session)
            session.held_since = None
        session.went_on()

    def hold(self) -> None:
        """Let the commands of all clients wait until :meth:`go_on`. Idempotent."""
        if self.going.is_set():
            self.going.clear()
            for session in self.everyone():
                self.hold_session(session)

    def hold_session(self, session: Session) -> None:
        """Let the commands of one session wait until :meth:`proceed`, through no fault of its client."""
        session.busy += 1
        if session.held_since is None:
            session.held_since = self.parts.clock.monotonic()

    def put_back_reads(self) -> None:
        """Let what clients are reading be read after :meth:`go_on`, here or by the server that has the rooms then."""
        for session, (command, task) in tuple(self._reading.items()):
            if session.at_work and not session.ended and task.cancel():
                del self._reading[session]
                session.put_back(Admitted(command))

    def go_on(self) -> None:
        """Run what has waited since :meth:`hold`. Idempotent."""
        if not self.going.is_set():
            self.going.set()
            for session in self.everyone():
                self.proceed(session)

    def everyone(self) -> Sequence[Session]:
        """Return the sessions of all clients: of this server, and of the others if this one has the rooms."""
        edges = self.parts.edges
        return (*self.parts.hub.sessions, *(edges.sessions() if edges is not None else ()))

    def refuse_frame(self, session: Session, error: ParleyError) -> None:
        """Refuse a frame that is not a valid command. It counts as one, so that a flood of them is rate limited."""
        if wait := take_command(self.parts, session):
            error = too_fast(self.parts, session, wait, error.id)
        elif self.elsewhere is not None:
            self.elsewhere.refuse(session, error)
            return
        if self.traces:
            log.debug("a frame was refused: %s", error.code, extra=session.marks)
        session.refuse(error, error.id)

    def _trace(self, text: str, session: Session, command: AnyCommand | UseLink | Claim | Adopt, *more: object) -> None:
        """Log what a session has asked for: its kind and its room, never its text."""
        inner = command.then if isinstance(command, Claim) else command
        room = getattr(inner, "room", None) or ""
        log.debug(text, type(inner).__name__, *more, extra={**session.marks, "room": room})

    def refuse(self, session: Session, command: AnyCommand | UseLink | Claim | Adopt, error: ParleyError) -> None:
        """Answer a command with an error."""
        if self.traces:
            self._trace("%s was refused: %s", session, command, error.code)
        session.refuse(error, command.id, getattr(command, "room", None))
        if isinstance(command, Join) and session.dialect.bound_to_address:
            # This client cannot send another join, and can do nothing else here.
            session.close(TRY_AGAIN if error.kind.retryable else REFUSED)

    def problem(self) -> str | None:
        """Return why this server is not ready, for an operator; None when it is ready."""
        if self.parts.draining:
            return "the server is shutting down"
        if self.elsewhere is not None:
            problem = self.elsewhere.problem()
            if problem is not None and self._storage_is_away():  # without storage a node knows of no other
                return self.parts.storage.problem() or problem
            return problem or self.elsewhere.storage_problem or self.parts.tokens.problem()
        return self.storage_problem()

    def storage_problem(self) -> str | None:
        """Return why this server, which has the rooms, stores nothing; None if it does."""
        return self.parts.storage.problem() or self.parts.pool.problem()

    def not_ready_reason(self, *, as_edge: bool = False) -> NotReadyReason | None:
        """Return the same in one word, which is safe to publish.

        With ``as_edge``, a node that has the rooms is not ready as long as another one can serve its clients.
        """
        if self.parts.draining:
            return "stopping"
        if self.elsewhere is None and self.parts.storage.another_writes():
            return "standby"
        if self.problem() is None:
            return "owning" if as_edge and self.parts.edges is not None and self.parts.edges.linked else None
        if self.elsewhere is not None and self.elsewhere.problem() is None:
            return "storage"
        if self.elsewhere is not None and not self._storage_is_away():
            return "owner"
        return "storage" if self.parts.storage.was_ready() else "starting"

    def _storage_is_away(self) -> bool:
        """Whether this node does not reach storage."""
        return self.parts.storage.servers() is None

    # The end.

    def disconnect_all(self, reason: str) -> None:
        """Disconnect all clients so that they reload: their state may be wrong, or nothing from here would be stored.

        ``reason`` is for the log.
        """
        log.warning("%s: disconnecting every client", reason)
        self.parts.hub.new_epoch()
        for session in tuple(self.parts.hub.sessions):
            session.close(EPOCH_CHANGED)

    async def drain(self, deadline: float) -> int:
        """Refuse new commands and store what was accepted. Returns how many writes were not stored in time."""
        flush_cursors(self.parts)
        self.parts.draining = True
        if self.elsewhere is not None:
            for session in self.parts.hub.sessions:  # what they send from now on they send again after the goodbye
                session.pause_reading(PAUSED_BY_LINK)
            with suppress(TimeoutError):
                async with asyncio.timeout(min(deadline, ANSWERED_SECONDS)):
                    await self.elsewhere.idle()
        left = await self.parts.pool.drain(deadline)
        self.parts.hub.flush()
        return left

    async def leave_epoch(self) -> None:
        """Let clients resume at the next server, if everything they received is stored. Call it after :meth:`close`."""
        if (epochs := self.saved_epochs()) is not None:
            await self.parts.storage.keep_epoch(epochs)

    def saved_epochs(self) -> str | None:
        """Return what the next server is to continue with, if everything that clients received is stored."""
        faithful = self.parts.hub.faithful and not self.parts.counters.lost_rooms and not len(self.parts.pool)
        return self.parts.hub.saved_epochs() if faithful else None

    def say_goodbye(self) -> None:
        """Send each client a different time to reconnect, and close its connection."""
        for session in tuple(self.parts.hub.sessions):
            self.send_away(session, "shutting_down")

    def send_away(self, session: Session, reason: str) -> None:
        """Ask a client to reconnect in a few seconds, and close its connection."""
        after = round(random.uniform(0.1, RECONNECT_SECONDS), 2)
        session.reply(Goodbye(reason=reason, reconnect_after=after))
        session.close(GOING_AWAY)

    async def close(self, deadline: float) -> list[str]:
        """Stop all tasks. Returns the names of those that did not stop within ``deadline`` seconds."""
        for session in tuple(self.parts.hub.sessions):
            self.disconnect(session)
        self.parts.hub.close()
        self.parts.cursors.close()
        self.parts.passwords.close()
        return await self.parts.tasks.close(deadline) + await self.parts.pool.close(deadline)
