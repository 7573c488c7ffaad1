"""The tables of accounts in memory, each bounded. No method awaits anything, so each is a transaction by itself."""

from collections import OrderedDict
from collections.abc import Iterable

from msgspec.structs import replace

from model.account import (
    Account,
    AddedUser,
    ApiKey,
    Basis,
    Guesses,
    InviteLink,
    Login,
    Notice,
    RoomWork,
    Ticket,
    WorkKind,
    fold_email,
)
from model.audit import AuditEntry
from model.safety import Report
from storage.ports.access import login_ended
from storage.ports.audit import log_entries, named_accounts
from storage.ports.errors import StorageUnavailable

# All of them full take about 63 MB (measured).
ACCOUNTS = 10_000
LOGINS = 20_000
ALIASES = 20_000
GUESSES = 20_000
NOTICES = 20_000
AUDIT = 10_000
WORK = 10_000
DENIED = 1000  # suspensions, and blocked networks
KEYS = 100
LINKS = 1000
REPORTS = 2000
BLOCKS = 20_000  # of users by users
ADDED_USERS = 10_000


class AccountTables:
    """Accounts, and everything that belongs to them or is about them."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.usernames: dict[str, str] = {}  # the ids by username, look and folded address
        self.looks: dict[str, str] = {}
        self.emails: dict[str, str] = {}
        self.logins: dict[str, Login] = {}
        self.logins_of: dict[str, dict[str, None]] = {}
        self.codes: dict[str, set[bytes]] = {}
        self.tickets: dict[bytes, Ticket] = {}
        self.guesses: OrderedDict[tuple[bytes, str], Guesses] = OrderedDict()
        self.aliases: dict[str, tuple[str, int]] = {}  # the account of a guest, and since when
        self.work: dict[int, RoomWork] = {}
        self.links: dict[str, InviteLink] = {}
        self.keys: dict[str, ApiKey] = {}
        self.notices: OrderedDict[tuple[str, str], Notice] = OrderedDict()  # by number
        self.audit: OrderedDict[int, tuple[int, AuditEntry]] = OrderedDict()  # by number
        self.user_blocks: dict[str, dict[str, int]] = {}  # whom a user blocks, and since when
        self.reports: dict[str, Report] = {}
        self.added_users: dict[str, AddedUser] = {}
        self.last_notice = 0  # the number of the newest one
        self._work_number = self._audit_number = 0

    # --- accounts and logins ---

    def permits(self, entry: AuditEntry | None, *more: str, basis: Basis | None = None, unless: str = "") -> bool:
        """Whether a change may be made that names these accounts: see `storage.ports.accounts`.

        Args:
            unless: an id that may be that of a deleted account, since it is erased later.
        """
        if {*named_accounts(entry, *more)} - {unless} - self.accounts.keys():
            return False
        if basis is None:
            return True
        login = self.logins.get(basis.login_id)
        ended = bool(basis.login_id) and (login is None or (entry is not None and login.ends_at <= entry.at))
        return not ended and basis.still_holds(self.accounts.get(basis.account.account_id))

    def put_account(self, account: Account) -> None:
        """Store an account in place of its earlier state."""
        before = self.accounts.get(account.account_id)
        if before is not None and before.email is not None:
            del self.emails[fold_email(before.email)]
        self.accounts[account.account_id] = account
        self.usernames[account.username] = self.looks[account.look] = account.account_id
        if account.email is not None:
            self.emails[fold_email(account.email)] = account.account_id

    def drop_account(self, account: Account) -> None:
        """Remove an account and what belongs to it alone."""
        del self.accounts[account.account_id], self.usernames[account.username], self.looks[account.look]
        if account.email is not None:
            del self.emails[fold_email(account.email)]
        for login_id in list(self.logins_of.get(account.account_id, ())):
            self.drop_login(login_id)
        self.codes.pop(account.account_id, None)
        self.drop_tickets(account.account_id)
        self.aliases = {guest: of for guest, of in self.aliases.items() if of[0] != account.account_id}

    def put_login(self, login: Login) -> None:
        """Store a login in place of its earlier state; the oldest one of all accounts ends if there are too many."""
        self.logins[login.login_id] = login
        self.logins_of.setdefault(login.account_id, {})[login.login_id] = None
        if len(self.logins) > LOGINS:
            oldest = next(iter(self.logins))
            self.drop_login(oldest)
            self.note([login_ended(oldest, login.created_at)])

    def drop_login(self, login_id: str) -> None:
        """Remove a login."""
        login = self.logins.pop(login_id)
        others = self.logins_of[login.account_id]
        del others[login_id]
        if not others:
            del self.logins_of[login.account_id]

    def drop_tickets(self, account_id: str | None, kind: str = "") -> None:
        """Remove the tickets of an account, or of none: all, or those of one kind."""
        self.tickets = {
            key: one for key, one in self.tickets.items() if one.account_id != account_id or (kind and one.kind != kind)
        }

    def put_guesses(self, key: tuple[bytes, str], guesses: Guesses) -> None:
        """Store failures; the least recent ones are forgotten."""
        self.guesses[key] = guesses
        self.guesses.move_to_end(key)
        if len(self.guesses) > GUESSES:
            self.guesses.popitem(last=False)

    def add_work(self, work: RoomWork) -> None:
        """Store work under the next number."""
        self._work_number += 1
        self.work[self._work_number] = replace(work, number=self._work_number, room_id=0)

    def drop_work(self, account_id: str, kind: WorkKind) -> None:
        """Remove the work of one kind for an account."""
        self.work = {
            number: one for number, one in self.work.items() if (one.account_id, one.kind) != (account_id, kind)
        }

    # --- notices and the audit log ---

    def note(self, notices: Iterable[Notice], *, versions: Iterable[Notice] = ()) -> None:
        """Store notices; ``versions`` are those of changed accounts, which leave a suspension as it is."""
        for notice in notices:
            before = self.notices.get((notice.kind, notice.subject), notice)
            self._put_notice(replace(notice, version=max(before.version, notice.version)))
        for notice in versions:
            before = self.notices.get((notice.kind, notice.subject), notice)
            version, until = max(before.version, notice.version), max(before.until, notice.until)
            self._put_notice(replace(before, at=notice.at, version=version, until=until))

    def _put_notice(self, notice: Notice) -> None:
        self.last_notice += 1
        key = (notice.kind, notice.subject)
        self.notices[key] = replace(notice, number=self.last_notice)
        self.notices.move_to_end(key)
        if len(self.notices) > NOTICES:
            del self.notices[next(key for key, one in self.notices.items() if not self._lasts(one))]

    def _lasts(self, notice: Notice) -> bool:
        """Whether a notice says what a server cannot learn elsewhere. There are fewer of them than of all."""
        if notice.kind == "key":
            return notice.subject in self.keys
        return notice.kind in ("account", "network") and notice.deny_until > 0

    def record(self, entries: Iterable[AuditEntry]) -> None:
        """Append entries, unless they are there; the oldest ones are removed."""
        new = []
        for entry in entries:
            if entry.id not in self.audit:
                self._audit_number += 1
                self.audit[entry.id] = (self._audit_number, entry)
                new.append(entry)
        log_entries(new)
        while len(self.audit) > AUDIT:
            self.audit.popitem(last=False)


def check_space(used: int, most: int) -> None:
    """Check whether a table may have one row more.

    Raises:
        StorageUnavailable: it is full.
    """
    if used >= most:
        raise StorageUnavailable("memory is full")
