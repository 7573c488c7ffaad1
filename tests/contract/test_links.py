"""The links port, over every backend."""

import asyncio

from model.account import InviteLink
from model.audit import AuditFilter
from storage.ports.messages import ENDLESS
from storage.ports.storage import Storage
from tests.support.accounts import DAY, NOW, invite_link, new_secret, noted
from utils.ids import new_room_id, new_token


async def linked(repository: Storage, **fields: object) -> InviteLink:
    link = invite_link(**fields)
    await repository.links.insert(link, noted("link"))
    return link


async def test_a_link_is_found_until_it_expires_or_is_used_up(repository: Storage) -> None:
    room_id = new_room_id()
    link = await linked(repository, room_id=room_id, uses=2)
    find, use = repository.links.find, repository.links.use
    assert await find(link.hash, NOW) == link
    assert await find(link.hash, link.until) is None
    assert await repository.links.find_by_id(link.link_id) == link
    assert await repository.links.find_by_id("i_none") is None
    assert await find(new_secret(), NOW) is None
    assert await use(link.hash, link.until) is None
    left = [await use(link.hash, NOW) for _ in range(3)]
    assert [one and one.uses_left for one in left] == [1, 0, None]
    assert await find(link.hash, NOW) is None
    await repository.links.give_back(link.link_id)
    found = await find(link.hash, NOW)
    assert found is not None
    assert found.uses_left == 1


async def test_a_use_is_given_back_at_most_once_for_each(repository: Storage) -> None:
    link = await linked(repository, room_id=new_room_id(), uses=1)
    for _ in range(2):
        await repository.links.give_back(link.link_id)
    assert await repository.links.find(link.hash, NOW) == link


async def test_of_many_who_use_a_link_at_once_as_many_as_it_has_uses_succeed(repository: Storage) -> None:
    link = await linked(repository, room_id=new_room_id(), uses=3)
    used = await asyncio.gather(*(repository.links.use(link.hash, NOW) for _ in range(8)))
    assert sorted(one.uses_left for one in used if one is not None) == [0, 1, 2]


async def test_a_link_to_register_is_not_used_for_a_room(repository: Storage) -> None:
    link = await linked(repository)
    assert await repository.links.use(link.hash, NOW) is None
    assert await repository.links.find(link.hash, NOW) == link


async def test_links_are_listed_newest_first(repository: Storage) -> None:
    room_id, maker = new_room_id(), new_token("u_")
    of_maker = {"maker_id": maker, "until": NOW + DAY}
    old = await linked(repository, room_id=room_id, created_at=NOW - 5, **of_maker)
    new = await linked(repository, room_id=room_id, created_at=NOW, **of_maker)
    registers = await linked(repository, created_at=NOW - 9, **of_maker)
    other = await linked(repository, room_id=room_id)
    assert [one for one in await repository.links.of_room(room_id, NOW) if one != other] == [new, old]
    assert await repository.links.of_maker(maker, NOW) == [new, old, registers]
    assert await repository.links.of_room(room_id, NOW + DAY) == []
    assert await repository.links.of_maker(maker, NOW + DAY) == []


async def test_a_revoked_link_is_gone(repository: Storage) -> None:
    link, entry = await linked(repository, room_id=new_room_id()), noted("link_revoke")
    assert await repository.links.revoke(link.link_id, entry)
    assert not await repository.links.revoke(link.link_id, noted("link_revoke"))
    assert await repository.links.use(link.hash, NOW) is None
    await repository.links.give_back(link.link_id)
    assert await repository.links.find(link.hash, NOW) is None
    logged = await repository.audit.page(AuditFilter(action="link_revoke"), before=ENDLESS, limit=1)
    assert [one for _, one in logged] == [entry]
