"""Edits and deletions: decided in the room, broadcast at once, stored in order, and returned by a resume."""

from typing import Any

import pytest

from chat.chat import Chat
from model.errors import EPOCH_CHANGED
from storage.ports.messages import ChangeMessage
from tests.support.chatting import BY_PATH, Person, VirtualClock, chatting, limits
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes

Frame = dict[str, Any]


async def said(person: Person, *contents: str) -> list[int]:
    """Post messages, wait until they are stored, and return their seqs."""
    before = len(person.of("message"))
    for content in contents:
        person.say(content, f"said {content}")
    await passes()
    return [frame["seq"] for frame in person.of("message")[before:]]


async def history(person: Person, **asked: Any) -> list[Frame]:
    person.send("history", room="general", **asked)
    await passes()
    messages: list[Frame] = person.last("history")["messages"]
    return messages


async def test_an_edit_is_broadcast_and_acked_once_stored(chat: Chat, repository: FaultyRepository) -> None:
    ann, ben = Person(chat, "ann", "general"), Person(chat, "ben", "general")
    await passes(2)
    (seq,) = await said(ann, "helo")
    repository.hold("write")
    ann.send("edit", id="e", room="general", seq=seq, content="hello")
    await passes()
    told = ben.last("edited")
    assert ann.last("edited") == told
    assert (told["room"], told["seq"], told["sender"], told["content"]) == ("general", seq, "ann", "hello")
    assert told["version"] > seq
    assert told["edited_at"].endswith("Z")
    assert "e" not in ann.acked()
    repository.go("write")
    await passes()
    assert ann.acked()["e"] == seq
    assert "e" not in ben.acked()
    (message,) = await history(ben)
    assert (message["content"], message["version"]) == ("hello", told["version"])
    assert message["edited_at"] == told["edited_at"]
    assert message["timestamp"] == ann.of("message")[0]["timestamp"]


async def test_a_deleted_message_keeps_only_its_place(chat: Chat) -> None:
    ann, ben = Person(chat, "ann", "general"), Person(chat, "ben", "general")
    await passes(2)
    first, second = await said(ann, "secret", "open")
    ann.send("delete", id="d", room="general", seq=first)
    await passes()
    told = ben.last("deleted")
    assert (told["seq"], told["sender"], "content" in told) == (first, "ann", False)
    assert ann.acked()["d"] == first
    assert [message["seq"] for message in await history(ben)] == [second]
    assert await history(ben, q="secret") == []
    ann.send("edit", id="again", room="general", seq=first, content="back")
    ben.send("delete", id="not mine", room="general", seq=first)
    assert ann.errors() == {"again": "no_such_message"}
    assert ben.errors() == {"not mine": "no_such_message"}
    ann.send("delete", id="twice", room="general", seq=first)  # the response may have been lost
    await passes()
    assert ann.acked()["twice"] == first
    assert ben.last("deleted")["deleted_at"] == told["deleted_at"]


async def test_refused_changes_return_an_error_and_are_not_broadcast(chat: Chat, repository: FaultyRepository) -> None:
    ann, ben = Person(chat, "ann", "general"), Person(chat, "ben", "general")
    await passes(2)
    (seq,) = await said(ann, "mine")
    writes = len(repository.batches)
    ben.send("edit", id="1", room="general", seq=seq, content="yours")
    ben.send("delete", id="2", room="general", seq=seq)
    ben.send("edit", id="3", room="general", seq=seq - 1, content="nothing there")
    ben.send("delete", id="4", room="general", seq=seq + 1)
    ben.send("edit", id="5", room="elsewhere", seq=seq, content="not in there")
    ben.send("edit", id="6", room="general", seq=seq, content=" ")
    ben.send("edit", id="7", room="general", seq="soon", content="x")
    ben.send("edit", id="8", room="general", seq=seq, content="x" * 4001)
    await passes()
    assert ben.errors() == {
        "1": "not_author",
        "2": "not_author",
        "3": "no_such_message",
        "4": "no_such_message",
        "5": "not_joined",
        "6": "empty",
        "7": "bad_field",
        "8": "too_large",
    }
    assert not ann.of("edited", "deleted")
    assert len(repository.batches) == writes


async def test_authorship_is_by_principal_not_by_name(chat: Chat) -> None:
    ann, other = Person(chat, "ann", "general"), Person(chat, "ann", "general")
    await passes(2)
    (seq,) = await said(ann, "mine")
    other.send("delete", id="d", room="general", seq=seq)
    assert other.errors() == {"d": "not_author"}
    back = Person(chat, token=ann.token)
    back.send("join", room="general")
    back.send("delete", id="d", room="general", seq=seq)
    await passes()
    assert back.acked() == {"d": seq}


