"""An HTTP client, with or without a token, which uses a connection for each request."""

import json
import time
from typing import Any
from urllib.parse import quote

from server.auth.tokens import sign_account
from tests.support.rawws import Reply, fetch

SECRET = "s" * 32


def token_of(name: str, role: str = "user", *, seconds: int = 3600, secret: str = SECRET) -> str:
    """Return a token for an account whose id in the application is its name."""
    return sign_account(secret, userid=name, username=name, role=role, expires=int(time.time()) + seconds)


class Web:
    """Requests to a server: as an account, with `token`, or anonymously; with `origin`, from a page of that origin."""

    def __init__(
        self,
        port: int,
        name: str | None = None,
        role: str = "user",
        *,
        token: str | None = None,
        secret: str = SECRET,
        origin: str | None = None,
    ) -> None:
        self.port = port
        self._origin = origin
        self.id = f"u_{name}"
        self.token = token_of(name, role, secret=secret) if name is not None else token

    async def ask(self, method: str, target: str, body: Any = None, **headers: str) -> Reply:
        """Send one request. `body` is encoded as JSON, unless it is bytes."""
        given = [(name.replace("_", "-"), value) for name, value in headers.items()]
        if self._origin is not None:
            given.append(("Origin", self._origin))
        if self.token is not None:
            given.append(("Authorization", f"Bearer {self.token}"))
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            given.append(("Content-Type", "application/json"))
        return await fetch(self.port, target, given, method=method, body=body)

    async def get(self, target: str, **headers: str) -> Reply:
        return await self.ask("GET", target, **headers)

    async def json(self, target: str) -> Any:
        """What is there."""
        reply = await self.get(target)
        assert reply.status == 200, reply
        return reply.json()

    async def post(self, target: str, body: Any = None, **headers: str) -> Reply:
        return await self.ask("POST", target, body, **headers)

    async def put(self, target: str, body: Any = None) -> Reply:
        return await self.ask("PUT", target, body)

    async def patch(self, target: str, body: Any = None) -> Reply:
        return await self.ask("PATCH", target, body)

    async def delete(self, target: str) -> Reply:
        return await self.ask("DELETE", target)

    async def create(self, name: str, **fields: Any) -> None:
        """Create a room."""
        reply = await self.post("/api/rooms", {"name": name, **fields})
        assert reply.status == 201, reply

    async def say(self, room: str, content: str, **fields: Any) -> int:
        """Post a message, and return its seq."""
        reply = await self.post(f"{path(room)}/messages", {"content": content, **fields})
        assert reply.status == 201, reply
        return int(reply.json()["seq"])


def path(room: str) -> str:
    """Return the path of a room."""
    return f"/api/rooms/{quote(room, safe='')}"


def code(reply: Reply) -> str:
    """Return the code of a refusal."""
    return str(reply.json()["error"]["code"])
