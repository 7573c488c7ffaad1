"""A handler per command, and the table that finds it.

A handler is a plain function of (parts, session, command). It does its work at once and returns None; or, when
something must come from storage first, returns a coroutine, and the session's later commands wait for it. Refusals are
raised as `model.errors.ParleyError`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from chat.handlers.announce import announce
from chat.handlers.attention import mark_read, typing
from chat.handlers.change import check_edit, check_reaction, delete_message, edit_message, pin, react
from chat.handlers.claim import claim
from chat.handlers.hello import hello
from chat.handlers.history import history
from chat.handlers.invite import decline, invite
from chat.handlers.join import join, leave
from chat.handlers.lists import members, rooms
from chat.handlers.manage import create_room, delete_room, open_direct, update_room
from chat.handlers.message import post_message
from chat.handlers.moderate import ban, kick, mute, set_role, unban, unmute
from chat.handlers.ping import ping
from chat.handlers.resolve import Handler, MessageAt, in_room
from chat.handlers.search import search
from model import commands
from model.permissions import Action

HANDLERS: dict[type[Any], Callable[..., Awaitable[None] | None]] = {
    commands.Hello: hello,
    commands.Join: join,
    commands.Leave: leave,
    commands.PostMessage: post_message,
    commands.EditMessage: Handler(edit_message, in_room(Action.EDIT), MessageAt("seq"), check_edit),
    commands.DeleteMessage: Handler(delete_message, in_room(Action.DELETE_OWN), MessageAt("seq")),
    commands.React: Handler(react, in_room(Action.REACT), MessageAt("seq"), check_reaction),
    commands.Pin: Handler(pin, in_room(Action.PIN), MessageAt("seq")),
    commands.Typing: typing,
    commands.MarkRead: mark_read,
    commands.ReadHistory: history,
    commands.Search: search,
    commands.CreateRoom: create_room,
    commands.UpdateRoom: update_room,
    commands.DeleteRoom: delete_room,
    commands.Invite: invite,
    commands.Decline: decline,
    commands.ListRooms: rooms,
    commands.ListMembers: members,
    commands.OpenDirect: open_direct,
    commands.Kick: kick,
    commands.Ban: ban,
    commands.Unban: unban,
    commands.Mute: mute,
    commands.Unmute: unmute,
    commands.SetRole: set_role,
    commands.Announce: announce,
    commands.Ping: ping,
}
HANDLERS[commands.Claim] = partial(claim, HANDLERS)  # it carries out another command, by the same table
