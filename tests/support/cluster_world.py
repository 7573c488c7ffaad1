"""A `World` of several nodes: each device is connected to one of them, and moves when it reconnects.

What devices at different nodes know of each other is not of the same time. So what the ledger knows of a user counts
only while all the user's devices are at the owner, and nothing of it survives a change of the owner that loses
something.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from chat.chat import Chat
from tests.support.asking import Asked
from tests.support.cluster import Cluster, ClusterNode
from tests.support.copies import Frame
from tests.support.devices import ANSWERS, Device, read
from tests.support.faulty import FaultyRepository
from tests.support.ledger import Ledger, Principal
from tests.support.views import View
from tests.support.world import Pause, Plainly, World

NODES = 3
HELLO = "hello"
"""The id of the command."""


class _Cursors(defaultdict[tuple[str, str], int]):
    """The read cursors that are certain."""

    def __init__(self, is_certain: Callable[[], bool]) -> None:
        super().__init__(int)
        self._is_certain = is_certain

    def __getitem__(self, key: tuple[str, str]) -> int:
        return super().__getitem__(key) if self._is_certain() else 0

    def __setitem__(self, key: tuple[str, str], seq: int) -> None:
        if self._is_certain():
            super().__setitem__(key, seq)


class ClusterLedger(Ledger):
    """See the top of this file.

    Attributes:
        certain: what is being read comes from the owner itself.
    """

    def __init__(self, is_near: Callable[[str], bool]) -> None:
        super().__init__()
        self.certain = True
        self._is_near = is_near
        self.read = _Cursors(lambda: self.certain)

    def on_out(self, user_id: str, room: str, at: int, reason: str) -> None:
        if self.certain:
            super().on_out(user_id, room, at, reason)
        else:
            self.forget_reads(None if reason == "deleted" else user_id, room)

    def is_out(self, user_id: str, room: str) -> bool:
        return self.certain and self._is_near(user_id) and super().is_out(user_id, room)

    def is_kept_out(self, user_id: str, room: str) -> bool:
        return self.certain and super().is_kept_out(user_id, room)


class ClusterDevice(Device):
    """A device at one of the nodes."""

    world: "ClusterWorld"
    node: ClusterNode | None = None
    _ledger: ClusterLedger
    _entering = ""
    _greeting = _refused = False

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._unsure: set[str] = set()  # answered, and not stored yet: an ack or an error may follow
        self._doubtful: dict[str, Asked] = {}  # refused as unavailable: they may still be carried out, and answered

    def connect(self, chat: Chat) -> None:
        self.node = self.world.next_node()
        self._greeting = self._refused = False
        token, wants = self.principal.token, self.wants
        if token is None:
            super().connect(self.node.chat)
            return
        # At an edge a client is known as itself only once the owner has answered.
        self.principal.token, self.wants = None, set()
        principal_id = self.principal.id
        super().connect(self.node.chat)
        self.principal.token, self.principal.id, self.wants = token, principal_id, wants
        self._accounts.pop(self.near.session.user.id, None) if self.near is not None else None
        self._greet()

    def _greet(self) -> None:
        self._greeting = True
        if self.near is not None and not self.ended:
            self.near.send("hello", id=HELLO, token=self.principal.token)

    def _on_welcome(self, frame: Frame, view: View | None) -> None:
        if frame.get("id") == HELLO:
            if not self._greeting:
                return  # one that was refused as unavailable was carried out, too
            self._greeting = self._refused = False
            for room in sorted(self.wants):
                self.join(room)
        elif "id" not in frame:
            self.invited = None  # it may have missed an invitation

    @property
    def settled(self) -> bool:
        return super().settled and not self._greeting

    def ask(self, kind: str, **fields: Any) -> None:
        if not self._greeting or self.over_http is not None:
            super().ask(kind, **fields)

    def join(self, room: str, **fields: Any) -> None:
        if self._greeting:
            self.wants.add(room)
        else:
            super().join(room, **fields)

    def retry(self) -> None:
        if self._refused:
            self._refused = False
            self._greet()
        super().retry()

    def lost(self) -> None:
        super().lost()
        self.node = None
        self._doubtful.clear()

    def take(self, frame: Frame, at: int) -> None:
        self._ledger.certain = self.world.is_certain and self.node is self.world.owner
        if not self._ledger.certain:
            for view in self.views.values():
                view._spoke.clear()  # slow mode begins anew at each owner
        ids = [item["id"] for item in frame["ids"]] if frame["type"] == "ack" else [frame.get("id", "")]
        for key in ids:
            if key in self._doubtful and key not in self.asked:
                assert frame["type"] != "error", f"{self.name}: refused twice: {frame}"
                answer = ANSWERS.get(self._doubtful[key].kind)
                if frame["type"] in ("ack", answer):
                    asked = self.asked[key] = self._doubtful.pop(key)
                    asked.version = asked.version or 0  # it was shown when it counted as refused
        try:
            super().take(frame, at)
        finally:
            self._ledger.certain = True

    def _on_joined(self, frame: Frame, view: View | None) -> None:
        entered, self._entering = self._entering, ""  # `create_room` and `direct` are followed by a snapshot
        if "id" in frame or view is None or not view.inside or entered == frame["room"]:
            super()._on_joined(frame, view)
            return
        view.leave()
        for asked in self.asked.values():
            asked.fields.setdefault("resend", True)  # what becomes of it may not have been shown here
        if not frame["recovered"]:
            super()._on_joined(frame, view)
            return
        key, since = f"{self.name}-again", view.copy.since
        self.asked[key] = Asked("join", {"room": frame["room"], "since": since}, loads=0)
        super()._on_joined(frame | {"id": key}, view)
        self.asked.pop(key, None)
        view.copy.since, view.copy.synced = since, False  # even if it must load the room: what it missed follows

    def _on_room(self, frame: Frame, view: View | None) -> None:
        if "id" in frame and frame["action"] in ("create_room", "direct"):
            self._entering = frame["room"]
        super()._on_room(frame, view)

    def _is_known(self, messages: list[Frame], view: View) -> None:
        if self._ledger.certain:  # an owner that is superseded reads what the next one has stored
            super()._is_known(messages, view)

    def _answered(self, frame: Frame) -> Asked:
        if self._kind(frame) in ("leave", "direct"):
            self._unsure.add(frame["id"])
        return super()._answered(frame)

    def _on_error(self, frame: Frame, view: View | None) -> None:
        key = frame.get("id", "")
        self._refused |= key == HELLO
        asked = self.asked.get(key)
        if frame["code"] == "unavailable" and asked is not None and asked.kind in ("join", "create_room", "invite"):
            # It may have been carried out by an owner that is lost.
            self._ledger.came[asked.fields.get("user", self.id), asked.fields["room"]] = self._at
        assert asked is not None or key not in self.late - self._unsure, f"{self.name}: a second answer: {frame}"
        self._unsure.discard(key)
        if frame["code"] == "unavailable" and asked is not None:
            asked.fields.setdefault("resend", True)
            self._doubtful[key] = asked
        if asked is not None and (asked.kind != "message" or "resend" in asked.fields):
            asked.version = None  # shown was the same change by an earlier command, or by an owner that is lost
        super()._on_error(frame, view)


class ClusterWorld(World):
    """See the top of this file."""

    def __init__(
        self, repository: FaultyRepository, clock: Any, pause: Pause, *, suffix: str = "", **options: Any
    ) -> None:
        self._turn = 0
        super().__init__(repository, clock, pause, suffix=suffix, **options)
        self.ledger: ClusterLedger
        self.cluster = Cluster(repository, **self._options)
        self.cluster.referee.elects = True
        self._resigning: list[tuple[ClusterNode, asyncio.Task[bool]]] = []
        self.is_certain = True
        self._tokens: list[int] = []
        self._made_nodes = 0
        self._served: Chat | None = None

    def make_ledger(self) -> Ledger:
        return ClusterLedger(self._is_near)

    def device(self, principal: Principal, number: int, *, page: int) -> Device:
        device = ClusterDevice(principal, number, self.accounts, self.ledger, self.clock, page=page)
        device.world = self
        return device

    def _is_near(self, user_id: str) -> bool:
        """Whether all devices of a user are at the owner."""
        return all(
            device.near is None or device.node is self.owner
            for device in self.devices
            if device.id == user_id and isinstance(device, ClusterDevice)
        )

    # The nodes.

    @property
    def owner(self) -> ClusterNode | None:
        """The node that has the rooms, and the right to write."""
        storage = self.cluster.referee.owner
        return next((node for node in self.cluster.nodes if node.storage is storage and node.node.token), None)

    @property
    def chat(self) -> Chat:
        """The chat of the owner; of any node while there is none."""
        return (self.owner or self.cluster.nodes[0]).chat

    @chat.setter
    def chat(self, chat: Chat) -> None:
        raise AttributeError

    def next_node(self) -> ClusterNode:
        """Choose a node for a new connection, each in its turn."""
        self._turn += 1
        return self.cluster.nodes[self._turn % len(self.cluster.nodes)]

    async def add(self) -> ClusterNode:
        """Add a node."""
        self._made_nodes += 1
        node = await self.cluster.add(f"n{self._made_nodes}", clock=self.clock)
        node.chat.parts.passwords = Plainly()
        return node

    async def start(self, *, without: Device | None = None) -> None:
        while len(self.cluster.nodes) < NODES:
            await self.add()
        if self.cluster.referee.token == 0:
            self.cluster.nodes[0].own()
            await self.pause(0.1)
        await self._elected()
        for device in self.devices:
            if device is not without and device.near is None:
                device.connect(self.chat)
        await self.pause(0.01)

    async def _elected(self) -> None:
        for _ in range(100):
            if self.owner is not None:
                break
            await self.pause(0.05)
        self._serve()

    def _serve(self) -> None:
        """Send requests over HTTP to the owner."""
        if self._served is not self.chat:
            self._served = self.chat
            self.visitors.start(self.chat)

    def resign(self, node: ClusterNode) -> None:
        """Let a node begin to give the rooms away."""
        self._resigning.append((node, asyncio.get_running_loop().create_task(node.resign())))

    async def die(self) -> None:
        """Kill the owner: its queued writes are lost."""
        if self.owner is not None:
            await self.kill(self.owner)

    async def kill(self, node: ClusterNode) -> None:
        """Kill a node: its clients are disconnected."""
        self.read()
        if node is self.owner:
            await self.visitors.end()
            for room in tuple(node.chat.parts.hub.rooms.values()):
                if not room.backlog.unconfirmed:
                    await self._checks.check_stored(room)
        for device in self.devices:
            if isinstance(device, ClusterDevice) and device.node is node:
                device.lost()
        self._note_changes()
        for resigning, task in self._resigning:
            if resigning is node:
                task.cancel()
        await node.kill()

    async def end(self) -> None:
        for device in self.devices:
            device.disconnect()
        await self.pause(5.0)
        for node in self.cluster.nodes:
            parts, hub, edge, owner = node.chat.parts, node.chat.parts.hub, node.node.edge, node.node.owner
            left = {
                "rooms": hub.rooms,
                "ending": hub.ending,
                "people": parts.directory.people,
                "sessions": hub.sessions,
                "tasks": parts.tasks._tasks,
                "loaded": hub.loaded,
                "stubs": list(owner.sessions()),
                "returning": owner.not_returned(),
                "mirrors": edge._clients.mirrors,
                "known": edge._clients.sessions,
                "paused": edge._paused,
                "unanswered": edge._unanswered._of,
                "waiting": edge._unanswered._waiting,
                "given up": edge._unanswered._given_up,
            }
            assert not any(left.values()), f"something stays behind at {node.name}: {left}"
        await self.visitors.end()
        for node in self.cluster.nodes:
            await node.stop()

    # Reading.

    def read(self) -> None:
        self._note_changes()
        read(self.devices)
        if self.is_certain and self.owner is not None:
            self._serve()
            super().read()
        self._note_changes()

    def _note_changes(self) -> None:
        """Forget what is uncertain if the owner has changed, or is not the only node that takes itself for it."""
        tokens = [node.node.token for node in self.cluster.nodes]
        self.is_certain = tokens == self._tokens and sum(map(bool, tokens)) == 1
        self._tokens = tokens
        if not self.is_certain:
            self.ledger.went.clear()
            self.ledger.read.clear()
            for device in self.devices:
                for asked in device.asked.values():
                    asked.fields.setdefault("resend", True)  # what becomes of it may not be shown to this client

    def heal(self) -> None:
        super().heal()
        self.cluster.bus.mend()
        for node in self.cluster.nodes:
            node.storage.reachable = True

    async def settle(self, *devices: Device) -> None:
        await self._elected()
        await super().settle(*devices)

    async def check(self) -> None:
        self.heal()
        await self.pause(1.0)
        await asyncio.gather(*(task for _, task in self._resigning), return_exceptions=True)
        self._resigning.clear()
        await self._elected()
        await super().check()
