"""Notices that end many connections at once do not delay the others."""

import asyncio
from itertools import pairwise

from chat.chat import Chat
from chat.handlers.sessions import SESSIONS_PER_TURN
from model.errors import BLOCKED
from model.room import FOREVER
from server.auth.access_list import AccessList
from server.auth.ending import ENDING, Ending
from storage.ports.access import network_blocked
from tests.support.accounts import NOW
from tests.support.chatting import Person
from utils.clock import SystemClock

HOME, ELSEWHERE = "192.0.2.1", "198.51.100.1"


async def test_a_block_ends_few_connections_in_each_iteration_of_the_event_loop(chat: Chat) -> None:
    access = AccessList(SystemClock())
    blocked = [Person(chat, network=HOME) for _ in range(70)]
    others = [Person(chat, network=ELSEWHERE) for _ in range(70)]
    for person in (*blocked, *others):
        person.session.address = person.session.network
    notice = network_blocked("192.0.2.0/24", FOREVER, "flood", NOW)
    access.take([notice])
    task = asyncio.create_task(Ending(chat, access).end_denied([notice]))
    ended = [0]
    while not task.done():
        await asyncio.sleep(0)
        ended.append(sum(person.session.ended for person in blocked))
    most = SESSIONS_PER_TURN // ENDING
    assert max(after - before for before, after in pairwise(ended)) <= most < len(blocked)
    assert {person.connection.closed for person in blocked} == {BLOCKED}
    assert not any(person.session.ended for person in others)
