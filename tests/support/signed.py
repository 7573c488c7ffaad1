"""Accounts that are signed in at a server of this process, without the way through its HTTP endpoints."""

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from msgspec.structs import replace

from model.account import Account, AccountRole, ApiKey, Basis, Login, NewAccount, Scope
from model.api_keys import make_key
from model.limits import KEYS
from server.app import Server
from server.auth.access_tokens import Pair, sign_pair
from server.auth.cookies import cookie_names
from server.auth.keys import ServerKeys
from storage.ports.accounts import Inserted
from storage.ports.storage import Storage
from tests.support.accounts import ADMIN, DAY, account, login, noted

Headers = list[tuple[str, str]]


class SignedIn(NamedTuple):
    """An account, one of its logins, and the tokens of that."""

    account: Account
    login: Login
    pair: Pair

    @property
    def bearer(self) -> Headers:
        """The header with the access token."""
        return [("Authorization", f"Bearer {self.pair.access}")]

    def cookies(self, origin: str | None = "http://localhost", public_url: str = "") -> Headers:
        """Return the headers that a browser sends for a page of this origin."""
        names = cookie_names(public_url)
        pairs = {names.access: self.pair.access, names.refresh: self.pair.refresh, names.csrf: self.pair.csrf}
        sent = [("Cookie", "; ".join(f"{name}={value}" for name, value in pairs.items()))]
        return sent if origin is None else [*sent, ("Origin", origin)]


def now_us() -> int:
    return time.time_ns() // 1000


async def sign_in(
    storage: Storage,
    keys: ServerKeys,
    of: Account | None = None,
    *,
    role: AccountRole = "user",
    aliases: Sequence[str] = (),
    **fields: Any,
) -> SignedIn:
    """Store a login for a new account, or the given one, and sign its tokens; ``fields`` are those of the login."""
    now = now_us()
    made = login(of or account(role=role), **{"created_at": now, "refreshed_at": now, "ends_at": now + DAY, **fields})
    if of is None:
        of = account(role=role)
        made = replace(made, account_id=of.account_id)
        assert await storage.accounts.insert(NewAccount(of), noted(actor=of.user, at=now)) is Inserted.STORED
    assert await storage.logins.insert(made, 50, noted("login", of.user, at=now), basis=Basis(of)) == []
    return SignedIn(of, made, sign_pair(keys, of, made, aliases, now))


async def signed_in(server: Server, of: Account | None = None, **fields: Any) -> SignedIn:
    """As `sign_in`, at a server of this process."""
    return await sign_in(server._storage, server._keys, of, **fields)


async def bot(storage: Storage, scope: Scope = "write", days: float = 1) -> tuple[str, ApiKey]:
    """Store an API key, and return it with its secret."""
    secret, key = make_key("bot", scope, ADMIN.id, now_us(), days)
    await storage.access.insert_key(key, KEYS, noted("key", at=now_us()))
    return secret, key
