"""The users port: users of the application whom it has added, who may never have connected.

See `storage.ports.accounts` for what all methods share.
"""

from typing import Protocol

from model.account import AddedUser
from model.audit import AuditEntry
from model.room import User


class UserRepository(Protocol):
    """The users whom the application has added."""

    async def find(self, user_id: str) -> AddedUser | None:
        """Find a user."""

    async def put(self, user: User, entry: AuditEntry) -> bool | None:
        """Add a user, or give one another name. True if the user was added, False if they had been, None if nothing was
        done.

        Where rooms have the user under another name, giving them this one is work for the rooms, in place of such work
        that is not done yet. The entry is stored if the user is new or had another name.
        """

    async def remove(self, user_id: str, entry: AuditEntry) -> bool:
        """Remove a user, but not their rows in rooms. False if they were not added."""
