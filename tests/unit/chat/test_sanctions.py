"""Bans and mutes of guests also apply to other guests of their network for a while, and never to accounts."""

import pytest

from chat.chat import Chat
from chat.handlers.sessions import identify
from chat.one_shot import CommandRunner
from chat.ports import Identity
from chat.rooms import guest_networks
from chat.rooms.freed import SECONDS
from model.commands import PostMessage
from model.errors import ParleyError
from model.events import Ack
from model.limits import GUESTS_SECONDS
from model.room import NetworkSanction, User
from tests.support.chatting import BY_PATH, Person
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes
from tests.unit.chat.people import RoomsPerson, account, ask, code_of, created, id_of, said

HOME, ELSEWHERE = "192.0.2.1", "192.0.2.2"


async def opened(chat: Chat) -> Person:
    """Create the room "lobby", and return its owner, whose network is that of the guests."""
    ann = Person(chat, network=HOME)
    identify(chat.parts, ann.session, Identity(User("u_ann", "ann"), guest=False, role="user"))
    ann.session.provisional = False
    await created(chat, ann)
    return ann


async def guest(chat: Chat, name: str, network: str = HOME) -> Person:
    """Return a guest in the room."""
    person = Person(chat, name, network=network)
    assert await code_of(person, "join", room="lobby") == ""
    return person


def sanctions(chat: Chat) -> list[NetworkSanction]:
    return [one for of in chat.parts.hub.rooms["lobby"].sanctions.values() for one in of.values()]


async def test_a_banned_guest_who_returns_without_a_token_stays_out(chat: Chat) -> None:
    ann, eve = await opened(chat), await guest(chat, "eve")
    assert await code_of(ann, "ban", room="lobby", user=id_of(eve)) == ""
    eve.disconnect()
    again = Person(chat, "eva", network=HOME)
    assert await code_of(again, "join", room="lobby") == "banned"
    assert again.last("error")["message"] == "guests from your network are banned from this room for now"
    away = Person(chat, "eva", network=ELSEWHERE)
    assert await code_of(away, "join", room="lobby") == ""
    assert HOME not in str(ann.frames)


