"""The audit log: who did what to whom, from where, when, and with what result."""

import secrets
from typing import Literal, get_args

from msgspec import Struct

from model.room import User
from utils.clock import Clock

AuditAction = Literal[
    "register",
    "login",
    "login_failed",
    "token_reuse",
    "logout",
    "session_end",
    "reset_request",
    "reset",
    "email",
    "totp_on",
    "totp_off",
    "recovery_code",
    "password",
    "name",
    "role",
    "suspend",
    "restore",
    "block",
    "unblock",
    "key",
    "key_revoke",
    "link",
    "link_revoke",
    "ban",
    "unban",
    "mute",
    "unmute",
    "kick",
    "delete_message",
    "set_role",
    "update_room",
    "delete_room",
    "report",
    "report_handled",
    "user_block",
    "user",
    "guest_moved",
    "erase",
    "export",
    "import",
    "reload",
]
AUDIT_ACTIONS: tuple[AuditAction, ...] = get_args(AuditAction)
AuditResult = Literal["ok", "refused"]

# The actor of what no user did: the server itself, an operator at the command line, a visitor who is not signed in.
SERVER = User("server", "")
OPERATOR = User("operator", "")
VISITOR = User("", "")


class AuditEntry(Struct, frozen=True, gc=False):
    """One line of the audit log.

    Attributes:
        id: 63 random bits: storing an entry again adds nothing.
        at: Unix microseconds.
        target: the user, or what else was acted on, under its id.
        address: from where the actor acted.
        room: its name.
        detail: without names and addresses: those of a deleted account are removed from the other fields only.
    """

    id: int
    at: int
    action: AuditAction
    result: AuditResult
    actor: User
    target: User | None = None
    address: str = ""
    room: str = ""
    detail: str = ""


class AuditFilter(Struct, frozen=True, gc=False):
    """Which entries to return: those that have all of the given values. Times as in `AuditEntry`.

    Attributes:
        since: inclusive.
        until: exclusive.
    """

    actor: str | None = None
    target: str | None = None
    action: AuditAction | None = None
    room: str | None = None
    since: int | None = None
    until: int | None = None


def entry(
    clock: Clock,
    action: AuditAction,
    actor: User,
    *,
    target: User | None = None,
    address: str = "",
    room: str = "",
    result: AuditResult = "ok",
    detail: str = "",
) -> AuditEntry:
    """Make an entry for what happens now."""
    return AuditEntry(secrets.randbits(63), clock.now_us(), action, result, actor, target, address, room, detail)
