"""The links port in memory."""

from collections.abc import Callable

from msgspec.structs import replace

from model.account import InviteLink
from model.audit import AuditEntry
from storage.memory.account_tables import LINKS, check_space
from storage.memory.contents import Contents


class MemoryLinkRepository:
    """Invite links in memory."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents

    async def insert(self, link: InviteLink, entry: AuditEntry) -> bool:
        tables = self._contents.accounts
        if not tables.permits(entry, link.maker_id):
            return False
        tables.links = {key: one for key, one in tables.links.items() if one.until > entry.at}
        check_space(len(tables.links), LINKS)
        tables.links[link.link_id] = link
        tables.record([entry])
        return True

    async def find(self, hash: bytes, now: int) -> InviteLink | None:
        links = self._contents.accounts.links.values()
        return next((one for one in links if one.hash == hash and one.until > now and one.uses_left > 0), None)

    async def find_by_id(self, link_id: str) -> InviteLink | None:
        return self._contents.accounts.links.get(link_id)

    async def of_room(self, room_id: int, now: int) -> list[InviteLink]:
        return self._newest(lambda link: link.room_id == room_id and link.until > now)

    async def of_maker(self, maker_id: str, now: int) -> list[InviteLink]:
        return self._newest(lambda link: link.maker_id == maker_id and link.until > now)

    def _newest(self, wanted: Callable[[InviteLink], bool]) -> list[InviteLink]:
        found = [link for link in self._contents.accounts.links.values() if wanted(link)]
        return sorted(found, key=lambda link: (-link.created_at, link.link_id))

    async def use(self, hash: bytes, now: int) -> InviteLink | None:
        link = await self.find(hash, now)
        if link is None or link.room_id is None:
            return None
        used = self._contents.accounts.links[link.link_id] = replace(link, uses_left=link.uses_left - 1)
        return used

    async def give_back(self, link_id: str) -> None:
        links = self._contents.accounts.links
        link = links.get(link_id)
        if link is not None and link.uses_left < link.uses:
            links[link_id] = replace(link, uses_left=link.uses_left + 1)

    async def revoke(self, link_id: str, entry: AuditEntry) -> bool:
        tables = self._contents.accounts
        if not tables.permits(entry) or tables.links.pop(link_id, None) is None:
            return False
        tables.record([entry])
        return True
