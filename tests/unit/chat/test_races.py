"""Decisions during a storage lookup: no row and no message is written from an outdated copy."""

from typing import Any

from chat.chat import Chat
from chat.one_shot import CommandRunner
from chat.writes.workers import PoolLimits
from model import commands
from model.events import Ack
from tests.support.chatting import Person, chatting
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes
from tests.support.world import Plainly, refused
from tests.unit.chat.people import account, ask, code_of, created, id_of, mine, said, staffed
from utils.fairness import Party


async def stored_row(repository: FaultyRepository, user_id: str, room: str = "lobby") -> dict[str, Any]:
    record = await repository.inner.rooms.find_room(room)
    assert record is not None
    row = await repository.inner.rooms.find_member(record.room_id, user_id)
    assert row is not None, f"storage has no row of {user_id} in {room}"
    return {"role": row.role, "read": row.read_seq, "muted": row.muted_until > 0}


# --- rows ------------------------------------------------------------------------------------------------------------


async def test_joins_and_leaves_during_an_outage_do_not_overfill_the_queue() -> None:
    repository = FaultyRepository()
    async with chatting(repository, pool=PoolLimits(workers=1, queue_messages=20)) as chat:
        people = await staffed(chat)
        moderator = people["moderator"]  # whose row stays cached
        repository.away = "unplugged"
        for _ in range(100):
            moderator.send("leave", room="lobby")
            moderator.send("join", room="lobby")
            await passes()
        assert len(chat.parts.pool) <= 20
        assert "lobby" in moderator.session.rooms
        repository.away = None
        await passes(3)
        assert (await stored_row(repository, id_of(moderator)))["role"] == "moderator"


async def test_the_read_cursor_of_a_leaving_user_is_stored_despite_a_full_queue() -> None:
    repository = FaultyRepository()
    async with chatting(repository, pool=PoolLimits(workers=1, queue_messages=20)) as chat:
        people = await staffed(chat)
        owner, moderator = people["owner"], people["moderator"]
        seq = await said(owner)
        repository.away = "unplugged"
        moderator.send("read", room="lobby", seq=seq)
        for number in range(20):
            owner.say(str(number), room="lobby")
        moderator.disconnect()
        repository.away = None
        await passes(3)
        assert (await stored_row(repository, id_of(moderator)))["read"] == seq


async def test_muting_a_user_who_rejoins_during_the_lookup_keeps_their_membership(
    chat: Chat, repository: FaultyRepository
) -> None:
    people, ben = await staffed(chat), account(chat, "ben")
    await created(chat, ben, "elsewhere")  # so that the server knows him
    ben.disconnect()
    await passes()
    repository.hold("find_user")
    people["owner"].send("mute", id="m", room="lobby", user=id_of(ben))
    await passes()
    ben = account(chat, "ben")
    await ask(ben, "join", room="lobby")
    ben.disconnect()
    await passes()
    repository.go("find_user")
    await passes(0.1)
    assert "m" in people["owner"].acked()
    assert await stored_row(repository, id_of(ben)) == {"role": "member", "read": 0, "muted": True}
    assert id_of(ben) in chat.parts.hub.rooms["lobby"].members  # it has more than the role "member"


async def test_a_read_cursor_raised_by_another_device_during_a_resume_is_kept() -> None:
    repository = FaultyRepository()
    async with chatting(repository, room_tail=0) as chat:
        people = await staffed(chat)
        owner, member, other = people["owner"], people["member"], account(chat, "member")
        first, last = await said(owner), await said(owner)
        joined = member.last("joined")
        repository.hold("count_changed")
        other.send("join", room="lobby", since=first - 1, epoch=joined["epoch"])
        await passes()
        member.send("read", room="lobby", seq=last)
        member.disconnect()
        await passes()
        repository.go("count_changed")
        await passes(0.1)
        assert (other.last("joined")["recovered"], other.last("joined")["read"]) == (True, last)
        assert await stored_row(repository, id_of(member)) == {"role": "member", "read": last, "muted": False}


