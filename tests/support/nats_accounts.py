"""An operator of NATS with one account, and credentials files of its users, as `nsc` makes them."""

import base64
import json
import os
import time
from pathlib import Path
from typing import Any

import nkeys

_ANY = {"subs": -1, "data": -1, "payload": -1}
_CREDENTIALS = """\
-----BEGIN NATS USER JWT-----
{jwt}
------END NATS USER JWT------

-----BEGIN USER NKEY SEED-----
{seed}
------END USER NKEY SEED------
"""


class Operator:
    """Signs an account, which signs users.

    Attributes:
        configuration: makes a NATS server accept the users of the account.
    """

    def __init__(self) -> None:
        operator, self._account = _new_key(nkeys.PREFIX_BYTE_OPERATOR), _new_key(nkeys.PREFIX_BYTE_ACCOUNT)
        limits = {**_ANY, "imports": -1, "exports": -1, "wildcards": True, "conn": -1, "leaf": -1}
        account = _jwt(operator, self._account, {"type": "account", "limits": limits})
        own = _jwt(operator, operator, {"type": "operator"})
        name = self._account.public_key.decode()
        self.configuration = f"operator: {own}\nresolver: MEMORY\nresolver_preload: {{ {name}: {account} }}"

    def write_credentials(self, file: Path, *, seconds: int = 3600) -> Path:
        """Write the credentials of a new user, valid for so many seconds, into a file, and return the file."""
        user = _new_key(nkeys.PREFIX_BYTE_USER)
        jwt = _jwt(self._account, user, {"type": "user", "pub": {}, "sub": {}, **_ANY}, int(time.time()) + seconds)
        file.write_text(_CREDENTIALS.format(jwt=jwt, seed=user.seed.decode()), encoding="utf-8")
        return file


def _new_key(prefix: int) -> Any:
    return nkeys.from_seed(bytearray(nkeys.encode_seed(os.urandom(32), prefix)))


def _jwt(issuer: Any, subject: Any, claims: dict[str, Any], expires: int = 0) -> str:
    head = {"typ": "JWT", "alg": "ed25519-nkey"}
    body = {
        "iat": int(time.time()),
        "iss": issuer.public_key.decode(),
        "sub": subject.public_key.decode(),
        "nats": {**claims, "version": 2},
        **({"exp": expires} if expires else {}),
    }
    signed = ".".join(_base64(json.dumps(part).encode()) for part in (head, body))
    return f"{signed}.{_base64(issuer.sign(signed.encode()))}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
