"""The invariants of a `World` at rest: the state of every client equals storage, and what a new client receives."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import msgspec

from chat.queries.listing import MINE_LIMIT
from chat.rooms.room import Room
from model.limits import INVITATION_DAYS, INVITATIONS, UNREAD_LIMIT
from model.permissions import standing_in
from model.room import Member, RoomRecord
from model.text import fold_name
from storage.ports.storage import Storage
from tests.support.copies import Copy, Frame
from tests.support.devices import Device
from tests.support.ledger import Principal
from tests.support.views import UNKNOWN
from utils.clock import DAY_US, rfc3339

if TYPE_CHECKING:
    from tests.support.world import World

INFO = ("kind", "title", "topic", "password", "slow_mode", "retention_days")


class Checks:
    """See the top of this file. Each check raises AssertionError if an invariant does not hold."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def check_acks(self) -> None:
        """Every acked message is stored, once, and at the seq of its ack."""
        self._check_acks([await self._log(record) for record in self._world.made.values()])

    async def _log(self, record: RoomRecord) -> list[Frame]:
        """The messages of a room in storage, including deleted ones with their content."""
        found = await self._world.repository.inner.messages.history(record, limit=100_000, include_deleted=True)
        return [msgspec.to_builtins(message) for message in found]

    def _check_acks(self, logs: list[list[Frame]]) -> None:
        stored: defaultdict[tuple[str, str], list[Frame]] = defaultdict(list)
        for log in logs:
            keys = [(state["sender_id"], state["id"]) for state in log]
            assert len(keys) == len(set(keys)), "stored twice"
            for key, state in zip(keys, log, strict=True):
                stored[key].append(state)  # one for each room that has had the name
                assert "edited_at" in state or state["content"] in self._world.ledger.texts[key]
        for key, seqs in self._world.ledger.acked.items():
            places = {state["seq"] for state in stored[key]}
            assert seqs <= places, f"acked at {seqs}, stored at {places}: {self._world.ledger.posts[key]}"
        for key, version in self._world.ledger.changed.items():
            newest = max(state["version"] for state in stored[key])
            assert newest >= version, f"an acked change is lost: {stored[key]}"

    async def check_mirror(self) -> None:
        """Two storages that received the same writes return the same."""
        repository = self._world.repository
        if repository.mirror is not None:
            stored, mirrored = await self._everything(repository.inner), await self._everything(repository.mirror)
            for ours, theirs in zip(stored, mirrored, strict=True):
                assert ours == theirs, f"stored is {ours}, and should be {theirs}"

    async def _everything(self, storage: Storage) -> list[object]:
        found: list[object] = []
        for room in self._world.made.values():
            found += [
                await storage.rooms.find_room(room.name),
                await storage.messages.history(room, limit=100_000),
                await storage.messages.history(room, limit=100_000, include_deleted=True),
                await storage.messages.changed(room, after=0, until=2**53, limit=100_000),
                await storage.rooms.members(room.room_id, after="", limit=1000),
                await storage.rooms.special_members(room.room_id),
                await storage.messages.head(room.room_id),
            ]
        for person in self._world.people:
            found += [
                await storage.rooms.rooms_of(person.id, limit=MINE_LIMIT),
                await storage.rooms.find_user(person.id),
            ]
            found += [await storage.rooms.invitations(person.id, after=0, limit=1000)]
        return found

    async def check_person(self, principal: Principal) -> None:
        """A newly connected device of a user receives the same state as the user's other devices have."""
        world = self._world
        devices = [device for device in world.devices if device.principal is principal]
        probe = world.device(principal, next(world.probes), page=4)
        world.devices.append(probe)
        probe.connect(world.chat)
        try:
            inside = sorted({room for device in devices for room in device.rooms()})
            for room in inside:
                probe.join(room)
            await self._world.settle(probe)  # a join may store a row, which lists need not count before
            probe.ask("rooms", mine=True, limit=500)
            await self._world.settle(probe)
            assert probe.rooms() == inside, f"{probe.name} is not let in where {devices[0].name} is"
            visible = await self._check_list(probe, inside)
            await self._check_invitations(probe, devices)
            await self._check_search(probe, visible)
            await self._check_public(probe)
            for device in devices:
                for room in device.rooms():
                    wrong = device.views[room].differs(probe.views[room], world.clock.now_us())
                    assert not wrong, f"{device.name} in {room}: {wrong}"
            for room in inside:
                await self._check_view(probe, room)
            await self._check_entry(probe, inside)
            for room in inside:
                await self._check_reads(probe, devices, room)
        finally:
            probe.disconnect()
            world.devices.remove(probe)

    async def _check_view(self, probe: Device, name: str) -> None:
        """The members that a user is shown are those in storage, and the users present are those in the room."""
        view, inner = probe.views[name], self._world.repository.inner
        here = {device.id for device in self._world.devices if name in device.rooms()}
        assert (view.people, view.count) == (here, len(here))
        record = await inner.rooms.find_room(name)
        states = {}
        if record is not None:
            states = {
                state["seq"]: {"type": "message"} | state
                for state in map(msgspec.to_builtins, await inner.messages.history(record, limit=100_000))
            }
            assert view.info == _info(record)
            rows = await inner.rooms.members(record.room_id, after="", limit=1000)
            roles = {row.user.id: row.role for row in rows}
            told = {member["id"]: member["role"] for member in view.members.values() if member.get("role")}
            if record.kind != "ephemeral":  # ephemeral rooms do not list absent users
                assert told == roles, f"{probe.name} is told {told} of {name}, stored is {roles}"
        assert UNKNOWN not in {member.get("role") for member in view.members.values()}
        wanted = Copy()
        wanted.states = {seq: _listed(state) for seq, state in states.items()}
        wrong = view.copy.differs(wanted)
        assert not wrong, f"{probe.name} is told another past of {name} than is stored: {wrong}"
        listed = {member["id"] for member in await self._pages(probe, "members", room=name)}
        assert listed == {member["id"] for member in view.members.values() if member.get("role") or member["online"]}

    async def _pages(self, probe: Device, kind: str, *, entries: str = "", **fields: Any) -> list[Frame]:
        """Return a whole list, read in small pages."""
        found: list[Frame] = []
        cursor: Frame = {}
        while True:
            probe.ask(kind, limit=3, **fields, **cursor)
            await self._world.settle(probe)
            page = probe.last[kind]
            found += page[entries or kind]
            if "cursor" not in page:
                return found
            cursor = {"cursor": page["cursor"]}

    async def _check_reads(self, probe: Device, devices: list[Device], name: str) -> None:
        """Every device of a user receives the user's read cursors, with the unread counts."""
        record = await self._world.repository.inner.rooms.find_room(name)
        row = None if record is None else await self._world.repository.inner.rooms.find_member(record.room_id, probe.id)
        new = [seq for seq in sorted(probe.views[name].copy.states) if row is None or seq > row.read_seq]
        if record is None or not new:
            return
        seq = new[len(new) // 2]
        probe.ask("read", room=name, seq=seq)
        await self._world.pause(1.5)
        self._world.read()
        left = await self._unread(record, probe.principal, seq)
        for device in (probe, *devices):
            told = device.reads[name]
            assert (told["seq"], told.get("unread", 0), told.get("mentions", 0)) == (seq, *left), f"{told}, not {left}"

    async def _unread(self, record: RoomRecord, user: Principal, seq: int) -> tuple[int, int]:
        """Count the messages that a user has not read, and how many of those mention the user."""
        missed = [
            message
            for message in await self._world.repository.inner.messages.history(record, limit=100_000)
            if message.seq > seq and message.sender_id != user.id
        ]
        mentions = sum(fold_name(user.name) in message.mentions for message in missed)
        return min(len(missed), UNREAD_LIMIT), min(mentions, UNREAD_LIMIT)

    async def _check_search(self, probe: Device, records: list[RoomRecord]) -> None:
        """A search finds every message with a word, in all rooms that the user may search."""
        found = await self._pages(probe, "search", entries="messages", q="fish")
        wanted = [
            _listed({"type": "message"} | msgspec.to_builtins(message))
            for record in records
            for message in await self._world.repository.inner.messages.history(record, limit=100_000)
            if "fish" in message.content
        ]
        assert sorted(found, key=_place) == sorted(wanted, key=_place), f"{probe.name} finds {found}, not {wanted}"

    async def _check_public(self, probe: Device) -> None:
        """Every user finds the public rooms, and the ephemeral rooms that have messages or users."""
        listed = await self._pages(probe, "rooms", q=self._world.suffix.strip())
        wanted = []
        for name in sorted(self._world.rooms):
            record = await self._world.repository.inner.rooms.find_room(name)
            room = self._world.chat.parts.hub.rooms.get(name)
            if record is None:
                if room is not None and room.presence.sessions:
                    wanted.append((name, _info(room.record)))
            elif record.kind == "public" or (
                record.kind == "ephemeral"
                and (room is not None or await self._world.repository.inner.messages.history(record, limit=1))
            ):
                wanted.append((name, _info(record)))
        shown = [(entry["room"], {key: entry[key] for key in INFO if key in entry}) for entry in listed]
        assert [entry for entry in shown if entry[0] in self._world.rooms] == wanted, f"not {wanted}, but {listed}"

    async def _check_entry(self, probe: Device, inside: list[str]) -> None:
        """No user enters a room that storage forbids them, and removed users keep neither a role nor a cursor."""
        for name in set(self._world.rooms) - set(inside):
            record = await self._world.repository.inner.rooms.find_room(name)
            if record is None:
                continue
            row = await self._world.repository.inner.rooms.find_member(record.room_id, probe.id)
            if row is not None and self._world.ledger.is_out(probe.id, name):
                assert (row.role, row.read_seq) == (None, 0), f"{probe.name} is out of {name}, and yet: {row}"
            invited = row is not None and row.invitation is not None
            if not self._world.may_see(record, row, probe.principal.role) and not invited:
                probe.ask("join", room=name)
                await self._world.settle(probe)
                assert name not in probe.rooms()

    async def _check_list(self, probe: Device, inside: list[str]) -> list[RoomRecord]:
        """`rooms` with `mine` lists every room in which the user has a row or is present, with the unread counts."""
        inner, user = self._world.repository.inner, probe.principal
        assert probe.near is not None
        rows = {
            record.name: (record, row)
            for record, row in await inner.rooms.rooms_of(user.id, limit=MINE_LIMIT)
            if row.role is not None or row.read_seq
        }
        for name in inside:
            if name not in rows:
                room = self._world.chat.parts.hub.rooms[name]
                rows[name] = (room.record, Member(probe.near.session.user))
        wanted = {}
        for name, (record, row) in rows.items():
            if self._world.may_see(record, row, user.role, inside=True):
                wanted[name] = await self._entry(probe, record, row)
        for (user_id, name), seq in self._world.ledger.read.items():
            if user_id == user.id:
                assert name in rows
                assert rows[name][1].read_seq >= seq, f"{probe.name} has read {name} up to {seq}: {rows[name]}"
        listed = {entry["room"]: entry for entry in probe.last["rooms"]["rooms"]}
        for name in wanted.keys() | listed.keys():
            ours, theirs = listed.get(name), wanted.get(name)
            assert ours == theirs, f"{probe.name} is told {ours}, and should be told {theirs}"
        return [rows[name][0] for name in wanted]

    async def _check_invitations(self, probe: Device, devices: list[Device]) -> None:
        """Every device has the invitations that are stored."""
        since = self._world.clock.now_us() - INVITATION_DAYS * DAY_US
        found = await self._world.repository.inner.rooms.invitations(probe.id, after=since, limit=INVITATIONS)
        stored = {record.name: rfc3339(row.invitation.at) for record, row in found if row.invitation is not None}
        for device in (probe, *devices):
            told = device.invited
            assert told is None or told == stored, f"{device.name} is told of invitations {told}, not of {stored}"
        assert probe.invited is not None

    async def _entry(self, probe: Device, record: RoomRecord, row: Member) -> Frame:
        inner, user = self._world.repository.inner, probe.principal
        online = len({device.id for device in self._world.devices if record.name in device.rooms()})
        members = await inner.rooms.members(record.room_id, after="", limit=1000)
        standing = standing_in(record, row, account_role=user.role, inside="member", now_us=self._world.clock.now_us())
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
            for peer in [member.user for member in members if member.user.id != user.id]:  # none after a crash
                entry["peer"] = {"id": peer.id, "name": peer.name}
        return {key: value for key, value in entry.items() if value != 0}

    async def check_stored(self, room: Room) -> None:
        """Storage has everything that the room decided. Changes during the read are not compared."""
        inner = self._world.repository.inner
        decided = room.record
        stored = await inner.rooms.find_room(room.name)
        if not room.stored:
            assert stored is None
            return
        assert decided is not room.record or stored == decided
        raised = self._world.chat.parts.cursors._raised
        for user_id in tuple(room.members):
            row = room.members.get(user_id)
            if row is None or room.backlog.unconfirmed or user_id in raised.get(room, ()):
                continue
            found = await inner.rooms.find_member(room.record.room_id, user_id)
            if room.members.get(user_id) is row:  # a default row is not stored
                assert (found or Member(row.user)) == row, f"decided was {row}"


def _info(record: RoomRecord) -> Frame:
    """The description of a room that everyone in it may see."""
    info = {name: getattr(record, name) for name in INFO} | {"password": record.password is not None}
    return {name: value for name, value in info.items() if value}


def _place(state: Frame) -> tuple[str, int]:
    return state["room"], state["seq"]


def _listed(state: Frame) -> Frame:
    """Convert tuples to lists, as in JSON."""
    return msgspec.json.decode(msgspec.json.encode(state), type=Frame)
