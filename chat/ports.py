"""What chat/ needs from outside, as ports; server/ supplies the adapters (a WebSocket, dialects, tokens)."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from msgspec import Struct

from model.account import Scope
from model.commands import AnyCommand, Claim, Command, UseLink
from model.errors import CloseCode, ParleyError
from model.events import AnyEvent
from model.room import User


class Connection(Protocol):
    """One client's connection, as a session sees it.

    It calls `Session.on_congested` when more bytes than the low mark are queued for the client, and
    `Session.on_drained` when the client has read them.
    """

    @property
    def write(self) -> Callable[[bytes], object]:
        """The function that queues framed bytes for the client without blocking: the transport's own bound method."""

    def buffered(self) -> int:
        """Return the number of bytes queued and not yet taken by the kernel."""

    def pause_reading(self) -> None:
        """Stop reading from the client for now."""

    def resume_reading(self) -> None:
        """Read from the client again."""

    def close(self, close: CloseCode) -> None:
        """Send a Close frame after the queued bytes; give the client a few seconds, then abort. Idempotent."""

    def end_at(self, when: int) -> None:
        """Close with ``TOKEN_EXPIRED`` at a time in Unix microseconds, 0 for never. A later call replaces the time."""


class Dialect(Protocol):
    """The frames of one kind of client: pure functions between frames and the records of model/.

    Attributes:
        name: for the API documents.
        default_name: the name of a guest who requested none; None to generate one.
        default_room: the room joined if the address names none; None to join none.
        bound_to_address: whether a connection can only be in the room of its address, so that it is closed for an
            invalid name or room there.
        welcomes: whether a connection begins with a ``welcome``, for which a token is signed.
    """

    name: str
    default_name: str | None = None
    default_room: str | None = None
    bound_to_address: bool = False
    welcomes: bool = False

    def command(self, text: str, address_room: str) -> AnyCommand | Claim:
        """Return the command in a text frame; ``address_room`` is the room in the address.

        Raises:
            ParleyError: the frame is not a valid command. It has the frame's ``id``, if that could be read.
        """

    def frame(self, event: AnyEvent) -> bytes | None:
        """Return the event as a framed WebSocket message, or None if this dialect has no frame for it."""


class Identity(Struct, frozen=True, gc=False):
    """The principal that a session acts for, whether it is a guest, and the role of its account.

    The roles ``admin``, ``organizer`` and ``bot`` have a meaning here (`model.permissions`, ``EDIT_WINDOW``); all
    others are the application's own.

    Attributes:
        expires: when the account's token expires, in Unix microseconds; 0 for never, as for guests.
        login: of an account made here; of a bot, the id of its key; "" for all others.
        by_cookie: whether ``expires`` is when that login ends, and ``hello`` does not renew it.
        version: of an account made here, as in its token.
        aliases: the guests that became this account; their messages are its own.
        scope: what a bot may do with its key; None for all others.
    """

    user: User
    guest: bool
    role: str = "guest"
    expires: int = 0
    login: str = ""
    by_cookie: bool = False
    version: int = 0
    aliases: tuple[str, ...] = ()
    scope: Scope | None = None

    def owns(self, sender_id: str) -> bool:
        """Whether a message by this sender is the principal's own."""
        return sender_id == self.user.id or sender_id in self.aliases


class Adopt(Command, frozen=True, gc=False, tag="adopt"):
    """Act for the identity that a ``hello`` has proved. Never decoded from a frame."""

    identity: Identity


class Actor(NamedTuple):
    """The user who runs a command, and the network whose limits per address apply to it, "" for none."""

    identity: Identity
    network: str

    @property
    def user(self) -> User:
        """The user, or guest."""
        return self.identity.user


class Admitted(NamedTuple):
    """A command that was counted towards the rates of its session before, and has waited for the rooms since."""

    command: AnyCommand | UseLink | Claim | Adopt


# What a session has sent: a text frame; or, from another server, the command in it, or why it is none.
Received = str | AnyCommand | Claim | Adopt | ParleyError | Admitted


class Edges(Protocol):
    """The clients of the other servers, for the server that has the rooms."""

    @property
    def linked(self) -> bool:
        """Whether another server can serve clients."""

    def sessions(self) -> Iterable[Any]:
        """Return their sessions."""

    def broadcast(self, event: AnyEvent, but: Any) -> None:
        """Send an event to every client of another server, but not to the session ``but``."""


