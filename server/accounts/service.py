"""What everything about accounts is done with: storage, keys, hashing, mail, and the limits."""

from typing import NamedTuple

from chat.delivery.ratelimit import Allowances, Rate, allowances, rate_limited
from chat.ports import Identity
from model.account import Account, fold_email, guess_key
from model.audit import VISITOR, AuditAction, AuditEntry, entry
from model.emails import asked_email
from model.errors import ParleyError
from model.passwords import is_long, prepare_password
from model.room import FOREVER, User
from model.usernames import asked_username
from server.accounts.guesses import GuessDelays
from server.accounts.hashing import Hashing
from server.accounts.mail import Mailer
from server.accounts.second_factor import hash_code, is_of_app, step_of
from server.auth.access_list import AccessList
from server.auth.follower import Follower
from server.auth.keys import ServerKeys
from server.settings.values import Settings
from storage.ports.storage import Storage
from utils.clock import Clock
from utils.unicode import casefold

# Requests with the secret of a link, and requests to reset a password, from one address; refreshes of one login.
TWENTY_A_MINUTE = Rate(1 / 3, 20.0)
# New names of one account: ten at once, and then ten an hour.
RENAMINGS = Rate(1 / 360, 10.0)
_ASKED_CHARS = 254  # of a name that no account has, which guesses are counted for


class Asker(NamedTuple):
    """Who asks for something about an account.

    Attributes:
        address: of the client, for the audit log; "" if it is unknown.
        network: the unit of limits by address; never empty.
        device: the client's ``User-Agent``, for the user to recognize.
    """

    address: str
    network: str
    device: str


