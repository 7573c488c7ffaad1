"""The same random sequences of operations through both adapters: every result must be equal."""

import asyncio
import secrets
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Literal, NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from model.message import Message, Quote
from model.room import FOREVER, Invitation, Member, Role, RoomKind, RoomRecord, User
from storage.memory.storage import MemoryStorage
from storage.ports.messages import ChangeMessage, ExpireMessages, InsertMessage, PinState
from storage.ports.rooms import ExpireInvitations, InsertRoom, RemoveMember, SetMember, UpdateRoom
from storage.ports.storage import Duplicate, Outcome, Refused, Storage, Write, Writer
from tests.contract.records import EPOCH_US, hash_of, inserts, open_postgres, room
from utils.clock import DAY_US, rfc3339
from utils.words import cut_words

# Small worlds, so that everything collides: rooms, names, seqs, ids and authors.
ROOMS = st.integers(0, 2)
SEQS = st.integers(0, 12)
PLACES = st.one_of(SEQS, st.integers(0, 64))
IDS = st.sampled_from([None, "a", "b", "", "NULL"])
AUTHORS = st.sampled_from([("u1", "ann"), ("u2", "ann"), ("u3", "Ann"), ("u2", "bob")])
TEXTS = st.one_of(
    st.sampled_from(["", "Red fish", "red FISH", "東京都 red", 'q"u\\o{t}e,', "NULL", "100% %s"]),
    # Text that Postgres cannot store is tested in test_postgres_border.
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12),
)


class State(NamedTuple):
    kind: RoomKind
    title: str
    retention_days: int


class Room(NamedTuple):
    number: int
    name: int
    state: State


class Update(NamedTuple):
    number: int
    state: State
    deletes: bool


class Person(NamedTuple):
    room: int
    user: int
    name: str
    role: Role | None
    times: tuple[int, int, int, int, int]
    invited_at: int


class Forget(NamedTuple):
    until: int


class Leave(NamedTuple):
    room: int
    user: int


class Post(NamedTuple):
    room: int
    seq: int
    id: str | None
    author: tuple[str, str]
    text: str
    mentions: tuple[str, ...] = ()
    reply_to: int | None = None


class Edit(NamedTuple):
    before: str
    text: str
    mentions: tuple[str, ...]


class Change(NamedTuple):
    room: int
    seq: int
    later: int
    what: Edit | Literal["delete", "pin", "unpin"] | dict[str, list[str]]


class Later(NamedTuple):
    """Expire messages forty days later."""

    days: int


class Batch(NamedTuple):
    writes: list[Room | Update | Person | Forget | Leave | Post | Change | Later]


class Read(NamedTuple):
    method: str
    room: int
    low: int | None
    high: int | None
    limit: int
    sender: str | None
    query: str
    id: str | None
    pinned: bool = False
    include_deleted: bool = False


NAMES = st.lists(st.sampled_from(["ann", "bob", "Ann"]), max_size=2).map(tuple)
STATES = st.builds(
    State,
    st.sampled_from(["ephemeral", "ephemeral", "public", "private", "direct"]),
    st.sampled_from(["", "Red", "ﬁsh"]),
    st.sampled_from([0, 0, 30, 60, 100]),
)
UPDATES = st.builds(Update, ROOMS, STATES, st.integers(0, 3).map(lambda n: n == 0))
USERS = st.integers(0, 3)
TIMES = st.sampled_from([0, 0, 0, 5, FOREVER])
ROLES = st.sampled_from([None, "member", "member", "owner", "readonly"])
PEOPLE = st.builds(
    Person, ROOMS, USERS, st.sampled_from(["ann", "Bob"]), ROLES, st.tuples(TIMES, TIMES, TIMES, TIMES, TIMES), TIMES
)
LEAVES = st.builds(Leave, ROOMS, USERS)
POSTS = st.builds(Post, ROOMS, SEQS, IDS, AUTHORS, TEXTS, NAMES, st.none() | st.none() | SEQS)
REACTIONS = st.dictionaries(st.sampled_from(["+1", "a"]), st.lists(st.sampled_from(["u1", "u2"]), max_size=2))
CHANGED = st.one_of(st.builds(Edit, TEXTS, TEXTS, NAMES), st.sampled_from(["delete", "pin", "unpin"]), REACTIONS)
CHANGES = st.builds(Change, ROOMS, SEQS, st.integers(1, 4), CHANGED)
WRITES = st.one_of(
    st.builds(Room, ROOMS, ROOMS, STATES),
    UPDATES,
    PEOPLE,
    PEOPLE,
    LEAVES,
    POSTS,
    POSTS,
    POSTS,
    CHANGES,
    CHANGES,
    st.builds(Later, st.sampled_from([0, 30, 60])),
    st.builds(Forget, st.sampled_from([4, 5, FOREVER])),
)
BATCHES = st.builds(Batch, st.lists(WRITES, max_size=8))
METHODS = [
    "history", "history", "changed", "count_changed", "head", "find_posted", "find_room", "find_message", "search",
    "unread", "listed_rooms", "rooms_of", "invitations", "share_a_room", "account_role", "kept_like",
    "standings", "find_member", "find_members", "members", "count_members", "find_user",
]  # fmt: skip
READS = st.builds(
    Read,
    st.sampled_from(METHODS),
    ROOMS,
    st.none() | PLACES,
    st.none() | PLACES,
    st.integers(0, 6),
    st.none() | st.sampled_from(["ann", "Ann", "bob", "eve"]),
    st.sampled_from(["", "", "red", "RED fish", "京都", "null"]),
    IDS,
    st.booleans(),
    st.booleans(),
)


