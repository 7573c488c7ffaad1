"""The events dialect of ``/api/chat``, described: its frames are flat, with the kind in ``event``."""

from __future__ import annotations

from msgspec import Struct

from server.dialects.api_chat import DeleteFrame, EditFrame, MessageFrame, TypingFrame
from server.spec.described import TOKEN, Description, Frame

_SEQ = 1795224671000001
_AT = "2026-11-21T08:31:11.000001Z"


class _Told(Struct, tag_field="event"):
    pass


class _Person(_Told):
    userid: str
    username: str


class MessageTold(_Told, tag="message"):
    """Somebody, perhaps oneself, said something. ``id`` is what ``edit`` and ``delete`` name."""

    id: int
    room: str
    userid: str
    username: str
    content: str
    timestamp: str


class JoinTold(_Person, tag="join"):
    """Somebody came, perhaps oneself. Once a second at most, not among more than 200 people."""


class LeaveTold(_Person, tag="leave"):
    """Somebody left, with the last of their connections."""


class TypingTold(_Person, tag="typing"):
    """Somebody is writing; forget it after some seconds, or when a message of theirs comes."""


class EditTold(_Told, tag="edit"):
    """A message has other words now."""

    id: int
    content: str
    edited_at: str


class DeleteTold(_Told, tag="delete"):
    """A message was deleted, or could not be stored and was taken back."""

    id: int
    deleted_at: str


class AnnouncementTold(_Told, tag="announcement"):
    """An admin tells everybody something."""

    content: str
    username: str
    timestamp: str


class ErrorTold(_Told, tag="error"):
    """What was asked is refused, in a sentence; or one was sent out of the room, or it was deleted."""

    content: str


class EventsAddress(Struct):
    """What the address may say.

    Attributes:
        room: the room, 1 to 64 characters.
    """

    room: str = "general"


EVENTS = Description(
    dialect="events",
    path="/api/chat",
    title="Events: for people of an application with accounts",
    text="One JSON object with an `event` in each text frame. A connection is in the room of its address until it "
    "ends; without an account's token the upgrade is refused with 401 or 403.",
    query=EventsAddress,
    headers={"Authorization": TOKEN},
    client=(
        Frame("EventsMessageCommand", MessageFrame, MessageFrame("hello"), answers=("EventsMessage", "EventsError")),
        Frame("EventsTypingCommand", TypingFrame, TypingFrame(), answers=("EventsError",)),
        Frame("EventsEditCommand", EditFrame, EditFrame(_SEQ, "hello, all"), answers=("EventsEdit", "EventsError")),
        Frame("EventsDeleteCommand", DeleteFrame, DeleteFrame(_SEQ), answers=("EventsDelete", "EventsError")),
    ),
    server=(
        Frame("EventsMessage", MessageTold, MessageTold(_SEQ, "general", "7", "ann", "hello", _AT)),
        Frame("EventsJoin", JoinTold, JoinTold("8", "bob")),
        Frame("EventsLeave", LeaveTold, LeaveTold("8", "bob")),
        Frame("EventsTyping", TypingTold, TypingTold("8", "bob")),
        Frame("EventsEdit", EditTold, EditTold(_SEQ, "hello, all", "2026-11-21T08:31:15.000002Z")),
        Frame("EventsDelete", DeleteTold, DeleteTold(_SEQ, "2026-11-21T08:31:19.000003Z")),
        Frame("EventsAnnouncement", AnnouncementTold, AnnouncementTold("closing soon", "root", _AT)),
        Frame("EventsError", ErrorTold, ErrorTold("too many at once, slow down")),
    ),
)