async def test_a_password_is_checked_once_while_others_join(chat: Chat) -> None:
    class Slow(Plainly):
        looked = 0

        async def matches(self, hashed: str | None, password: str, asker: Party) -> bool:
            self.looked += 1
            await passes(0.05)
            return await super().matches(hashed, password, asker)

    slow = chat.parts.passwords = Slow()
    owner, guests = account(chat, "owner"), [account(chat, f"p{number}") for number in range(10)]
    await created(chat, owner, password="sesame")
    for guest in guests:
        guest.send("join", room="lobby", password="sesame")
        await passes(0.02)
    await passes(1)
    assert all("lobby" in guest.session.rooms for guest in guests)
    assert slow.looked == len(guests)


async def test_an_invited_guest_may_post_where_guests_are_readonly(repository: FaultyRepository) -> None:
    """Also after the room was empty, and over HTTP: their stored row is loaded."""
    async with chatting(repository, guest_role="readonly") as chat:
        ann, guest = account(chat, "ann"), Person(chat, "guest", "general")
        await ask(ann, "join", room="general")
        assert await code_of(guest, "message", room="general", content="x") == "forbidden"
        assert await code_of(ann, "set_role", room="general", user=id_of(guest), role="member") == "forbidden"
        assert await code_of(ann, "invite", room="general", user=id_of(guest)) == "forbidden"
        organizer = account(chat, "organizer", "organizer")
        await ask(organizer, "join", room="general")
        assert await code_of(organizer, "invite", room="general", user=id_of(guest)) == ""
        assert await code_of(guest, "message", room="general", content="x") == "forbidden"
        assert await code_of(guest, "join", room="general") == ""
        assert await code_of(guest, "message", room="general", content="x") == ""
        token, identity = guest.token, guest.session.identity
        guest.disconnect()
        await passes()
        back = Person(chat, token=token)
        assert await code_of(back, "join", room="general") == ""
        assert back.last("joined")["role"] == "member"
        assert await code_of(back, "message", room="general", content="y") == ""
        back.disconnect()
        await passes()
        assert identity is not None
        command = commands.PostMessage(id="h", room="general", content="z")
        await CommandRunner(chat).run(identity, command, Ack)
        assert await repository.stored() == ["x", "y", "z"]


async def test_users_present_when_a_room_gets_an_owner_keep_their_read_cursors(
    repository: FaultyRepository,
) -> None:
    async with chatting(repository, guest_role="readonly") as chat:
        chat.parts.passwords = Plainly()
        ann, guest, admin = account(chat, "ann"), Person(chat, "guest"), account(chat, "admin", "admin")
        for person in (ann, admin, guest):
            await ask(person, "join", room="general")
        seq = await said(ann, room="general")
        await ask(ann, "read", room="general", seq=seq)
        ann.disconnect()
        await passes(0.1)
        ann = account(chat, "ann")
        await ask(ann, "join", room="general")
        assert id_of(ann) not in chat.parts.hub.rooms["general"].members  # not needed until now
        assert await code_of(admin, "update_room", room="general", private=False) == ""
        assert await stored_row(repository, id_of(ann), "general") == {"role": "member", "read": seq, "muted": False}
        assert (await stored_row(repository, id_of(guest), "general"))["role"] == "readonly"
        assert (await mine(ann))["general"]["read"] == seq


async def test_a_user_who_joins_while_a_room_gets_an_owner_becomes_a_member(
    chat: Chat, repository: FaultyRepository
) -> None:
    ann, ben, admin = account(chat, "ann"), account(chat, "ben"), account(chat, "admin", "admin")
    for person in (ann, admin):
        await ask(person, "join", room="general")
    await said(ann, room="general")
    repository.hold("find_member")
    admin.send("update_room", id="u", room="general", private=True)
    await passes()
    ben.send("join", room="general")
    await passes()
    repository.go("find_member")
    await passes(0.1)
    assert "u" in admin.acked()
    for person in (ann, ben):
        assert (await stored_row(repository, id_of(person), "general"))["role"] == "member"
        assert person.last("room")["info"] == {"kind": "private"}


async def test_a_lingering_user_is_listed_with_their_role(repository: FaultyRepository) -> None:
    async with chatting(repository, presence_grace=5.0) as chat:
        people = await staffed(chat)
        people["member"].disconnect()
        await passes(1)
        await ask(people["owner"], "members", room="lobby")
        rows = {row["id"]: row for row in people["owner"].last("members")["members"]}
        assert (rows["u_member"]["role"], rows["u_member"]["online"]) == ("member", True)


