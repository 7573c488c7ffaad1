"""Records as they are shown, a line each: over HTTP, at the command line, and in exports."""

from msgspec import Struct

from model.audit import AuditAction, AuditEntry, AuditResult
from model.room import FOREVER, User
from utils.clock import rfc3339


class AuditLine(Struct, frozen=True, omit_defaults=True):
    """An entry of the audit log.

    Attributes:
        number: the place in the log.
        at: RFC 3339.
        actor: who acted; without an id a visitor who was not signed in.
        target: the user, or what else was acted on.
        address: from where the actor acted.
        room: its name.
    """

    number: int
    at: str
    action: AuditAction
    result: AuditResult
    actor: User
    target: User | None = None
    address: str = ""
    room: str = ""
    detail: str = ""


def line_of(number: int, entry: AuditEntry) -> AuditLine:
    """Return an entry as it is shown."""
    return AuditLine(
        number,
        rfc3339(entry.at),
        entry.action,
        entry.result,
        entry.actor,
        entry.target,
        entry.address,
        entry.room,
        entry.detail,
    )


def time_of(us: int) -> str | None:
    """Return a time as it is shown: None for never, and for no end."""
    return rfc3339(us) if 0 < us < FOREVER else None
