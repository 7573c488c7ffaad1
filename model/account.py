"""Accounts made here, and what belongs to them. Times are Unix microseconds, 0 for never, `FOREVER` for no end."""

from hashlib import sha256
from typing import Literal

from msgspec import Struct

from model.room import User

AccountRole = Literal["user", "organizer", "admin"]
TicketKind = Literal["email", "reset", "admin"]
WorkKind = Literal["adopt", "erase", "rename"]
Scope = Literal["read", "write", "moderate"]  # each includes the ones before it
NoticeKind = Literal["login", "account", "network", "key", "guest", "name", "work"]
# Failed guesses are counted separately for the password and codes of an account, for its codes alone, and for resets.
GuessKind = Literal["login", "code", "reset"]

# Messages of a deleted account are by this name.
DELETED_USER = "deleted user"


class Account(Struct, frozen=True, gc=False):
    """An account.

    Attributes:
        account_id: the principal, ``a_`` and 12 random bytes.
        username: signs in; in the form of `model.usernames.check_username`. Unique.
        look: `model.lookalikes.skeleton` of the username. Unique.
        name: the display name; not unique.
        password: a hash of the password: a PHC string, or one of bcrypt.
        password_at: when the password was set.
        version: raised by each change that makes access tokens wrong.
        email: the confirmed address, or None. Unique as `fold_email` writes it.
        totp_nonce: from which the secret of the second factor is derived; None without one.
        totp_on: whether a login needs a code.
        totp_step: the time step of the last code that was used (RFC 6238 section 4).
    """

    account_id: str
    username: str
    look: str
    name: str
    password: str
    created_at: int
    role: AccountRole = "user"
    password_at: int = 0
    version: int = 1
    email: str | None = None
    totp_nonce: bytes | None = None
    totp_on: bool = False
    totp_step: int = 0

    @property
    def user(self) -> User:
        """The user that others see."""
        return User(self.account_id, self.name)


class Login(Struct, frozen=True, gc=False):
    """What signing in on a device creates, until it ends.

    Attributes:
        login_id: ``l_`` and 16 random bytes.
        generation: how often it was refreshed.
        refreshed_at: the last time.
        ends_at: when it ends unless it is refreshed.
        by_cookie: whether its tokens are cookies of a browser.
        device: from ``User-Agent``, at most 200 characters, for its user to recognize.
        address: of the last refresh.
    """

    login_id: str
    account_id: str
    created_at: int
    refreshed_at: int
    ends_at: int
    by_cookie: bool = False
    device: str = ""
    address: str = ""
    generation: int = 0


class Ticket(Struct, frozen=True, gc=False):
    """A secret for one use, in a link that was mailed or written to a file.

    Attributes:
        hash: SHA-256 of the secret.
        account_id: None for ``admin``, which makes the first account.
        email: the address that ``email`` confirms.
        until: when it expires.
    """

    hash: bytes
    kind: TicketKind
    account_id: str | None
    email: str | None
    until: int


class InviteLink(Struct, frozen=True, gc=False):
    """A link to a room, or to register, that can be used a limited number of times.

    Attributes:
        link_id: ``i_...``.
        hash: SHA-256 of the secret in it.
        room_id: None for a link to register.
        maker_id: the user who made it.
        uses: how often it may be used in all.
    """

    link_id: str
    hash: bytes
    room_id: int | None
    maker_id: str
    created_at: int
    until: int
    uses: int
    uses_left: int


class NewAccount(Struct, frozen=True, gc=False):
    """An account to be stored with all that comes with it.

    Attributes:
        login: its first login.
        ticket: which confirms its e-mail address.
        link: the hash of the `InviteLink` to register that it uses up once.
        admin_ticket: the hash of the `Ticket` of the first admin, which it uses up.
    """

    account: Account
    login: Login | None = None
    ticket: Ticket | None = None
    link: bytes | None = None
    admin_ticket: bytes | None = None


class AccountChange(Struct, frozen=True, gc=False):
    """A change of an account; None leaves a field unchanged.

    Attributes:
        password: the hash of a new one.
        email: a confirmed address; "" removes it.
        totp_nonce: b"" removes it.
        codes: the SHA-256 of each recovery code, in place of all earlier ones.
        end_logins: end all logins except ``keep_login``.
    """

    name: str | None = None
    role: AccountRole | None = None
    password: str | None = None
    email: str | None = None
    totp_nonce: bytes | None = None
    totp_on: bool | None = None
    codes: tuple[bytes, ...] | None = None
    end_logins: bool = False
    keep_login: str = ""

    @property
    def outdates_tokens(self) -> bool:
        """Whether access tokens that were signed before are wrong: the version of the account rises."""
        return self.name is not None or self.role is not None or self.password is not None

    @property
    def ends_tickets(self) -> bool:
        """Whether all unused links that were mailed for the account end: they were asked for before it was decided who
        has the account now.
        """
        return self.password is not None or self.email is not None or self.end_logins


