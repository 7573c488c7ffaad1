"""Resume: everything missed, each state once, in order, then `synced`, then live events."""

import pytest

from chat.chat import Chat
from chat.queries.resume import PAGE
from model.errors import EPOCH_CHANGED
from storage.ports.errors import Forgotten
from tests.support.chatting import Frame, Person, chatting, limits
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes


async def away(chat: Chat, missed: int, *, size: int = 1) -> tuple[Person, Person, Frame]:
    """Disconnect Ben after one message while Ann posts `missed` more. Returns both, and Ben's join."""
    ann, ben = Person(chat, "ann", "general"), Person(chat, "ben", "general")
    await passes(2)
    ann.say("seen")
    await passes()
    ben.disconnect()
    for number in range(missed):
        ann.say(f"{number}".ljust(size, "."))
        if number % 50 == 49 or missed < 50:  # stored in batches, or one by one
            await passes()
    await passes()
    join = {"room": "general", "since": ben.last("message")["seq"], "epoch": ben.last("joined")["epoch"]}
    return ann, ben, join


def seqs(person: Person) -> list[int]:
    return [frame["seq"] for frame in person.of("message")]


@pytest.mark.parametrize("room_tail", [0, 1, 100, 299, 300, 500], ids="tail{}".format)
async def test_a_resume_returns_300_missed_messages_exactly_while_others_post(
    repository: FaultyRepository, room_tail: int
) -> None:
    """From the tail, from storage, and across the boundary between them."""
    async with chatting(repository, room_tail=room_tail) as chat:
        ann, ben, join = await away(chat, 300)
        repository.hold("changed")
        back = Person(chat, "ben")
        back.send("join", **join)
        for number in range(100, 130):  # messages arrive before, between and after the pages from storage
            ann.say(f"live {number}")
            await passes()
            if number % 3 == 0:
                repository.go("changed")
                ann.say(f"live {number} and a half")
                await passes()
                repository.hold("changed")
        repository.go("changed")
        ann.say("last")
        await passes(60)
        assert seqs(ben) + seqs(back) == seqs(ann)
        kinds = [kind for kind in back.types() if kind in ("joined", "message", "synced")]
        assert kinds[0] == "joined"
        at = kinds.index("synced")
        assert kinds.count("synced") == 1
        assert at >= 301
        joined, synced = back.last("joined"), back.last("synced")
        assert joined["recovered"] is True
        assert synced["head"] == joined["head"] == back.of("message")[at - 2]["version"]
        assert chat.parts.counters.resumes == {True: 1, False: 0}


async def test_a_resume_reads_storage_in_pages(repository: FaultyRepository) -> None:
    async with chatting(repository, room_tail=0) as chat:
        ann, ben, join = await away(chat, 2 * PAGE + 100)  # the last 50 are still in the tail
        back = Person(chat, "ben")
        back.send("join", **join)
        await passes()
        assert repository.calls["changed"] == 4  # the first page is small: the size of messages is not known yet
        assert seqs(ben) + seqs(back) == seqs(ann)


async def test_a_resume_larger_than_the_send_limit_is_paced(repository: FaultyRepository) -> None:
    """The slow client is never disconnected, and never has more than its share queued."""
    async with chatting(repository, room_tail=50, slow_high=100_000) as chat:
        ann, ben, join = await away(chat, 1000, size=1000)
        back = Person(chat, "ben", low=20_000)
        back.connection.stalled = True
        back.send("join", **join)
        most = 0
        while not back.of("synced"):
            await passes(1)
            most = max(most, back.connection.buffered())
            back.connection.drain()
            ann.say("tick")
        await passes(1)
        assert back.connection.closed is None
        assert most < 60_000
        assert seqs(ben) + seqs(back) == seqs(ann)


async def test_live_events_deferred_by_a_resume_count_toward_the_send_limit(repository: FaultyRepository) -> None:
    """A client that does not read its resume is disconnected as others post: memory stays bounded."""
    async with chatting(repository, room_tail=0, slow_high=50_000) as chat:
        ann, _, join = await away(chat, 300, size=500)
        back = Person(chat, "ben", low=10_000)
        back.connection.stalled = True
        back.send("join", **join)
        said = 0
        while back.connection.closed is None:
            ann.say("x" * 1000)
            said += 1
            await passes()
            assert said < 100
        assert back.connection.closed.code == 4008
        assert not back.of("synced")
        back.disconnect()
        await passes()
        assert not len(chat.parts.tasks)


