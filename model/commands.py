"""Commands: what a client asks for, as typed records. Decoding into them is the validation of their shape."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from model.limits import HISTORY_DEFAULT, HISTORY_LIMIT, ID_CHARS

Id = Annotated[str, Meta(min_length=1, max_length=ID_CHARS)]
Seq = Annotated[int, Meta(ge=0, le=2**53 - 1)]


class Command(Struct, frozen=True, gc=False, tag_field="type", kw_only=True):
    """Any command. ``id`` is the client's own, echoed in every reply and error to it."""

    id: Id | None = None


class Hello(Command, frozen=True, gc=False, tag="hello"):
    """Say who you are: a token from an earlier ``welcome``, or an account's."""

    token: str


class Join(Command, frozen=True, gc=False, tag="join"):
    """Enter a room. With ``since`` and ``epoch`` of an earlier visit, what was missed comes first."""

    room: str
    since: Seq | None = None
    epoch: str | None = None


class Leave(Command, frozen=True, gc=False, tag="leave"):
    """Leave a room."""

    room: str


class PostMessage(Command, frozen=True, gc=False, tag="message"):
    """Say something in a room. ``resend`` when it may have been sent before: it is then looked up first."""

    room: str
    content: str
    resend: bool = False


class EditMessage(Command, frozen=True, gc=False, tag="edit"):
    """Change the content of one's own message, for a while after it was sent."""

    room: str
    seq: Seq
    content: str


class DeleteMessage(Command, frozen=True, gc=False, tag="delete"):
    """Delete one's own message: it keeps its place, without its content."""

    room: str
    seq: Seq


class ReadHistory(Command, frozen=True, gc=False, tag="history"):
    """Read a page of a room's messages, oldest first: the newest ones, or those next to a seq."""

    room: str
    limit: Annotated[int, Meta(ge=1, le=HISTORY_LIMIT)] = HISTORY_DEFAULT
    before: Seq | None = None
    after: Seq | None = None
    sender: str | None = None
    q: str | None = None


class Ping(Command, frozen=True, gc=False, tag="ping"):
    """Ask for a ``pong``."""


AnyCommand = Hello | Join | Leave | PostMessage | EditMessage | DeleteMessage | ReadHistory | Ping
