"""A chat, its storage and its users, for tests of any events in any order.

Numbers choose the actions of users and storage (`tests.support.doings`); `World.check` repairs everything, and then
compares the state of each device with what a new device receives, and that with storage.
"""

import itertools
from collections.abc import Awaitable, Callable
from typing import Any

from chat.chat import Chat
from chat.handlers.manage import direct_name
from chat.rooms.parts import ChatOptions
from chat.rooms.passwords import Passwords
from chat.writes.workers import PoolLimits
from model.permissions import Action, may, standing_in
from model.room import Member, Role, RoomRecord
from storage.ports.messages import InsertMessage
from storage.ports.rooms import InsertRoom
from storage.ports.storage import Write
from tests.support.chatting import limits, signer
from tests.support.checks import Checks
from tests.support.devices import PASSWORD, Device, read
from tests.support.faulty import FaultyRepository
from tests.support.ledger import Ledger, Principal
from tests.support.visitors import Visitors
from utils.fairness import Party

PEOPLE = (("olga", "user", 1), ("mo", "user", 2), ("gus", "guest", 2), ("ada", "admin", 1), ("orla", "organizer", 1))
"""The users: names, account roles, and numbers of devices."""
READS = (
    "find_room", "head", "find_member", "find_members", "standings", "members", "count_members", "rooms_of",
    "find_user", "share_a_room", "peers", "unread", "find_posted", "find_message", "history", "changed",
    "count_changed", "search", "listed_rooms", "invitations",
)  # fmt: skip
POINTS = ("write", *READS)
Pause = Callable[[float], Awaitable[None]]


class Plainly(Passwords):
    """Passwords without argon2 and its thread."""

    async def hash(self, password: str, asker: Party) -> str:
        return f"hashed {password}"

    async def matches(self, hashed: str | None, password: str, asker: Party) -> bool:
        return hashed == f"hashed {password}"


def refused(write: Write) -> bool:
    """Whether storage refuses a write because of its content."""
    return isinstance(write, InsertMessage) and write.message.content.startswith("poison")


