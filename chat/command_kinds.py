"""Kinds of commands: what counts towards the rate of messages, changes nothing, or is not for a key that only reads."""

from model.commands import (
    Ban,
    CreateRoom,
    Decline,
    DeleteMessage,
    DeleteRoom,
    EditMessage,
    Invite,
    Kick,
    ListMembers,
    ListRooms,
    Mute,
    OpenDirect,
    Pin,
    PostMessage,
    React,
    ReadHistory,
    Search,
    SetRole,
    Unban,
    Unmute,
    UpdateRoom,
    UseLink,
)

# Commands that broadcast a frame to the room; they count towards the rate of messages.
ABOUT_MESSAGES: frozenset[type] = frozenset({PostMessage, EditMessage, DeleteMessage, React, Pin})
BROADCAST = ABOUT_MESSAGES | {UpdateRoom, DeleteRoom, Invite, Kick, Ban, Unban, Mute, Unmute, SetRole, UseLink}

# Commands that change nothing.
READS: frozenset[type] = frozenset({ReadHistory, Search, ListRooms, ListMembers})

# Commands that change something and need no standing in a room: a key to read does not allow them.
CHANGES: frozenset[type] = frozenset({CreateRoom, OpenDirect, Decline, UseLink})
READS_ONLY = "this API key allows to read only"
