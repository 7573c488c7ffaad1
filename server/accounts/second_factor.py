"""The second factor: codes of an authenticator app (TOTP, RFC 6238), and recovery codes for when the app is lost."""

import hashlib
import hmac
import secrets
from base64 import b32encode

import pyotp
from pyotp.exceptions import OTPVerificationError

from model.account import Account
from model.errors import unavailable
from server.auth.keys import KeyUse, ServerKeys

NONCE_BYTES = 16
RECOVERY_CODES = 10
# Clocks of phones differ: the code before and the one after count, too (RFC 6238 section 5.2).
_STEPS = 1
_SECRET_BYTES = 20
_DIGITS = 6
# From 112 bits on, a plain hash is enough (OWASP ASVS 5, 6.5.2). 15 bytes are 24 characters of base32, without padding.
_RECOVERY_BYTES = 15
_ISSUER = "Parley"


def new_nonce() -> bytes:
    """Return the random part of a new secret."""
    return secrets.token_bytes(NONCE_BYTES)


def secret_of(keys: ServerKeys, account_id: str, nonce: bytes) -> str:
    """Return the secret of an account in base32. It is derived, so a copy of the database does not contain it.

    Raises:
        ParleyError: ``unavailable`` as long as the secret of the servers is not known.
    """
    key = keys.key(KeyUse.TOTP_SECRETS)
    if key is None:
        raise unavailable("codes cannot be checked yet")
    return b32encode(hmac.digest(key, account_id.encode() + nonce, hashlib.sha256)[:_SECRET_BYTES]).decode()


def uri_of(secret: str, username: str) -> str:
    """Return the address that an app reads from a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=username, issuer_name=_ISSUER)


def is_of_app(code: str) -> bool:
    """Whether a text has the form of an app's code; recovery codes are longer."""
    plain = _without_spaces(code)
    return len(plain) == _DIGITS and plain.isascii() and plain.isdigit()


def _without_spaces(code: str) -> str:
    return "".join(code.split())  # apps show 123 456


def step_of(keys: ServerKeys, account: Account, code: str, now_us: int) -> int | None:
    """Return the time step of a code that is right and was not used; None for any other one."""
    if account.totp_nonce is None:
        return None
    totp = pyotp.TOTP(secret_of(keys, account.account_id, account.totp_nonce))
    try:
        step = totp.verify_and_get_timecode(_without_spaces(code), for_time=now_us / 1e6, valid_window=_STEPS)
    except OTPVerificationError:
        return None
    return step if step > account.totp_step else None


def new_recovery_codes() -> list[str]:
    """Return recovery codes, such as ``abcd-efgh-ijkl-mnop-qrst-uvwx``."""
    texts = (b32encode(secrets.token_bytes(_RECOVERY_BYTES)).decode().lower() for _ in range(RECOVERY_CODES))
    return ["-".join(text[i : i + 4] for i in range(0, len(text), 4)) for text in texts]


def hash_code(code: str) -> bytes:
    """Return the hash under which a recovery code is stored; its case, hyphens and spaces do not matter."""
    plain = "".join(char for char in code.lower() if char.isascii() and char.isalnum())
    return hashlib.sha256(plain.encode()).digest()
