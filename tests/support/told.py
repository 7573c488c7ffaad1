"""A server of any version is told things over HTTP, and asked for them."""

import http.client
import json
from typing import Any

import jwt

from tests.support.process import PATIENCE, poll_until
from tests.support.server import ServerProcess

SECRET = "s" * 40
ROOMS = ("plans", "secret")


class RefusedError(AssertionError):
    """The method, path, status and body of an answer that was no success."""


class Asker:
    """Asks a server over HTTP, as an account of the application; not held to the documents of this version.

    Raises RefusedError for each status above 299.
    """

    def __init__(self, server: ServerProcess, user: str, role: str = "user", *, secret: str = SECRET) -> None:
        self._server = server
        claims = {"userid": user, "username": user, "role": role, "exp": 4_000_000_000}
        self._headers = {"Authorization": f"Bearer {jwt.encode(claims, secret, 'HS256')}"}

    def __call__(self, method: str, path: str, body: object = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self._server.port, timeout=PATIENCE)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), self._headers)
            response = connection.getresponse()
            text = response.read()
            if response.status > 299:
                raise RefusedError(method, path, response.status, text)
            return json.loads(text) if text else None
        finally:
            connection.close()


def ready(server: ServerProcess) -> None:
    poll_until(lambda: server.get_status("/ready") == 200, what=f"/ready is 200\n{server.log_text()}")


def stop(server: ServerProcess) -> None:
    server.terminate()
    assert server.wait() == 0


def talk(server: ServerProcess, *, secret: str = SECRET) -> None:
    """Make rooms, and messages of every kind."""
    ann, bob = Asker(server, "ann", "admin", secret=secret), Asker(server, "bob", secret=secret)
    ann("POST", "/api/rooms", {"name": "plans", "title": "Plans", "topic": "for May"})
    ann("POST", "/api/rooms", {"name": "secret", "private": True, "password": "open sesame"})
    said = [ann("POST", "/api/rooms/plans/messages", {"content": f"line {n}, @bob", "id": f"m{n}"}) for n in range(4)]
    bob("POST", "/api/rooms/plans/messages", {"content": "an answer", "id": "b1", "reply_to": said[0]["seq"]})
    ann("POST", "/api/rooms/secret/messages", {"content": "hush", "id": "s1"})
    ann("PATCH", f"/api/rooms/plans/messages/{said[1]['seq']}", {"content": "line one, corrected"})
    ann("DELETE", f"/api/rooms/plans/messages/{said[2]['seq']}")
    bob("PUT", f"/api/rooms/plans/messages/{said[0]['seq']}/reactions/%F0%9F%91%8D")
    ann("PUT", f"/api/rooms/plans/messages/{said[3]['seq']}/pin")


def told(server: ServerProcess, *, secret: str = SECRET) -> list[dict[str, Any]]:
    """Return what the server answers about all of it."""
    ann = Asker(server, "ann", "admin", secret=secret)
    found = ann("GET", "/api/rooms?mine=true")["rooms"]
    for room in ROOMS:
        found += ann("GET", f"/api/rooms/{room}/members")["members"]
        found += ann("GET", f"/api/rooms/{room}/messages?include_deleted=true")["messages"]
    return [*found, *ann("GET", "/search?q=corrected")["messages"]]