async def test_a_kicked_user_does_not_linger(repository: FaultyRepository) -> None:
    async with chatting(repository, presence_grace=5.0) as chat:
        people = await staffed(chat)
        owner = people["owner"]
        people["member"].disconnect()
        await passes(2)
        owner.forget()
        assert await code_of(owner, "kick", room="lobby", user="u_member") == ""
        await passes(1)
        assert [user["id"] for frame in owner.of("presence") for user in frame["left"]] == ["u_member"]
        assert "u_member" not in chat.parts.hub.rooms["lobby"].presence.people


async def test_a_read_cursor_is_broadcast_when_its_user_leaves(chat: Chat) -> None:
    people = await staffed(chat)
    owner, member = people["owner"], people["member"]
    seq = await said(owner)
    member.send("read", room="lobby", seq=seq)
    member.disconnect()
    await passes(0.1)
    assert [(frame["user"]["id"], frame["seq"]) for frame in owner.of("read")] == [("u_member", seq)]


# --- messages --------------------------------------------------------------------------------------------------------


async def test_a_change_builds_on_a_state_evicted_during_the_lookup() -> None:
    """Storage answers late; the message has changed since, and the room no longer has that change in memory."""
    repository = FaultyRepository()
    async with chatting(repository, room_tail=0) as chat:
        ann, ben = Person(chat, "ann", "general"), Person(chat, "ben", "general")
        await passes()
        seq, _ = await said(ann, "old", "general"), await said(ann, "later", "general")
        repository.delay("find_message")
        ben.send("react", id="r", room="general", seq=seq, emoji="b")
        await passes()
        await ask(ann, "react", room="general", seq=seq, emoji="a")
        await said(ann, "last", "general")
        repository.go("find_message")
        await passes(0.1)
        assert "r" in ben.acked()
        await ask(ben, "history", room="general")
        (message, *_) = ben.last("history")["messages"]
        assert message["reactions"] == {"a": [id_of(ann)], "b": [id_of(ben)]}


async def test_an_edited_reply_quotes_the_current_message(chat: Chat) -> None:
    ann = Person(chat, "ann", "general")
    await passes()
    seq = await said(ann, "first", "general")
    reply = await said(ann, "answer", "general", reply_to=seq)
    since = ann.last("ack")["ids"][0]["seq"]
    await ask(ann, "edit", room="general", seq=seq, content="second")
    await ask(ann, "edit", room="general", seq=reply, content="another answer")
    other = Person(chat, "other")
    await ask(other, "join", room="general", since=since, epoch=ann.last("joined")["epoch"])
    told = {frame["seq"]: frame for frame in other.of("message")}
    assert told[reply]["reply_to"]["content"] == "second"


async def test_a_reply_to_a_retracted_message_quotes_nothing(chat: Chat, repository: FaultyRepository) -> None:
    ann, ben = Person(chat, "ann", "general"), Person(chat, "ben", "general")
    await passes()
    since = await said(ann, "before", "general")
    repository.refused = refused
    repository.hold("write")
    ann.say("poison", "p")
    await passes()
    seq = ben.last("message")["seq"]
    ben.say("answer", "a", reply_to=seq)
    await passes()
    repository.go("write")
    await passes(0.1)
    assert ben.last("retracted")["seq"] == seq
    assert "a" in ben.acked()
    other = Person(chat, "other")
    await ask(
        other, "join", room="general", since=since, epoch=chat.parts.hub.epoch_of(chat.parts.hub.rooms["general"])
    )
    assert other.last("message")["reply_to"] == {"seq": seq}


async def test_a_deleted_room_is_not_resumed_in_a_new_room_of_the_same_name(chat: Chat) -> None:
    people = await staffed(chat)
    owner, member = people["owner"], people["member"]
    head = await said(owner)
    epoch = member.last("joined")["epoch"]
    await ask(owner, "delete_room", room="lobby")
    await created(chat, owner)
    await ask(member, "join", room="lobby", since=head, epoch=epoch)
    joined = member.last("joined")
    assert not joined["recovered"]
    assert joined["epoch"] != epoch
