"""``user``: accounts made here."""

import sys
from argparse import Namespace
from collections.abc import AsyncIterator
from typing import cast, get_args

from msgspec.structs import replace

from model.account import Account, AccountChange, AccountRole, NewAccount, Notice, guess_key
from model.audit import OPERATOR, AuditEntry, entry
from model.emails import check_email
from model.errors import ParleyError
from model.limits import REASON_CHARS
from model.lookalikes import skeleton
from model.principals import ACCOUNT, APPLICATION, principal_id
from model.room import User
from model.text import check_text, check_user_name
from model.usernames import check_username
from server.accounts.erasing import erase_account
from server.accounts.hashing import accepts_hash
from server.accounts.lines import time_of
from server.commands.opening import Command, CommandRefused, Nouns, add_noun, add_verb, find_account, read_until
from server.commands.output import Row
from server.commands.passwords import add_password_file, hash_password
from storage.ports.accounts import Inserted
from utils.ids import new_token

_PAGE = 500
_COLUMNS = ("username", "id", "name", "role", "email", "created_at", "suspended", "suspended_until")
_USER = "a username, or an id such as a_5Vw0b1rQz2kPxY3t"


def add(nouns: Nouns) -> None:
    """Add the parser."""
    verbs = add_noun(
        nouns,
        "user",
        "make, list, suspend and erase accounts",
        "  main.py user create ann --admin\n"
        "  main.py user list --contains an\n"
        "  main.py user suspend eve --until 7d --reason advertising",
    )
    create = add_verb(
        verbs,
        "create",
        _create,
        "make an account",
        "  main.py user create ann --admin\n"
        "  main.py user create bob --name Bob --email bob@example.org --password-file bob.txt\n"
        "  main.py user create eve --password-hash '$2b$12$...'   (from another server: argon2 or bcrypt)",
    )
    create.add_argument("username")
    create.add_argument("--name", help="display name (default: the username)")
    create.add_argument("--email", help="e-mail address; it counts as confirmed")
    create.add_argument("--admin", action="store_true", help="the same as --role admin")
    create.add_argument("--role", choices=get_args(AccountRole), default="user", help="default: user")
    add_password_file(create)
    create.add_argument("--password-hash", metavar="HASH", help="a hash of argon2 or bcrypt (cost at most 14)")

    listing = add_verb(
        verbs,
        "list",
        _list,
        "list accounts",
        "  main.py user list\n"
        "  main.py user list --contains an --json\n"
        "  main.py user list --suspended     (also those of your application)",
    )
    listing.add_argument("--contains", default="", metavar="TEXT", help="only usernames with this in them")
    listing.add_argument(
        "--suspended", action="store_true", help="only suspended ones, with those of your application (u_) at the end"
    )

    suspend = add_verb(
        verbs,
        "suspend",
        _suspend,
        "keep an account from acting; its connections close within a second",
        "  main.py user suspend eve --until 7d --reason 'advertising'\n"
        "  main.py user suspend u_42 --until 2027-01-01T00:00:00Z     (an account of your application)",
    )
    suspend.add_argument("user", help=f"{_USER}, or u_ and an id in your application")
    suspend.add_argument(
        "--until", metavar="WHEN", help="7d, 12h, or a time such as 2027-01-01T00:00:00Z (default: no end)"
    )
    suspend.add_argument("--reason", default="", help="shown to the user")

    restore = add_verb(verbs, "restore", _restore, "end the suspension of an account", "  main.py user restore eve")
    restore.add_argument("user", help=f"{_USER}, or u_ and an id in your application")

    erase = add_verb(
        verbs,
        "erase",
        _erase,
        "delete an account; the server with the rooms then works through what it wrote",
        "  main.py user erase eve                      (its messages stay, as by a deleted user)\n"
        "  main.py user erase eve --messages --yes     (its messages go as well)",
    )
    erase.add_argument("user", help=_USER)
    erase.add_argument("--messages", action="store_true", help="delete what the user wrote, too")
    erase.add_argument("--yes", action="store_true", help="do not ask")

    reset = add_verb(
        verbs,
        "reset-password",
        _reset_password,
        "set a new password, and sign the account out everywhere",
        "  main.py user reset-password ann\n  main.py user reset-password ann --second-factor --password-file new.txt",
    )
    reset.add_argument("user", help=_USER)
    add_password_file(reset)
    reset.add_argument("--second-factor", action="store_true", help="turn the second factor off, too")

    set_role = add_verb(
        verbs,
        "set-role",
        _set_role,
        "change the role of an account; its connections close and come back with the new one",
        "  main.py user set-role ann organizer\n  main.py user set-role eve user     (an admin no longer)",
    )
    set_role.add_argument("user", help=_USER)
    set_role.add_argument("role", choices=get_args(AccountRole))

    make_admin = add_verb(
        verbs, "make-admin", _make_admin, "give an account the role admin", "  main.py user make-admin ann"
    )
    make_admin.add_argument("user", help=_USER)


