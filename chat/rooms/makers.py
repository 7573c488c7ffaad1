"""How many rooms that stay may be made in a day, by an account or from the address of guests."""

from __future__ import annotations

from chat.delivery.ratelimit import Allowances, TokenBucket
from chat.ports import Actor
from chat.rooms.room import Room
from model.errors import ParleyError
from utils.clock import DAY_SECONDS

# Of the day's rooms of an address, one guest makes at most a tenth, but some in any case.
GUEST_SHARE = 10
GUEST_LEAST = 10


def opener_of(actor: Actor) -> str:
    """Return for whom a room is opened: an account, or the address of a guest, as guests cost nothing.

    So guests never use up what an account behind the same address may open. "" for what is not counted.
    """
    return actor.network if actor.identity.guest else actor.user.id


class Makers:
    """How many rooms that stay were made in a day.

    An account has an allowance of its own. The guests of an address share one, of which each has a share; there a room
    that is deleted counts no more, so that one of them cannot use it up by making and deleting.

    Args:
        rooms: how many.
    """

    def __init__(self, rooms: int) -> None:
        share = min(rooms, max(rooms // GUEST_SHARE, GUEST_LEAST))
        self._whole = Allowances(rooms / DAY_SECONDS, rooms)
        self._share = Allowances(share / DAY_SECONDS, share)

    def admit(self, actor: Actor, now: float, *, take: bool) -> None:
        """Make sure that an actor may make one more; ``take`` counts it.

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
            text = "you, or the guests of your address, have created too many rooms today"
            raise ParleyError("too_many_rooms", text, retry_after=wait)
        if take:
            for bucket in buckets:
                bucket.take(now)

    def made(self, room: Room, actor: Actor) -> None:
        """Note that the actor has made the room."""
        room.maker = actor.network if actor.identity.guest else ""

    def deleted(self, room: Room, now: float) -> None:
        """The room is no more."""
        if room.maker:
            self._whole.of(room.maker, now).give()
            room.maker = ""