class World:
    """See the top of this file.

    Args:
        repository: storage, with its faults.
        clock: the wall clock; `offset_us` makes it step.
        pause: lets time pass, so that everything due happens.
        suffix: distinguishes the names of rooms and the ids of accounts from those of other worlds in the same storage.
        options: those of the chat.
    """

    def __init__(
        self, repository: FaultyRepository, clock: Any, pause: Pause, *, suffix: str = "", **options: Any
    ) -> None:
        self.repository = repository
        self.clock = clock
        self.pause = pause
        self.suffix = suffix
        self.rooms = [f"{name}{suffix}" for name in ("red", "blue", "den")]
        self._options = {"limits": limits(edit_window=0.0), "pool": PoolLimits(workers=2), **options}
        self._queue: int = self._options["pool"].queue_messages
        self.accounts: dict[str, str] = {}
        self.ledger = self.make_ledger()
        self.people = [Principal(name, role, suffix) for name, role, _ in PEOPLE]
        self.devices = [
            self.device(principal, number, page=2 + number)
            for principal, (_, _, count) in zip(self.people, PEOPLE, strict=True)
            for number in range(count)
        ]
        self.chat: Chat
        self.visitors = Visitors(self)
        self.made: dict[int, RoomRecord] = {}
        self.probes = itertools.count(10)
        self._checks = Checks(self)
        repository.refused = refused

    def make_ledger(self) -> Ledger:
        """Make what all devices know together."""
        return Ledger()

    def device(self, principal: Principal, number: int, *, page: int) -> Device:
        """Make a device of a user."""
        return Device(principal, number, self.accounts, self.ledger, self.clock, page=page)

    # The server.

    async def start(self, *, without: Device | None = None) -> None:
        """Start a server, and connect all devices except one."""
        self.chat = Chat(self.repository, self.clock, signer(self.clock), ChatOptions(**self._options))
        self.chat.parts.passwords = Plainly()
        self.chat.start()
        self.visitors.start(self.chat)
        for device in self.devices:
            if device is not without:
                device.connect(self.chat)
        await self.pause(0.001)

    async def die(self) -> None:
        """Kill the server: its queued writes are lost."""
        self.read()
        await self.visitors.end()
        for room in tuple(self.chat.parts.hub.rooms.values()):
            if not room.backlog.unconfirmed:
                await self._checks.check_stored(room)
        self.ledger.went.clear()  # it may not have been stored
        self.ledger.read.clear()
        for device in self.devices:
            device.lost()
        assert await self.chat.close(2.0) == []

    async def end(self) -> None:
        """End everything, so that nothing is left behind."""
        for device in self.devices:
            device.disconnect()
        await self.pause(0.01)
        parts, hub = self.chat.parts, self.chat.parts.hub
        left = [hub.rooms, hub.ending, parts.directory.people, hub.sessions, len(parts.tasks)]
        assert left == [{}, {}, {}, {}, 0], f"something stays behind: {left}"
        await self.die()

    async def founded(self) -> None:
        """Create a public and a private room with an owner and a moderator, an ephemeral room, and a direct room."""
        olga, mo = self.devices[0], self.devices[1]
        red, blue, den = self.rooms
        olga.ask("create_room", room=blue, title="Blue")
        olga.ask("create_room", room=den, private=True, password=PASSWORD)
        await self.settle()
        olga.ask("invite", room=den, user=mo.id)
        olga.ask("invite", room=blue, user=mo.id)
        await self.settle()
        for device in self.devices:
            device.join(red)
            device.join(blue)
        olga.ask("direct", user=mo.id)
        mo.join(den)
        olga.ask("set_role", room=blue, user=mo.id, role="moderator")
        for device in self.devices:
            device.ask("rooms", mine=True)
        await self.settle()
        self.ledger.remade.clear()

    # Invariants at any time.

    def read(self) -> None:
        """Let all devices read what they received."""
        read(self.devices)
        for worker in self.chat.parts.pool.workers:
            pending = [len(room.pending_posts) for room in self.chat.parts.hub.rooms.values() if room.worker is worker]
            assert sum(pending) <= self._queue, "more messages wait for storage than may"
            assert max(pending, default=0) <= self._queue // 2, "more messages of one room wait than may"
        for name, room in self.chat.parts.hub.rooms.items():
            if not room.presence._untold and not room.audience.dirty:  # no broadcast is pending
                here = set(room.presence.people)
                for device in self.devices:
                    if device.hears(room):
                        told = device.views[name].people
                        assert told == here, f"{device.name} is told that {told} are in {name}, and there are {here}"
            for session in room.presence.sessions:
                assert session.identity is not None
                may_see = self.may_see(room.record, room.members.get(session.user.id), session.identity.role)
                assert may_see, f"{session.user} is in {name}, and may not even see it"

    def may_see(self, record: RoomRecord, row: Member | None, account: str, *, inside: bool = True) -> bool:
        """Whether a user with this row and account role may see a room."""
        now_us = self.clock.now_us()
        role: Role | None = "member" if inside else None
        return may(standing_in(record, row, account_role=account, inside=role, now_us=now_us), Action.SEE)

    # Reaching rest.

    def heal(self) -> None:
        """Let storage work again."""
        repository = self.repository
        repository.away, repository.lost_answers, repository.short_answers = None, 0, 0
        repository.faults.clear()
        for point in POINTS:
            repository.go(point)

    async def settle(self, *devices: Device) -> None:
        """Wait until all devices are connected, all commands answered, and nothing is pending."""
        waiting = devices or tuple(self.devices)
        for _ in range(200):
            self.read()
            for device in waiting:
                if device.ended:
                    device.disconnect()
                device.go_on(self.chat)
                if device.near is None:
                    device.connect(self.chat)
                device.retry()
            await self.pause(0.05)
            self.read()
            done = all(device.settled and not device.ended for device in waiting)
            if await self.visitors.are_done() and done and not len(self.chat.parts.pool):
                return
        raise AssertionError(f"silence: {[device.waits_for for device in waiting if not device.settled]}")

    async def check(self) -> None:
        """Check the invariants at rest."""
        self.heal()
        await self.settle()
        await self.pause(5.0)  # timers of presence and of read cursors
        await self.settle()
        for write in itertools.chain.from_iterable(self.repository.batches):
            if isinstance(write, InsertRoom):
                self.made.setdefault(write.room.room_id, write.room)
        await self._checks.check_acks()
        await self._checks.check_mirror()
        for principal in self.people:
            await self._checks.check_person(principal)
        for room in list(self.chat.parts.hub.rooms.values()):
            await self._checks.check_stored(room)

    def direct(self, one: Device, other: Principal) -> str:
        """The direct room."""
        return direct_name(one.id, other.id)
