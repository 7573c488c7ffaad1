"""Audit entries of what users do in rooms; each is stored in the transaction of what it records."""

from chat.rooms.parts import Parts
from chat.rooms.room import Room, Session
from model.audit import AuditAction, AuditEntry, entry
from model.room import User


def audited(
    parts: Parts, session: Session, action: AuditAction, room: Room, *, target: User | None = None, detail: str = ""
) -> AuditEntry:
    """Make the entry for what the user of a session does in a room, to be stored with the write."""
    return entry(
        parts.clock, action, session.user, target=target, address=session.address, room=room.name, detail=detail
    )
