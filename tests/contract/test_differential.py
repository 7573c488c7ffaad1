"""Random histories of operations, the same through both adapters: every answer must be equal."""

import asyncio
import secrets
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from model.message import Message, body_hash
from model.room import RoomRecord
from storage import ChangeMessage, Duplicate, InsertMessage, InsertRoom, Outcome, Refused, Repository, Write, Writer
from storage.memory import MemoryRepository
from tests.contract.records import EPOCH_US, inserts, open_postgres, room
from utils.clock import rfc3339
from utils.words import cut_words

# Small worlds, so that everything collides: rooms, names, seqs, ids and authors.
ROOMS = st.integers(0, 2)
SEQS = st.integers(0, 12)
PLACES = st.one_of(SEQS, st.integers(0, 64))
IDS = st.sampled_from([None, "a", "b", "", "NULL"])
AUTHORS = st.sampled_from([("u1", "ann"), ("u2", "ann"), ("u3", "Ann"), ("u2", "bob")])
TEXTS = st.one_of(
    st.sampled_from(["", "Red fish", "red FISH", "東京都 red", 'q"u\\o{t}e,', "NULL", "100% %s"]),
    # What Postgres cannot hold is for test_postgres_border.
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12),
)


class Room(NamedTuple):
    number: int
    name: int


class Post(NamedTuple):
    room: int
    seq: int
    id: str | None
    author: tuple[str, str]
    text: str


class Change(NamedTuple):
    room: int
    seq: int
    later: int
    before: str
    text: str | None  # None deletes


class Batch(NamedTuple):
    writes: list[Room | Post | Change]


class Read(NamedTuple):
    method: str
    room: int
    low: int | None
    high: int | None
    limit: int
    sender: str | None
    query: str
    id: str | None


POSTS = st.builds(Post, ROOMS, SEQS, IDS, AUTHORS, TEXTS)
CHANGES = st.builds(Change, ROOMS, SEQS, st.integers(1, 4), TEXTS, st.none() | TEXTS)
BATCHES = st.builds(Batch, st.lists(st.one_of(st.builds(Room, ROOMS, ROOMS), POSTS, POSTS, POSTS, CHANGES), max_size=8))
READS = st.builds(
    Read,
    st.sampled_from(["history", "changed", "count_changed", "head", "find_posted", "find_room", "find_message"]),
    ROOMS,
    st.none() | PLACES,
    st.none() | PLACES,
    st.integers(0, 6),
    st.none() | st.sampled_from(["ann", "Ann", "bob", "eve"]),
    st.sampled_from(["", "", "red", "RED fish", "京都", "null"]),
    IDS,
)


class World:
    """One random history: fresh rooms, and what the caller of a repository would know of them."""

    def __init__(self) -> None:
        self.mark = secrets.token_hex(6)
        self.ids = [room().room_id for _ in range(3)]
        self.named: dict[int, str] = {}
        self.deleted: set[tuple[int, int]] = set()

    def name(self, number: int) -> str:
        return self.named.setdefault(number, f"{self.mark} {number}")

    def record(self, number: int) -> RoomRecord:
        return RoomRecord(self.ids[number], self.name(number), rfc3339(EPOCH_US))

    def writes(self, batch: Batch) -> list[Write]:
        """Rooms under any name, messages under the first name their room was given, before its InsertRoom too.

        What is deleted is not edited any more.
        """
        writes: list[Write] = []
        for each in batch.writes:
            if isinstance(each, Change):
                if each.text is None:
                    self.deleted.add((each.room, each.seq))
                elif (each.room, each.seq) in self.deleted:
                    continue
                writes.append(self.change(each))
                continue
            if isinstance(each, Room):
                name = f"{self.mark} {each.name}"
                self.named.setdefault(each.number, name)
                writes.append(InsertRoom(RoomRecord(self.ids[each.number], name, rfc3339(EPOCH_US))))
            else:
                sender_id, sender = each.author
                message = Message(
                    self.name(each.room), each.seq, each.seq, sender, sender_id, each.text,
                    rfc3339(EPOCH_US + each.seq), each.id,
                )  # fmt: skip
                writes.append(InsertMessage(self.ids[each.room], message))
        return writes

    def change(self, asked: Change) -> ChangeMessage:
        room_id, version = (
            self.ids[asked.room],
            13 * asked.later + asked.seq,
        )  # a number of its own, as a room gives them
        when = rfc3339(EPOCH_US + version)
        if asked.text is None:
            return ChangeMessage(room_id, asked.seq, version, deleted_at=when)
        return ChangeMessage(room_id, asked.seq, version, asked.text, body_hash(asked.before), when)


async def answer(repository: Repository, world: World, read: Read) -> object:
    where = world.record(read.room)
    low, high = read.low or 0, 6 if read.high is None else read.high
    match read.method:
        case "history":
            return await repository.history(
                where,
                limit=read.limit,
                before=read.high,
                after=read.low,
                sender=read.sender,
                words=cut_words(read.query),
            )
        case "changed":
            return await repository.changed(where, after=low, until=high, limit=read.limit)
        case "count_changed":
            return await repository.count_changed(where.room_id, after=low, until=high, limit=read.limit)
        case "head":
            return await repository.head(where.room_id)
        case "find_message":
            return await repository.find_message(where, low)
        case "find_posted":
            return await repository.find_posted(where.room_id, "u2", read.id or "")
    return await repository.find_room(where.name)


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
    repositories: list[Repository]
    writers: list[Writer]


@pytest.fixture(scope="module")
def pair(module_database_url: str) -> Iterator[Pair]:
    async def opened() -> tuple[list[Repository], list[Writer]]:
        repositories: list[Repository] = [MemoryRepository(), await open_postgres(module_database_url)]
        writers = [repository.writer() for repository in repositories]
        for repository, writer in zip(repositories, writers, strict=True):
            await writer.write(inserts(room()))  # the connections are made here, not in the test
            await repository.head(0)
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


@given(st.lists(st.one_of(BATCHES, BATCHES, READS), max_size=15))
@example([Batch([Post(0, 1, None, ("u1", ""), ""), Post(0, 1, "a", ("u1", ""), ""), Post(0, 0, "a", ("u1", ""), "")])])
def test_both_adapters_answer_alike(pair: Pair, operations: list[Batch | Read]) -> None:
    async def play() -> None:
        world = World()
        first = Batch([Room(0, 0)])
        every_page = [Read("history", n, None, None, 100, None, "", None) for n in range(3)]
        every_state = [Read("changed", n, None, 100, 100, None, "", None) for n in range(3)]
        for operation in (first, *operations, *every_page, *every_state):
            if isinstance(operation, Batch):
                writes = world.writes(operation)
                ours, theirs = [comparable(writes, await writer.write(writes)) for writer in pair.writers]
            else:
                ours, theirs = [  # type: ignore[assignment]  # compared, whatever it is
                    await answer(repository, world, operation) for repository in pair.repositories
                ]
            assert ours == theirs, operation

    pair.run(play())
