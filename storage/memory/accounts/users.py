"""The users port in memory."""

from model.account import AddedUser, rename_work
from model.audit import AuditEntry
from model.room import User
from storage.memory.account_tables import ADDED_USERS, WORK, check_space
from storage.memory.contents import Contents
from storage.ports.access import more_room_work


class MemoryUserRepository:
    """The users whom the application has added, in memory."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents

    async def find(self, user_id: str) -> AddedUser | None:
        return self._contents.accounts.added_users.get(user_id)

    async def put(self, user: User, entry: AuditEntry) -> bool | None:
        tables = self._contents.accounts
        if not tables.permits(entry):
            return None
        before = tables.added_users.get(user.id)
        if before is None:
            check_space(len(tables.added_users), ADDED_USERS)
        renames = any(row.user.name != user.name for _, row in self._contents.members.rows_of(user.id))
        if renames:
            check_space(len(tables.work), WORK)
            tables.drop_work(user.id, "rename")
            tables.add_work(rename_work(user.id, user.name))
        if before is None or before.name != user.name:
            added_at = entry.at if before is None else before.added_at
            tables.added_users[user.id] = AddedUser(user.id, user.name, added_at, entry.at)
            tables.record([entry])
        if renames:
            tables.note([more_room_work(entry.at)])
        return before is None

    async def remove(self, user_id: str, entry: AuditEntry) -> bool:
        tables = self._contents.accounts
        if not tables.permits(entry) or tables.added_users.pop(user_id, None) is None:
            return False
        tables.record([entry])
        return True
