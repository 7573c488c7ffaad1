"""HKDF with SHA-256 (RFC 5869): derive keys for different uses from one secret."""

import hashlib
import hmac

_HASH_BYTES = 32


def hkdf(secret: bytes, info: bytes, *, salt: bytes = b"", length: int = 32) -> bytes:
    """Derive a key of ``length`` bytes, at most 255 * 32. Keys with another ``info`` reveal nothing about it."""
    if not 0 < length <= 255 * _HASH_BYTES:
        raise ValueError("length must be from 1 to 8160")
    extracted = hmac.digest(salt, secret, hashlib.sha256)  # HMAC pads an empty salt with zeros, as section 2.2 requires
    key = block = b""
    while len(key) < length:
        block = hmac.digest(extracted, block + info + bytes([len(key) // _HASH_BYTES + 1]), hashlib.sha256)
        key += block
    return key[:length]