class Basis(Struct, frozen=True, gc=False):
    """The state of the caller when a change was allowed: storage makes the change only while that state lasts.

    Attributes:
        account: the caller's. Its version must still be the same, which a suspension and each new password, role or
            name raise, and its address and second factor.
        login_id: the caller's login, which must not have ended; "" before there is one.
    """

    account: Account
    login_id: str = ""

    def still_holds(self, account: Account | None) -> bool:
        """Whether the account is still what it was. The login is a row of its own."""
        before = self.account
        return account is not None and (
            (account.account_id, account.version, account.email, account.totp_nonce, account.totp_on)
            == (before.account_id, before.version, before.email, before.totp_nonce, before.totp_on)
        )


class Refreshed(Struct, frozen=True, gc=False):
    """The outcome of a refresh; the login and its account unless it is ``reused`` or ``unknown``.

    ``again``: the token before the last one was sent again, as two tabs do, and has the same successor. ``reused``: an
    older one was sent, so it was stolen, and the login has ended.
    """

    outcome: Literal["new", "again", "reused", "unknown"]
    login: Login | None = None
    account: Account | None = None


class Guesses(Struct, frozen=True, gc=False):
    """Failed guesses, and when the last one was."""

    failures: int = 0
    last_at: int = 0


class RoomWork(Struct, frozen=True, gc=False):
    """Work in all rooms for one account, which the server that has the rooms does.

    Attributes:
        account_id: the account; when it was erased, its tombstone.
        ids: the sender ids whose rows and messages are moved or erased. Of an erasure, storage adds the aliases. Of a
            renaming, the account itself, whose rows get the name; its messages keep theirs.
        name: the name that their messages get.
        messages: whether erasing removes the messages, too.
        number: given by storage, in the order of storing.
        room_id: all rooms up to this one are done; 0 at first.
    """

    kind: WorkKind
    account_id: str
    ids: tuple[str, ...]
    name: str
    messages: bool = False
    number: int = 0
    room_id: int = 0


def rename_work(account_id: str, name: str) -> RoomWork:
    """Return the work for the new name of an account, here or of the application."""
    return RoomWork("rename", account_id, (account_id,), name)


class AddedUser(Struct, frozen=True, gc=False):
    """A user of the application that it has added, who may never have connected. Times are Unix microseconds.

    Attributes:
        user_id: the principal, ``u_...``.
        changed_at: when they last got another name.
    """

    user_id: str
    name: str
    added_at: int
    changed_at: int


class ApiKey(Struct, frozen=True, gc=False):
    """A key with which a bot acts.

    Attributes:
        key_id: ``k_...``.
        hash: SHA-256 of the key.
        prefix: its first characters, to recognize it.
        bot_id: the principal, ``b_...``.
        name: of the bot.
        maker_id: the admin who made it; it ends with that account.
        used_at: when it was last used, within a minute or so.
    """

    key_id: str
    hash: bytes
    prefix: str
    bot_id: str
    name: str
    maker_id: str
    scope: Scope
    created_at: int
    until: int
    used_at: int = 0


class Notice(Struct, frozen=True, gc=False):
    """What every server must know of one subject: the latest state, under a growing number.

    ===========  =======================  ================================================================
    kind         subject                  says
    ===========  =======================  ================================================================
    ``login``    a login                  it has ended
    ``account``  an account, here or of   access tokens below ``version`` are refused, all if it was deleted;
                 the application          it is suspended until ``deny_until``
    ``network``  an address or network    it is blocked until ``deny_until``
    ``key``      a key                    ``key``; None if it was revoked
    ``guest``    a guest                  its tokens are refused, as it became an account
    ``name``     hex `look_hash`          guests may not have names that look like this until ``deny_until``
    ``work``     ""                       there is more `RoomWork`
    ===========  =======================  ================================================================

    Attributes:
        number: raised by every change, in the order in which changes become visible.
        at: when it last changed.
        until: when it says nothing any more.
        reason: of a suspension or block.
    """

    kind: NoticeKind
    subject: str
    number: int
    at: int
    until: int
    version: int = 0
    deny_until: int = 0
    reason: str = ""
    key: ApiKey | None = None


def fold_email(email: str) -> str:
    """Return an address as it is compared: addresses that differ in case only reach the same person."""
    return email.lower()


def look_hash(look: str) -> bytes:
    """Return 8 bytes that stand for the look of a username, so that a server keeps millions of them in memory."""
    return sha256(look.encode()).digest()[:8]


def guess_keys(account: Account) -> list[bytes]:
    """Return each `guess_key` under which guesses for an account may be counted."""
    asked = (account.username,) if account.email is None else (account.username, fold_email(account.email))
    kinds: tuple[GuessKind, ...] = ("login", "reset")
    return [guess_key("code", account.username), *(guess_key(kind, one) for one in asked for kind in kinds)]


def guess_key(kind: GuessKind, asked: str) -> bytes:
    """Return the key under which guesses are counted, also for names that no account has.

    Args:
        asked: the username; for ``login`` and ``reset`` also the address, as `fold_email` writes it.
    """
    return sha256(f"{kind} {asked}".encode(errors="surrogatepass")).digest()