class World:
    """One random sequence: new rooms and users, and the knowledge of a repository's caller about them.

    Seqs come from a clock that all worlds share: messages expire in all of them. It begins long ago, because no message
    expires that is not old by the clock of PostgreSQL, too.
    """

    clock_us = DAY_US

    def __init__(self) -> None:
        self.mark = secrets.token_hex(6)
        self.ids = [room().room_id for _ in range(3)]
        self.named: dict[int, str] = {}
        self.began = World.clock_us

    def name(self, number: int) -> str:
        return self.named.setdefault(number, f"{self.mark} {number}")

    def record(self, number: int) -> RoomRecord:
        return RoomRecord(self.ids[number], self.name(number), rfc3339(EPOCH_US))

    def user_id(self, number: int) -> str:
        return f"{self.mark} {number}"

    def seq(self, place: int) -> int:
        return World.clock_us + place

    def writes(self, batch: Batch) -> list[Write]:
        """Rooms under any name, messages under the first name their room was given, before its InsertRoom too."""
        return [self.write(each) for each in batch.writes]

    def write(self, asked: object) -> Write:
        match asked:
            case Room(number, name, state):
                self.named.setdefault(number, f"{self.mark} {name}")
                record = RoomRecord(self.ids[number], f"{self.mark} {name}", rfc3339(EPOCH_US), *state[:2])
                return InsertRoom(replace(record, retention_days=state.retention_days))
            case Update(number, state, deletes):
                deleted_at = rfc3339(EPOCH_US) if deletes else None
                return UpdateRoom(replace(self.record(number), **state._asdict(), deleted_at=deleted_at))
            case Person(number, user, name, role, times, invited_at):
                invitation = Invitation(User(self.user_id(0), name), invited_at) if invited_at else None
                member = Member(
                    User(self.user_id(user), name),
                    role,
                    *times,
                    name,
                    invitation,
                    ("", "admin", "organizer")[number % 3],
                )
                return SetMember(self.ids[number], member)
            case Forget(until):
                return ExpireInvitations(until, 10**6)
            case Leave(number, user):
                return RemoveMember(self.ids[number], self.user_id(user))
            case Post():
                return InsertMessage(self.ids[asked.room], self.message(asked))
            case Change():
                return self.change(asked)
            case Later(days):
                World.clock_us += 40 * DAY_US
                return ExpireMessages(World.clock_us, days, 10**6)
        raise AssertionError(asked)

    def message(self, asked: Post) -> Message:
        seq, (sender_id, sender) = self.seq(asked.seq), asked.author
        reply_to = None if asked.reply_to is None else Quote(self.seq(asked.reply_to), "made up")
        return Message(
            self.name(asked.room), seq, seq, sender, sender_id, asked.text, rfc3339(seq), asked.id,
            mentions=asked.mentions, reply_to=reply_to,
        )  # fmt: skip

    def change(self, asked: Change) -> ChangeMessage:
        seq = self.seq(asked.seq)
        version = 13 * asked.later + seq  # a unique number, as a room would assign
        when = rfc3339(version)
        change = ChangeMessage(self.ids[asked.room], seq, version)
        match asked.what:
            case Edit(before, text, mentions):
                return replace(change, content=text, first_body=hash_of(before), edited_at=when, mentions=mentions)
            case "delete":
                return replace(change, deleted_at=when)
            case "pin":
                return replace(change, pin=PinState(when, "u_mod"))
            case "unpin":
                return replace(change, pin=PinState())
            case reactions:
                return replace(change, reactions=reactions)


