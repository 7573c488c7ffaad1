"""Records as they are shown, a line each: over HTTP, at the command line, and in exports."""

from collections.abc import Collection

from msgspec import Struct
from msgspec.structs import replace

from model.audit import OPERATOR, SERVER, AuditAction, AuditEntry, AuditResult
from model.room import FOREVER, User
from utils.clock import rfc3339


class AuditUser(Struct, frozen=True, omit_defaults=True):
    """A user in an entry of the audit log, or what else acted or was acted on, under its id."""

    id: str
    name: str = ""


class AuditLine(Struct, frozen=True, omit_defaults=True):
    """An entry of the audit log.

    Attributes:
        number: the place in the log.
        at: RFC 3339.
        actor: who acted; omitted for a visitor who was not signed in.
        target: the user, or what else was acted on.
        address: from where the actor acted.
        room: its name.
    """

    number: int
    at: str
    action: AuditAction
    result: AuditResult
    actor: AuditUser | None = None
    target: AuditUser | None = None
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
        _user(entry.actor),
        _user(entry.target),
        entry.address,
        entry.room,
        entry.detail,
    )


def own_line_of(number: int, entry: AuditEntry, ids: Collection[str]) -> AuditLine:
    """Return an entry as the user with these ids may see it: without names and addresses of others, and without the ids
    of those who acted on the user.
    """
    acted = entry.actor.id in ids
    line = line_of(number, entry)
    actor = line.actor if acted or entry.actor in (SERVER, OPERATOR) else None
    target = line.target if entry.target is None or entry.target.id in ids else AuditUser(entry.target.id)
    return replace(line, actor=actor, target=target, address=line.address if acted else "")


def _user(user: User | None) -> AuditUser | None:
    return None if user is None or not user.id else AuditUser(user.id, user.name)


def time_of(us: int) -> str | None:
    """Return a time as it is shown: None for never, and for no end."""
    return rfc3339(us) if 0 < us < FOREVER else None