async def test_the_edit_window_is_measured_by_the_servers_clock(repository: FaultyRepository) -> None:
    clock = VirtualClock()
    async with chatting(repository, clock, limits=limits(edit_window=60.0)) as chat:
        ann = Person(chat, "ann", "general")
        await passes(2)
        (seq,) = await said(ann, "helo")
        assert ann.last("welcome")["limits"]["edit_window"] == 60.0
        clock.offset_us += 58_000_000
        ann.send("edit", id="soon", room="general", seq=seq, content="hello")
        await passes()
        assert ann.acked()["soon"] == seq
        clock.offset_us += 3_000_000
        ann.send("edit", id="late", room="general", seq=seq, content="goodbye")
        assert ann.errors() == {"late": "too_late"}
        ann.send("delete", id="gone", room="general", seq=seq)  # deleting has no time limit
        await passes()
        assert ann.acked()["gone"] == seq


async def test_without_an_edit_window_edits_are_always_allowed(repository: FaultyRepository) -> None:
    clock = VirtualClock()
    async with chatting(repository, clock, limits=limits(edit_window=0.0)) as chat:
        ann = Person(chat, "ann", "general")
        await passes(2)
        (seq,) = await said(ann, "helo")
        clock.offset_us += 10**13
        ann.send("edit", id="e", room="general", seq=seq, content="hello")
        await passes()
        assert ann.acked()["e"] == seq


async def test_a_message_no_longer_in_memory_is_edited_from_storage(repository: FaultyRepository) -> None:
    """Storage is queried, and the session's later commands are queued after that."""
    async with chatting(repository, room_tail=2) as chat:
        ann = Person(chat, "ann", "general")
        await passes(2)
        seq, *_ = await said(ann, "old", "1", "2", "3")
        repository.hold("find_message")
        ann.send("edit", id="e", room="general", seq=seq, content="new")
        ann.say("after", "after")
        await passes()
        assert not ann.of("edited")
        assert "after" not in ann.acked()
        repository.go("find_message")
        await passes()
        assert [frame["content"] for frame in ann.of("edited", "message")][-2:] == ["new", "after"]
        assert (await history(ann))[0]["content"] == "new"


async def test_a_deletion_during_a_storage_lookup_wins(repository: FaultyRepository) -> None:
    """Another device of the same user deletes the message during the lookup."""
    async with chatting(repository, room_tail=2) as chat:
        ann = Person(chat, "ann", "general")
        await passes(2)
        seq, *_ = await said(ann, "old", "1", "2", "3")
        twin = Person(chat, token=ann.token)
        twin.send("join", room="general")
        repository.hold("find_message")
        twin.send("delete", id="d", room="general", seq=seq)
        ann.send("edit", id="e", room="general", seq=seq, content="new")
        await passes()
        repository.go("find_message")
        await passes()
        assert [frame["type"] for frame in ann.of("edited", "deleted")] == ["deleted"]
        assert ann.errors() == {"e": "no_such_message"}


async def test_a_change_is_refused_while_storage_is_unavailable(chat: Chat, repository: FaultyRepository) -> None:
    ann = Person(chat, "ann", "general")
    await passes(2)
    (seq,) = await said(ann, "old")
    repository.standby = "away"
    ann.send("edit", id="old", room="general", seq=seq - 5, content="new")
    await passes()
    assert ann.errors() == {"old": "unavailable"}
    ann.send("edit", id="here", room="general", seq=seq, content="new")  # still in the room's memory
    repository.standby = None
    await passes()
    assert ann.acked()["here"] == seq


async def test_a_change_is_stored_after_its_message(chat: Chat, repository: FaultyRepository) -> None:
    ann = Person(chat, "ann", "general")
    await passes(2)
    await said(ann, "first")
    repository.hold("write")
    ann.say("helo", "m")
    ann.say("in between", "n")
    await passes()
    seq = ann.of("message")[1]["seq"]
    ann.send("edit", id="e", room="general", seq=seq, content="hello")
    ann.send("edit", id="f", room="general", seq=seq, content="hello!")
    ann.send("delete", id="g", room="general", seq=seq)
    await passes()
    repository.go("write")
    await passes()
    assert list(ann.acked()) == ["said first", "m", "n", "e", "f", "g"]
    writes = [write for batch in repository.batches for write in batch]
    versions = [write.version for write in writes if isinstance(write, ChangeMessage)]
    assert versions == sorted(versions)
    assert len(versions) == 3


