"""The second factor of the caller's account."""

from aiohttp import web
from msgspec import Struct

from server.accounts.changing import begin_factor, confirm_factor, remove_factor, renew_codes
from server.accounts.second_factor import uri_of
from server.http.endpoints import Answer, Endpoint
from server.web.accounts.shared import (
    DONE,
    GUESS_REFUSALS,
    AccountRows,
    GivenCode,
    GivenPassword,
    answer,
    done,
)


class OldPassword(Struct, frozen=True):
    """The caller's password."""

    old_password: GivenPassword


class Code(Struct, frozen=True):
    """A code."""

    code: GivenCode


class PasswordAndCode(Struct, frozen=True):
    """The caller's password, and a code."""

    old_password: GivenPassword
    code: GivenCode


class NewFactor(Struct, frozen=True):
    """A secret for an authenticator app (RFC 6238: SHA-1, 6 digits, 30 seconds).

    Attributes:
        secret: in base32, to be typed in.
        uri: the same for a QR code.
    """

    secret: str
    uri: str


class RecoveryCodes(Struct, frozen=True):
    """Codes for when the app is lost, each for one use. They are not shown again."""

    recovery_codes: list[str]


class SecondFactorRows(AccountRows):
    """The rows of this file."""

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return them."""
        refusals = ("conflict", *GUESS_REFUSALS)
        with_code = ("code_required", *refusals)
        codes = (Answer(200, "the recovery codes", RecoveryCodes),)
        return (
            Endpoint(
                "POST",
                "/api/me/totp",
                "Begin to set a second factor up",
                self.begin,
                OldPassword,
                (Answer(200, "the secret", NewFactor),),
                refusals,
                "Nothing changes until a code is confirmed.",
                auth="own",
            ),
            Endpoint(
                "POST",
                "/api/me/totp/confirm",
                "Turn the second factor on",
                self.confirm,
                Code,
                codes,
                refusals,
                auth="own",
            ),
            Endpoint(
                "DELETE",
                "/api/me/totp",
                "Turn the second factor off",
                self.remove,
                PasswordAndCode,
                (DONE,),
                with_code,
                auth="own",
                body=True,
            ),
            Endpoint(
                "POST",
                "/api/me/totp/codes",
                "Replace the recovery codes",
                self.renew,
                PasswordAndCode,
                codes,
                with_code,
                auth="own",
            ),
        )

    async def begin(self, request: web.Request, params: OldPassword) -> web.StreamResponse:
        """Make a secret."""
        asker = self._changer(request)
        basis = await self._basis(request)
        secret = await begin_factor(self._accounts, basis, params.old_password, asker)
        return answer(NewFactor(secret, uri_of(secret, basis.account.username)))

    async def confirm(self, request: web.Request, params: Code) -> web.StreamResponse:
        """Turn the second factor on."""
        asker = self._changer(request)
        return answer(
            RecoveryCodes(await confirm_factor(self._accounts, await self._basis(request), params.code, asker))
        )

    async def remove(self, request: web.Request, params: PasswordAndCode) -> web.StreamResponse:
        """Turn the second factor off."""
        asker = self._changer(request)
        await remove_factor(self._accounts, await self._basis(request), params.old_password, params.code, asker)
        return done()

    async def renew(self, request: web.Request, params: PasswordAndCode) -> web.StreamResponse:
        """Replace the recovery codes."""
        asker = self._changer(request)
        codes = await renew_codes(self._accounts, await self._basis(request), params.old_password, params.code, asker)
        return answer(RecoveryCodes(codes))
