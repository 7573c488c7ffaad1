"""The keys that the servers derive from their secret, which applications do not know: one for each use."""

from enum import Enum, unique

from utils.hkdf import hkdf


@unique
class KeyUse(Enum):
    """What a key is for. The value is the label of the derivation: a new label makes a new key."""

    GUEST_TOKENS = b"parley guest tokens v1"
    ACCESS_TOKENS = b"parley access tokens v1"
    REFRESH_TOKENS = b"parley refresh tokens v1"
    CSRF_TOKENS = b"parley csrf tokens v1"
    TOTP_SECRETS = b"parley totp secrets v1"
    LINK_MACS = b"parley link macs v1"
    LINK_ENCRYPTION = b"parley link encryption v1"
    FINGERPRINTS = b"parley secret fingerprints v1"


class ServerKeys:
    """The keys of one server, derived from ``SERVER_SECRET`` or, if that is not set, from the secret in storage.

    Args:
        server_secret: any text; if empty, the secret of :meth:`learn` is used.
    """

    def __init__(self, server_secret: str = "") -> None:
        self._is_given = bool(server_secret)
        self._secret = secret_bytes(server_secret) if server_secret else None

    def learn(self, secret: bytes | None) -> bool:
        """Take over the secret that storage keeps: see `storage.ports.storage.LeaseEvents.on_secret`.

        Returns whether every key has changed.
        """
        if self._is_given or secret is None or secret == self._secret:
            return False
        self._secret = secret
        return True

    def key(self, use: KeyUse) -> bytes | None:
        """Derive the key of 32 bytes for this use; None as long as the secret is not known."""
        return None if self._secret is None else hkdf(self._secret, use.value)


def secret_bytes(secret: str) -> bytes:
    """Return the bytes of the environment variable that contains the secret."""
    return secret.encode(errors="surrogateescape")
