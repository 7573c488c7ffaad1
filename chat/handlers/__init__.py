"""A handler per command, and the table that finds it.

A row of the table is called with (parts, session, command). It carries the command out at once and returns None; or,
when storage must be asked, it returns an awaitable, and the session's later commands wait for that. Refusals are raised
as `model.errors.ParleyError`. A `Handler` resolves what its command needs first; see `chat.handlers.resolve`.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from chat.handlers import attention, join, manage, membership, messages, reads
from chat.handlers.resolve import Handler, MessageAt, OwnRow, check_room, in_room, loaded_room
from chat.handlers.sessions import adopt, announce, claim, hello, ping
from chat.ports import Adopt
from model import commands
from model.permissions import Action

_MESSAGE = MessageAt()
_LOWER, _OTHER = membership.LowerUser(), membership.LowerUser(other=True)

HANDLERS: dict[type[Any], Callable[..., Awaitable[None] | None]] = {
    commands.Join: join.InTurn(Handler(join.join, join.room_to_enter, join.EntryTo(), check_room)),
    commands.Leave: Handler(join.leave, in_room(Action.SEE)),
    commands.PostMessage: messages.post_message,
    commands.EditMessage: Handler(messages.edit_message, in_room(Action.EDIT), _MESSAGE, messages.check_edit),
    commands.DeleteMessage: Handler(messages.delete_message, in_room(Action.DELETE_OWN), MessageAt(deleted=True)),
    commands.React: Handler(messages.react, in_room(Action.REACT), _MESSAGE, messages.check_reaction),
    commands.Pin: Handler(messages.pin, in_room(Action.PIN), _MESSAGE),
    commands.Typing: Handler(attention.typing, in_room(Action.TYPE)),
    commands.MarkRead: Handler(attention.mark_read, attention.room_to_read, OwnRow()),
    commands.ReadHistory: Handler(reads.send_page, reads.room_of_history, reads.PageOfHistory()),
    commands.Search: reads.search,
    commands.CreateRoom: Handler(manage.create_room, join.room_to_enter, manage.NewRoom(), manage.check_new),
    commands.UpdateRoom: Handler(manage.update_room, manage.room_to_update, manage.Update(), manage.check_update),
    commands.DeleteRoom: Handler(manage.delete_room, in_room(Action.DELETE_ROOM)),
    commands.Invite: Handler(membership.invite, in_room(Action.INVITE), membership.InviteeNamed()),
    commands.UseLink: Handler(membership.use_link, loaded_room, OwnRow(), check_room),
    commands.Decline: Handler(membership.decline, loaded_room, check=check_room),
    commands.ListRooms: reads.rooms,
    commands.ListMembers: Handler(reads.send_page, reads.room_of_list, reads.PageOfMembers()),
    commands.OpenDirect: manage.open_direct,
    commands.Kick: Handler(membership.kick, in_room(Action.KICK), _OTHER, membership.check_reason),
    commands.Ban: Handler(membership.ban, in_room(Action.BAN), _OTHER, membership.check_reason),
    commands.Unban: Handler(membership.unban, in_room(Action.BAN), _LOWER),
    commands.Mute: Handler(membership.mute, in_room(Action.MUTE), _LOWER, membership.check_reason),
    commands.Unmute: Handler(membership.unmute, in_room(Action.MUTE), _LOWER),
    commands.SetRole: Handler(membership.set_role, in_room(Action.SET_ROLE), _LOWER),
    commands.Announce: announce,
    commands.Ping: ping,
}
# These carry out another command, by the same table.
HANDLERS |= {
    commands.Hello: partial(hello, HANDLERS),
    commands.Claim: partial(claim, HANDLERS),
    Adopt: partial(adopt, HANDLERS),
}
