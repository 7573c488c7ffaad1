"""The links port: invite links. See `storage.ports.accounts` for what all methods share."""

from typing import Protocol

from model.account import InviteLink
from model.audit import AuditEntry


class LinkRepository(Protocol):
    """Invite links; those that have expired are not found. `AccountRepository.insert` uses those to register."""

    async def insert(self, link: InviteLink, entry: AuditEntry) -> bool:
        """Store a link. False if its maker is gone."""

    async def find(self, hash: bytes, now: int) -> InviteLink | None:
        """Find a link that may still be used."""

    async def find_by_id(self, link_id: str) -> InviteLink | None:
        """Find a link by its id, even if it has expired or was used up."""

    async def of_room(self, room_id: int, now: int) -> list[InviteLink]:
        """List the links to a room, the newest first."""

    async def of_maker(self, maker_id: str, now: int) -> list[InviteLink]:
        """List the links that a user has made, the newest first."""

    async def use(self, hash: bytes, now: int) -> InviteLink | None:
        """Use a link to a room once, by one atomic update; None if it is unknown, expired or used up."""

    async def give_back(self, link_id: str) -> None:
        """Undo a use that turned out to be impossible."""

    async def revoke(self, link_id: str, entry: AuditEntry) -> bool:
        """Remove a link. False if there is none."""
