"""Fingerprints of secrets: two nodes find out which of their secrets differ, and reveal none."""

import hashlib
import hmac
from collections.abc import Mapping

from server.auth.keys import KeyUse, ServerKeys, secret_bytes
from server.settings.users import TOKEN_SECRETS
from server.settings.values import Settings

_BYTES = 16


def fingerprints(settings: Settings, keys: ServerKeys) -> dict[str, str]:
    """Return a fingerprint, in hex, of each secret of tokens by the name of its setting; {} as long as there are no
    keys.

    A secret that is not set has one too. Without the secret of the servers, a fingerprint does not even allow short
    secrets to be tried (RFC 2104).
    """
    key = keys.key(KeyUse.FINGERPRINTS)
    if key is None:
        return {}
    # SERVER_SECRET may be unset, and the secret come from storage: the key that is derived from it stands for both.
    texts = {name: "" if name == "SERVER_SECRET" else getattr(settings, name.lower()) for name in TOKEN_SECRETS}
    return {name: _fingerprint(key, name.encode() + b"\0" + secret_bytes(text)) for name, text in texts.items()}


def differing(ours: Mapping[str, str], theirs: Mapping[str, str]) -> list[str]:
    """Return the names of the secrets that two nodes do not have in common, given the `fingerprints` of each.

    Nodes with different secrets of the servers have different keys for all fingerprints, so that one alone is named. A
    secret of which one node has no fingerprint is not compared.
    """
    names = [name for name, own in ours.items() if theirs.get(name, own) != own]
    return ["SERVER_SECRET"] if "SERVER_SECRET" in names else names


def _fingerprint(key: bytes, secret: bytes) -> str:
    return hmac.digest(key, secret, hashlib.sha256)[:_BYTES].hex()