async def test_a_retry_is_recognized_after_an_edit(chat: Chat) -> None:
    """Its original content is compared."""
    ann = Person(chat, "ann", "general")
    await passes(2)
    (seq,) = await said(ann, "helo")
    ann.send("edit", room="general", seq=seq, content="hello")
    await passes()
    ann.forget()
    ann.say("helo", "said helo", resend=True)
    ann.say("hello", "said helo")
    await passes()
    assert ann.acked() == {"said helo": seq}
    assert ann.errors() == {"said helo": "conflict"}


@pytest.mark.parametrize("tail", [500, 1], ids=["from the tail", "from storage"])
async def test_a_resume_returns_the_current_state_of_changed_messages(repository: FaultyRepository, tail: int) -> None:
    """Each message once, in order of version: new, edited, deleted."""
    async with chatting(repository, room_tail=tail) as chat:
        ann, ben = Person(chat, "ann", "general"), Person(chat, "ben", "general")
        await passes(2)
        one, two, three = await said(ann, "one", "two", "three")
        head = ben.last("message")["version"]
        ben.disconnect()
        ann.send("edit", room="general", seq=one, content="eins")
        (four,) = await said(ann, "four")
        ann.send("delete", room="general", seq=two)
        ann.send("edit", room="general", seq=one, content="uno")
        await passes()
        back = Person(chat, "ben")
        back.send("join", room="general", since=head, epoch=chat.parts.hub.epoch)
        await passes()
        assert back.last("joined")["recovered"] is True
        states = [(frame["seq"], frame["content"], "deleted_at" in frame) for frame in back.of("message")]
        assert states == [(four, "four", False), (two, "", True), (one, "uno", False)]
        versions = [frame["version"] for frame in back.of("message")]
        assert versions == sorted(versions)
        assert back.last("synced")["head"] == versions[-1]
        assert three not in {seq for seq, *_ in states}


async def test_a_change_during_a_resume_is_not_missed(repository: FaultyRepository) -> None:
    """The edited message is on a page that storage has not read yet: the edit event alone would be incomplete."""
    async with chatting(repository, room_tail=1) as chat:
        ann = Person(chat, "ann", "general")
        await passes(2)
        seqs = await said(ann, *map(str, range(450)))
        repository.hold("changed")
        back = Person(chat, "ben")
        back.send("join", room="general", since=seqs[0], epoch=chat.parts.hub.epoch)
        await passes()
        ann.send("edit", room="general", seq=seqs[300], content="edited")
        ann.send("delete", room="general", seq=seqs[310])
        await said(ann, "more", "and more")
        repository.go("changed")
        await passes(1)
        copy: dict[int, Frame] = {}
        for frame in back.of("message", "edited", "deleted"):
            if frame["type"] == "message":
                assert frame["seq"] not in copy, "each once"
                copy[frame["seq"]] = frame
            elif frame["type"] == "edited":
                assert copy[frame["seq"]]["version"] == back.last("synced")["head"], (
                    "as of the head, and the edit behind"
                )
                copy[frame["seq"]] |= frame
            else:
                copy.pop(frame["seq"], None)
        assert copy[seqs[300]]["content"] == "edited"
        wanted = [*seqs[1:310], *seqs[311:], *(frame["seq"] for frame in ann.of("message")[450:])]
        assert sorted(copy) == wanted
        versions = [frame["version"] for frame in back.of("message", "edited", "deleted")]
        assert versions == sorted(versions)


async def test_a_history_page_is_never_older_than_an_edit_broadcast_before_it(
    chat: Chat, repository: FaultyRepository
) -> None:
    """Storage read the old state before the edit was broadcast; the page must not restore it."""
    ann, ben = Person(chat, "ann", "general"), Person(chat, "ben", "general")
    await passes(2)
    one, two = await said(ann, "one", "two")
    repository.hold("history")
    ben.send("history", room="general")
    await passes()
    ann.send("edit", room="general", seq=one, content="eins")
    ann.send("delete", room="general", seq=two)
    await passes()
    repository.go("history")
    await passes()
    assert [message["content"] for message in ben.last("history")["messages"]] == ["eins"]


