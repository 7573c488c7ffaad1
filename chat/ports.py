"""What chat/ needs of the world, as ports: server/ brings the adapters (a WebSocket, dialects, tokens)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from model.commands import AnyCommand, Claim
from model.errors import CloseCode
from model.events import AnyEvent
from model.room import User


class Connection(Protocol):
    """One client's connection, as a session sees it.

    It calls back `Session.on_congested` when more than the low mark is waiting to be read by the client, and
    `Session.on_drained` when that has gone.
    """

    @property
    def write(self) -> Callable[[bytes], object]:
        """Queue framed bytes for the client; never blocks. The transport's own bound method: no call in between."""

    def buffered(self) -> int:
        """Bytes queued and not yet taken by the kernel."""

    def pause_reading(self) -> None:
        """Take no more bytes from the client for now."""

    def resume_reading(self) -> None:
        """Take bytes from the client again."""

    def close(self, close: CloseCode) -> None:
        """Send a Close frame behind what is queued; give the client a few seconds, then abort. Idempotent."""

    def end_at(self, when: int) -> None:
        """Close with ``TOKEN_EXPIRED`` at this time, in Unix microseconds, unless called again; 0 for never."""


class Dialect(Protocol):
    """How one kind of client speaks: pure functions between frames and the records of model/."""

    @property
    def name(self) -> str:
        """For metrics and logs."""

    @property
    def default_name(self) -> str | None:
        """The name of a guest who asked for none; None to make one up."""

    @property
    def default_room(self) -> str | None:
        """The room of an address that names none; None to join none."""

    @property
    def bound_to_address(self) -> bool:
        """Whether a wrong name or room in the address leaves nothing to do but close."""

    @property
    def welcomes(self) -> bool:
        """Whether a connection begins with a ``welcome``, whose token is signed for it."""

    def command(self, text: str, home: str) -> AnyCommand | Claim:
        """The command in a text frame. ``home`` is the room named in the address.

        Raises:
            ParleyError: the frame is no command; its ``id`` is the frame's, where it could be read.
        """

    def frame(self, event: AnyEvent) -> bytes | None:
        """The event as a framed WebSocket message, None when this dialect has no word for it."""


class Identity(NamedTuple):
    """Who a session acts for: the principal, whether it is a guest, and the role of its account.

    ``expires`` is when an account's token does, in Unix microseconds; 0 for never, as of guests.
    ``admin``, ``organizer`` and ``bot`` mean something to the server (`model.permissions`, ``EDIT_WINDOW``); any other
    role is the application's own.
    """

    user: User
    guest: bool
    role: str = "guest"
    expires: int = 0


class Tokens(Protocol):
    """Signed proofs of identity."""

    def mint(self, identity: Identity) -> str:
        """A token that makes the same guest again; empty for an account, whose tokens come from elsewhere."""

    def verify(self, token: str) -> Identity:
        """Who the token is for.

        Raises:
            ParleyError: ``unauthorized``; ``forbidden`` for an account whose role is not let in.
        """
