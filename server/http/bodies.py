"""What is asked and told over HTTP, as records: the endpoints' parameters, and what JSON is no record of model/."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from chat.chat import Trouble
from model.commands import Name, Page, Query, Seq
from model.limits import HISTORY_DEFAULT
from model.room import DEFAULT_ROOM


class HistoryQuery(Struct, frozen=True):
    """The question of ``/history``.

    Attributes:
        r: the room, 1 to 64 characters; empty for the default.
        limit: messages in the page, at most.
        before: a `seq`: the page right before it.
        after: a `seq`: the page right after it; with `before`, what is between them.
        sender: only messages of this display name.
        q: only messages that hold all these words.
    """

    r: Name = DEFAULT_ROOM
    limit: Page = HISTORY_DEFAULT
    before: Seq | None = None
    after: Seq | None = None
    sender: Name | None = None
    q: Query | None = None


class StaticFile(Struct, frozen=True):
    """A file.

    Attributes:
        file: its path below ``/static/``, which may have several segments.
    """

    file: Annotated[str, Meta(examples=["main.js"])]


class Health(Struct, frozen=True):
    """The process answers."""

    status: Literal["ok"]


class Ready(Struct, frozen=True):
    """Messages are taken and stored."""

    status: Literal["ready"]


class NotReady(Struct, frozen=True, omit_defaults=True):
    """Messages are not taken, or not stored.

    Attributes:
        reason: what kind of trouble it is: storage was not reached yet, cannot be used, another server writes to it, or
            this server stops.
        detail: why, for an operator: at `ADMIN_PORT` alone.
    """

    status: Literal["not ready"]
    reason: Trouble
    detail: str | None = None
