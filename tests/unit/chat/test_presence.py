"""Presence: counted by principal, broadcast at most once a second, and only as a count in a large room."""

import asyncio

import pytest

from chat.chat import Chat
from chat.rooms.presence import CROWD
from tests.support.chatting import Frame, Person, chatting
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes


def changes(person: Person) -> list[tuple[list[str], list[str], int]]:
    def names(frame: Frame, key: str) -> list[str]:
        return [user["name"] for user in frame.get(key, [])]

    return [(names(frame, "joined"), names(frame, "left"), frame["count"]) for frame in person.of("presence")]


async def test_the_first_join_is_broadcast_at_once_and_later_ones_together(chat: Chat) -> None:
    ann = Person(chat, "ann", "general")
    await passes(2)
    ann.forget()
    others = [Person(chat, name, "general") for name in ("ben", "cat", "dan")]
    await passes()
    assert changes(ann) == [(["ben"], [], 2)]
    others[0].disconnect()
    await passes(0.9)
    assert len(ann.of("presence")) == 1
    await passes(0.2)
    assert changes(ann)[1:] == [(["cat", "dan"], ["ben"], 3)]


async def test_at_most_one_presence_update_a_second(chat: Chat) -> None:
    ann = Person(chat, "ann", "general")
    await passes(2)
    ann.forget()
    for _ in range(100):
        Person(chat, "x", "general")
        await passes(0.1)
    assert 9 <= len(ann.of("presence")) <= 12
    await passes(2)
    assert sum(len(joined) for joined, _, _ in changes(ann)) == 100
    assert changes(ann)[-1][2] == 101


async def test_a_user_who_returns_within_a_second_never_left(chat: Chat) -> None:
    ann, ben = Person(chat, "ann", "general"), Person(chat, "ben", "general")
    await passes(0.5)
    ann.forget()
    ben.send("leave", room="general")
    ben.send("join", room="general")
    await passes(2)
    assert all(not joined or "ben" in joined for joined, _, _ in changes(ann))
    here = {"ann", "ben"}
    for joined, left, _ in changes(ann):
        here = here | set(joined) - set(left)
    assert here == {"ann", "ben"}


async def test_several_sessions_are_one_user(chat: Chat) -> None:
    ben = Person(chat, "ben", "general")
    ann = Person(chat, "ann", "general")
    await passes(2)
    ben.forget()
    twins = [Person(chat, token=ann.token) for _ in range(3)]
    for twin in twins:
        twin.send("join", room="general")
        assert twin.last("joined")["count"] == 2
        assert [user["name"] for user in twin.last("joined")["members"]] == ["ben", "ann"]
    await passes(2)
    ann.disconnect()
    twins[0].send("leave", room="general")
    twins[1].disconnect()
    await passes(2)
    assert not ben.of("presence")
    twins[2].disconnect()
    await passes(2)
    assert changes(ben) == [([], ["ann"], 1)]


async def test_a_large_room_gets_a_count_and_shrinks_without_ghosts(chat: Chat) -> None:
    ann = Person(chat, "ann", "general")
    crowd = [Person(chat, f"{number}", "general") for number in range(CROWD - 1)]
    await passes(2)
    assert {ann.session.user.id} | {p.session.user.id for p in crowd} == _here(ann)
    ann.forget()
    late = [Person(chat, f"late {number}", "general") for number in range(20)]
    await passes(3)
    told = [{"type": "presence", "room": "general", "count": CROWD + more} for more in (1, 20)]
    assert ann.of("presence") == told
    assert late[-1].last("joined")["count"] == CROWD + 20
    assert len(late[-1].last("joined")["members"]) == CROWD
    for person in crowd[:10]:
        person.disconnect()
    await passes(3)
    told += [{"type": "presence", "room": "general", "count": CROWD + more} for more in (19, 10)]
    assert ann.of("presence") == told
    for person in crowd[10:30]:
        person.disconnect()
    await passes(3)
    here = {person.session.user.id for person in [ann, *crowd[30:], *late]}
    before = {person.session.user.id for person in [ann, *crowd]}
    assert _here(ann, before) == here
    # The snapshot sent in the large room had only the first 200; the events since then complete it.
    snapshot = {user["id"] for user in late[-1].last("joined")["members"]}
    assert _here(late[-1], snapshot) == here
    assert ann.last("presence")["count"] == len(here)


