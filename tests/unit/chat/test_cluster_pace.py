"""Messages that are sent at the allowed rate while the rooms move are accepted, and no more than those."""

import asyncio
from collections.abc import Sequence

import pytest

from chat.delivery.ratelimit import Rate, TokenBucket
from tests.support.chatting import Person, limits
from tests.support.cluster import Cluster, account, clustered
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes
from tests.unit.chat.nodes import entered

RATE = 20.0
BURST = 20
LIMITS = limits(messages_per_second=RATE, messages_burst=BURST)


class Talker:
    """A client that sends at a rate; what the server does not read waits in its socket."""

    def __init__(self, person: Person, rate: float, name: str) -> None:
        self.person = person
        self.sent = 0
        self._rate = rate
        self._name = name
        self._unread: list[str] = []

    async def talk(self, seconds: float) -> None:
        until = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < until:
            self._unread.append(f"{self._name}-{self.sent}")
            self.sent += 1
            self.flush()
            await asyncio.sleep(1 / self._rate)

    def flush(self) -> None:
        while self._unread and self.person.is_read():
            command = self._unread.pop(0)
            self.person.say(f"says {command}", command)

    async def end(self) -> None:
        for _ in range(100):
            self.flush()
            await asyncio.sleep(0.05)
        assert not self._unread

    @property
    def accepted(self) -> int:
        return len(self.person.acked())


async def over_a_death(cluster: Cluster, talkers: Sequence[Talker]) -> None:
    """Let them talk for 10 s, while the owner dies, the next one comes after 3 s, and storage delays the returns."""
    talking = asyncio.gather(*(talker.talk(10.0) for talker in talkers))
    await passes(3.0)
    first, second = cluster.nodes[:2]
    await first.kill()
    await passes(3.0)
    cluster.repository.hold("find_members")
    cluster.repository.hold("find_room")
    second.own()
    await passes(1.0)
    cluster.repository.go("find_members")
    cluster.repository.go("find_room")
    await talking
    await asyncio.gather(*(talker.end() for talker in talkers))


@pytest.mark.parametrize("node", [1, 2])
@pytest.mark.parametrize("guest", [False, True])
async def test_messages_at_the_allowed_rate_are_accepted_when_the_owner_dies(
    repository: FaultyRepository, node: int, guest: bool
) -> None:
    async with clustered(3, repository, limits=LIMITS, guest_messages=Rate(RATE, BURST)) as cluster:
        at = cluster.nodes[node]
        person = Person(at.chat, network="10.0.0.1") if guest else account(at, "ann")
        talker = Talker(person, 0.9 * RATE, "t")
        await entered(person)
        await over_a_death(cluster, [talker])
        assert person.errors() == {}
        assert talker.accepted == talker.sent


async def test_messages_at_the_allowed_rate_are_accepted_over_a_stop(repository: FaultyRepository) -> None:
    async with clustered(3, repository, limits=limits(messages_per_second=RATE, messages_burst=5)) as cluster:
        first, second, _ = cluster.nodes
        talkers = [Talker(account(node, node.name), 0.9 * RATE, node.name) for node in cluster.nodes]
        await entered(*(talker.person for talker in talkers))
        talking = asyncio.gather(*(talker.talk(5.0) for talker in talkers))
        await passes(2.0)
        repository.hold("write")
        moving = asyncio.ensure_future(first.resign())
        await passes(1.0)
        repository.go("write")
        assert await moving
        second.own()
        await talking
        for talker in talkers:
            await talker.end()
            assert talker.person.errors() == {}
            assert talker.accepted == talker.sent


async def test_who_sends_too_fast_is_refused_what_is_too_much(repository: FaultyRepository) -> None:
    """Also on three devices: the time in which nothing was taken counts once."""
    async with clustered(3, repository, limits=LIMITS) as cluster:
        people = [account(cluster.nodes[2], "ann") for _ in range(3)]
        talkers = [Talker(person, 3 * RATE, f"t{number}") for number, person in enumerate(people)]
        await entered(*people)
        await over_a_death(cluster, talkers)
        assert sum(talker.accepted for talker in talkers) <= 16 * RATE + 3 * BURST


def test_a_bucket_saves_no_more_than_the_rate() -> None:
    bucket = TokenBucket(10.0, 5.0, 0.0)
    for hundredth in range(300):
        bucket.save(hundredth / 100, 3.0)
        bucket.save(hundredth / 100, 3.0)
    assert sum(bucket.take(3.0) == 0.0 for _ in range(100)) == 34
    assert 0 < bucket.take(3.0) <= 0.1


def test_a_bucket_saves_only_what_the_pause_has_cost() -> None:
    bucket = TokenBucket(10.0, 5.0, 0.0)
    bucket.save(100.0, 2.0)
    assert sum(bucket.take(100.0) == 0.0 for _ in range(100)) == 25
