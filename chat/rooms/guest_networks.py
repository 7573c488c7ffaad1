"""From where guests were here: a ban by address must also work if they have just left.

Of guests who are connected, `chat.ports.Directory` knows it: here it would take 170 bytes for each of them. A server
knows none after a restart, and those of its own clients when it gets the rooms: storing each departure would cost a
write.
"""

from collections import OrderedDict

from chat.ports import Actor

# Guests whose networks are remembered, how many of them from one network, and for how long, in seconds. A client can
# make any number of guests, so without the second bound it could have those of all other networks forgotten.
_GUESTS = 10_000
_EACH = 200
_REMEMBERED = 86_400.0


class GuestNetworks:
    """The last network of each guest who has disconnected, or who posts over HTTP, within the bounds above."""

    def __init__(self) -> None:
        self._last: OrderedDict[str, tuple[str, float]] = OrderedDict()
        self._of: dict[str, dict[str, None]] = {}  # by network, the ids in the same order

    def note(self, actor: Actor, now: float) -> None:
        """Remember the network of a guest; ``now`` by a monotonic clock."""
        network, guest_id = actor.network, actor.user.id
        if not network or not actor.identity.guest:
            return
        self._forget(guest_id)
        ids = self._of.setdefault(network, {})
        ids[guest_id] = None
        self._last[guest_id] = (network, now)
        if len(ids) > _EACH:
            self._forget(next(iter(ids)))
        elif len(self._last) > _GUESTS:
            self._forget(next(iter(self._last)))

    def _forget(self, guest_id: str) -> None:
        network, _ = self._last.pop(guest_id, ("", 0.0))
        if network:
            del self._of[network][guest_id]
            if not self._of[network]:
                del self._of[network]

    def last(self, guest_id: str, now: float) -> str:
        """Return the network of a guest; "" if it is not known."""
        network, since = self._last.get(guest_id, ("", now))
        return network if now - since < _REMEMBERED else ""