class Accounts:
    """The parts that the endpoints of accounts and the tasks behind them share.

    Attributes:
        access: who may not act.
        follower: keeps ``access`` up to date; :meth:`~server.auth.follower.Follower.catch_up` after a change that must
            take effect here before it is answered.
        settings: the current ones; see :meth:`renew`.
        hashing: hashes passwords.
        guesses: the delays after failed guesses.
        mailer: sends mail.
    """

    def __init__(
        self, storage: Storage, access: AccessList, keys: ServerKeys, clock: Clock, settings: Settings
    ) -> None:
        self.storage = storage
        self.access = access
        self.follower = Follower(storage, access)
        self.keys = keys
        self.clock = clock
        self.settings = settings
        self.hashing = Hashing()
        self.guesses = GuessDelays(storage.secrets, clock)
        self.mailer = Mailer(settings)
        self._registrations = allowances(settings.rate_limit_registrations)
        self._links = Allowances(*TWENTY_A_MINUTE)
        self._refreshes = Allowances(*TWENTY_A_MINUTE)
        self._renamings = Allowances(*RENAMINGS)

    def renew(self, settings: Settings) -> None:
        """Apply new values of live settings; a used-up rate stays used up unless its setting changed."""
        if settings.rate_limit_registrations != self.settings.rate_limit_registrations:
            self._registrations = allowances(settings.rate_limit_registrations)
        self.settings = settings

    def close(self) -> None:
        """Hash no further password."""
        self.hashing.close()

    def count_registration(self, asker: Asker) -> None:
        """Count a new account towards ``RATE_LIMIT_REGISTRATIONS``.

        Raises:
            ParleyError: ``rate_limited``.
        """
        if self._registrations is not None:
            self._take(self._registrations, asker.network)

    def count_link(self, asker: Asker) -> None:
        """Count a request that tries a secret of a link, or asks for one.

        Raises:
            ParleyError: ``rate_limited``.
        """
        self._take(self._links, asker.network)

    def count_renaming(self, account_id: str) -> None:
        """Count a new name of an account, which is work in all of its rooms.

        Raises:
            ParleyError: ``rate_limited``.
        """
        self._take(self._renamings, account_id)

    def count_refresh(self, login_id: str) -> None:
        """Count a refresh of a login.

        Raises:
            ParleyError: ``rate_limited``.
        """
        self._take(self._refreshes, login_id)

    def _take(self, rate: Allowances, key: str) -> None:
        if wait := rate.take(key, self.clock.monotonic()):
            raise rate_limited(wait)

    def entry(
        self, action: AuditAction, actor: User, asker: Asker, *, target: User | None = None, detail: str = ""
    ) -> AuditEntry:
        """Make the audit entry of what happens now."""
        return entry(self.clock, action, actor, target=target, address=asker.address, detail=detail)

    def refuse_suspended(self, user: User) -> None:
        """Refuse to sign a suspended account in, as far as suspensions are known.

        Raises:
            ParleyError: ``suspended``; ``unauthorized`` if it was deleted.
        """
        self.access.check(Identity(user, guest=False, version=FOREVER))

    async def account(self, account_id: str) -> Account:
        """Return the account of a caller.

        Raises:
            ParleyError: ``unauthorized`` if it was deleted after its token was signed.
        """
        account = await self.storage.accounts.find(account_id)
        if account is None:
            raise ParleyError("unauthorized", "this account was deleted", field="token")
        return account

    async def guess(self, name: str, password: str, code: str | None, asker: Asker) -> Account:
        """Return the account with this username or confirmed address, this password, and if it has a second factor,
        this code.

        A name that no account has takes the same calls of storage and of argon2 as a wrong password, and has the same
        answer. Guesses are counted for what was asked for, as of unknown names: if those with an address counted for
        its username, whose owner is public, the delays would tell whose address it is.

        Raises:
            ParleyError: ``wrong_credentials``; ``code_required`` for a right password without a code; ``rate_limited``
                after too many failures, ``overloaded``; ``bad_field`` for a password that is too long.
        """
        _check_length(password, "password")
        self.hashing.check(asker.network)
        by_email = "@" in name  # no username has one
        asked = asked_email(name) if by_email else asked_username(name)
        key = guess_key("login", fold_email(asked) or casefold(name[:_ASKED_CHARS]))
        await self.guesses.enter(key, asker.network)
        accounts = self.storage.accounts
        account = await (accounts.find_by_email(asked) if by_email else accounts.find_by_username(asked))
        what = "the username, the password or the code" if code else "the username or the password"
        return await self._compare(account, key, password, code, asker, what=what)

    async def prove(
        self, account: Account, password: str, code: str | None, asker: Asker, *, field: str, with_code: bool = False
    ) -> Account:
        """Make sure that the caller knows the password of their account, and with ``with_code`` a code, too.

        Raises:
            ParleyError: as :meth:`guess`.
        """
        key = guess_key("login", account.username)
        _check_length(password, field)
        self.hashing.check(asker.network)
        await self.guesses.enter(key, asker.network)
        what = "the password or the code" if code else "the password"
        return await self._compare(account, key, password, code, asker, with_code=with_code, what=what, field=field)

    async def _compare(
        self,
        account: Account | None,
        key: bytes,
        password: str,
        code: str | None,
        asker: Asker,
        *,
        what: str,
        with_code: bool = True,
        field: str | None = None,
    ) -> Account:
        hashed = None if account is None else account.password
        verified = await self.hashing.verify(hashed, prepare_password(password), asker.network)
        if account is not None and verified.matches:
            if not (with_code and account.totp_on):
                await self._succeed(account, key, asker, verified.better)
                return account
            if code is None:
                raise ParleyError("code_required", field="code")
            if await self.spend_code(account, code, asker):
                await self._succeed(account, key, asker, verified.better)
                return account
        target = None if account is None else account.user
        await self.guesses.failed(key, asker.network, self.entry_of_failure(target, asker))
        raise ParleyError("wrong_credentials", f"{what} is wrong", field=field)

    def entry_of_failure(self, target: User | None, asker: Asker, *, detail: str = "") -> AuditEntry:
        """Make the audit entry of a refused login. It omits what was typed, which may be a password."""
        return entry(
            self.clock, "login_failed", VISITOR, target=target, address=asker.address, result="refused", detail=detail
        )

    async def _succeed(self, account: Account, key: bytes, asker: Asker, better: str | None) -> None:
        if better is not None:
            await self.storage.accounts.rehash(account.account_id, account.password, better)
        await self.guesses.succeeded(key, asker.network)

    async def spend_code(self, account: Account, code: str, asker: Asker) -> bool:
        """Use up a code of the second factor or a recovery code. False if it is neither.

        Raises:
            ParleyError: ``rate_limited`` for a code of the second factor, after too many wrong ones.
        """
        secrets = self.storage.secrets
        if not is_of_app(code):
            entry_of_code = self.entry("recovery_code", account.user, asker)
            return await secrets.spend_code(account.account_id, hash_code(code), entry_of_code)
        key = guess_key("code", account.username)
        await self.guesses.enter_code(key)
        step = step_of(self.keys, account, code, self.clock.now_us())
        if step is None or not await secrets.spend_step(account.account_id, step):
            await self.guesses.code_failed(key)
            return False
        await self.guesses.forget_codes(key)
        return True


def changed_since() -> ParleyError:
    """Return the refusal of a change whose `Basis` does not hold any more."""
    return ParleyError("unauthorized", "the account or its login has changed; refresh, or sign in again", field="token")


def _check_length(password: str, field: str) -> None:
    if is_long(password):
        raise ParleyError("bad_field", f"{field} is too long", field=field)
