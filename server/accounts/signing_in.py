"""Sign in, refresh the tokens of a login, and sign out."""

from collections.abc import Iterable

from model.account import Account, Basis, Login
from model.audit import SERVER
from model.errors import ParleyError
from model.room import User
from server.accounts.service import Accounts, Asker
from server.auth.access_tokens import read_refresh
from utils.ids import new_token

# Logins of one account, at most: the oldest ends when there is one more.
LOGINS = 50
# A login ends when it was not refreshed for this long, and at the latest after a year.
UNUSED_US = 30 * 86_400_000_000
LONGEST_US = 365 * 86_400_000_000


def new_login(account: Account, now: int, asker: Asker, *, by_cookie: bool) -> Login:
    """Return a login that begins now."""
    return Login(
        new_token("l_", 16),
        account.account_id,
        now,
        now,
        now + UNUSED_US,
        by_cookie=by_cookie,
        device=asker.device,
        address=asker.address,
    )


async def sign_in(
    accounts: Accounts, username: str, password: str, code: str | None, asker: Asker, *, by_cookie: bool
) -> tuple[Account, Login]:
    """Return an account, and a new login of it.

    Raises:
        ParleyError: as `Accounts.guess`; ``suspended``.
    """
    account = await accounts.guess(username, password, code, asker)
    try:
        accounts.refuse_suspended(account.user)
    except ParleyError as error:
        refused = accounts.entry_of_failure(account.user, asker, detail=error.code)
        await accounts.storage.audit.append([refused])
        raise
    login = new_login(account, accounts.clock.now_us(), asker, by_cookie=by_cookie)
    entry = accounts.entry("login", account.user, asker)
    ended = await accounts.storage.logins.insert(login, LOGINS, entry, basis=Basis(account))
    if ended is None:  # deleted, or with another password by now
        raise ParleyError("wrong_credentials")
    if ended:
        accounts.follower.wake()
    return account, login


async def refresh(accounts: Accounts, tokens: Iterable[str], asker: Asker) -> tuple[Account, Login]:
    """Exchange a refresh token for its successor.

    Args:
        tokens: a browser may send some of other servers on the same host, and some that a page of another subdomain has
            set; the first that is valid counts.

    Raises:
        ParleyError: ``unauthorized`` if none is valid any more; ``rate_limited``, ``suspended``.
    """
    found = [read for token in tokens if (read := read_refresh(accounts.keys, token)) is not None]
    if not found:
        raise _signed_out("a valid refresh token is required")
    for read in found[:-1]:
        try:
            return await _refresh(accounts, *read, asker)
        except ParleyError:
            continue  # the refusal of the last one is the answer
    return await _refresh(accounts, *found[-1], asker)


async def _refresh(accounts: Accounts, login_id: str, generation: int, asker: Asker) -> tuple[Account, Login]:
    accounts.count_refresh(login_id)
    now = accounts.clock.now_us()
    login = await accounts.storage.logins.find(login_id, now)
    if login is None:
        raise _signed_out("this login has ended; sign in again")
    accounts.refuse_suspended(User(login.account_id, ""))
    refreshed = await accounts.storage.logins.refresh(
        login_id,
        generation,
        now,
        ends_at=min(now + UNUSED_US, login.created_at + LONGEST_US),
        address=asker.address,
        entry=accounts.entry("token_reuse", SERVER, asker, target=User(login.account_id, "")),
    )
    if refreshed.outcome == "reused":
        accounts.follower.wake()
    if refreshed.login is None or refreshed.account is None:
        raise _signed_out("this login has ended; sign in again")
    return refreshed.account, refreshed.login


async def sign_out(accounts: Accounts, login_id: str, asker: Asker) -> None:
    """End a login, if it has not ended."""
    login = await accounts.storage.logins.find(login_id, accounts.clock.now_us())
    account = None if login is None else await accounts.storage.accounts.find(login.account_id)
    if account is not None:
        entry = accounts.entry("logout", account.user, asker)
        await accounts.storage.logins.end(account.account_id, only=login_id, entry=entry)
        accounts.follower.wake()


def _signed_out(why: str) -> ParleyError:
    return ParleyError("unauthorized", why, field="refresh_token")