async def _create(command: Command, options: Namespace) -> None:
    username, look = check_username(options.username)
    name = username if options.name is None else check_user_name(options.name, "--name")
    email = None if options.email is None else check_email(options.email, "--email")
    accounts = command.storage.accounts
    if await accounts.named_like(look) is not None:
        raise CommandRefused(f"the username {username!r} is taken, or looks like one that is")
    if await accounts.named_like(skeleton(name)) is not None:
        raise CommandRefused(f"the name {name!r} looks like the username of another account")
    if options.password_hash is None:
        password = await hash_password(options, username, email)
    elif accepts_hash(options.password_hash):
        password = options.password_hash
    else:
        raise ParleyError("bad_field", "--password-hash must be of argon2 or bcrypt (cost at most 14)")
    now, role = command.clock.now_us(), cast(AccountRole, "admin" if options.admin else options.role)
    account = Account(new_token(ACCOUNT), username, look, name, password, now, role, now, email=email)
    recorded = entry(command.clock, "register", OPERATOR, target=account.user, detail=f"role {role}")
    outcome = await accounts.insert(NewAccount(account), recorded)
    if outcome is not Inserted.STORED:
        taken = "username" if outcome is Inserted.NAME_TAKEN else "e-mail address"
        raise CommandRefused(f"no account was made: another one has this {taken}")
    command.output.done(f"made the account {username} ({account.account_id}), role {role}", _row(account, {}))


async def _list(command: Command, options: Namespace) -> None:
    suspended = {notice.subject: notice for notice in await command.storage.access.suspensions(command.clock.now_us())}
    rows = [_row(account, suspended) async for account in _accounts(command, options.contains)]
    if options.suspended:
        rows = [row for row in rows if row["suspended"]]
        if not options.contains:
            others = sorted(subject for subject in suspended if not subject.startswith(ACCOUNT))
            rows += [{"id": subject, **_suspension(suspended[subject])} for subject in others]
    command.output.rows(_COLUMNS, rows)


async def _accounts(command: Command, contains: str = "") -> AsyncIterator[Account]:
    """Yield the accounts with this in their usernames, in the order of usernames."""
    page: list[Account] = []
    while not page or len(page) == _PAGE:
        after = page[-1].username if page else ""
        page = await command.storage.accounts.page(after=after, contains=contains, limit=_PAGE)
        for account in page:
            yield account
        if not page:
            break


def _row(account: Account, suspended: dict[str, Notice]) -> Row:
    return {
        "username": account.username,
        "id": account.account_id,
        "name": account.name,
        "role": account.role,
        "email": account.email,
        "created_at": time_of(account.created_at),
        "second_factor": account.totp_on,
        **_suspension(suspended.get(account.account_id)),
    }


def _suspension(notice: Notice | None) -> Row:
    return {
        "suspended": notice is not None,
        "suspended_until": None if notice is None else time_of(notice.deny_until),
        "reason": None if notice is None else notice.reason,
    }


