"""Limit the persistent rooms that an account, or the guests at an address, may create per day."""

from chat.delivery.ratelimit import Allowances, TokenBucket
from chat.ports import Actor
from chat.rooms.room import Room
from model.errors import ParleyError
from utils.clock import DAY_SECONDS

# One guest may create at most a tenth of the daily rooms of an address, or this many if that is more.
GUEST_SHARE = 10
GUEST_LEAST = 10


def opener_of(actor: Actor) -> str:
    """Return the opener that a room counts for: an account, or the address of a guest, as a new guest costs nothing.

    So guests never use up the rooms of an account at the same address. "" is not counted.
    """
    return actor.network if actor.identity.guest else actor.user.id


class Makers:
    """Counts the persistent rooms created in a day.

    An account has its own allowance. The guests at an address share one, of which each may use a part. A guest's
    deleted room no longer counts for the address, so that one guest cannot use up its allowance by creating and
    deleting rooms.

    Args:
        rooms: the limit per day.
    """

    def __init__(self, rooms: int) -> None:
        share = min(rooms, max(rooms // GUEST_SHARE, GUEST_LEAST))
        self._whole = Allowances(rooms / DAY_SECONDS, rooms)
        self._share = Allowances(share / DAY_SECONDS, share)

    def admit(self, actor: Actor, now: float, *, take: bool) -> None:
        """Make sure that an actor may create one more room; ``take`` counts it.

        Raises:
            ParleyError: ``too_many_rooms``.
        """
        buckets: list[TokenBucket] = []
        if opener := opener_of(actor):
            buckets.append(self._whole.of(opener, now))
        if actor.identity.guest:
            buckets.append(self._share.of(actor.user.id, now))
        wait = max((bucket.wait(now) for bucket in buckets), default=0.0)
        if wait:
            raise ParleyError(
                "too_many_rooms",
                "you, or the guests of your address, have created too many rooms today",
                retry_after=wait,
            )
        if take:
            for bucket in buckets:
                bucket.take(now)

    def made(self, room: Room, actor: Actor) -> None:
        """Note that the actor created the room."""
        room.maker = actor.network if actor.identity.guest else ""

    def deleted(self, room: Room, now: float) -> None:
        """Stop counting a guest's deleted room for the allowance of the address."""
        if room.maker:
            self._whole.of(room.maker, now).give()
            room.maker = ""
