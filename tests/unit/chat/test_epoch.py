"""A chat that ends leaves its epoch to the next one only if everything that it broadcast is stored unchanged."""

from collections.abc import Awaitable, Callable

import pytest

from chat.chat import Chat
from chat.rooms import hub
from storage.memory.logs import Logs
from storage.ports.messages import InsertMessage
from tests.support.chatting import Person, chatting
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes
from tests.unit.chat.people import account, ask, created, said

Spoil = Callable[[Chat, FaultyRepository], Awaitable[None]]


async def nothing(chat: Chat, repository: FaultyRepository) -> None:
    ann = account(chat, "ann")
    await created(chat, ann)
    seq = await said(ann)
    await ask(ann, "edit", room="lobby", seq=seq, content="changed")
    await ask(ann, "message", room="nowhere", content="refused")  # before any broadcast
    repository.lost_answers = 1
    await said(ann, "sent twice")


async def a_message_is_retracted(chat: Chat, repository: FaultyRepository) -> None:
    repository.refused = lambda write: isinstance(write, InsertMessage) and write.message.content == "poison"
    ann = account(chat, "ann")
    await created(chat, ann)
    ann.say("poison", "p", "lobby")
    await passes(0.1)
    assert ann.of("retracted")


async def a_room_is_refused(chat: Chat, repository: FaultyRepository) -> None:
    repository.refused = lambda write: True
    await ask(account(chat, "ann"), "create_room", room="lobby")


async def another_server_wrote(chat: Chat, repository: FaultyRepository) -> None:
    chat.disconnect_all("another server wrote")


async def storage_lost_a_room(chat: Chat, repository: FaultyRepository) -> None:
    ann = account(chat, "ann")
    await created(chat, ann)
    repository.inner.contents._logs = Logs(keep=100)  # type: ignore[attr-defined]
    await said(ann)


async def something_is_not_stored(chat: Chat, repository: FaultyRepository) -> None:
    ann = account(chat, "ann")
    await created(chat, ann)
    repository.away = "unplugged"
    ann.say("hello", "m", "lobby")
    await passes(0.1)


@pytest.mark.parametrize(
    ("spoil", "left"),
    [
        (nothing, True),
        (a_message_is_retracted, False),
        (a_room_is_refused, False),
        (another_server_wrote, False),
        (storage_lost_a_room, False),
        (something_is_not_stored, False),
    ],
)
async def test_the_epoch_is_kept_only_if_every_broadcast_was_stored(
    repository: FaultyRepository, spoil: Spoil, left: bool
) -> None:
    async with chatting(repository) as chat:
        chat.parts.hub.keep_epochs("e_before")
        await spoil(chat, repository)
        await chat.drain(1.0)
        await chat.leave_epoch()
        assert repository.kept_epoch == ("e_before" if left else None)
        repository.away = None


async def leave_after_a_deletion(repository: FaultyRepository, names: int = 1) -> tuple[str, int]:
    """Run a chat in which rooms are deleted, the first of them with a message.

    Returns what it leaves to the next one, and the head of that room.
    """
    async with chatting(repository) as chat:
        chat.parts.hub.keep_epochs("e_before")
        ann = account(chat, "ann")
        await created(chat, ann, "stays")
        head = 0
        for number in range(names):
            await created(chat, ann, f"room {number}")
            head = await said(ann, "old", f"room {number}")
            await ask(ann, "delete_room", room=f"room {number}")
        await chat.drain(1.0)
        await chat.close(1.0)
        await chat.leave_epoch()
    return repository.kept_epoch or "", head


async def test_a_deletion_concerns_only_a_new_room_with_the_same_name(repository: FaultyRepository) -> None:
    saved, head = await leave_after_a_deletion(repository)
    async with chatting(repository) as chat:
        chat.parts.hub.keep_epochs(saved)
        assert chat.parts.hub.epoch == "e_before"
        ann = account(chat, "ann")
        await ask(ann, "join", room="stays", since=0, epoch="e_before")
        assert ann.last("joined")["recovered"] is True
        await created(chat, ann, "room 0")
        await said(ann, "new", "room 0")
        bob = account(chat, "bob")
        await ask(bob, "join", room="room 0", since=head, epoch="e_before")
        assert bob.last("joined")["recovered"] is False
        epoch, head = bob.last("joined")["epoch"], bob.last("joined")["head"]
        await ask(account(chat, "eve"), "join", room="room 0", since=head, epoch=epoch)
        assert await chat.drain(1.0) == 0
        await chat.leave_epoch()
    async with chatting(repository) as chat:
        chat.parts.hub.keep_epochs(repository.kept_epoch or "")
        eve = account(chat, "eve")
        await ask(eve, "join", room="room 0", since=head, epoch=epoch)
        assert eve.last("joined")["recovered"] is True


@pytest.mark.parametrize("deletions", [2, 3])
async def test_after_too_many_deletions_the_epoch_is_not_kept(
    repository: FaultyRepository, monkeypatch: pytest.MonkeyPatch, deletions: int
) -> None:
    monkeypatch.setattr(hub, "SAVED_EPOCHS", 2)
    saved, _ = await leave_after_a_deletion(repository, deletions)
    assert bool(saved) is (deletions == 2)


async def test_a_loaded_epoch_is_ignored_after_a_broadcast(chat: Chat) -> None:
    own = chat.parts.hub.epoch
    Person(chat, "ann", "general")
    await passes()
    chat.parts.hub.keep_epochs("e_before")
    assert chat.parts.hub.epoch == own