class NodeStatus(Struct, frozen=True, omit_defaults=True):
    """What ``/health`` says of a node.

    Attributes:
        node: its name.
        role: ``owner`` if it has the rooms, else ``edge``.
        owner: the name of the node that has them; empty if there is none that it reaches.
        token: of the owner's tenure; 0 without an owner.
        bus: whether it reaches the bus; None as long as it cannot try, because it does not know the database.
        peers: how many other nodes it has a link with.
    """

    node: str
    role: str
    owner: str
    token: int
    bus: bool | None
    peers: int


class Sample(NamedTuple):
    """One metric, without the prefix of the program; ``counts`` for a counter."""

    name: str
    text: str
    value: float
    counts: bool


class ThisNode(Protocol):
    """This server as one node of several.

    Attributes:
        turns_away: clients find the rooms at another node only; those that are here are sent away.
    """

    @property
    def turns_away(self) -> bool: ...

    def status(self) -> NodeStatus:
        """Return what ``/health`` says of it."""

    def samples(self) -> Iterable[Sample]:
        """Return its metrics."""


class Elsewhere(Protocol):
    """The server that has the rooms, for a server that has none.

    Attributes:
        storage_problem: why it stores nothing, as it says; empty if it does.
    """

    storage_problem: str

    def opened(self, session: Any) -> None:
        """Tell it that a client has connected here."""

    def closed(self, session: Any) -> None:
        """Tell it that a client has disconnected, and remove the session from its rooms."""

    def problem(self) -> str | None:
        """Return why commands are not carried out, for an operator; None if they are, or soon will be."""

    async def idle(self) -> None:
        """Wait until every command was answered. Waits without a bound: use a time-out."""

    def refuse(self, session: Any, error: ParleyError) -> None:
        """Have it refuse a frame that is not a valid command, in the order of the session's commands."""

    async def ask(self, question: bytes, *, reads: bool = False) -> bytes:
        """Return its answer to a question that is not of a session, such as an HTTP request.

        With ``reads``, it changes nothing: the rooms may move before it is answered.

        Raises:
            ParleyError: ``unavailable`` if it does not answer: what was asked may still take effect.
        """


class Denial(NamedTuple):
    """Why a principal may no longer act: the code that closes its connections, and the error before it."""

    close: CloseCode
    error: ParleyError


class Tokens(Protocol):
    """Signed proofs of identity."""

    def mint(self, identity: Identity) -> str:
        """Sign a token that restores the same guest; empty for an account, whose tokens come from the application, and
        as long as no token can be signed: see `chat.chat.Chat.send_tokens`."""

    def verify(self, token: str) -> Identity:
        """Return the identity that the token proves.

        Raises:
            ParleyError: ``unauthorized``; ``forbidden`` for an account whose role is not admitted; ``suspended``;
                ``unavailable`` for what may be a guest's token, before storage was reached, and for an account made
                here or a bot, as long as it is not known who may not act.
        """

    def verify_cookie(self, token: str) -> Identity | None:
        """Return the identity that an access token in a cookie proves, for as long as its login lasts; None if the
        token was not signed here.

        Raises:
            ParleyError: as `verify`.
        """

    def denial(self, identity: Identity | None, address: str = "") -> Denial | None:
        """Return why a principal that has proved its identity, or anyone at an address, may not act; None if it may."""

    def problem(self) -> str | None:
        """Return why it is not known who may not act, for an operator; None if it is known."""


class Names(Protocol):
    """The usernames of accounts made here."""

    def is_taken(self, name: str) -> bool:
        """Whether a guest may not have this name, because it looks like a username."""


D = TypeVar("D")


class Directory(Protocol[D]):
    """Which users are online, and on which devices; ``D`` is what represents a device, such as a session.

    Every method answers at once and from memory. An adapter for several servers therefore keeps what the other servers
    announce: it knows the devices of its own server exactly, and those of another server as of its last announcement.
    """

    @property
    def people(self) -> Mapping[str, User]:
        """Users with at least one device, by id, under the name of the device that arrived last.

        A live view that changes with every arrival: copy it before you await anything.
        """

    @property
    def ranking(self) -> Collection[D]:
        """Devices of accounts whose role ranks in every room (`model.room.RANKING`); also a live view."""

    def arrived(self, device: D) -> None:
        """Add a device of this server, with its identity. Call :meth:`departed` before its user or role changes."""

    def departed(self, device: D) -> None:
        """Remove a device of this server. Idempotent. With their last device, the user is no longer online."""

    def devices(self, user_id: str) -> Sequence[D]:
        """Return the devices of a user, in the order in which they arrived; empty for a user who is not online.

        Later arrivals and departures do not change the result.
        """

    def tell(self, user_id: str, event: AnyEvent) -> None:
        """Send an event to each device of a user, after everything that was broadcast in the rooms of that device.

        Never blocks. A device that is about to disconnect may miss the event: whatever must reach the user is stored
        as well.
        """
