"""How much one principal, or one connection, may ask for."""

from __future__ import annotations

from collections import OrderedDict, deque

PACES = 10_000


class TokenBucket:
    """A token bucket: ``burst`` at once, ``rate`` a second in the long run.

    Args:
        rate: tokens a second, above 0.
        burst: tokens that may be saved up, at least 1.
        now: seconds of a monotonic clock.
    """

    __slots__ = ("__weakref__", "_at", "_burst", "_rate", "_tokens")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._at = now

    def take(self, now: float) -> float:
        """Take one token. Returns 0.0 when there was one, else the seconds until there will be (and takes none)."""
        tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if tokens >= 1.0:
            self._tokens = tokens - 1.0
            return 0.0
        self._tokens = tokens
        return (1.0 - tokens) / self._rate

    def wait(self, now: float) -> float:
        """Seconds until there will be a token; 0.0 when there is one. Takes none."""
        return max(0.0, (1.0 - self._tokens) / self._rate - (now - self._at))


class Leftovers:
    """The buckets of those who are gone, until they must be full again: a new connection finds the old one's.

    Args:
        seconds: from empty to full.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._buckets: deque[tuple[float, TokenBucket]] = deque()

    def __len__(self) -> int:
        return len(self._buckets)

    def keep(self, bucket: TokenBucket, now: float) -> None:
        """Hold a bucket that nobody uses any more; let go of those that were held long enough."""
        buckets = self._buckets
        while buckets and buckets[0][0] <= now:
            buckets.popleft()
        buckets.append((now + self._seconds, bucket))


class Paces:
    """When people last spoke in rooms of slow mode that are forgotten meanwhile, as nobody is there.

    Bounded: beyond `PACES` people those rooms are let go that were left first.
    """

    def __init__(self) -> None:
        self._rooms: OrderedDict[int, OrderedDict[str, float]] = OrderedDict()
        self._people = 0

    def keep(self, room_id: int, spoke: OrderedDict[str, float]) -> None:
        """The room is left."""
        if spoke:
            self._rooms[room_id] = spoke
            self._people += len(spoke)
            while self._people > PACES:
                self._people -= len(self._rooms.popitem(last=False)[1])

    def take(self, room_id: int) -> OrderedDict[str, float]:
        """Somebody comes to the room again."""
        spoke = self._rooms.pop(room_id, None) or OrderedDict[str, float]()
        self._people -= len(spoke)
        return spoke


class Allowance:
    """What one principal may still ask for.

    Attributes:
        commands: of what is asked for without a session.
        messages: shared with their sessions; None when they have said nothing of late.
        used: when it was last asked for, in seconds of a monotonic clock.
    """

    __slots__ = ("commands", "messages", "used")

    def __init__(self, commands: TokenBucket, used: float) -> None:
        self.commands = commands
        self.messages: TokenBucket | None = None
        self.used = used


class Allowances:
    """The allowances of those who have no connection that would remember them.

    Bounded by who came of late: one that was not used until it must be full again says nothing, and is forgotten.

    Args:
        rate, burst: of commands.
        keep: seconds for which a bucket of messages must be kept.
    """

    def __init__(self, rate: float, burst: float, *, keep: float) -> None:
        self._rate = rate
        self._burst = burst
        self._keep = max(keep, burst / rate)
        self._lately: OrderedDict[str, Allowance] = OrderedDict()

    def __len__(self) -> int:
        return len(self._lately)

    def of(self, principal: str, now: float) -> Allowance:
        """The allowance of a principal, who asks for something now."""
        lately = self._lately
        while lately and next(iter(lately.values())).used + self._keep <= now:
            lately.popitem(last=False)
        allowance = lately.get(principal)
        if allowance is None:
            allowance = lately[principal] = Allowance(TokenBucket(self._rate, self._burst, now), now)
        else:
            lately.move_to_end(principal)
            allowance.used = now
        return allowance