@pytest.mark.parametrize("queued", [True, False])
@pytest.mark.parametrize(("kind", "fields"), [("history", {"room": "general"}), ("search", {"q": "fish"})])
async def test_a_history_page_includes_changes_evicted_while_it_was_read(
    repository: FaultyRepository, kind: str, fields: dict[str, str], queued: bool
) -> None:
    async with chatting(repository, room_tail=0) as chat:
        ann, ben = Person(chat, "ann", "general"), Person(chat, "ben", "general")
        await passes(2)
        one, two, _ = await said(ann, "one fish", "two fish", "three fish")
        ann.send("message", room="general", content="reply fish", reply_to=one)
        await passes(1)

        async def change() -> None:
            ann.send("edit", room="general", seq=one, content="eins fish")
            ann.send("delete", room="general", seq=two)
            ann.say("and so on")
            await passes()

        repository.hold(kind)
        if queued and kind == "search":  # history waits for queued writes
            repository.hold("write")
            await change()
        ben.send(kind, **fields)
        await passes()
        if queued and kind == "search":
            repository.go("write")
        else:
            await change()
        await passes(1)
        assert not chat.parts.hub.rooms["general"].tail.changes()
        repository.go(kind)
        await passes()
        page = {message["content"]: message for message in ben.last(kind)["messages"]}
        assert sorted(page) == ["eins fish", "reply fish", "three fish"]
        assert page["reply fish"]["reply_to"]["content"] == "eins fish"


async def test_a_change_that_storage_rejects_sends_members_back_to_history(
    chat: Chat, repository: FaultyRepository
) -> None:
    """Its author gets the error; all clients that saw it reconnect and read the stored state."""
    ann, ben = Person(chat, "ann", "general"), Person(chat, "ben", "general")
    await passes(2)
    (seq,) = await said(ann, "first")
    before = ben.last("joined")["epoch"]
    repository.refused = lambda write: isinstance(write, ChangeMessage)
    ann.send("edit", id="e", room="general", seq=seq, content="second")
    await passes()
    assert ann.errors() == {"e": "not_stored"}
    assert (ann.connection.closed, ben.connection.closed) == (EPOCH_CHANGED, EPOCH_CHANGED)
    repository.refused = None
    back = Person(chat, "ben")
    back.send("join", room="general", since=seq, epoch=before)
    await passes()
    assert back.last("joined")["recovered"] is False
    assert [message["content"] for message in await history(back)] == ["first"]


async def test_a_retracted_message_drops_its_changes(chat: Chat, repository: FaultyRepository) -> None:
    ann, ben = Person(chat, "ann", "general"), Person(chat, "ben", "general")
    await passes(2)
    await said(ann, "first")
    repository.hold("write")
    repository.refused = lambda write: not isinstance(write, ChangeMessage) and "poison" in str(write)
    ann.say("poison", "m")
    await passes()
    ann.send("edit", id="e", room="general", seq=ann.last("message")["seq"], content="second")
    await passes()
    repository.go("write")
    await passes()
    assert ann.errors() == {"m": "not_stored", "e": "not_stored"}
    assert [frame["type"] for frame in ben.of("edited", "retracted")] == ["edited", "retracted"]
    assert ben.connection.closed is None
    assert [message["content"] for message in await history(ben)] == ["first"]


async def test_edits_count_toward_the_message_rate(repository: FaultyRepository) -> None:
    async with chatting(repository, limits=limits(messages_per_second=10.0, messages_burst=3)) as chat:
        ann = Person(chat, "ann", "general")
        await passes(2)
        (seq,) = await said(ann, "one")
        for number in range(3):
            ann.send("edit", id=f"{number}", room="general", seq=seq, content=f"edit {number}")
        assert ann.errors() == {"2": "rate_limited"}
        await passes()


async def test_a_full_queue_rejects_a_change_before_it_is_broadcast(
    chat: Chat, repository: FaultyRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = Person(chat, "ann", "general")
    await passes(2)
    (seq,) = await said(ann, "one")
    worker = chat.parts.hub.rooms["general"].worker
    monkeypatch.setattr(worker, "_half_messages", 0)
    ann.send("edit", id="e", room="general", seq=seq, content="two")
    ann.send("delete", id="d", room="general", seq=seq)
    assert ann.errors() == {"e": "overloaded", "d": "overloaded"}
    assert not ann.of("edited", "deleted")


async def test_a_stopping_server_accepts_no_changes(chat: Chat) -> None:
    ann = Person(chat, "ann", "general")
    await passes(2)
    (seq,) = await said(ann, "one")
    chat.parts.draining = True
    ann.send("edit", id="e", room="general", seq=seq, content="two")
    assert ann.errors() == {"e": "shutting_down"}


async def test_the_plain_dialect_describes_changes_in_words(chat: Chat) -> None:
    ann = Person(chat, "ann", "general")
    old = Person(chat, "old", "general", dialect=BY_PATH["/chat"])
    await passes(2)
    one, two = await said(ann, "one", "two")
    ann.send("edit", room="general", seq=one, content="eins")
    ann.send("delete", room="general", seq=two)
    await passes()
    told = [(frame["sender"], frame["content"]) for frame in old.frames]
    assert told[-2:] == [("ann", "edited: eins"), ("SYSTEM", 'a message by "ann" was removed')]
