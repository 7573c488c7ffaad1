"""Confirm e-mail addresses, and reset forgotten passwords."""

from functools import partial

from model.account import AccountChange, Basis, Ticket, fold_email, guess_key
from model.audit import VISITOR
from model.emails import asked_email
from model.errors import ParleyError
from model.passwords import check_password
from model.usernames import asked_username
from server.accounts import letters
from server.accounts.service import Accounts, Asker
from utils.ids import hash_secret, new_secret

# Letters to reset the password of one account that one network may ask for, within `RESETS_US`.
RESETS = 3
RESETS_US = 3600 * 1_000_000


def request_reset(accounts: Accounts, username: str, email: str, asker: Asker) -> None:
    """Send a link to reset the password, if an account has this username or this confirmed address.

    An address is found in either of both.

    Returns at once: whether there is such an account is found out in the background.

    Raises:
        ParleyError: ``forbidden`` if the server sends no mail.
    """
    if not accounts.mailer.active:
        raise ParleyError("forbidden", "this server sends no mail; its operator can reset your password")
    accounts.mailer.send(partial(_reset_letter, accounts, username, email, asker))


async def _reset_letter(accounts: Accounts, username: str, email: str, asker: Asker) -> letters.Letter | None:
    stored = accounts.storage
    if username and "@" not in username:
        account = await stored.accounts.find_by_username(asked_username(username))
    else:
        account = await stored.accounts.find_by_email(asked_email(email or username))
    if account is None or account.email is None:
        return None
    now = accounts.clock.now_us()
    for asked in (account.username, fold_email(account.email)):
        if not await _may_reset(accounts, guess_key("reset", asked), asker.network, now):
            return None
    secret = new_secret()
    letter = letters.reset(account.email, account.username, accounts.settings.public_url, secret)
    if not accounts.mailer.count_letter(letter):
        return None
    ticket = Ticket(hash_secret(secret), "reset", account.account_id, None, now + letters.RESET_SECONDS * 1_000_000)
    entry = accounts.entry("reset_request", VISITOR, asker, target=account.user)
    if not await stored.secrets.insert_ticket(ticket, entry, basis=Basis(account)):
        return None  # it has another address by now, or another password
    return letter


async def _may_reset(accounts: Accounts, key: bytes, network: str, now: int) -> bool:
    """Count a letter for an account, and return whether it may be sent.

    Each network counts apart, so that the requests of another one do not use up those of the account's user.
    """
    secrets = accounts.storage.secrets
    counted, _ = await secrets.failures(key, network)
    if counted.failures and abs(now - counted.last_at) >= RESETS_US:  # also after a clock was set back
        await secrets.succeeded(key, network)
    elif counted.failures >= RESETS:
        return False
    await secrets.failed(key, network, now, None)
    return True


async def reset(accounts: Accounts, secret: str, password: str, asker: Asker) -> None:
    """Set a new password with the secret of a link, and end all logins. The second factor stays.

    Raises:
        ParleyError: ``no_such_ticket``; ``bad_field`` for the password, with which the link can be used again;
            ``overloaded``.
    """
    stored = accounts.storage
    hashed_secret = hash_secret(secret)
    ticket = await stored.secrets.find_ticket(hashed_secret, "reset", accounts.clock.now_us())
    account = None if ticket is None or ticket.account_id is None else await stored.accounts.find(ticket.account_id)
    if account is None:
        raise ParleyError("no_such_ticket", field="token")
    common = await accounts.hashing.common()
    prepared = check_password(password, common=common, username=account.username, email=account.email)
    hashed = await accounts.hashing.hash(prepared, asker.network)
    change = AccountChange(password=hashed, end_logins=True)
    entry = accounts.entry("reset", account.user, asker)
    if await stored.secrets.spend_ticket(hashed_secret, "reset", change, accounts.clock.now_us(), entry) is None:
        raise ParleyError("no_such_ticket", field="token")
    accounts.follower.wake()
    for asked in (account.username, fold_email(account.email or "")):
        await accounts.guesses.succeeded(guess_key("login", asked), asker.network)
    await accounts.guesses.forget_codes(guess_key("code", account.username))
    if account.email is not None:
        accounts.mailer.send(letters.password_changed(account.email, account.username, accounts.settings.public_url))


async def confirm_email(accounts: Accounts, secret: str, asker: Asker) -> None:
    """Confirm an address with the secret of a link.

    Raises:
        ParleyError: ``no_such_ticket``, also if another account has confirmed the address before.
    """
    stored = accounts.storage
    hashed_secret = hash_secret(secret)
    now = accounts.clock.now_us()
    ticket = await stored.secrets.find_ticket(hashed_secret, "email", now)
    account = None if ticket is None or ticket.account_id is None else await stored.accounts.find(ticket.account_id)
    if ticket is None or account is None or ticket.email is None:
        raise ParleyError("no_such_ticket", field="token")
    entry = accounts.entry("email", account.user, asker)
    change = AccountChange(email=ticket.email)
    if await stored.secrets.spend_ticket(hashed_secret, "email", change, now, entry) is None:
        raise ParleyError("no_such_ticket", field="token")
    if account.email is not None and fold_email(account.email) != fold_email(ticket.email):
        accounts.mailer.send(letters.email_changed(account.email, account.username, accounts.settings.public_url))
