"""Merge the rows of a guest and of the account that the guest has become."""

from msgspec.structs import replace

from model.permissions import RANK
from model.room import STAFF, Member, User


def merge(user: User, own: Member | None, guest: Member, now_us: int) -> Member:
    """Return the row of an account in a room in which its guest has one, too.

    The account gets the higher role, the larger cursor, and every ban and mute; a ban ends a membership. Owners and
    moderators get none of their guest: else a moderator could remove an owner.

    Args:
        user: the account, with its current name.
        own: the account's row, if it has one.
    """
    own = own or Member(user)
    if own.role in STAFF:
        guest = replace(guest, banned_until=0, muted_until=0, reason="")
    role = max(own.role, guest.role, key=lambda role: RANK[role] if role is not None else -1)
    banned_until = max(own.banned_until, guest.banned_until)
    muted_until = max(own.muted_until, guest.muted_until)
    strictest = max(own, guest, key=lambda row: (row.banned_until, row.muted_until))
    joined = [row.joined_at for row in (own, guest) if row.joined_at]
    merged = replace(
        own,
        user=user,
        role=role,
        joined_at=min(joined, default=0),
        seen_at=max(own.seen_at, guest.seen_at),
        read_seq=max(own.read_seq, guest.read_seq),
        banned_until=banned_until,
        muted_until=muted_until,
        reason=strictest.reason if banned_until or muted_until else "",
        invitation=None if role is not None else own.invitation or guest.invitation,
    )
    if banned_until > now_us:
        return replace(merged, role=None, joined_at=0, read_seq=0, invitation=None)
    return merged
