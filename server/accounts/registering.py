"""Make accounts."""

from collections.abc import Callable
from typing import NamedTuple, ParamSpec, TypeVar

from model.account import Account, Login, NewAccount, Ticket
from model.emails import check_email
from model.errors import ParleyError
from model.lookalikes import skeleton
from model.passwords import check_password
from model.text import check_user_name
from model.usernames import Username, asked_username, check_official, check_username
from server.accounts import letters
from server.accounts.service import Accounts, Asker
from server.accounts.signing_in import new_login
from storage.ports.accounts import Inserted
from utils.ids import hash_secret, new_secret, new_token

P = ParamSpec("P")
T = TypeVar("T")


class Registration(NamedTuple):
    """What a user asks for.

    Attributes:
        name: the display name; None for the username.
        invite: the secret of an invite link.
        by_cookie: whether the tokens of the first login will be cookies.
    """

    username: str
    password: str
    name: str | None = None
    email: str | None = None
    invite: str | None = None
    by_cookie: bool = False


class Wrong:
    """Collects what is wrong with the fields of a request, so that the answer names all of them."""

    def __init__(self) -> None:
        self._errors: list[ParleyError] = []

    def check(self, rule: Callable[P, T], *values: P.args, **options: P.kwargs) -> T | None:
        """Return what a rule returns; None if it refuses its field."""
        try:
            return rule(*values, **options)
        except ParleyError as error:
            self._errors.append(error)
            return None

    def refuse(self) -> None:
        """Refuse the request if anything is wrong.

        Raises:
            ParleyError: the first refusal, with ``fields``.
        """
        if self._errors:
            first = self._errors[0]
            fields = {error.field or "": error.message for error in self._errors}
            raise ParleyError(first.code, first.message, field=first.field, fields=fields)


async def register(
    accounts: Accounts, asked: Registration, asker: Asker, *, admin_ticket: bytes | None = None
) -> tuple[Account, Login]:
    """Make an account and its first login.

    A taken e-mail address makes no difference, except that its owner gets a mail: the account is made, and the address
    stays unconfirmed.

    Args:
        admin_ticket: the hash of a ticket that makes an admin, whatever ``REGISTRATION`` says.

    Raises:
        ParleyError: ``registration_closed``, ``invite_invalid``; ``bad_field`` and ``reserved_name`` with ``fields``;
            ``name_taken``, ``rate_limited``, ``overloaded``; ``no_such_ticket``.
    """
    by_link = accounts.settings.registration == "invite" and admin_ticket is None
    if accounts.settings.registration == "closed" and admin_ticket is None:
        raise ParleyError("registration_closed")
    if by_link and not asked.invite:
        raise ParleyError("invite_invalid", field="invite")
    accounts.hashing.check(asker.network)
    username, name, password = await _check(accounts, asked, official=admin_ticket is not None)
    accounts.count_registration(asker)
    await _check_names(accounts, username, name)
    hashed = await accounts.hashing.hash(password, asker.network)
    now = accounts.clock.now_us()
    account = Account(
        new_token("a_"),
        username.username,
        username.look,
        name,
        hashed,
        now,
        role="user" if admin_ticket is None else "admin",
        password_at=now,
    )
    login = new_login(account, now, asker, by_cookie=asked.by_cookie)
    ticket, letter = None, None
    if asked.email:
        ticket, letter = await email_ticket(accounts, account, asked.email)
    link = hash_secret(asked.invite) if by_link and asked.invite else None
    new = NewAccount(account, login, ticket, link, admin_ticket)
    detail = "" if admin_ticket is None else "role admin"
    entry = accounts.entry("register", account.user, asker, detail=detail)
    outcome = await accounts.storage.accounts.insert(new, entry)
    if outcome is Inserted.NAME_TAKEN:
        raise _taken("username")
    if outcome is Inserted.NO_LINK:
        raise (
            ParleyError("no_such_ticket") if admin_ticket is not None else ParleyError("invite_invalid", field="invite")
        )
    assert outcome is Inserted.STORED, "no address is confirmed yet"
    accounts.follower.wake()
    if letter is not None:
        accounts.mailer.send(letter)
    return account, login


async def email_ticket(accounts: Accounts, account: Account, email: str) -> tuple[Ticket, letters.Letter]:
    """Make the ticket that confirms an address, and its letter; or the letter to the user that has the address already.

    Both cases take the same calls of storage, and the same time.
    """
    secret = new_secret()
    until = accounts.clock.now_us() + letters.EMAIL_SECONDS * 1_000_000
    ticket = Ticket(hash_secret(secret), "email", account.account_id, email, until)
    owner = await accounts.storage.accounts.find_by_email(email)
    public_url = accounts.settings.public_url
    if owner is not None and owner.account_id != account.account_id:
        return ticket, letters.taken(email, owner.username, public_url)
    return ticket, letters.confirm(email, account.username, public_url, secret)


def check_new_email(accounts: Accounts, email: str) -> str:
    """Return an address that a mail can confirm.

    Raises:
        ParleyError: ``bad_field``.
    """
    if not accounts.mailer.active:
        raise ParleyError("bad_field", "email cannot be confirmed: this server sends no mail", field="email")
    return check_email(email)


async def check_display_name(accounts: Accounts, name: str, account_id: str, look: str) -> None:
    """Refuse a display name that looks like the username of another account.

    Raises:
        ParleyError: ``name_taken``.
    """
    if (like := skeleton(name)) != look and (await accounts.storage.accounts.named_like(like)) not in (
        None,
        account_id,
    ):
        raise _taken("name")


async def _check(accounts: Accounts, asked: Registration, *, official: bool) -> tuple[Username, str, str]:
    """Return the username, the display name and the prepared password; reserved names if they are ``official``."""
    common = await accounts.hashing.common()
    wrong = Wrong()
    username = wrong.check(check_username, asked.username)
    name = wrong.check(check_user_name, asked.name, "name") if asked.name else ""
    if not official:
        if username is not None:
            wrong.check(check_official, username.username, "username")
        if name:
            wrong.check(check_official, name, "name")
    email = wrong.check(check_new_email, accounts, asked.email) if asked.email else None
    password = wrong.check(
        check_password, asked.password, common=common, username=asked_username(asked.username), email=email
    )
    wrong.refuse()
    assert username is not None
    assert password is not None
    return username, name or username.username, password


async def _check_names(accounts: Accounts, username: Username, name: str) -> None:
    """Refuse names that another account has, before the password is hashed. Usernames are public."""
    if await accounts.storage.accounts.named_like(username.look) is not None:
        raise _taken("username")
    await check_display_name(accounts, name, "", username.look)


def _taken(field: str) -> ParleyError:
    text = f"this {field} is taken, or looks like one that is; choose another one"
    return ParleyError("name_taken", text, field=field, fields={field: text})