async def _suspend(command: Command, options: Namespace) -> None:
    until = read_until(options.until, command.clock)
    reason = check_text(options.reason, "--reason", REASON_CHARS)
    user = await _principal(command, options.user)
    recorded = entry(command.clock, "suspend", OPERATOR, target=user, detail=_until(until))
    if not await command.storage.access.suspend(user.id, until, reason, recorded):
        raise CommandRefused(f"there is no account {options.user!r} any more")
    row = {"id": user.id, "name": user.name, "until": time_of(until), "reason": reason}
    command.output.done(f"suspended {options.user} {_until(until)}", row)


async def _restore(command: Command, options: Namespace) -> None:
    user = await _principal(command, options.user)
    recorded = entry(command.clock, "restore", OPERATOR, target=user)
    if not await command.storage.access.suspend(user.id, 0, "", recorded):
        raise CommandRefused(f"{options.user!r} is not suspended")
    command.output.done(f"restored {options.user}", {"id": user.id, "name": user.name})


async def _principal(command: Command, given: str) -> User:
    if given.startswith(APPLICATION):
        return User(principal_id(APPLICATION, given.removeprefix(APPLICATION), "user"), "")
    return (await find_account(command, given)).user


def _until(until: int) -> str:
    end = time_of(until)
    return "without an end" if end is None else f"until {end}"


async def _erase(command: Command, options: Namespace) -> None:
    account = await find_account(command, options.user)
    last = account.role == "admin" and await _is_last_admin(command, account)
    if last:
        print(f"{account.username} is the only admin: none is left. user make-admin makes one.", file=sys.stderr)
    if not options.yes:
        if not sys.stdin.isatty():
            raise ParleyError("bad_field", "--yes is required where no terminal can be asked", field="--yes")
        what = "and all of its messages" if options.messages else "but keep its messages"
        if (
            input(  # noqa: ASYNC250 - this process has nothing else to do
                f"Delete {account.username} ({account.account_id}) {what}? Type the username to confirm: "
            )
            != account.username
        ):
            raise CommandRefused("nothing was deleted")
    if not await erase_account(command.storage, command.clock, account, OPERATOR, messages=options.messages):
        raise CommandRefused(f"there is no account {options.user!r} any more")
    command.output.done(f"deleted {account.username}; the server works through the rooms", {"id": account.account_id})


async def _is_last_admin(command: Command, account: Account) -> bool:
    async for other in _accounts(command):
        if other.role == "admin" and other.account_id != account.account_id:
            return False
    return True


async def _reset_password(command: Command, options: Namespace) -> None:
    account = await find_account(command, options.user)
    change = AccountChange(
        password=await hash_password(options, account.username, account.email),
        end_logins=True,
    )
    if options.second_factor:
        change = replace(change, totp_on=False, totp_nonce=b"", codes=())
    detail = "and the second factor is off" if options.second_factor else ""
    recorded = entry(command.clock, "password", OPERATOR, target=account.user, detail=detail)
    await _change(command, account, change, recorded)
    await command.storage.secrets.succeeded(guess_key("code", account.username), "")
    command.output.done(f"set a new password for {account.username}", {"id": account.account_id})


async def _make_admin(command: Command, options: Namespace) -> None:
    options.role = "admin"
    await _set_role(command, options)


async def _set_role(command: Command, options: Namespace) -> None:
    account, role = await find_account(command, options.user), options.role
    a_role = f"{'a' if role == 'user' else 'an'} {role}"
    if account.role == role:
        raise CommandRefused(f"{account.username} is {a_role} already")
    if account.role == "admin" and await _is_last_admin(command, account):
        print(f"{account.username} is the only admin: none is left. user make-admin makes one.", file=sys.stderr)
    recorded = entry(command.clock, "role", OPERATOR, target=account.user, detail=role)
    await _change(command, account, AccountChange(role=role), recorded)
    command.output.done(f"{account.username} is {a_role} now", {"id": account.account_id, "role": role})


async def _change(command: Command, account: Account, change: AccountChange, recorded: AuditEntry) -> None:
    if await command.storage.accounts.change(account.account_id, change, recorded) is None:
        raise CommandRefused(f"there is no account {account.username!r} any more")
