"""A credentials file of NATS, as `nsc` writes them: the JWT of a user, and the seed that signs for it."""

import base64
import re
from pathlib import Path

import nats.errors
import nkeys

_JWT = re.compile(rb"BEGIN NATS USER JWT-+\s+(\S+)\s")
_SEED = re.compile(rb"BEGIN USER NKEY SEED-+\s+(\S+)\s")


class Credentials:
    """Read anew for each connection, so that a renewed file needs no restart.

    Methods raise OSError if the file cannot be read, and `nats.errors.Error` if it is not of this kind: the client
    treats both as a failed attempt to connect.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def jwt(self) -> bytearray:
        """Return the user's JWT."""
        return bytearray(self._find(_JWT, "the JWT of a user"))

    def sign(self, nonce: str) -> bytes:
        """Return the signature of what the server asked to sign, in base64."""
        try:
            pair = nkeys.from_seed(bytearray(self._find(_SEED, "the seed of a user")))
            return base64.b64encode(pair.sign(nonce.encode()))
        except (nkeys.NkeysError, ValueError) as error:
            raise nats.errors.Error(f"{self._path} has an invalid seed") from error

    def _find(self, pattern: re.Pattern[bytes], what: str) -> bytes:
        found = pattern.search(self._path.read_bytes() + b"\n")
        if found is None:
            raise nats.errors.Error(f"{self._path} does not contain {what}")
        return found[1]
