"""Notices of changed members."""

from chat.rooms import members
from chat.rooms.access import standing_of
from chat.rooms.parts import Parts
from chat.rooms.room import Room
from model.events import MemberChanged
from model.permissions import Action, may
from model.room import Member, User


def member_changed(parts: Parts, room: Room, row: Member, action: str, by: User, id: str | None = None) -> None:
    """Broadcast a changed row without its reason; then send it to moderators and its user with the reason."""
    public = members.describe(parts, room, row, members.EVERYONE_IN_IT, with_read=False)
    room.publish(MemberChanged(id=id, room=room.name, action=action, member=public, by=by))
    why = members.describe(parts, room, row, members.MODERATORS, with_read=False)
    if not why.reason:
        return
    event = MemberChanged(room=room.name, action=action, member=why, by=by)
    room.audience.flush()
    for device, user in tuple(room.presence.sessions.items()):
        if user.id == row.user.id or may(standing_of(parts, room, device.actor.identity), Action.MUTE):
            room.audience.tell(device, event)
