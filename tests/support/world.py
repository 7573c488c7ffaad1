"""A chat, its storage and its people, for tests of whatever may happen in whatever order.

What people and storage do is chosen by numbers (`tests.support.doings`); `World.check` heals everything, and then holds
what each device knows against what somebody learns who asks now, and that against storage.
"""

import itertools
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from chat.chat import Chat
from chat.context import ChatOptions
from chat.handlers.manage import direct_name
from chat.listing import MINE_LIMIT
from chat.passwords import Passwords
from chat.room import Room
from chat.workers import PoolLimits
from model.limits import UNREAD_LIMIT
from model.permissions import Action, may, standing_in
from model.room import Member, Role, RoomRecord
from model.text import fold_name
from server.tokens import JwtTokens
from storage import InsertMessage, InsertRoom, Write
from tests.support.chatting import Frame, limits
from tests.support.copies import Copy
from tests.support.devices import PASSWORD, Device, read
from tests.support.faulty import FaultyRepository
from tests.support.ledger import Ledger, Principal
from tests.support.views import UNKNOWN

PEOPLE = (("olga", "user", 1), ("mo", "user", 2), ("gus", "guest", 2), ("ada", "admin", 1), ("orla", "organizer", 1))
"""Names, roles of their accounts, and how many devices they have."""
READS = (
    "find_room", "head", "find_member", "standings", "members", "count_members", "rooms_of", "find_user", "peers",
    "unread", "find_posted", "find_message", "history", "changed", "count_changed", "search", "listed_rooms",
)  # fmt: skip
POINTS = ("write", *READS)
INFO = ("kind", "title", "topic", "password", "slow_mode", "retention_days")
Pause = Callable[[float], Awaitable[None]]


class Plainly(Passwords):
    """Passwords without argon2 and its thread."""

    async def hash(self, password: str) -> str:
        return f"hashed {password}"

    async def matches(self, hashed: str, password: str) -> bool:
        return hashed == f"hashed {password}"


def refused(write: Write) -> bool:
    """What storage refuses for itself."""
    return isinstance(write, InsertMessage) and write.message.content.startswith("poison")


