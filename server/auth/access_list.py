"""What a server knows of who may not act, and of the API keys: the notices, in memory, asked without waiting.

`server.auth.follower` reads them.
"""

from collections.abc import Iterable
from functools import lru_cache
from hashlib import sha256

from chat.ports import Denial, Identity
from model.account import ApiKey, Notice, NoticeKind, look_hash
from model.errors import ACCOUNT_CHANGED, BLOCKED, REFUSED, SIGNED_OUT, SUSPENDED, CloseCode, ParleyError, unavailable
from model.lookalikes import skeleton
from model.principals import ACCOUNT
from model.room import FOREVER
from server.access.networks import Networks
from utils.clock import Clock, rfc3339

# A server that could not read the notices for this long, in seconds, admits no accounts made here and no bots.
STALE_SECONDS = 30.0
# Tokens of a login or a version that has ended expire within 15 minutes; the rest is for clocks that differ.
_TOKENS_US = 3600 * 1_000_000
_NAMES = 20_000  # whose look is remembered: each registration is compared with the names of all guests
_ENDLESS = 1e8  # seconds from which an end is not worth naming


@lru_cache(_NAMES)
def _look_of(name: str) -> bytes:
    return look_hash(skeleton(name))


class AccessList:
    """See the top of this file.

    Attributes:
        number: of the latest notice.
        uses: when each key was last used, by its id, until `server.auth.follower` stores it.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.number = 0
        self.uses: dict[str, int] = {}
        self._notices: dict[NoticeKind, dict[str, Notice]] = {}
        self._networks = Networks()
        self._keys: dict[bytes, ApiKey] = {}
        self._hashes: dict[str, bytes] = {}  # of the keys, by their ids
        self._looks: set[bytes] = set()
        self._read_at: float | None = None

    # What the follower does.

    def take(self, notices: Iterable[Notice]) -> None:
        """Take over notices in the order of their numbers. Taking one twice is harmless."""
        for notice in notices:
            self._notices.setdefault(notice.kind, {})[notice.subject] = notice
            self.number = max(self.number, notice.number)
            if notice.kind == "key":
                self._take_key(notice)
            elif notice.kind == "network":
                self._networks.add(notice.subject)
            elif notice.kind == "name":
                look = bytes.fromhex(notice.subject)
                (self._looks.add if notice.deny_until else self._looks.discard)(look)

    def _take_key(self, notice: Notice) -> None:
        if (before := self._hashes.pop(notice.subject, None)) is not None:
            del self._keys[before]
        if notice.key is not None:
            self._hashes[notice.subject] = notice.key.hash
            self._keys[notice.key.hash] = notice.key

    def take_looks(self, looks: Iterable[str]) -> None:
        """Take over looks of usernames. Call it before :meth:`take`, whose notices are newer."""
        self._looks.update(map(look_hash, looks))

    def blank(self) -> "AccessList":
        """Return an empty list, to read everything anew; see :meth:`become`."""
        return AccessList(self._clock)

    def become(self, other: "AccessList") -> None:
        """Replace what this list knows by what another one knows, in one step: no revocation is forgotten."""
        vars(self).update(vars(other), uses=self.uses, _read_at=self._read_at)

    def confirm(self) -> float:
        """Note that every notice until now was taken. Returns for how many seconds that was not so; 0 at first."""
        now = self._clock.monotonic()
        before, self._read_at = self._read_at, now
        return 0.0 if before is None else now - before

    def forget(self) -> None:
        """Forget what notices say no longer, and what no token could be refused for any more."""
        now = self._clock.now_us()
        for kind, notices in self._notices.items():
            for notice in [one for one in notices.values() if _matters_until(one) <= now]:
                del notices[notice.subject]
                if kind == "key" and (before := self._hashes.pop(notice.subject, None)) is not None:
                    del self._keys[before]
                elif kind == "network":
                    self._networks.discard(notice.subject)

    # What is asked.

    def is_stale(self) -> bool:
        """Whether the notices were never read, or not for `STALE_SECONDS`."""
        return self._read_at is None or self._clock.monotonic() - self._read_at > STALE_SECONDS

    def check(self, identity: Identity) -> None:
        """Refuse a principal that may not act, or whose token is outdated.

        Raises:
            ParleyError: ``unauthorized``, ``suspended``; ``unavailable`` for an account made here or a bot, if this
                list is stale.
        """
        if identity.login and self.is_stale():
            raise unavailable("accounts cannot be verified now")
        if (denial := self.denial(identity)) is not None:
            raise denial.error

    def denial(self, identity: Identity) -> Denial | None:
        """Return why a principal may not act, as far as is known; None if it may."""
        principal = identity.user.id
        if identity.guest:
            if principal in self._of("guest"):
                return _denial(SIGNED_OUT, "this guest has become an account; sign in")
            return None
        notice = self._of("account").get(principal)
        if notice is not None:
            if notice.version >= FOREVER:
                return _denial(SIGNED_OUT, "this account was deleted")
            if left := self._left(notice):
                return Denial(SUSPENDED, _until("suspended", "this account is suspended", notice, left))
            if principal.startswith(ACCOUNT) and identity.version < notice.version:
                return _denial(ACCOUNT_CHANGED, "the account has changed since this token was signed; refresh it")
        if identity.scope is not None:
            key = self._of("key").get(identity.login)
            if key is not None and key.key is None:  # one that is not known may be new, and verified by another server
                return _denial(SIGNED_OUT, "this API key was revoked")
        elif identity.login and identity.login in self._of("login"):
            return _denial(SIGNED_OUT, "this login has ended; sign in again")
        return None

    def denial_of(self, address: str) -> Denial | None:
        """Return why an address may not connect; None if it may."""
        for network in self._networks.containing(address):
            notice = self._of("network")[network]
            if left := self._left(notice):
                return Denial(BLOCKED, _until("blocked", "this address is blocked", notice, left))
        return None

    def check_address(self, address: str) -> None:
        """Refuse a blocked address.

        Raises:
            ParleyError: ``blocked``.
        """
        if (denial := self.denial_of(address)) is not None:
            raise denial.error

    def check_again(self, address: str, identity: Identity | None) -> None:
        """Refuse what was begun by a client that may not act any more: a body, and a turn, can take long to come.

        Raises:
            ParleyError: as :meth:`check_address` and :meth:`check`.
        """
        self.check_address(address)
        if identity is not None:
            self.check(identity)

    def find_key(self, secret: str) -> ApiKey | None:
        """Return the API key with this secret, and note its use; None if there is none, or it was revoked."""
        key = self._keys.get(sha256(secret.encode()).digest())
        if key is not None and key.until > self._clock.now_us():
            self.uses[key.key_id] = self._clock.now_us()
        return key

    def is_taken(self, name: str) -> bool:
        """Whether a guest may not have this name, because it looks like a username."""
        return bool(self._looks) and _look_of(name) in self._looks

    def name_denial(self, identity: Identity) -> Denial | None:
        """Return why a guest may not keep its name; None if it may."""
        if identity.guest and self.is_taken(identity.user.name):
            return Denial(REFUSED, ParleyError("reserved_name", "this name belongs to an account; choose another one"))
        return None

    def _of(self, kind: NoticeKind) -> dict[str, Notice]:
        return self._notices.get(kind, {})

    def _left(self, notice: Notice) -> float:
        """Return for how many more seconds a notice denies something."""
        return max(0.0, (notice.deny_until - self._clock.now_us()) / 1e6)


def _matters_until(notice: Notice) -> int:
    if notice.kind in ("login", "account"):
        return max(notice.at + _TOKENS_US, notice.deny_until)
    return notice.until


def _denial(close: CloseCode, reason: str) -> Denial:
    return Denial(close, ParleyError("unauthorized", reason, field="token"))


def _until(code: str, what: str, notice: Notice, left: float) -> ParleyError:
    text = f"{what}: {notice.reason}" if notice.reason else what
    if left >= _ENDLESS:
        return ParleyError(code, text)
    end = rfc3339(notice.deny_until)[: len("2026-11-21T08:31")].replace("T", " ")
    return ParleyError(code, f"{text} (until {end} UTC)", retry_after=left)
