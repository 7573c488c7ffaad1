"""From where guests were here: a ban by address must also work if they have just left.

Of guests who are connected, `chat.ports.Directory` knows it: here it would take 170 bytes for each of them.
"""

from collections import OrderedDict

from chat.ports import Actor

# Guests whose networks are remembered, and for how long, in seconds.
_GUESTS = 10_000
_REMEMBERED = 86_400.0


class GuestNetworks:
    """The last network of each guest who has disconnected, or who posts over HTTP."""

    def __init__(self) -> None:
        self._last: OrderedDict[str, tuple[str, float]] = OrderedDict()

    def note(self, actor: Actor, now: float) -> None:
        """Remember the network of a guest; ``now`` by a monotonic clock."""
        if actor.network and actor.identity.guest:
            self._last[actor.user.id] = (actor.network, now)
            self._last.move_to_end(actor.user.id)
            if len(self._last) > _GUESTS:
                self._last.popitem(last=False)

    def last(self, guest_id: str, now: float) -> str:
        """Return the network of a guest; "" if it is not known."""
        network, since = self._last.get(guest_id, ("", now))
        return network if now - since < _REMEMBERED else ""
