"""The users of a `World` over HTTP: without a connection, one command and one answer at a time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from chat.chat import Chat
from chat.one_shot import CommandRunner
from chat.ports import Identity
from chat.queries.history import read_history
from chat.queries.listing import describe_room
from model.commands import AnyCommand, Claim, PostMessage, ReadHistory
from model.errors import ParleyError
from model.events import Ack, Event, Left, RoomState
from model.room import User
from server.dialects import NATIVE
from tests.support.chatting import next_write
from tests.support.copies import Frame
from tests.support.ledger import Principal

if TYPE_CHECKING:
    from tests.support.world import World

_ANSWERS: dict[str, type[Event]] = {"create_room": RoomState, "direct": RoomState, "leave": Left}
"""By kind of command; the others are answered by an `Ack`."""
# Refusals that such a command never gets.
_NEVER = ("internal", "bad_json", "unknown_type")


def _identity(principal: Principal) -> Identity:
    guest = principal.role == "guest"
    user = User(principal.id, principal.name)
    return Identity(user, guest=True) if guest else Identity(user, guest=False, role=principal.role)


class Visitors:
    """See the top of this file.

    A request that is aborted, because the server dies or the client disconnects, may have taken effect.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._running: list[asyncio.Task[None]] = []
        self._chat: Chat
        self._runner: CommandRunner

    def start(self, chat: Chat) -> None:
        """Send requests to this server from now on."""
        self._chat, self._runner = chat, CommandRunner(chat)

    async def end(self) -> None:
        """Send no more requests: the server is about to die."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        assert await self.are_done()

    async def are_done(self) -> bool:
        """Return whether every request is answered. Raises AssertionError for a wrong answer."""
        for task in [task for task in self._running if task.done()]:
            self._running.remove(task)
            if not task.cancelled():
                await task
        return not self._running

    def hang_up(self, which: int) -> None:
        """Disconnect a client before it is answered."""
        if self._running:
            self._running[which % len(self._running)].cancel()

    def ask(self, principal: Principal, kind: str, key: str, fields: Frame) -> None:
        """Run a native command with these fields."""
        self._world.ledger.on_ask(kind, fields)
        command = NATIVE.command(json.dumps({"type": kind, "id": key, **fields}), "")
        assert not isinstance(command, Claim)
        self._forget(principal, kind, fields)
        self._spawn(self._carry_out(principal, kind, command, fields))

    def look(self, principal: Principal | None, room: str) -> None:
        """Read a room without joining it; None reads without a token."""
        self._spawn(self._look(None if principal is None else _identity(principal), room))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._running.append(asyncio.get_running_loop().create_task(work))

    async def _carry_out(self, principal: Principal, kind: str, command: AnyCommand, fields: Frame) -> None:
        ledger, place = self._world.ledger, (principal.id, fields.get("room", ""))
        banned = principal.role != "admin" and ledger.is_kept_out(*place)
        try:
            answer: Event = await self._runner.run(_identity(principal), command, _ANSWERS.get(kind, Ack))
        except ParleyError as error:
            self._refused(error, f"{principal.name} asks for {command}")
            return
        finally:
            self._forget(principal, kind, fields)
        self._world.read()  # frames from before this answer must not be checked against it
        assert not (banned and ledger.is_kept_out(*place)), f"{principal.name} is banned, and yet: {command}"
        if isinstance(command, PostMessage):
            assert isinstance(answer, Ack)
            ledger.acked[principal.id, str(command.id)].add(next(i.seq for i in answer.ids if i.id == command.id))
        elif kind == "ban" and "seconds" not in fields:
            ledger.banned.add((fields["user"], fields["room"]))

    def _forget(self, principal: Principal, kind: str, fields: Frame) -> None:
        """Forget what is no longer certain: possibly no device is in the room to be notified."""
        ledger = self._world.ledger
        if kind == "delete_room":
            ledger.forget_reads(None, fields["room"])
        elif kind in ("leave", "decline", "kick", "ban"):
            ledger.forget_reads(fields.get("user", principal.id), fields["room"])
        elif kind in ("create_room", "invite"):
            ledger.came[fields.get("user", principal.id), fields["room"]] = next_write()

    async def _look(self, identity: Identity | None, room: str) -> None:
        try:
            entry = await describe_room(self._chat.parts, room, identity)
            assert entry is None or entry.room == room
            await read_history(self._chat.parts, room, ReadHistory(room=room), identity)
        except ParleyError as error:
            self._refused(error, f"{room} is read")

    def _refused(self, error: ParleyError, what: str) -> None:
        assert error.code not in _NEVER, f"{what}, and the answer is {error}"
        self._world.ledger.refused[error.code] += 1