async def test_guests_of_one_network_do_not_hide_from_where_others_came(
    chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many of them there are: of one network, the last ones are remembered."""
    monkeypatch.setattr(guest_networks, "_GUESTS", 12)
    monkeypatch.setattr(guest_networks, "_EACH", 8)
    ann, eve = await opened(chat), await guest(chat, "eve")
    eve.disconnect()
    crowd = [Person(chat, f"n{n}", network=ELSEWHERE) for n in range(30)]
    for person in crowd:
        person.disconnect()
    now, networks = chat.parts.clock.monotonic(), chat.parts.guest_networks
    known = [networks.last(id_of(person), now) for person in (eve, *crowd)]
    assert known == [HOME, *[""] * 22, *[ELSEWHERE] * 8]
    assert await code_of(ann, "ban", room="lobby", user=id_of(eve)) == ""
    assert await code_of(Person(chat, "eva", network=HOME), "join", room="lobby") == "banned"
    for n in range(5):
        Person(chat, "some", network=f"198.51.100.{n}").disconnect()
    assert networks.last(id_of(eve), now) == ""
    assert (len(networks._last), len(networks._of)) == (12, 6)


async def test_an_account_behind_the_same_nat_talks_on(chat: Chat) -> None:
    ann, eve = await opened(chat), await guest(chat, "eve")
    for command in ("mute", "ban"):
        assert await code_of(ann, command, room="lobby", user=id_of(eve)) == ""
        await said(ann)
        ben = Person(chat, network=HOME)
        identify(chat.parts, ben.session, Identity(User("a_ben", "ben"), guest=False, role="user"))
        ben.session.provisional = False
        assert await code_of(ben, "join", room="lobby") == ""
        await said(ben)


async def test_other_guests_of_the_network_are_removed(chat: Chat) -> None:
    ann, eve, gus, far = (
        await opened(chat),
        *[await guest(chat, name, network) for name, network in (("eve", HOME), ("gus", HOME), ("far", ELSEWHERE))],
    )
    assert await code_of(ann, "ban", room="lobby", user=id_of(eve), reason="spam") == ""
    left = gus.last("left")
    assert (left["reason"], left["text"]) == ("banned", "spam")
    assert "lobby" not in gus.session.rooms
    await said(far)
    assert {row["id"] for row in await listed(ann) if row.get("online")} == {id_of(ann), id_of(far)}


async def listed(person: Person, **fields: object) -> list[dict[str, object]]:
    await ask(person, "members", room="lobby", **fields)
    rows: list[dict[str, object]] = person.last("members")["members"]
    return rows


async def test_a_moderator_without_an_account_is_not_affected(chat: Chat) -> None:
    ann, eve, gus = await opened(chat), await guest(chat, "eve"), await guest(chat, "gus")
    assert await code_of(ann, "set_role", room="lobby", user=id_of(gus), role="moderator") == ""
    assert await code_of(gus, "mute", room="lobby", user=id_of(eve)) == ""
    assert await code_of(gus, "ban", room="lobby", user=id_of(eve)) == ""
    await said(gus)


async def test_a_mute_of_a_guest_applies_to_other_guests_until_it_is_lifted(chat: Chat) -> None:
    ann, eve, gus = await opened(chat), await guest(chat, "eve"), await guest(chat, "gus")
    assert await code_of(ann, "mute", room="lobby", user=id_of(eve)) == ""
    for person in (eve, gus, await guest(chat, "new")):
        assert await code_of(person, "message", room="lobby", content="x") == "muted"
    assert gus.last("error")["retry_after"] == pytest.approx(GUESTS_SECONDS, abs=5)
    await said(await guest(chat, "far", ELSEWHERE))
    await said(ann)
    assert await code_of(ann, "unmute", room="lobby", user=id_of(eve)) == ""
    await said(gus)
    assert chat.parts.hub.rooms["lobby"].unrestricted


@pytest.mark.parametrize(("fields", "seconds"), [({}, 3600), ({"guests": 60}, 60), ({"seconds": 30}, 30)])
async def test_a_sanction_ends_by_itself(
    chat: Chat, repository: FaultyRepository, fields: dict[str, float], seconds: int
) -> None:
    ann, eve = await opened(chat), await guest(chat, "eve")
    assert await code_of(ann, "ban", room="lobby", user=id_of(eve), **fields) == ""
    assert await code_of(ann, "mute", room="lobby", user=id_of(eve), **fields) == ""
    await passes(seconds - 2)
    assert await code_of(Person(chat, "new", network=HOME), "join", room="lobby") == "banned"
    await passes(2)
    new = await guest(chat, "new")
    await said(new)
    if "guests" in fields:
        assert await code_of(ann, "mute", room="lobby", user=id_of(new)) == ""
        assert [one.guest_id for one in sanctions(chat)] == [id_of(new)], "those that have ended are forgotten"


async def test_a_room_has_a_bounded_number_of_sanctions_of_each_network_and_of_all(
    chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that end last stay; each guest stays muted."""
    monkeypatch.setattr("chat.rooms.sanctions.OF_NETWORK", 3)
    monkeypatch.setattr("chat.rooms.sanctions.OF_ROOM", 4)
    ann = await opened(chat)
    here = [await guest(chat, f"here{n}") for n in range(5)]
    there = [await guest(chat, f"there{n}", ELSEWHERE) for n in range(3)]
    for number, one in enumerate([*here, *there], 1):
        await ask(ann, "mute", room="lobby", user=id_of(one), seconds=3600, guests=60 * number)
    assert {one.guest_id for one in sanctions(chat)} == {id_of(one) for one in (here[4], *there)}
    rows = chat.parts.hub.rooms["lobby"].members
    assert all(rows[id_of(one)].muted_until for one in here)
    assert await code_of(await guest(chat, "new"), "message", room="lobby", content="x") == "muted"


async def test_a_sanction_may_be_left_out_and_is_bounded(chat: Chat) -> None:
    ann, eve = await opened(chat), await guest(chat, "eve")
    assert await code_of(ann, "ban", room="lobby", user=id_of(eve), guests=86_401) == "bad_field"
    assert await code_of(ann, "ban", room="lobby", user=id_of(eve), guests=-1) == "bad_field"
    assert await code_of(ann, "ban", room="lobby", user=id_of(eve), guests=0) == ""
    await guest(chat, "new")


async def test_lifting_one_of_two_bans_leaves_the_other(chat: Chat) -> None:
    ann, eve, gus = await opened(chat), await guest(chat, "eve"), await guest(chat, "gus")
    for person in (eve, gus):
        assert await code_of(ann, "ban", room="lobby", user=id_of(person)) == ""
    assert await code_of(ann, "unban", room="lobby", user=id_of(eve)) == ""
    assert await code_of(Person(chat, "new", network=HOME), "join", room="lobby") == "banned"
    assert await code_of(ann, "unban", room="lobby", user=id_of(gus)) == ""
    await guest(chat, "new")


async def test_no_sanction_outlasts_the_mute_that_it_follows(chat: Chat) -> None:
    """Not in networks that the guest has left either."""
    ann, eve = await opened(chat), await guest(chat, "eve")
    assert await code_of(ann, "mute", room="lobby", user=id_of(eve)) == ""
    gus = await guest(chat, "gus")
    assert await code_of(gus, "message", room="lobby", content="x") == "muted"
    eve.session.network = ELSEWHERE
    assert await code_of(ann, "mute", room="lobby", user=id_of(eve), seconds=30, guests=0) == ""
    assert await code_of(gus, "message", room="lobby", content="x") == "muted"
    await passes(31)
    await said(gus)


async def test_only_a_room_with_bans_reads_sanctions_when_it_is_loaded(
    chat: Chat, repository: FaultyRepository
) -> None:
    ann = await opened(chat)
    for reads in (0, 1):
        ann.disconnect()
        await passes(SECONDS + 60)  # no copy of it is left
        eve = Person(chat, "eve", network=HOME)
        assert await code_of(eve, "join", room="lobby") == ("banned" if reads else "")
        assert repository.calls["sanctions"] == reads
        ann = account(chat, "ann")
        assert await code_of(ann, "join", room="lobby") == ""
        if not reads:
            assert await code_of(ann, "ban", room="lobby", user=id_of(eve)) == ""
        eve.disconnect()


async def test_a_guest_who_has_left_is_known_by_the_last_network(chat: Chat) -> None:
    ann, eve = await opened(chat), await guest(chat, "eve")
    eve.disconnect()
    await passes(10)
    assert await code_of(ann, "ban", room="lobby", user=id_of(eve)) == ""
    assert await code_of(Person(chat, "new", network=HOME), "join", room="lobby") == "banned"


async def test_a_guest_who_became_another_user_is_known_by_the_last_network(chat: Chat) -> None:
    ann, eve = await opened(chat), await guest(chat, "eve")
    former = id_of(eve)
    assert await code_of(eve, "leave", room="lobby") == ""
    identify(chat.parts, eve.session, Identity(User("g_other", "eve"), guest=True))
    assert await code_of(ann, "ban", room="lobby", user=former) == ""
    assert await code_of(eve, "join", room="lobby") == "banned"


async def test_a_guest_who_posts_over_http_is_known_by_the_last_network(chat: Chat, runner: CommandRunner) -> None:
    ann, eve = await opened(chat), await guest(chat, "eve")
    eve.disconnect()
    post = PostMessage(id="m", room="lobby", content="hello")
    await runner.run(eve.session.actor.identity, post, Ack, network=ELSEWHERE)
    assert await code_of(ann, "ban", room="lobby", user=id_of(eve)) == ""
    assert await code_of(Person(chat, "new", network=ELSEWHERE), "join", room="lobby") == "banned"


async def test_a_guest_without_a_known_network_is_banned_alone(chat: Chat) -> None:
    ann, eve = await opened(chat), await guest(chat, "eve", "")
    assert await code_of(ann, "ban", room="lobby", user=id_of(eve)) == ""
    await guest(chat, "new", "")


async def test_a_kick_concerns_the_guest_alone(chat: Chat) -> None:
    ann, eve = await opened(chat), await guest(chat, "eve")
    assert await code_of(ann, "kick", room="lobby", user=id_of(eve)) == ""
    await guest(chat, "new")
    assert await code_of(eve, "join", room="lobby") == ""


async def test_a_ban_of_an_account_does_not_concern_guests(chat: Chat) -> None:
    ann, ben = await opened(chat), account(chat, "ben")
    assert await code_of(ben, "join", room="lobby") == ""
    assert await code_of(ann, "ban", room="lobby", user="u_ben") == ""
    assert sanctions(chat) == []


async def test_sanctions_are_kept_while_the_room_is_not_loaded(chat: Chat, repository: FaultyRepository) -> None:
    ann, eve = await opened(chat), await guest(chat, "eve")
    assert await code_of(ann, "ban", room="lobby", user=id_of(eve)) == ""
    for person in (ann, eve):
        person.disconnect()
    await passes(30)
    assert "lobby" not in chat.parts.hub.rooms
    assert await code_of(Person(chat, "new", network=HOME), "join", room="lobby") == "banned"


async def test_claimed_ids_are_guests(chat: Chat) -> None:
    ann = await opened(chat)
    eve = RoomsPerson(chat, network=HOME)
    eve.join("7", "eve", "lobby")
    await passes(0.2)
    assert await code_of(ann, "ban", room="lobby", user="w_7") == ""
    other = RoomsPerson(chat, network=HOME)
    other.join("8", "eva", "lobby")
    await passes(0.2)
    assert other.codes() == ["banned"]
    plain = Person(chat, "eva", "lobby", dialect=BY_PATH["/chat"], network=HOME)
    await passes(0.2)
    assert "guests from your network are banned" in str(plain.frames)


async def test_a_banned_network_cannot_post_over_http(chat: Chat, runner: CommandRunner) -> None:
    ann, eve = await opened(chat), await guest(chat, "eve")
    new = Identity(User("g_new", "new"), guest=True)
    post = PostMessage(id="m", room="lobby", content="hello")
    for command, code in (("mute", "muted"), ("ban", "banned")):
        assert await code_of(ann, command, room="lobby", user=id_of(eve)) == ""
        with pytest.raises(ParleyError) as refused:
            await runner.run(new, post, Ack, network=HOME)
        assert refused.value.code == code
    await runner.run(new, post, Ack, network=ELSEWHERE)


# --- what guests may do in a room ------------------------------------------------------------------------------------


async def test_guests_only_read_where_the_room_says_so(chat: Chat) -> None:
    ann, gus = await opened(chat), await guest(chat, "gus")
    assert await code_of(ann, "update_room", room="lobby", guests="read") == ""
    assert gus.last("room")["info"]["guests"] == "read"
    assert await code_of(gus, "message", room="lobby", content="x") == "forbidden"
    assert (await guest(chat, "new")).last("joined")["role"] == "readonly"
    await said(ann)
    assert await code_of(ann, "set_role", room="lobby", user=id_of(gus), role="moderator") == ""
    await said(gus)
    assert await code_of(ann, "update_room", room="lobby", guests="talk") == ""
    await said(await guest(chat, "third"))


async def test_guests_are_kept_out_where_the_room_says_so(chat: Chat) -> None:
    ann, gus, ben = await opened(chat), await guest(chat, "gus"), account(chat, "ben")
    assert await code_of(ben, "join", room="lobby") == ""
    assert await code_of(ann, "update_room", room="lobby", guests="no") == ""
    assert gus.last("left")["reason"] == "kicked"
    await said(ben)
    for person in (gus, Person(chat, "new")):
        assert await code_of(person, "join", room="lobby") == "forbidden"
        assert person.last("error")["message"] == "this room admits no guests"
        assert await code_of(person, "history", room="lobby") == "not_joined"
    assert await code_of(ann, "update_room", room="lobby", guests="talk") == ""
    await said(await guest(chat, "new"))


async def test_moderators_decide_about_guests(chat: Chat) -> None:
    ann, ben = await opened(chat), account(chat, "ben")
    assert await code_of(ben, "join", room="lobby") == ""
    assert await code_of(ben, "update_room", room="lobby", guests="no") == "forbidden"
    assert await code_of(ann, "set_role", room="lobby", user="u_ben", role="moderator") == ""
    assert await code_of(ben, "update_room", room="lobby", guests="some") == "bad_field"
    assert await code_of(ben, "update_room", room="lobby", guests="no") == ""
