"""What two nodes say to each other: operations, which a link carries in order, each exactly once.

An edge sends what its clients do; the owner sends what they receive. Sessions are named by their ids, rooms by their
names, dialects by theirs. Frames are framed WebSocket messages: the owner encodes each one once, the edges write it.
"""

from msgspec import Raw, Struct
from msgspec.msgpack import Decoder, Encoder

from chat.ports import Adopt, Identity
from model.commands import AnyCommand, Claim
from model.room import User

Key = str | int
"""A command of a session that is not answered yet: by its id; by a number of the edge if it has none."""


class Operation(Struct, frozen=True, gc=False, array_like=True, tag=True):
    """Any operation."""


# --- from an edge to the owner --------------------------------------------------------------------------------------


class Begin(Operation, frozen=True, gc=False, tag=8):
    """The edge has accepted the owner; its sessions follow. What it said earlier was for an earlier tenure."""

    token: int


class Open(Operation, frozen=True, gc=False, tag=1):
    """A client has connected to the edge, or the edge has another owner. See `chat.delivery.session.Session`.

    ``held`` is for how many seconds there was no owner to which it could send commands.
    """

    session: str
    identity: Identity | None
    provisional: bool
    asked_name: str | None
    dialect: str
    address_room: str
    address: str
    network: str
    since: int
    held: float = 0.0


class Run(Operation, frozen=True, gc=False, tag=2):
    """A client's command. ``number`` asks for a `Done`: the command itself has no answer; 0 for none."""

    session: str
    number: int
    command: Raw


class Refuse(Operation, frozen=True, gc=False, tag=3):
    """A client's frame that is no valid command: refused in the order of its commands. ``number`` as in `Run`."""

    session: str
    number: int
    code: str
    message: str
    field: str | None
    id: str | None


class Gone(Operation, frozen=True, gc=False, tag=4):
    """A client has disconnected."""

    session: str


class Drained(Operation, frozen=True, gc=False, tag=5):
    """A client has read its last `Page`."""

    session: str


class Rejoin(Operation, frozen=True, gc=False, tag=6):
    """Sessions of the edge are in a room that a previous owner had.

    Attributes:
        head: up to where they have received the room's log.
        epoch: of that owner.
        token: of its tenure, if they have received everything else that it sent to the room; else 0.
        sessions: those that have received as much.
        behind: those that had not, because they were resuming.
        people: the users in the room, as far as the previous owner sent a `Present`.
    """

    room: str
    head: int
    epoch: str
    token: int
    sessions: list[str]
    behind: list[str]
    people: list[User]


class Ask(Operation, frozen=True, gc=False, tag=7):
    """A question that is not of a session, such as an HTTP request; ``reads`` if it changes nothing."""

    number: int
    question: bytes
    reads: bool = False


# --- from the owner to an edge --------------------------------------------------------------------------------------


class Begun(Operation, frozen=True, gc=False, tag=25):
    """The owner has received the `Begin` of this tenure. Everything it sent before belongs to an earlier one.

    Attributes:
        late: it has carried out commands before that, so the edge's clients may have missed what concerns them.
    """

    token: int
    late: bool


class Frames(Operation, frozen=True, gc=False, tag=11):
    """Frames for all members of a room at the edge who speak a dialect.

    Attributes:
        lasting: the frames without the ephemeral ones; None if there are none of those.
        head: the head of the room's log after them.
    """

    room: str
    dialect: str
    frames: bytes
    lasting: bytes | None
    head: int


class Attach(Operation, frozen=True, gc=False, tag=12):
    """From here on, a session receives a room's frames; with ``syncing``, the edge withholds them until `Release`."""

    room: str
    session: str
    syncing: bool
    head: int


class Detach(Operation, frozen=True, gc=False, tag=13):
    """From here on, a session does not receive a room's frames."""

    room: str
    session: str


class Present(Operation, frozen=True, gc=False, tag=26):
    """Users who entered and left a room; with ``all``, ``joined`` is everyone there.

    Sent for rooms with clients at the edge that receive a notice for each user instead of a list. The edge passes the
    users on to the next owner (`Rejoin`), which then can notify these clients of users who do not return.
    """

    room: str
    joined: list[User]
    left: list[User]
    all: bool


class Release(Operation, frozen=True, gc=False, tag=14):
    """A session has received what it missed: write what was withheld."""

    room: str
    session: str


class Tell(Operation, frozen=True, gc=False, tag=15):
    """Frames for one session, after those of its rooms.

    Attributes:
        answers: the id of the command that they answer.
        room: the room that they belong to: they are withheld as its other frames are.
        refused: the command was refused.
        about: the room that the answer names.
    """

    session: str
    frames: bytes
    answers: str | None
    room: str | None = None
    refused: bool = False
    about: str | None = None


class TellMany(Operation, frozen=True, gc=False, tag=27):
    """As `Tell`, for many sessions, whose frames differ little.

    Attributes:
        common: what all of them receive; it crosses the link once.
        parts: what some of them receive before and after it, and their ids.
    """

    common: bytes
    parts: list[tuple[bytes, bytes, list[str]]]


class Page(Operation, frozen=True, gc=False, tag=16):
    """As `Tell`; the owner waits for a `Drained`. ``frames`` may be empty."""

    session: str
    frames: bytes
    answers: str | None


class Acks(Operation, frozen=True, gc=False, tag=17):
    """Acknowledgements: (session, room, id, seq) of each."""

    items: list[tuple[str, str, str, int]]


class Done(Operation, frozen=True, gc=False, tag=18):
    """A command without an answer was carried out."""

    session: str
    number: int


class Pause(Operation, frozen=True, gc=False, tag=19):
    """Stop reading from a client for a reason of the owner, or drop that reason."""

    session: str
    paused: bool


class Close(Operation, frozen=True, gc=False, tag=20):
    """Close a client's connection."""

    session: str
    code: int
    reason: str


class Identified(Operation, frozen=True, gc=False, tag=21):
    """A session acts for this principal now."""

    session: str
    identity: Identity
    provisional: bool


class Welcomed(Operation, frozen=True, gc=False, tag=28):
    """A session is to receive a ``welcome``. The edge makes it: a guest's token in it must not be on the bus.

    Attributes:
        answers: the id of the command that it answers.
    """

    session: str
    answers: str | None
    epoch: str


class Broadcast(Operation, frozen=True, gc=False, tag=22):
    """Frames, by dialect, for every identified session but one."""

    frames: dict[str, bytes]
    but: str


class Answer(Operation, frozen=True, gc=False, tag=23):
    """The answer to an `Ask`; None if there is none."""

    number: int
    answer: bytes | None


class Moved(Operation, frozen=True, gc=False, tag=24):
    """The last operation of a tenure.

    With ``clean``, every command that was carried out has been answered; those without an answer were not. ``held`` is
    for how many seconds none was carried out before.
    """

    token: int
    clean: bool
    held: float = 0.0


FromEdge = Begin | Open | Run | Refuse | Gone | Drained | Rejoin | Ask
FromOwner = (
    Begun
    | Frames
    | Attach
    | Detach
    | Present
    | Release
    | Tell
    | TellMany
    | Page
    | Acks
    | Done
    | Pause
    | Close
    | Identified
    | Welcomed
    | Broadcast
    | Answer
    | Moved
)
AnyOperation = FromEdge | FromOwner

Sent = AnyCommand | Claim | Adopt
"""The commands in a `Run`."""

encode = Encoder().encode
decode = Decoder(list[AnyOperation]).decode
decode_command = Decoder(Sent).decode
