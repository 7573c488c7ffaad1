"""The rank of users who are not connected: the role that their account was last known to have."""

import pytest
from msgspec.structs import replace

from chat.chat import Chat
from chat.handlers.sessions import identify
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes
from tests.unit.chat.people import account, ask, code_of, created, staffed


@pytest.mark.parametrize("command", ["kick", "ban", "mute", "unmute", "unban"])
@pytest.mark.parametrize("role", ["organizer", "admin"])
@pytest.mark.parametrize("known", ["here", "elsewhere"])
async def test_an_offline_user_keeps_their_rank(chat: Chat, role: str, known: str, command: str) -> None:
    people = await staffed(chat)
    boss = account(chat, "boss", role)
    await created(chat, boss, "lobby two" if known == "elsewhere" else "other")
    if known == "here":
        assert await code_of(boss, "join", room="lobby") == ""
    boss.disconnect()
    await passes(0.1)
    assert await code_of(people["moderator"], command, room="lobby", user="u_boss") == "forbidden"
    assert await code_of(people["organizer"], command, room="lobby", user="u_boss") == "forbidden"
    back = account(chat, "boss", role)
    assert await code_of(back, "join", room="lobby") == ""
    assert await code_of(back, "message", room="lobby", content="x") == ""


async def test_a_changed_account_role_counts_from_the_next_connection(chat: Chat, repository: FaultyRepository) -> None:
    people = await staffed(chat)
    room_id = chat.parts.hub.rooms["lobby"].record.room_id

    async def stored() -> str:
        row = await repository.inner.rooms.find_member(room_id, "u_member")
        assert row is not None
        return row.account_role

    assert await stored() == ""
    people["member"].disconnect()
    promoted = account(chat, "member", "organizer")
    assert await code_of(promoted, "join", room="lobby") == ""
    assert await stored() == "organizer"
    identity = promoted.session.identity
    assert identity is not None
    identify(chat.parts, promoted.session, replace(identity, role="user"))
    await passes(0.1)
    assert await stored() == ""
    identify(chat.parts, promoted.session, identity)
    promoted.disconnect()
    await passes(0.1)
    assert await stored() == "organizer"
    assert await code_of(people["moderator"], "ban", room="lobby", user="u_member") == "forbidden"
    demoted = account(chat, "member", "user")
    assert await code_of(demoted, "join", room="lobby") == ""
    demoted.disconnect()
    await passes(0.1)
    assert await code_of(people["moderator"], "ban", room="lobby", user="u_member") == ""


@pytest.mark.parametrize("role", ["organizer", "admin"])
@pytest.mark.parametrize("stored", [False, True], ids=["queued", "stored"])
async def test_an_account_that_lost_its_role_elsewhere_can_be_moderated_while_it_is_offline(
    chat: Chat, repository: FaultyRepository, role: str, stored: bool
) -> None:
    people = await staffed(chat)
    boss = account(chat, "boss", role)
    await ask(boss, "join", room="lobby")
    await ask(boss, "message", room="lobby", content="x")
    await passes(0.1)
    await ask(boss, "read", room="lobby", seq=chat.parts.hub.rooms["lobby"].head)
    await passes(2)
    boss.disconnect()
    await created(chat, people["member"], "square")
    if not stored:
        repository.hold("write")
    fallen = account(chat, "boss", "user")
    assert await code_of(fallen, "join", room="square") == ""
    fallen.disconnect()
    await passes(0.1)
    people["moderator"].send("ban", id="b", room="lobby", user="u_boss")
    await passes(0.1)
    repository.go("write")
    await passes(0.1)
    assert not people["moderator"].errors()
    assert chat.parts.hub.rooms["lobby"].members["u_boss"].banned_until


@pytest.mark.parametrize("command", ["invite", "direct"])
@pytest.mark.parametrize("member", [False, True], ids=["unknown", "member"])
async def test_a_row_stored_for_an_admin_who_is_offline_does_not_hide_their_rank(
    chat: Chat, member: bool, command: str
) -> None:
    people = await staffed(chat)
    schemer = people["member"]
    for room in ("trap", "trap 2"):
        assert await code_of(schemer, "create_room", room=room) == ""
    if member:  # a member since before the account had a rank
        early = account(chat, "boss", "user")
        assert await code_of(early, "join", room="trap") == ""
        early.disconnect()
    boss = account(chat, "boss", "admin")
    assert await code_of(boss, "create_room", room="office") == ""
    boss.disconnect()
    await passes(0.1)
    about = {} if command == "direct" else {"room": "trap"}
    assert await code_of(schemer, command, user="u_boss", **about) == ""
    await passes(0.1)
    for room in ("trap", "trap 2"):
        assert await code_of(schemer, "ban", room=room, user="u_boss") == "forbidden"
    assert await code_of(people["moderator"], "ban", room="lobby", user="u_boss") == "forbidden"


async def test_a_moderator_demoted_during_a_rank_lookup_decides_nothing(
    chat: Chat, repository: FaultyRepository
) -> None:
    people = await staffed(chat)
    people["member"].disconnect()
    await passes(0.1)
    repository.delay("account_role")
    people["moderator"].send("ban", id="b", room="lobby", user="u_member")
    await passes()
    assert await code_of(people["owner"], "set_role", room="lobby", user="u_moderator", role="member") == ""
    repository.go("account_role")
    await passes(0.1)
    assert people["moderator"].errors() == {"b": "forbidden"}
    assert await code_of(account(chat, "member"), "join", room="lobby") == ""