@pytest.mark.parametrize(("missed", "recovered"), [(20, True), (21, False)])
@pytest.mark.parametrize("room_tail", [0, 10, 500])
async def test_a_resume_beyond_the_limit_is_not_recovered(
    repository: FaultyRepository, missed: int, recovered: bool, room_tail: int
) -> None:
    async with chatting(repository, room_tail=room_tail, limits=limits(resume_limit=20)) as chat:
        ann, _, join = await away(chat, missed)
        back = Person(chat, "ben")
        back.send("join", id="j", **join)
        await passes()
        assert back.last("joined")["recovered"] is recovered
        assert len(seqs(back)) == (missed if recovered else 0)
        assert len(back.of("synced")) == recovered
        ann.say("live")
        await passes()
        assert back.heard()[-1] == "live"


async def test_a_resume_from_another_epoch_is_not_recovered(chat: Chat) -> None:
    _, _, join = await away(chat, 3)
    back = Person(chat, "ben")
    back.send("join", **{**join, "epoch": "e_of_another_time"})
    back.send("join", room="general", since=join["since"])
    await passes()
    assert [frame["recovered"] for frame in back.of("joined")] == [False, False]
    assert not back.of("message", "synced")


async def test_a_since_beyond_the_head_is_not_recovered(chat: Chat) -> None:
    ann, _, join = await away(chat, 3)
    back = Person(chat, "ben")
    back.send("join", **{**join, "since": seqs(ann)[-1] + 1})
    await passes()
    assert back.last("joined")["recovered"] is False
    back.send("join", **{**join, "since": seqs(ann)[-1]})
    await passes()
    assert back.last("joined")["recovered"] is True
    assert back.types()[-1] == "synced"
    assert not back.of("message")


async def test_a_room_without_messages_is_recovered(chat: Chat) -> None:
    ann = Person(chat, "ann", "general")
    await passes()
    head, epoch = ann.last("joined")["head"], ann.last("joined")["epoch"]
    assert head == 0
    ann.disconnect()
    back = Person(chat, "ann")
    back.send("join", room="general", since=head, epoch=epoch)
    await passes()
    assert back.last("joined")["recovered"] is True
    assert back.last("synced")["head"] == 0
    Person(chat, "ben", "general").say("first")
    await passes()
    again = Person(chat, "ann")
    again.send("join", room="general", since=0, epoch=epoch)
    await passes()
    assert again.heard() == ["first"]


@pytest.mark.parametrize("room_tail", [0, 500])
async def test_rejoining_with_since_returns_each_message_once(repository: FaultyRepository, room_tail: int) -> None:
    async with chatting(repository, room_tail=room_tail) as chat:
        ann, ben = Person(chat, "ann", "general"), Person(chat, "ben", "general")
        await passes(2)
        for number in range(10):
            ann.say(f"{number}")
        await passes()
        ben.forget()
        repository.hold("changed")
        repository.hold("count_changed")
        ann.say("queued in the same turn")
        ben.send("join", room="general", since=seqs(ann)[4], epoch=chat.parts.hub.epoch)
        ann.say("while it counts")
        await passes()
        repository.go("count_changed")
        await passes()
        ann.say("while it reads")
        await passes()
        repository.go("changed")
        await passes()
        ann.say("live")
        await passes()
        at = ben.types().index("joined")
        after = [frame["seq"] for frame in ben.frames[at:] if frame["type"] == "message"]
        assert after == seqs(ann)[5:]
        assert chat.parts.hub.rooms["general"].presence.people[ben.session.user.id].sessions == 1


async def test_a_message_retracted_while_the_client_was_away_forces_a_reload(
    chat: Chat, repository: FaultyRepository
) -> None:
    ann, ben = Person(chat, "ann", "general"), Person(chat, "ben", "general")
    await passes(2)
    repository.hold("write")
    ann.say("not for storage", "1")
    await passes()
    assert ben.heard() == ["not for storage"]
    ben.disconnect()
    repository.refused = lambda write: "not for storage" in repr(write)
    repository.go("write")
    await passes()
    assert ann.errors() == {"1": "not_stored"}
    back = Person(chat, "ben")
    back.send("join", room="general", since=ben.last("message")["seq"], epoch=ben.last("joined")["epoch"])
    await passes()
    assert back.last("joined")["recovered"] is False
    assert not back.of("synced")
    # With the epoch of that response, the next resume is exact again.
    ann.say("later")
    await passes()
    back.disconnect()
    third = Person(chat, "ben")
    third.send("join", room="general", since=back.last("joined")["head"], epoch=back.last("joined")["epoch"])
    await passes()
    assert third.last("joined")["recovered"] is True
    assert third.heard() == ["later"]


async def test_a_message_retracted_while_a_resume_is_counted_forces_a_reload(repository: FaultyRepository) -> None:
    """The epoch is compared before storage counts; messages may be retracted in between."""
    async with chatting(repository, room_tail=0) as chat:
        ann, _, join = await away(chat, 3)
        repository.hold("write")
        ann.say("not for storage")
        await passes()
        repository.hold("count_changed")
        back = Person(chat, "ben")
        back.send("join", **join)
        await passes()
        repository.refused = lambda write: "not for storage" in repr(write)
        repository.go("write")
        await passes()
        assert ann.of("retracted")
        repository.go("count_changed")
        await passes()
        assert back.last("joined")["recovered"] is False


