"""Work in rooms for tests: what is ordered, and what is there afterwards."""

from typing import Any

from chat.chat import Chat
from chat.handlers.sessions import identify
from chat.ports import Identity
from chat.work.worker import RoomWorker
from model.account import DELETED_USER, RoomWork
from model.message import Message
from model.room import Member, RoomRecord, User
from tests.support.chatting import Person
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes
from tests.unit.chat.people import account, ask, created, id_of

ANN = User("a_ann", "Ann")
TOMBSTONE = "x_1"


def signed_in(chat: Chat, user: User = ANN) -> Person:
    """Return a client of an account made here."""
    person = Person(chat, user.name)
    identify(chat.parts, person.session, Identity(user, guest=False, role="user"))
    person.session.provisional = False
    return person


async def in_lobby(chat: Chat) -> tuple[Person, Person]:
    """Return Bob, who owns the room "lobby", and Ann, who has an account made here, both in it."""
    bob, ann = account(chat, "bob"), signed_in(chat)
    await created(chat, bob)
    await ask(ann, "join", room="lobby")
    return bob, ann


def order(repository: FaultyRepository, work: RoomWork) -> None:
    """Store work, as the transaction that decides it does."""
    tables: Any = repository.inner
    tables.contents.accounts.add_work(work)


def adoption(guest: Person | str, user: User = ANN) -> RoomWork:
    return RoomWork("adopt", user.id, (guest if isinstance(guest, str) else id_of(guest),), user.name)


def erasure(*ids: str, messages: bool = False) -> RoomWork:
    return RoomWork("erase", TOMBSTONE, ids, DELETED_USER, messages)


async def room_of(repository: FaultyRepository, name: str = "lobby") -> RoomRecord:
    record = await repository.inner.rooms.find_room(name)
    assert record is not None
    return record


async def row_of(repository: FaultyRepository, user_id: str, name: str = "lobby") -> Member | None:
    return await repository.inner.rooms.find_member((await room_of(repository, name)).room_id, user_id)


async def log_of(repository: FaultyRepository, name: str = "lobby") -> list[Message]:
    return await repository.inner.messages.history(await room_of(repository, name), limit=99, include_deleted=True)


async def no_notices() -> None:
    """Read all notices: there are none."""


async def done(worker: RoomWorker, repository: FaultyRepository) -> None:
    await worker.run_once()
    await passes(0.1)
    assert await repository.inner.accounts.room_work() == []
