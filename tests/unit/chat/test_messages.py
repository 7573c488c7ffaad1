"""Replies, reactions, pins, mentions, and deletions of messages."""

import pytest

from chat.chat import Chat
from model.limits import MENTIONS, REACTIONS
from model.permissions import Standing
from tests.support.chatting import Frame, Person, chatting
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes
from tests.unit.chat.people import account, ask, code_of, id_of, said, staffed


async def history(person: Person, room: str = "general", **fields: object) -> list[Frame]:
    await ask(person, "history", room=room, **fields)
    messages: list[Frame] = person.last("history")["messages"]
    return messages


@pytest.fixture(params=["in the tail", "in storage"])
def room_tail(request: pytest.FixtureRequest) -> int:
    return 500 if request.param == "in the tail" else 0


async def test_a_reaction_is_broadcast_stored_and_acked(room_tail: int) -> None:
    async with chatting(room_tail=room_tail) as chat:
        ann, ben = Person(chat, "ann", "general"), Person(chat, "ben", "general")
        await passes()
        seq, _ = await said(ann), await said(ann, "later")
        frames = await ask(ben, "react", id="r", room="general", seq=seq, emoji="👍")
        told, ack = frames
        assert told == {
            "type": "reaction", "room": "general", "seq": seq, "version": told["version"], "emoji": "👍", "on": True,
            "count": 1, "user": {"id": id_of(ben), "name": "ben"},
        }  # fmt: skip
        assert told["version"] > seq
        assert ack["ids"] == [{"id": "r", "room": "general", "seq": seq}]
        await ask(ann, "react", room="general", seq=seq, emoji="👍")
        await ask(ann, "react", room="general", seq=seq, emoji=":tada:")
        assert (await history(ann))[0]["reactions"] == {"👍": [id_of(ben), id_of(ann)], ":tada:": [id_of(ann)]}
        await ask(ben, "react", room="general", seq=seq, emoji="👍", on=False)
        await ask(ann, "react", room="general", seq=seq, emoji=":tada:", on=False)
        assert (ann.last("reaction")["on"], ann.last("reaction")["count"]) == (False, 0)
        assert (await history(ann))[0]["reactions"] == {"👍": [id_of(ann)]}
        await ask(ann, "react", room="general", seq=seq, emoji="👍", on=False)
        assert "reactions" not in (await history(ann))[0]


async def test_a_repeated_reaction_counts_once_and_keeps_its_place(chat: Chat) -> None:
    ann, ben = Person(chat, "ann", "general"), Person(chat, "ben", "general")
    await passes()
    seq = await said(ann)
    await ask(ann, "react", id="a", room="general", seq=seq, emoji="x")
    await ask(ben, "react", id="b", room="general", seq=seq, emoji="x")
    await ask(ann, "react", id="c", room="general", seq=seq, emoji="x")
    assert {"a", "c"} <= set(ann.acked())
    assert (await history(ann))[0]["reactions"] == {"x": [id_of(ann), id_of(ben)]}