async def answer(repository: Storage, world: World, read: Read) -> object:
    """A place is one of now; below all places are those of before."""
    where = world.record(read.room)
    low, high = (None if place is None else world.seq(place) for place in (read.low, read.high))
    after, until = low or world.began, world.seq(6) if high is None else high
    words = cut_words(read.query)
    user = world.user_id((read.low or 0) % 4)
    records = [world.record(n) for n in (range(3) if read.pinned else [read.room])]
    room_ids = [each.room_id for each in records]
    match read.method:
        case "history":
            return await repository.messages.history(
                where,
                limit=read.limit,
                before=high,
                after=low,
                sender=read.sender,
                words=words,
                pinned=read.pinned,
                include_deleted=read.include_deleted,
            )
        case "changed":
            return await repository.messages.changed(where, after=after, until=until, limit=read.limit)
        case "count_changed":
            return await repository.messages.count_changed(where.room_id, after=after, until=until, limit=read.limit)
        case "head":
            return await repository.messages.head(where.room_id)
        case "find_message":
            return await repository.messages.find_message(where, after)
        case "find_posted":
            return await repository.messages.find_posted(where.room_id, "u2", read.id or "")
        case "search":
            before = None if high is None else (high, where.room_id)
            return await repository.messages.search(records, words=words, before=before, limit=read.limit)
        case "unread":
            cursors = [(room_id, after) for room_id in room_ids]
            return await repository.messages.unread(User("u2", read.sender or "bob"), cursors, limit=read.limit)
        case "kept_like":
            return await repository.rooms.kept_like(where.name.swapcase())
        case "listed_rooms":
            return await repository.rooms.listed_rooms(after=f"{world.mark} ", contains=world.mark, limit=read.limit)
        case "rooms_of":
            return await repository.rooms.rooms_of(user, limit=read.limit)
        case "invitations":
            return await repository.rooms.invitations(user, after=(read.high or 0) % 7, limit=read.limit)
        case "account_role":
            return await repository.rooms.account_role(user)
        case "share_a_room":
            return await repository.rooms.share_a_room(user, world.user_id((read.high or 0) % 4))
        case "standings":
            return await repository.rooms.special_members(where.room_id)
        case "find_member":
            return await repository.rooms.find_member(where.room_id, user)
        case "find_members":
            return await repository.rooms.find_members(where.room_id, [world.user_id(user) for user in (3, 0, 3, 1)])
        case "members":
            return await repository.rooms.members(where.room_id, after=user if read.pinned else "", limit=read.limit)
        case "count_members":
            return await repository.rooms.count_members(room_ids)
        case "find_user":
            return await repository.rooms.find_user(user)
    assert read.method == "find_room"
    return await repository.rooms.find_room(where.name)


def comparable(writes: list[Write], outcomes: list[Outcome]) -> list[object]:
    """What is promised of them: the reason of a refusal is for the log; a duplicate of a later one may be refused."""
    later: set[tuple[int, str, str | None, int]] = set()
    answers: list[object] = []
    for write, outcome in reversed(list(zip(writes, outcomes, strict=True))):
        answer: object = "refused" if isinstance(outcome, Refused) else outcome
        if isinstance(write, InsertMessage):
            key = (write.room_id, write.message.sender_id, write.message.id)
            if isinstance(outcome, Duplicate) and (*key, outcome.seq) in later:
                answer = "refused"
            later.add((*key, write.message.seq))
        answers.append(answer)
    return answers


class Pair(NamedTuple):
    run: Callable[[Coroutine[Any, Any, None]], None]
    repositories: list[Storage]
    writers: list[Writer]


@pytest.fixture(scope="module")
def pair(module_database_url: str) -> Iterator[Pair]:
    async def opened() -> tuple[list[Storage], list[Writer]]:
        memory = MemoryStorage(memory_rooms=10**6)
        repositories: list[Storage] = [memory, await open_postgres(module_database_url)]
        writers = [repository.writer() for repository in repositories]
        for repository, writer in zip(repositories, writers, strict=True):
            await writer.write(inserts(room()))  # the connections are made here, not in the test
            await repository.messages.head(0)
        return repositories, writers

    async def closed(pair: Pair) -> None:
        for writer in pair.writers:
            await writer.close()
        for repository in pair.repositories:
            await repository.close()

    with asyncio.Runner() as runner:
        pair = Pair(runner.run, *runner.run(opened()))
        yield pair
        runner.run(closed(pair))


def everything() -> Iterator[Read]:
    """Reads that together tell all there is."""
    for number in range(3):
        yield Read("history", number, None, None, 100, None, "", None, include_deleted=True)
        yield Read("changed", number, None, 100, 100, None, "", None)
        for method in ("find_room", "standings", "members", "head"):
            yield Read(method, number, None, None, 100, None, "", None)
    for method in ("listed_rooms", "count_members", "unread", "search"):
        yield Read(method, 0, None, None, 100, None, "", None, pinned=True)
    for user in range(4):
        for method in ("rooms_of", "find_user", "invitations"):
            yield Read(method, 0, user, None, 100, None, "", None)


@given(st.lists(st.one_of(BATCHES, BATCHES, READS), max_size=15))
@example([Batch([Post(0, 1, None, ("u1", ""), ""), Post(0, 1, "a", ("u1", ""), ""), Post(0, 0, "a", ("u1", ""), "")])])
def test_both_storages_return_the_same_results(pair: Pair, operations: list[Batch | Read]) -> None:
    async def play() -> None:
        world = World()
        first = Batch([Room(0, 0, State("ephemeral", "", 0))])
        for operation in (first, *operations, *everything()):
            if isinstance(operation, Batch):
                writes = world.writes(operation)
                ours, theirs = [comparable(writes, await writer.write(writes)) for writer in pair.writers]
            else:
                ours, theirs = [  # type: ignore[assignment]  # compared, whatever it is
                    await answer(repository, world, operation) for repository in pair.repositories
                ]
            assert ours == theirs, operation

    pair.run(play())
