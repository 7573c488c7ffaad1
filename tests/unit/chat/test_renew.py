"""Options changed while users are connected: new limits, rights and times count from then on."""

from dataclasses import replace

from chat.chat import Chat
from chat.delivery.ratelimit import Rate
from chat.maintenance import expire_once
from chat.one_shot import CommandRunner
from model.commands import PostMessage
from model.errors import ParleyError
from model.events import Ack
from model.limits import Limits
from tests.support.chatting import Person, VirtualClock, chatting
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes
from tests.unit.chat.people import account, ask, code_of, created
from utils.clock import DAY_US


async def test_guests_follow_the_new_guest_role(chat: Chat) -> None:
    ann = Person(chat, "ann", "general")
    await passes()
    for number, (role, refusals) in enumerate((("member", {}), ("readonly", {"1": "forbidden"}), ("member", {}))):
        chat.renew(replace(chat.parts.options, guest_role=role))  # type: ignore[arg-type]  # a literal
        ann.say("hello", f"{number}")
        await passes()
        assert ann.errors() == refusals | ({"1": "forbidden"} if number else {})
    assert ann.heard() == ["hello", "hello"]


async def test_connected_users_get_the_new_rates(chat: Chat) -> None:
    """Also for a user who only uses HTTP, and if there was no rate before."""
    runner, ben = CommandRunner(chat), account(chat, "ben").session.identity
    assert ben is not None
    ann = account(chat, "ann")
    await created(chat, ann)

    async def visit(id: str) -> str:
        try:
            await runner.run(ben, PostMessage(room="lobby", content="x", id=id), Ack)
        except ParleyError as error:
            return error.code
        return ""

    said = []
    for rate, burst in ((0.0, 0), (0.1, 1), (0.0, 0), (1000.0, 3000)):
        chat.renew(replace(chat.parts.options, limits=replace_limits(rate, burst)))
        for number in range(2):
            ann.say("x", f"{rate} {number}", room="lobby")
            said.append(await visit(f"{rate} {number}"))
    await passes()
    assert ann.errors() == {"0.1 1": "rate_limited"}
    assert said == ["", "", "", "rate_limited", "", "", "", ""]


async def test_unchanged_rates_give_no_new_burst(chat: Chat) -> None:
    chat.renew(replace(chat.parts.options, limits=replace_limits(0.1, 1)))
    ann = account(chat, "ann")
    await created(chat, ann)
    ann.say("x", "1", room="lobby")
    await passes()
    for number, options in (
        ("2", replace(chat.parts.options, limits=Limits(messages_per_second=0.1, messages_burst=1, max_rooms=77))),
        ("3", replace(chat.parts.options, retention_days=7)),
        ("4", replace(chat.parts.options, new_guests=Rate(3.0, 3))),
    ):
        chat.renew(options)
        ann.say("x", number, room="lobby")
        await passes()
    assert ann.errors() == dict.fromkeys(("2", "3", "4"), "rate_limited")


def replace_limits(rate: float, burst: int) -> Limits:
    return Limits(messages_per_second=rate, messages_burst=burst)


async def test_room_limits_follow_the_new_settings(repository: FaultyRepository) -> None:
    async with chatting(repository, address_rooms=1000) as chat:
        ann = account(chat, "ann")
        ann.session.network = "192.0.2.1"
        chat.renew(replace(chat.parts.options, address_rooms=1, limits=Limits(max_rooms=2)))
        for number, code in enumerate(("", "too_many_rooms")):
            assert await code_of(ann, "create_room", room=f"mine {number}") == code
        chat.renew(replace(chat.parts.options, address_rooms=3))
        assert await code_of(ann, "create_room", room="mine 1") == ""
        assert await code_of(ann, "join", room="third") == "too_many_rooms"


async def test_retention_can_be_switched_on_and_off(repository: FaultyRepository) -> None:
    clock = VirtualClock()
    async with chatting(repository, clock) as chat:
        ann = account(chat, "ann")
        await created(chat, ann)
        ann.say("old", room="lobby")
        await passes()
        clock.offset_us = 2 * DAY_US
        writer = repository.writer()
        assert await expire_once(chat.parts, writer) == 0
        chat.renew(replace(chat.parts.options, retention_days=1))
        assert await expire_once(chat.parts, writer) == 1
        await writer.close()


async def test_options_fixed_at_start_do_not_change(chat: Chat) -> None:
    """Such as `room_tail`: existing rooms are not rebuilt."""
    ann = account(chat, "ann")
    await created(chat, ann)
    chat.renew(replace(chat.parts.options, room_tail=0, guests=False))
    ann.say("kept", room="lobby")
    await passes()
    back = account(chat, "ann")
    await ask(back, "join", room="lobby", since=0, epoch=ann.last("joined")["epoch"])
    assert back.heard() == ["kept"]
