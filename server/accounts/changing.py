"""Change an account: its display name, e-mail address, password and second factor."""

from typing import NamedTuple

from msgspec.structs import replace

from model.account import Account, AccountChange, Basis, fold_email, guess_key
from model.audit import AuditAction
from model.errors import ParleyError
from model.lookalikes import skeleton
from model.passwords import check_password
from model.text import check_user_name
from model.usernames import check_official
from server.accounts import letters
from server.accounts.registering import Wrong, check_display_name, check_new_email, email_ticket
from server.accounts.second_factor import hash_code, new_nonce, new_recovery_codes, secret_of, step_of
from server.accounts.service import Accounts, Asker, changed_since


class Changes(NamedTuple):
    """What the user of an account asks for; None leaves it unchanged.

    Attributes:
        email: "" removes the address.
        old_password: required for the address and the password.
    """

    name: str | None = None
    email: str | None = None
    password: str | None = None
    old_password: str | None = None


async def change(accounts: Accounts, basis: Basis, asked: Changes, asker: Asker) -> Account:
    """Apply changes, and return the account after them. A new password ends all logins but this one.

    A new address counts once its link was clicked; until then the one before does.

    Raises:
        ParleyError: ``bad_field`` and ``reserved_name`` with ``fields``, ``name_taken``; ``unauthorized`` if the
            account has changed in between; as `Accounts.prove`.
    """
    account = basis.account
    common = await accounts.hashing.common()
    wrong = Wrong()
    name = None if asked.name is None else wrong.check(check_user_name, asked.name, "name")
    email = wrong.check(check_new_email, accounts, asked.email) if asked.email else asked.email
    password = None
    if asked.password is not None:
        password = wrong.check(
            check_password, asked.password, common=common, username=account.username, email=account.email
        )
    if (asked.email is not None or asked.password is not None) and asked.old_password is None:
        wrong.check(_ask_password)
    wrong.refuse()
    if name is not None and name != account.name:
        if skeleton(name) != account.look:
            check_official(name, "name")
        await check_display_name(accounts, name, account.account_id, account.look)
    if asked.old_password is not None:
        await accounts.prove(account, asked.old_password, None, asker, field="old_password")
    # What may be refused comes before the first change that is stored.
    hashed = None if password is None else await accounts.hashing.hash(password, asker.network)
    if email and not _has(account, email):
        accounts.mailer.count_address(account.account_id, email)
    if name is not None and name != account.name:
        accounts.count_renaming(account.account_id)
        basis = await _apply(accounts, basis, AccountChange(name=name), "name", asker)
    if hashed is not None:
        renewed = AccountChange(password=hashed, end_logins=True, keep_login=basis.login_id)
        basis = await _apply(accounts, basis, renewed, "password", asker)
        if account.email is not None:
            accounts.mailer.send(
                letters.password_changed(account.email, account.username, accounts.settings.public_url)
            )
    if email is not None:
        basis = await _change_email(accounts, basis, email, asker)
    return basis.account


def _ask_password() -> None:
    raise ParleyError("bad_field", "old_password is required for this change", field="old_password")


async def _change_email(accounts: Accounts, basis: Basis, email: str, asker: Asker) -> Basis:
    account = basis.account
    if not email:
        basis = await _apply(accounts, basis, AccountChange(email=""), "email", asker)
        if account.email is not None:
            accounts.mailer.send(letters.email_changed(account.email, account.username, accounts.settings.public_url))
        return basis
    if _has(account, email):
        return basis
    ticket, letter = await email_ticket(accounts, account, email)
    entry = accounts.entry("email", account.user, asker, detail="not confirmed yet")
    if not await accounts.storage.secrets.insert_ticket(ticket, entry, basis=basis):
        raise changed_since()
    accounts.mailer.send(letter)
    return basis


def _has(account: Account, email: str) -> bool:
    return account.email is not None and fold_email(account.email) == fold_email(email)


async def _apply(
    accounts: Accounts, basis: Basis, change: AccountChange, action: AuditAction, asker: Asker, detail: str = ""
) -> Basis:
    """Make a change, and return what a further one is decided on."""
    account = basis.account
    entry = accounts.entry(action, account.user, asker, detail=detail)
    changed = await accounts.storage.accounts.change(account.account_id, change, entry, basis=basis)
    if changed is None:
        raise changed_since()
    return replace(basis, account=changed)


# --- the second factor -----------------------------------------------------------------------------------------------


async def begin_factor(accounts: Accounts, basis: Basis, old_password: str, asker: Asker) -> str:
    """Make a secret for codes, and return it in base32. It counts once `confirm_factor` got a code.

    Raises:
        ParleyError: ``conflict`` if the account has a second factor; as `Accounts.prove` and :func:`change`.
    """
    account = basis.account
    if account.totp_on:
        raise ParleyError("conflict", "the account has a second factor; remove it first")
    await accounts.prove(account, old_password, None, asker, field="old_password")
    nonce = new_nonce()
    secret = secret_of(accounts.keys, account.account_id, nonce)
    await _apply(accounts, basis, AccountChange(totp_nonce=nonce), "totp_on", asker, "not confirmed yet")
    return secret


async def confirm_factor(accounts: Accounts, basis: Basis, code: str, asker: Asker) -> list[str]:
    """Turn the second factor on, and return the recovery codes.

    Raises:
        ParleyError: ``conflict`` if it is on, or was not begun; ``wrong_credentials``, ``rate_limited``.
    """
    account = basis.account
    if account.totp_on or account.totp_nonce is None:
        raise ParleyError("conflict", "there is no second factor to confirm")
    key = guess_key("login", account.username)
    await accounts.guesses.enter(key, asker.network)
    step = step_of(accounts.keys, account, code, accounts.clock.now_us())
    if step is None or not await accounts.storage.secrets.spend_step(account.account_id, step):
        await accounts.guesses.failed(key, asker.network, accounts.entry_of_failure(account.user, asker))
        raise ParleyError("wrong_credentials", "this code is wrong, or was used", field="code")
    codes = new_recovery_codes()
    change = AccountChange(totp_on=True, codes=tuple(map(hash_code, codes)))
    await _apply(accounts, basis, change, "totp_on", asker)
    return codes


async def remove_factor(accounts: Accounts, basis: Basis, old_password: str, code: str, asker: Asker) -> None:
    """Turn the second factor off.

    Raises:
        ParleyError: ``conflict`` if the account has none; as `Accounts.prove`.
    """
    _require_factor(basis.account)
    await accounts.prove(basis.account, old_password, code, asker, field="old_password", with_code=True)
    await _apply(accounts, basis, AccountChange(totp_on=False, totp_nonce=b"", codes=()), "totp_off", asker)


async def renew_codes(accounts: Accounts, basis: Basis, old_password: str, code: str, asker: Asker) -> list[str]:
    """Replace the recovery codes, and return the new ones.

    Raises:
        ParleyError: as :func:`remove_factor`.
    """
    _require_factor(basis.account)
    await accounts.prove(basis.account, old_password, code, asker, field="old_password", with_code=True)
    codes = new_recovery_codes()
    change = AccountChange(codes=tuple(map(hash_code, codes)))
    await _apply(accounts, basis, change, "totp_on", asker, "new recovery codes")
    return codes


def _require_factor(account: Account) -> None:
    if not account.totp_on:
        raise ParleyError("conflict", "the account has no second factor")