async def test_a_message_retracted_during_a_replay_is_retracted_after_it(
    chat: Chat, repository: FaultyRepository
) -> None:
    ann, _, join = await away(chat, 3)
    repository.hold("write")
    ann.say("not for storage")
    await passes()
    back = Person(chat, "ben", low=0)
    back.connection.stalled = True
    back.send("join", **join)
    await passes()
    repository.refused = lambda write: "not for storage" in repr(write)
    repository.go("write")
    await passes()
    back.connection.stalled = False
    back.connection.drain()
    await passes()
    kinds = [kind for kind in back.types() if kind != "presence"]
    assert kinds.index("synced") < kinds.index("retracted")
    assert back.last("retracted")["seq"] == back.of("message")[-1]["seq"]


async def test_a_session_that_disconnects_during_its_replay_leaves_nothing(repository: FaultyRepository) -> None:
    async with chatting(repository, room_tail=0) as chat:
        ann, _, join = await away(chat, 300)
        ann.disconnect()
        repository.hold("changed")
        back = Person(chat, "ben")
        back.send("join", **join)
        await passes()
        assert list(chat.parts.hub.rooms) == ["general"]
        back.disconnect()
        assert not chat.parts.hub.rooms
        repository.go("changed")
        await passes()
        assert not len(chat.parts.tasks)
        assert not back.of("synced")


async def test_a_replay_waits_for_storage_while_its_client_is_connected(repository: FaultyRepository) -> None:
    async with chatting(repository, room_tail=0) as chat:
        ann, ben, join = await away(chat, 300)
        repository.hold("changed")
        back, gone = Person(chat, "ben"), Person(chat, "gone")
        for person in (back, gone):
            person.send("join", **join)
        await passes()
        repository.away = "unplugged"
        repository.go("changed")
        await passes(600)
        ann.say("somebody talks on")
        await passes()
        assert not back.of("message", "error")
        gone.disconnect()
        await passes(6)
        assert len(chat.parts.tasks) == 1
        repository.away = None
        await passes(6)
        assert seqs(ben) + seqs(back) == seqs(ann)


async def test_a_room_with_a_pending_join_is_not_freed(repository: FaultyRepository) -> None:
    async with chatting(repository, room_tail=0) as chat:
        ann, ben, join = await away(chat, 5)
        repository.hold("count_changed")
        back = Person(chat, "ben")
        back.send("join", **join)
        await passes()
        ann.disconnect()
        assert list(chat.parts.hub.rooms) == ["general"]
        repository.go("count_changed")
        await passes()
        assert seqs(ben) + seqs(back) == seqs(ann)
        back.disconnect()
        assert not chat.parts.hub.rooms


@pytest.mark.parametrize("room_tail", [0, 2])
async def test_unconfirmed_messages_are_never_evicted(repository: FaultyRepository, room_tail: int) -> None:
    """However short the tail: only memory has them yet, for a resume and to recognize retries."""
    async with chatting(repository, room_tail=room_tail) as chat:
        ann, ben, join = await away(chat, 0)
        repository.hold("write")
        for number in range(30):
            ann.say(f"{number}", f"{number}")
            await passes()
        back = Person(chat, "ben")
        back.send("join", **join)
        ann.say("0", "0")
        ann.say("another", "1")
        await passes()
        assert seqs(ben) + seqs(back) == seqs(ann)
        assert ann.errors() == {"1": "conflict"}
        assert len(ann.heard()) == 31
        repository.go("write")
        await passes()
        ann.say("after")
        await passes()
        assert len(chat.parts.hub.rooms["general"].tail) == max(room_tail, 1)


async def test_a_resume_missing_evicted_messages_is_not_recovered(repository: FaultyRepository) -> None:
    async with chatting(repository, room_tail=5) as chat:
        ann, _, join = await away(chat, 30)
        repository.faults["count_changed"].append(Forgotten())
        back = Person(chat, "ben")
        back.send("join", **join)
        await passes(5)
        assert back.last("joined")["recovered"] is False
        ann.say("live")
        await passes()
        assert back.last("message")["content"] == "live"


async def test_eviction_during_a_resume_sends_the_client_back_to_history(
    repository: FaultyRepository,
) -> None:
    """It was promised every message, so it must not treat the incomplete replay as complete."""
    async with chatting(repository, room_tail=5) as chat:
        _, _, join = await away(chat, PAGE + 30)
        repository.faults["changed"].append(Forgotten())
        back = Person(chat, "ben")
        back.send("join", **join)
        await passes(5)
        assert back.last("joined")["recovered"] is True
        assert back.connection.closed == EPOCH_CHANGED
        assert back.of("synced") == []
