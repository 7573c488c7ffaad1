"""Another user in the room: a native client in Python, fast enough to post a thousand messages."""

import contextlib
import json
import secrets
from collections.abc import AsyncIterator, Iterable
from typing import Any, Self
from urllib.parse import quote

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from server.dialects import NATIVE
from tests.support import contract
from tests.support.server import ServerProcess


class Peer:
    """One connection that has joined one room."""

    user_id = ""

    def __init__(self, connection: ClientConnection, room: str) -> None:
        self._connection = connection
        self._room = room
        self.ids: dict[str, str] = {}
        """Who was in the room when it was joined: ids by name."""

    def at(self, room: str) -> Self:
        """Act in another room that was joined."""
        self._room = room
        return self

    async def join(self) -> None:
        """Join the room."""
        await self._send(type="join", id="j", room=self._room)
        while (frame := await self.receive())["type"] != "joined":
            assert frame["type"] != "error", frame
        self.ids = {member["name"]: member["id"] for member in frame["members"]}

    async def tell(self, **command: object) -> None:
        """Send a command that has no answer."""
        await self._send(room=self._room, **command)

    async def change(self, **command: object) -> None:
        """Send a command that changes something, and return once that is stored."""
        await self._send(id="change", room=self._room, **command)
        while (frame := await self.receive())["type"] != "ack":
            assert frame["type"] != "error", frame

    async def ask(self, **command: object) -> dict[str, Any]:
        """Send a command, and return its answer."""
        asked = secrets.token_hex(8)
        await self._send(id=asked, **command)
        while (frame := await self.receive()).get("id") != asked:
            pass
        assert frame["type"] != "error", frame
        return frame

    async def announce(self, content: str) -> None:
        """Send an announcement to every session of the server."""
        await self._send(type="announce", content=content)

    async def say(self, texts: Iterable[str], **fields: object) -> list[int]:
        """Post these in order, and return their seqs once all of them are stored."""
        waiting, seqs = set(), []
        for text in texts:
            message_id = secrets.token_hex(8)
            waiting.add(message_id)
            await self._send(type="message", id=message_id, room=self._room, content=text, **fields)
        while waiting:
            frame = await self.receive()
            if frame["type"] == "error":
                raise AssertionError(frame)
            if frame["type"] == "ack":
                seqs += [item["seq"] for item in frame["ids"] if item["id"] in waiting]
                waiting -= {item["id"] for item in frame["ids"]}
        return sorted(seqs)

    async def receive(self) -> dict[str, Any]:
        """Return the next frame."""
        frame: dict[str, Any] = json.loads(await self._connection.recv())
        contract.hold(NATIVE.name, frame)
        return frame

    async def _send(self, **frame: object) -> None:
        await self._connection.send(json.dumps(frame))


@contextlib.asynccontextmanager
async def peer(
    server: ServerProcess, room: str, name: str = "peer", *, token: str | None = None
) -> AsyncIterator[Peer]:
    """Join a room, or with "" none, as a user, optionally with an account, and disconnect at the end."""
    address = f"{server.ws_url}/chat?u={quote(name)}"
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    protocols = [Subprotocol("parley.v1")]
    async with connect(address, subprotocols=protocols, max_queue=None, additional_headers=headers) as connection:
        person = Peer(connection, room)
        welcome = await person.receive()
        person.user_id = welcome["user"]["id"]
        if room:
            await person.join()
        yield person


async def make_room(server: ServerProcess, room: str, **fields: object) -> None:
    """Create a room that stays, whose owner is away."""
    async with peer(server, "", "maker") as maker:
        await maker.ask(type="create_room", room=room, **fields)
