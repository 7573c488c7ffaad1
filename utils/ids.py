"""Identifiers. The caller of storage creates them, so every backend stores the same ones."""

import os
import secrets
from base64 import urlsafe_b64encode
from hashlib import sha256


def new_room_id() -> int:
    """Return a positive 63-bit number for a room: random, so that two servers do not choose the same one.

    A million rooms collide with a probability of 5e-8 (birthday bound, n^2 / 2^64).
    """
    return 1 + secrets.randbelow(2**63 - 1)


def new_token(prefix: str, size: int = 12) -> str:
    """Return ``prefix`` and ``size`` random bytes as URL-safe text: guest ids, session ids, epochs."""
    # What `secrets.token_urlsafe` does, in half of its time: each connect makes two.
    return prefix + urlsafe_b64encode(os.urandom(size)).rstrip(b"=").decode()


def new_secret() -> str:
    """Return 32 random bytes as URL-safe text, for a link. Only `hash_secret` of it is stored."""
    return new_token("", 32)


def hash_secret(secret: str) -> bytes:
    """Return the SHA-256 of a secret, under which it is stored and found."""
    return sha256(secret.encode(errors="surrogatepass")).digest()
