"""Accounts, logins and entries of the audit log for tests."""

from itertools import count
from typing import Any
from urllib.parse import urlsplit

from model.account import (
    Account,
    AccountChange,
    AccountRole,
    ApiKey,
    InviteLink,
    Login,
    NewAccount,
    RoomWork,
    Ticket,
)
from model.audit import AuditAction, AuditEntry, entry
from model.lookalikes import skeleton
from model.room import User
from model.safety import Report
from server.app import Server
from storage.ports.accounts import AccountRepository, Inserted
from tests.support.web import Web
from utils.ids import new_room_id, new_token

NOW = 1_700_000_000_000_000
DAY = 86_400_000_000
ADMIN = User("u_admin", "admin")  # of the application: storage does not ask whether it exists
_numbers = count(1)


class At:
    """A clock that stands still."""

    def __init__(self, now: int = NOW) -> None:
        self.now = now

    def now_us(self) -> int:
        return self.now

    def monotonic(self) -> float:
        return self.now / 1e6


def account(username: str | None = None, **fields: Any) -> Account:
    """Return an account that no other test uses, with an unused name unless one is given."""
    username = username or f"user{next(_numbers)}x{new_room_id()}"
    defaults = {"name": username.title(), "password": "hash", "created_at": NOW}
    return Account(new_token("a_"), username, skeleton(username), **{**defaults, **fields})


def login(of: Account, **fields: Any) -> Login:
    """Return a login of an account, for 30 days."""
    defaults = {"created_at": NOW, "refreshed_at": NOW, "ends_at": NOW + 30 * DAY}
    return Login(new_token("l_", 16), of.account_id, **{**defaults, **fields})


def ticket(of: Account | None, kind: Any = "reset", **fields: Any) -> Ticket:
    """Return a ticket for an hour."""
    defaults = {"email": None, "until": NOW + 3_600_000_000}
    account_id = None if of is None else of.account_id
    return Ticket(new_secret(), kind, account_id, **{**defaults, **fields})


def api_key(**fields: Any) -> ApiKey:
    """Return a key for a day."""
    defaults = {"maker_id": ADMIN.id, "scope": "write", "created_at": NOW, "until": NOW + DAY}
    return ApiKey(new_token("k_"), new_secret(), "pk_abcdef", new_token("b_"), "bot", **{**defaults, **fields})


def invite_link(**fields: Any) -> InviteLink:
    """Return a link to register, for a day and one use."""
    defaults = {"room_id": None, "maker_id": ADMIN.id, "created_at": NOW, "until": NOW + DAY, "uses": 1}
    given = {**defaults, **fields}
    return InviteLink(new_token("i_"), new_secret(), **given, uses_left=given["uses"])


def erasure(of: Account, *more: str, messages: bool = False) -> RoomWork:
    """Return the work that erases an account and its aliases."""
    return RoomWork("erase", new_token("x_"), (of.account_id, *more), "deleted user", messages)


def someone() -> User:
    """Return a user that no other test knows."""
    return User(new_token("u_"), "ann")


def report(**fields: Any) -> Report:
    """Return an open report of a message that no other test reports."""
    defaults: dict[str, Any] = {
        **{"report_id": new_token("p_"), "room_id": new_room_id(), "room": "plans", "seq": 7, "reporter": someone()},
        **{"reason": "rüde\n'; --", "sender": someone(), "content": "<b>", "posted_at": "2026-01-01T00:00:00Z"},
        **{"created_at": NOW},
    }
    return Report(**{**defaults, **fields})


def new_secret() -> bytes:
    """Return 32 bytes, as the hash of a secret."""
    return new_room_id().to_bytes(32)


def noted(action: AuditAction = "register", actor: User = ADMIN, *, at: int = NOW, **fields: Any) -> AuditEntry:
    """Return an audit entry."""
    return entry(At(at), action, actor, **fields)


async def stored(accounts: AccountRepository, of: Account | None = None, *, signed_in: Login | None = None) -> Account:
    """Store an account, a new one unless it is given, and return it."""
    of = of or account()
    assert await accounts.insert(NewAccount(of, signed_in), noted(actor=of.user)) is Inserted.STORED
    return of


# --- over HTTP -------------------------------------------------------------------------------------------------------

PASSWORD = "correct horse battery"


class SignedIn(Web):
    """Requests to a server as an account made there.

    Attributes:
        username, refresh_token, csrf: of its login.
    """

    def __init__(self, port: int, signed: dict[str, Any], visitor: Web) -> None:
        super().__init__(port, token=signed["access_token"])
        self._visitor = visitor
        self.take(signed)

    def take(self, signed: dict[str, Any]) -> None:
        """Use the tokens of an answer from now on."""
        self.id, self.username = signed["account"]["id"], signed["account"]["username"]
        self.token, self.refresh_token, self.csrf = (signed[name] for name in ("access_token", "refresh_token", "csrf"))

    async def refresh(self) -> None:
        """Exchange the tokens for new ones."""
        reply = await self._visitor.post("/api/refresh", {"refresh_token": self.refresh_token})
        assert reply.status == 200, reply
        self.take(reply.json())


def visitor(port: int, origin: str = "http://localhost") -> Web:
    """Return requests without a token from this origin; by default the own one of a server without PUBLIC_URL."""
    return Web(port, origin=origin)


async def signed_in(server: Server, username: str, *, role: AccountRole = "user", **fields: Any) -> SignedIn:
    """Register an account over HTTP, with these `fields` too, or sign in if there is one with this username."""
    credentials = {"username": username, "password": PASSWORD}
    parts = urlsplit(server.accounts.settings.public_url)
    web = visitor(server.port, f"{parts.scheme}://{parts.netloc}" if parts.netloc else "http://localhost")
    reply = await web.post("/api/register", {**credentials, **fields})
    if reply.status == 409:
        reply = await web.post("/api/login", credentials)
    assert reply.status in (200, 201), reply
    user = SignedIn(server.port, reply.json(), web)
    if role != "user":
        change = AccountChange(role=role)
        assert await server.accounts.storage.accounts.change(user.id, change, noted("role")) is not None
        await user.refresh()
    return user
