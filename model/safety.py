"""Reports of messages."""

from typing import Literal

from msgspec import Struct

from model.room import User

ReportState = Literal["open", "resolved", "dismissed"]


class Report(Struct, frozen=True, gc=False):
    """A report of a message, with the message as it was. Times are Unix microseconds, 0 for never.

    Attributes:
        report_id: ``p_...``.
        room: the name of the room.
        seq: of the message.
        sender: who posted it.
        posted_at: RFC 3339.
        handler_id: the moderator who has resolved or dismissed it, "" as long as it is open.
        note: of that moderator.
    """

    report_id: str
    room_id: int
    room: str
    seq: int
    reporter: User
    reason: str
    sender: User
    content: str
    posted_at: str
    created_at: int
    state: ReportState = "open"
    handler_id: str = ""
    note: str = ""
    handled_at: int = 0