class World:
    """See the top of this file.

    Args:
        repository: storage, with its faults.
        clock: tells the time; `offset_us` makes it step.
        pause: lets time pass, so that everything happens that is due.
        suffix: makes the names of rooms and the ids of accounts unlike those of another world in the same storage.
        options: of the chat.
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
        self.accounts: dict[str, str] = {}
        self.ledger = Ledger()
        self.people = [Principal(name, role, suffix) for name, role, _ in PEOPLE]
        self.devices = [
            Device(principal, number, self.accounts, self.ledger, clock, page=2 + number)
            for principal, (_, _, count) in zip(self.people, PEOPLE, strict=True)
            for number in range(count)
        ]
        self.chat: Chat
        self._made: dict[int, RoomRecord] = {}
        self._probes = itertools.count(10)
        repository.refused = refused

    # The server.

    async def start(self) -> None:
        """Start a server; everybody who was connected comes back."""
        self.chat = Chat(self.repository, self.clock, JwtTokens("secret", self.clock), ChatOptions(**self._options))
        self.chat.passwords = Plainly()
        self.chat.start()
        for device in self.devices:
            device.connect(self.chat)
        await self.pause(0.001)

    async def die(self) -> None:
        """End the server without a word: what is queued is gone."""
        self.read()
        for room in self.chat.hub.rooms.values():
            if not room.unsettled:
                await self._check_stored(room)
        self.ledger.went.clear()  # perhaps it was not stored
        self.ledger.read.clear()
        for device in self.devices:
            device.lost()
        assert await self.chat.close(2.0) == []

    async def end(self) -> None:
        """End everything: nothing stays behind."""
        for device in self.devices:
            device.disconnect()
        await self.pause(0.01)
        assert not self.chat.hub.rooms, "a room stays behind"
        await self.die()

    async def founded(self) -> None:
        """A public and a private room with an owner and a moderator, one made by joining, and one of two people."""
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
        await self.settle()
        self.ledger.remade.clear()

    # What is never otherwise.

    def read(self) -> None:
        """Everybody takes what has come."""
        read(self.devices)
        for name, room in self.chat.hub.rooms.items():
            if not room.presence._changed and not room.audience.dirty:  # nothing of it is still to be told
                here = set(room.presence.people)
                for device in self.devices:
                    if device.hears(room):
                        told = device.views[name].people
                        assert told == here, f"{device.name} is told that {told} are in {name}, and there are {here}"
            for session in room.presence.sessions:
                assert session.identity is not None
                may_see = self._may_see(room.record, room.members.get(session.user.id), session.identity.role)
                assert may_see, f"{session.user} is in {name}, and may not even see it"
        for device in self.devices:
            if (began := device.began()) is not None:
                for name in self.rooms:
                    wanted = sum(at > began for at in self.ledger.invites[device.id, name].values())
                    assert device.invites[name] >= wanted, f"{device.name} is not told to be asked into {name}"

    def _may_see(self, record: RoomRecord, row: Member | None, account: str, *, inside: bool = True) -> bool:
        now_us = self.clock.now_us()
        role: Role | None = "member" if inside else None
        return may(standing_in(record, row, account_role=account, inside=role, now_us=now_us), Action.SEE)

    # Rest.

    def heal(self) -> None:
        """Storage works again."""
        repository = self.repository
        repository.away, repository.lost_answers, repository.short_answers = None, 0, 0
        repository.faults.clear()
        for point in POINTS:
            repository.go(point)

    async def settle(self, *devices: Device) -> None:
        """Wait until everybody is back, everything is answered, and nothing is under way."""
        waiting = devices or tuple(self.devices)
        for _ in range(200):
            self.read()
            for device in waiting:
                if device.ended:
                    device.disconnect()
                if device.near is None:
                    device.connect(self.chat)
                device.retry()
            await self.pause(0.05)
            self.read()
            if all(device.settled and not device.ended for device in waiting) and not len(self.chat.pool):
                return
        raise AssertionError(f"silence: {[device.waits_for for device in waiting if not device.settled]}")

    async def check(self) -> None:
        """The properties, at rest."""
        self.heal()
        await self.settle()
        await self.pause(5.0)  # timers of presence and of read cursors
        await self.settle()
        for write in itertools.chain.from_iterable(self.repository.batches):
            if isinstance(write, InsertRoom):
                self._made.setdefault(write.room.room_id, write.room)
        self._check_acks([await self._log(record) for record in self._made.values()])
        for principal in self.people:
            await self._check_person(principal)
        for room in list(self.chat.hub.rooms.values()):
            await self._check_stored(room)

    async def _log(self, record: RoomRecord) -> list[Frame]:
        """A room's messages as storage has them, deleted ones with what they held."""
        found = await self.repository.inner.history(record, limit=100_000, include_deleted=True)
        return [msgspec.to_builtins(message) for message in found]

    def _check_acks(self, logs: list[list[Frame]]) -> None:
        """What was acked is stored, once and where it was said to be."""
        stored: defaultdict[tuple[str, str], list[Frame]] = defaultdict(list)
        for log in logs:
            keys = [(state["sender_id"], state["id"]) for state in log]
            assert len(keys) == len(set(keys)), "stored twice"
            for key, state in zip(keys, log, strict=True):
                stored[key].append(state)  # one for each room that had the name
                assert "edited_at" in state or state["content"] == self.ledger.posts[key].fields["content"]
        for key, seqs in self.ledger.acked.items():
            places = {state["seq"] for state in stored[key]}
            assert seqs <= places, f"acked at {seqs}, stored at {places}: {self.ledger.posts[key]}"
        for key, version in self.ledger.changed.items():
            newest = max(state["version"] for state in stored[key])
            assert newest >= version, f"an acked change is lost: {stored[key]}"

    async def _check_person(self, principal: Principal) -> None:
        """Another device of theirs, which has just come, knows what theirs know."""
        devices = [device for device in self.devices if device.principal is principal]
        probe = Device(principal, next(self._probes), self.accounts, self.ledger, self.clock, page=4)
        self.devices.append(probe)
        probe.connect(self.chat)
        try:
            inside = sorted({room for device in devices for room in device.rooms()})
            for room in inside:
                probe.join(room)
            probe.ask("rooms", mine=True, limit=500)
            await self.settle(probe)
            assert probe.rooms() == inside, f"{probe.name} is not let in where {devices[0].name} is"
            visible = await self._check_list(probe, inside)
            await self._check_search(probe, visible)
            await self._check_public(probe)
            for device in devices:
                for room in device.rooms():
                    wrong = device.views[room].differs(probe.views[room])
                    assert not wrong, f"{device.name} in {room}: {wrong}"
            for room in inside:
                await self._check_view(probe, room)
            await self._check_entry(probe, inside)
            for room in inside:
                await self._check_reads(probe, devices, room)
        finally:
            probe.disconnect()
            self.devices.remove(probe)

    async def _check_view(self, probe: Device, name: str) -> None:
        """What somebody is told of a room is what storage has, and who is there is who is there."""
        view, inner = probe.views[name], self.repository.inner
        here = {device.id for device in self.devices if name in device.rooms()}
        assert (view.people, view.count) == (here, len(here))
        record = await inner.find_room(name)
        states = {}
        if record is not None:
            states = {
                state["seq"]: {"type": "message"} | state
                for state in map(msgspec.to_builtins, await inner.history(record, limit=100_000))
            }
            assert view.info == _info(record)
            rows = await inner.members(record.room_id, after="", limit=1000)
            roles = {row.user.id: row.role for row in rows}
            told = {member["id"]: member["role"] for member in view.members.values() if member.get("role")}
            if record.kind != "ephemeral":  # there they are not listed when they are not here
                assert told == roles, f"{probe.name} is told {told} of {name}, stored is {roles}"
        assert UNKNOWN not in {member.get("role") for member in view.members.values()}
        wanted = Copy()
        wanted.states = {seq: _listed(state) for seq, state in states.items()}
        wrong = view.copy.differs(wanted)
        assert not wrong, f"{probe.name} is told another past of {name} than is stored: {wrong}"
        listed = {member["id"] for member in await self._pages(probe, "members", room=name)}
        assert listed == {member["id"] for member in view.members.values() if member.get("role") or member["online"]}

    async def _pages(self, probe: Device, kind: str, *, entries: str = "", **fields: Any) -> list[Frame]:
        """Everything of a list that is read in small pages."""
        found: list[Frame] = []
        cursor: Frame = {}
        while True:
            probe.ask(kind, limit=3, **fields, **cursor)
            await self.settle(probe)
            page = probe.last[kind]
            found += page[entries or kind]
            if "cursor" not in page:
                return found
            cursor = {"cursor": page["cursor"]}

    async def _check_reads(self, probe: Device, devices: list[Device], name: str) -> None:
        """Every device of somebody is told how far they have read somewhere, and what is left."""
        record = await self.repository.inner.find_room(name)
        row = None if record is None else await self.repository.inner.find_member(record.room_id, probe.id)
        new = [seq for seq in sorted(probe.views[name].copy.states) if row is None or seq > row.read_seq]
        if record is None or not new:
            return
        seq = new[len(new) // 2]
        probe.ask("read", room=name, seq=seq)
        await self.pause(1.5)
        self.read()
        left = await self._unread(record, probe.principal, seq)
        for device in (probe, *devices):
            told = device.reads[name]
            assert (told["seq"], told.get("unread", 0), told.get("mentions", 0)) == (seq, *left), f"{told}, not {left}"

    async def _unread(self, record: RoomRecord, user: Principal, seq: int) -> tuple[int, int]:
        """How much somebody who has read so far has not, and how much of it mentions them."""
        missed = [
            message
            for message in await self.repository.inner.history(record, limit=100_000)
            if message.seq > seq and message.sender_id != user.id
        ]
        mentions = sum(fold_name(user.name) in message.mentions for message in missed)
        return min(len(missed), UNREAD_LIMIT), min(mentions, UNREAD_LIMIT)

    async def _check_search(self, probe: Device, records: list[RoomRecord]) -> None:
        """Every message that holds a word is found, in all rooms that somebody may search."""
        found = await self._pages(probe, "search", entries="messages", q="fish")
        wanted = [
            _listed({"type": "message"} | msgspec.to_builtins(message))
            for record in records
            for message in await self.repository.inner.history(record, limit=100_000)
            if "fish" in message.content
        ]
        assert sorted(found, key=_place) == sorted(wanted, key=_place), f"{probe.name} finds {found}, not {wanted}"

    async def _check_public(self, probe: Device) -> None:
        """Everybody finds the public rooms, those made by joining in which something was said, or somebody is."""
        listed = await self._pages(probe, "rooms", q=self.suffix.strip())
        wanted = []
        for name in sorted(self.rooms):
            record = await self.repository.inner.find_room(name)
            room = self.chat.hub.rooms.get(name)
            if record is None:
                if room is not None and room.presence.sessions:
                    wanted.append((name, _info(room.record)))
            elif record.kind == "public" or (
                record.kind == "ephemeral"
                and (room is not None or await self.repository.inner.history(record, limit=1))
            ):
                wanted.append((name, _info(record)))
        shown = [(entry["room"], {key: entry[key] for key in INFO if key in entry}) for entry in listed]
        assert [entry for entry in shown if entry[0] in self.rooms] == wanted, f"not {wanted}, but {listed}"

    async def _check_entry(self, probe: Device, inside: list[str]) -> None:
        """Nobody gets in where storage says that they may not, and who is out for good left nothing there."""
        for name in set(self.rooms) - set(inside):
            record = await self.repository.inner.find_room(name)
            if record is None:
                continue
            row = await self.repository.inner.find_member(record.room_id, probe.id)
            if row is not None and self.ledger.is_out(probe.id, name):
                assert (row.role, row.read_seq) == (None, 0), f"{probe.name} is out of {name}, and yet: {row}"
            if not self._may_see(record, row, probe.principal.role):
                probe.ask("join", room=name)
                await self.settle(probe)
                assert name not in probe.rooms()

    async def _check_list(self, probe: Device, inside: list[str]) -> list[RoomRecord]:
        """`rooms` of one's own: every room of which storage has a row, or that one is in, and what is unread there."""
        inner, user = self.repository.inner, probe.principal
        assert probe.near is not None
        rows = {
            record.name: (record, row)
            for record, row in await inner.rooms_of(user.id, limit=MINE_LIMIT)
            if row.role is not None or row.read_seq
        }
        for name in inside:
            if name not in rows:
                room = self.chat.hub.rooms[name]
                rows[name] = (room.record, Member(probe.near.session.user))
        wanted = {}
        for name, (record, row) in rows.items():
            if self._may_see(record, row, user.role, inside=True):
                wanted[name] = await self._entry(probe, record, row)
        for (user_id, name), seq in self.ledger.read.items():
            if user_id == user.id:
                assert name in rows
                assert rows[name][1].read_seq >= seq, f"{probe.name} has read {name} up to {seq}: {rows[name]}"
        listed = {entry["room"]: entry for entry in probe.last["rooms"]["rooms"]}
        for name in wanted.keys() | listed.keys():
            ours, theirs = listed.get(name), wanted.get(name)
            assert ours == theirs, f"{probe.name} is told {ours}, and should be told {theirs}"
        return [rows[name][0] for name in wanted]

    async def _entry(self, probe: Device, record: RoomRecord, row: Member) -> Frame:
        inner, user = self.repository.inner, probe.principal
        online = len({device.id for device in self.devices if record.name in device.rooms()})
        members = await inner.members(record.room_id, after="", limit=1000)
        standing = standing_in(record, row, account_role=user.role, inside="member", now_us=self.clock.now_us())
        entry: Frame = {
            **_info(record),
            "room": record.name,
            "members": online if record.kind == "ephemeral" else len(members),
            "online": online,
            "role": standing,
            "read": row.read_seq,
        }
        if row.role is not None or row.read_seq:
            entry["unread"], entry["mentions"] = await self._unread(record, user, row.read_seq)
        if record.kind == "direct":
            (peer,) = [member.user for member in members if member.user.id != user.id]
            entry["peer"] = {"id": peer.id, "name": peer.name}
        return {key: value for key, value in entry.items() if value != 0}

    async def _check_stored(self, room: Room) -> None:
        """Storage has what the room has decided."""
        inner = self.repository.inner
        stored = await inner.find_room(room.name)
        if not room.stored:
            assert stored is None
            return
        assert stored == room.record
        waiting = self.chat.reads._raised.get(room, ())
        for user_id, row in room.members.items():
            if user_id not in waiting:
                assert await inner.find_member(room.record.room_id, user_id) == row, f"decided was {row}"

    def direct(self, one: Device, other: Principal) -> str:
        """The room of two people."""
        return direct_name(one.id, other.id)


def _info(record: RoomRecord) -> Frame:
    """What everybody in a room may know of it."""
    info = {name: getattr(record, name) for name in INFO} | {"password": record.password is not None}
    return {name: value for name, value in info.items() if value}


def _place(state: Frame) -> tuple[str, int]:
    return state["room"], state["seq"]


def _listed(state: Frame) -> Frame:
    """Lists, as JSON has them."""
    return msgspec.json.decode(msgspec.json.encode(state), type=Frame)
