"""Signatures of tokens: JSON Web Signatures (RFC 7515) with HS256, in one form."""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from utils.encoding import to_json

_BLOCK_BYTES = 64  # of SHA-256


def base64url(data: bytes) -> bytes:
    """Encode without padding (RFC 7515 section 2)."""
    return urlsafe_b64encode(data).rstrip(b"=")  # in less time than PyJWT's helper, for every connect


HEADER = base64url(b'{"alg":"HS256","typ":"JWT"}') + b"."


class Key:
    """An HS256 key. It signs tokens (JSON Web Signature, RFC 7515), and verifies tokens in the form that it signs.

    These are the tokens of guests, and the tokens of accounts with the usual header. PyJWT verifies all other tokens:
    it takes 40 us for a signature, this class 7 (measured), and every connect signs or verifies one.
    """

    def __init__(self, secret: bytes) -> None:
        # The padded key that HMAC derives from the secret (RFC 2104 section 2); its signatures are the same. With the
        # secret itself PyJWT would refuse one that looks like a certificate, and would warn about a short one at each
        # token; the server warns once, at its start.
        key = (hashlib.sha256(secret).digest() if len(secret) > _BLOCK_BYTES else secret).ljust(_BLOCK_BYTES, b"\0")
        self.secret = key
        self._mac = hmac.new(key, digestmod=hashlib.sha256)  # a copy takes two thirds of the time of `hmac.digest`

    def sign(self, claims: dict[str, Any]) -> str:
        """Return a token with these claims."""
        signed = HEADER + base64url(to_json(claims))
        return (signed + b"." + self._signature(signed)).decode()

    def read(self, token: str) -> bytes | None:
        """Return the payload; None for a token that this key did not sign, or in another form than `sign`."""
        signed, _, signature = token.encode().rpartition(b".")
        if not signed.startswith(HEADER) or not hmac.compare_digest(signature, self._signature(signed)):
            return None
        payload = signed[len(HEADER) :]
        try:
            return urlsafe_b64decode(payload + b"=" * (-len(payload) % 4))
        except ValueError:
            return None

    def _signature(self, signed: bytes) -> bytes:
        mac = self._mac.copy()
        mac.update(signed)
        return base64url(mac.digest())