async def test_larger_rooms_get_presence_updates_less_often(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat.rooms.presence.CROWD", 5)
    monkeypatch.setattr("chat.rooms.presence.CROWD_FRAMES", 10)
    ann = Person(chat, "ann", "general")
    crowd = [Person(chat, f"{number}", "general") for number in range(29)]
    await passes(20)
    for people, pause in ((30, 3.0), (100, 5.0)):
        crowd += [Person(chat, "more", "general") for _ in range(people - len(crowd) - 1)]
        await passes(20)
        ann.forget()
        for _ in range(60):
            crowd.pop(0).disconnect()
            crowd.append(Person(chat, "another", "general"))
            await passes(0.5)
        assert 30 / pause <= len(ann.of("presence")) <= 30 / pause + 1


@pytest.mark.parametrize("noted", [50, 10_000])
async def test_a_large_room_has_no_ghosts_after_many_joins_and_leaves(
    chat: Chat, monkeypatch: pytest.MonkeyPatch, noted: int
) -> None:
    monkeypatch.setattr("chat.rooms.presence.CROWD", 20)
    monkeypatch.setattr("chat.rooms.presence.NOTED", noted)
    people = [Person(chat, f"{number}", "general") for number in range(20)]
    await passes(2)
    ann, before = people[0], {person.session.user.id for person in people}
    ann.forget()
    crowd = [Person(chat, f"late {number}", "general") for number in range(40)]
    await passes(2)
    snapshot = {user["id"] for user in crowd[-1].last("joined")["members"]}
    for person in (*people[5:], *crowd[:30]):
        person.disconnect()
    await passes(2)
    here = {person.session.user.id for person in (*people[:5], *crowd[30:])}
    assert ann.last("presence")["count"] == len(here)
    assert _here(ann, before) == here
    assert _here(crowd[-1], snapshot) == here
    assert any(frame.get("all") for frame in ann.of("presence")) == (noted == 50)
    ann.forget()
    people[1].disconnect()
    await passes(2)
    assert ann.of("presence") == [
        {"type": "presence", "room": "general", "count": 14, "left": [{"id": people[1].session.user.id, "name": "1"}]}
    ]


def _here(person: Person, before: set[str] | None = None) -> set[str]:
    here = set(before or ())
    for frame in person.of("presence"):
        if frame.get("all"):
            here = set()
        here |= {user["id"] for user in frame.get("joined", [])}
        here -= {user["id"] for user in frame.get("left", [])}
    return here


async def test_an_empty_room_keeps_no_presence_timer(chat: Chat) -> None:
    people = [Person(chat, "x", "general") for _ in range(3)]
    await passes()
    for person in people:
        person.disconnect()
    assert not chat.parts.hub.rooms
    loop = asyncio.get_running_loop()
    assert not [timer for timer in loop._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]


async def test_a_user_who_lost_the_connection_lingers(repository: FaultyRepository) -> None:
    async with chatting(repository, presence_grace=5.0) as chat:
        ann, ben = Person(chat, "ann", "general"), Person(chat, "ben", "general")
        await passes(2)
        ann.forget()
        ben.disconnect()
        await passes(3)
        back = Person(chat, "ben", token=ben.token)
        back.send("join", room="general")
        await passes(10)
        assert changes(ann) == []
        back.disconnect()
        await passes(4.9)
        assert changes(ann) == []
        assert chat.parts.hub.rooms["general"].presence.members()[1].name == "ben"
        await passes(0.2)
        assert changes(ann) == [([], ["ben"], 1)]


async def test_a_user_who_leaves_or_is_alone_does_not_linger(repository: FaultyRepository) -> None:
    async with chatting(repository, presence_grace=5.0) as chat:
        ann, ben = Person(chat, "ann", "general"), Person(chat, "ben", "general")
        await passes(2)
        ann.forget()
        ben.send("leave", room="general")
        await passes()
        assert changes(ann) == [([], ["ben"], 1)]
        ann.disconnect()
        assert not chat.parts.hub.rooms


async def test_lingering_users_leave_in_the_order_they_were_lost(repository: FaultyRepository) -> None:
    async with chatting(repository, presence_grace=5.0) as chat:
        ann = Person(chat, "ann", "general")
        others = [Person(chat, name, "general") for name in ("ben", "cat")]
        await passes(2)
        ann.forget()
        others[0].disconnect()
        await passes(3)
        others[1].disconnect()
        await passes(2.5)
        assert changes(ann) == [([], ["ben"], 2)]
        await passes(3)
        assert changes(ann)[1:] == [([], ["cat"], 1)]
        assert chat.parts.hub.rooms["general"].presence._linger_timer is None
