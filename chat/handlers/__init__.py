"""A handler per command, and the table that finds it.

A row of the table is called with (parts, session, command). It carries the command out at once and returns None; or,
when storage must be asked, it returns an awaitable, and the session's later commands wait for that. Refusals are raised
as `model.errors.ParleyError`. A `Handler` resolves what its command needs first; see `chat.handlers.resolve`.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from chat.handlers import attention, change, invite, join, manage, moderate, reads
from chat.handlers.message import post_message
from chat.handlers.resolve import Handler, MessageAt, OwnRow, check_room, in_room, loaded_room
from chat.handlers.sessions import announce, claim, hello, ping
from model import commands
from model.permissions import Action

_MESSAGE = MessageAt()
_LOWER, _OTHER = moderate.LowerUser(), moderate.LowerUser(other=True)

HANDLERS: dict[type[Any], Callable[..., Awaitable[None] | None]] = {
    commands.Join: Handler(join.join, join.room_to_enter, join.EntryTo(), check_room),
    commands.Leave: Handler(join.leave, in_room(Action.SEE)),
    commands.PostMessage: post_message,
    commands.EditMessage: Handler(change.edit_message, in_room(Action.EDIT), _MESSAGE, change.check_edit),
    commands.DeleteMessage: Handler(change.delete_message, in_room(Action.DELETE_OWN), MessageAt(deleted=True)),
    commands.React: Handler(change.react, in_room(Action.REACT), _MESSAGE, change.check_reaction),
    commands.Pin: Handler(change.pin, in_room(Action.PIN), _MESSAGE),
    commands.Typing: Handler(attention.typing, in_room(Action.TYPE)),
    commands.MarkRead: Handler(attention.mark_read, attention.room_to_read, OwnRow()),
    commands.ReadHistory: Handler(reads.send_page, reads.room_of_history, reads.PageOfHistory()),
    commands.Search: reads.search,
    commands.CreateRoom: Handler(manage.create_room, join.room_to_enter, manage.NewRoom(), manage.check_new),
    commands.UpdateRoom: Handler(manage.update_room, manage.room_to_update, manage.Update(), manage.check_update),
    commands.DeleteRoom: Handler(manage.delete_room, in_room(Action.DELETE_ROOM)),
    commands.Invite: Handler(invite.invite, in_room(Action.INVITE), invite.InviteeNamed()),
    commands.Decline: Handler(invite.decline, loaded_room, check=check_room),
    commands.ListRooms: reads.rooms,
    commands.ListMembers: Handler(reads.send_page, reads.room_of_list, reads.PageOfMembers()),
    commands.OpenDirect: manage.open_direct,
    commands.Kick: Handler(moderate.kick, in_room(Action.KICK), _OTHER, moderate.check_reason),
    commands.Ban: Handler(moderate.ban, in_room(Action.BAN), _OTHER, moderate.check_reason),
    commands.Unban: Handler(moderate.unban, in_room(Action.BAN), _LOWER),
    commands.Mute: Handler(moderate.mute, in_room(Action.MUTE), _LOWER, moderate.check_reason),
    commands.Unmute: Handler(moderate.unmute, in_room(Action.MUTE), _LOWER),
    commands.SetRole: Handler(moderate.set_role, in_room(Action.SET_ROLE), _LOWER),
    commands.Announce: announce,
    commands.Ping: ping,
}
# These two carry out another command, by the same table.
HANDLERS |= {commands.Hello: partial(hello, HANDLERS), commands.Claim: partial(claim, HANDLERS)}