async def test_reactions_are_bounded(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat.handlers.messages.REACTORS", 2)
    ann, ben, cat = (Person(chat, name, "general") for name in ("ann", "ben", "cat"))
    await passes()
    seq = await said(ann)
    for number in range(REACTIONS):
        assert await code_of(ann, "react", room="general", seq=seq, emoji=f"e{number}") == ""
    assert await code_of(ann, "react", room="general", seq=seq, emoji="one more") == "bad_field"
    assert await code_of(ann, "react", room="general", seq=seq, emoji="more") == "too_many_reactions"
    assert await code_of(ben, "react", room="general", seq=seq, emoji="e0") == ""
    assert await code_of(cat, "react", room="general", seq=seq, emoji="e0") == "too_many_reactions"
    assert await code_of(ann, "react", room="general", seq=seq, emoji="e0") == ""


@pytest.mark.parametrize(
    "emoji", ["\u3164", "\u2800", "\ufe0f", "a\u202eb", "", " ", "a b", "x" * 33, "\u200b", "a\x00", "\ud800"]
)
async def test_an_invalid_emoji_is_refused(chat: Chat, emoji: str) -> None:
    ann = Person(chat, "ann", "general")
    await passes()
    seq = await said(ann)
    assert await code_of(ann, "react", room="general", seq=seq, emoji=emoji) in ("bad_field", "bad_json")


async def test_a_pin_is_broadcast_and_listed(room_tail: int) -> None:
    async with chatting(room_tail=room_tail) as chat:
        people = await staffed(chat)
        member, moderator = people["member"], people["moderator"]
        seq, _ = await said(member, "pin me", "lobby"), await said(member, "not me", "lobby")
        assert await code_of(member, "pin", room="lobby", seq=seq) == "forbidden"
        told, ack = await ask(moderator, "pin", id="p", room="lobby", seq=seq)
        assert told == {
            "type": "pinned", "room": "lobby", "seq": seq, "version": told["version"], "on": True,
            "by": {"id": "u_moderator", "name": "moderator"}, "pinned_at": told["pinned_at"],
        }  # fmt: skip
        assert ack["ids"][0]["id"] == "p"
        found = await history(member, "lobby", pinned=True)
        assert [(m["seq"], m["pinned_at"], m["pinned_by"]) for m in found] == [(seq, told["pinned_at"], "u_moderator")]
        await ask(moderator, "pin", room="lobby", seq=seq, on=False)
        assert member.last("pinned")["on"] is False
        assert "pinned_at" not in member.last("pinned")
        assert await history(member, "lobby", pinned=True) == []
        assert "pinned_at" not in (await history(member, "lobby"))[0]


async def test_a_reply_carries_the_start_of_the_quoted_message(room_tail: int) -> None:
    async with chatting(room_tail=room_tail) as chat:
        ann, ben = Person(chat, "ann", "general"), Person(chat, "ben", "general")
        await passes()
        first = await said(ann, "x" * 500)
        await said(ann, "between")
        await said(ben, "answer", reply_to=first)
        quote = {"seq": first, "sender": "ann", "content": "x" * 140}
        assert ann.last("message")["reply_to"] == quote
        assert (await history(ann))[-1]["reply_to"] == quote
        await ask(ann, "edit", room="general", seq=first, content="short")
        assert (await history(ann))[-1]["reply_to"] == {**quote, "content": "short"}
        await ask(ann, "delete", room="general", seq=first)
        assert (await history(ann))[-1]["reply_to"] == {"seq": first, "sender": "ann"}
        assert await code_of(ben, "message", room="general", content="x", reply_to=first) == "no_such_message"
        for nothing in (1, first + 1, 2**53 - 1):
            assert await code_of(ben, "message", room="general", content="x", reply_to=nothing) == "no_such_message"


async def test_a_resume_returns_replies_with_their_current_quotes(room_tail: int) -> None:
    async with chatting(room_tail=room_tail) as chat:
        ann, ben = Person(chat, "ann", "general"), Person(chat, "ben", "general")
        await passes()
        first = await said(ann, "secret")
        joined = ben.last("joined")
        ben.disconnect()
        await said(ann, "answer", reply_to=first)
        await ask(ann, "delete", room="general", seq=first)
        back = Person(chat, "ben")
        await ask(back, "join", room="general", since=joined["head"], epoch=joined["epoch"])
        assert "secret" not in str(back.frames)
        assert [frame["content"] for frame in back.of("message")] == ["answer", ""]


async def test_a_retried_reply_is_posted_once(chat: Chat) -> None:
    ann = Person(chat, "ann", "general")
    await passes()
    first = await said(ann)
    for resend in (False, True):
        await ask(ann, "message", id="r", room="general", content="answer", reply_to=first, resend=resend)
    assert ann.heard() == ["hello", "answer"]


async def test_mentions_ignore_case(room_tail: int) -> None:
    async with chatting(room_tail=room_tail) as chat:
        ann = Person(chat, "ann", "general")
        await passes()
        seq = await said(ann, "@BEN and @[Ann Lee], not a@b.c; @ben again")
        assert ann.last("message")["mentions"] == ["ben", "ann lee"]
        await said(ann, "nobody")
        assert "mentions" not in ann.last("message")
        await ask(ann, "edit", room="general", seq=seq, content="only @cat")
        assert ann.last("edited")["mentions"] == ["cat"]
        assert (await history(ann))[0]["mentions"] == ["cat"]
        await said(ann, " ".join(f"@p{number}" for number in range(MENTIONS + 10)))
        assert len(ann.last("message")["mentions"]) == MENTIONS


@pytest.mark.parametrize(
    ("who", "code"),
    [("readonly", "forbidden"), ("member", "not_author"), ("moderator", ""), ("organizer", ""), ("owner", ""),
     ("admin", "")],
)  # fmt: skip
async def test_only_moderators_delete_messages_of_others(room_tail: int, who: Standing, code: str) -> None:
    async with chatting(room_tail=room_tail) as chat:
        people = await staffed(chat)
        other = account(chat, "other")
        await ask(other, "join", room="lobby")
        seq, _ = await said(other, "hm", "lobby"), await said(other, "later", "lobby")
        assert await code_of(people[who], "delete", id="d", room="lobby", seq=seq) == code
        assert [m["content"] for m in await history(other, "lobby")] == (["later"] if not code else ["hm", "later"])
        if not code:
            assert other.last("deleted")["sender"] == "other"
            assert await code_of(people[who], "edit", room="lobby", seq=seq, content="x") == "no_such_message"


async def test_deleted_content_is_shown_to_moderators_who_request_it(room_tail: int) -> None:
    async with chatting(room_tail=room_tail) as chat:
        people = await staffed(chat)
        member = people["member"]
        seq = await said(member, "gone @ann", "lobby")
        await ask(member, "react", room="lobby", seq=seq, emoji="x")
        await said(member, "there", "lobby")
        await ask(member, "delete", room="lobby", seq=seq)
        for who in ("moderator", "organizer", "owner", "admin"):
            assert [m["content"] for m in await history(people[who], "lobby")] == ["there"]
            found = await history(people[who], "lobby", include_deleted=True)
            assert [m["content"] for m in found] == ["gone @ann", "there"]
            assert found[0]["deleted_at"]
            assert found[0]["reactions"] == {"x": ["u_member"]}
        for who in ("member", "readonly"):
            assert await code_of(people[who], "history", room="lobby", include_deleted=True) == "forbidden"


async def test_a_bot_may_edit_at_any_time(chat: Chat) -> None:
    bot, ann = account(chat, "bot", "bot"), account(chat, "ann")
    for person in (bot, ann):
        await ask(person, "join", room="general")
    mine, hers = await said(bot), await said(ann)
    await passes(3600)
    assert await code_of(ann, "edit", room="general", seq=hers, content="x") == "too_late"
    assert await code_of(bot, "edit", room="general", seq=mine, content="x") == ""
    assert await code_of(bot, "edit", room="general", seq=hers, content="x") == "not_author"


@pytest.mark.parametrize("change", ["react", "pin"])
async def test_a_change_that_storage_rejects_is_undone(chat: Chat, repository: FaultyRepository, change: str) -> None:
    people = await staffed(chat)
    owner = people["owner"]
    seq = await said(owner, "hm", "lobby")
    repository.refused = lambda write: type(write).__name__ == "ChangeMessage"
    await ask(owner, change, id="c", room="lobby", seq=seq, **({"emoji": "x"} if change == "react" else {}))
    assert owner.errors() == {"c": "not_stored"}
    assert owner.connection.closed is not None
    assert chat.parts.hub.rooms["lobby"].tail.changes() == {}


async def test_a_resume_includes_reactions_and_pins(room_tail: int) -> None:
    async with chatting(room_tail=room_tail) as chat:
        people = await staffed(chat)
        owner, member = people["owner"], people["member"]
        seqs = [await said(owner, f"{number}", "lobby") for number in range(3)]
        joined = member.last("joined")
        await ask(member, "leave", room="lobby")
        head = chat.parts.hub.rooms["lobby"].head
        await ask(owner, "react", room="lobby", seq=seqs[0], emoji="x")
        await ask(owner, "pin", room="lobby", seq=seqs[1])
        member.forget()
        await ask(member, "join", room="lobby", since=head, epoch=joined["epoch"])
        states = member.of("message")
        assert [frame["seq"] for frame in states] == seqs[:2]
        assert states[0]["reactions"] == {"x": ["u_owner"]}
        assert states[1]["pinned_by"] == "u_owner"
        assert member.types()[-1] in ("synced", "presence")
