"""Rooms and people of one name are told apart where one goes to them."""

import pytest
from playwright.async_api import Locator, expect

from tests.browser.chat_page import SECRET
from tests.browser.peer import peer
from tests.browser.people_page import Visit, made, new_name, owner, visit, web
from tests.support.server import ServerProcess
from tests.support.web import token_of

__all__ = ["made", "owner", "visit"]  # fixtures


@pytest.mark.slow
async def test_two_people_of_one_name_are_told_apart(visit: Visit, server: ServerProcess, made: str) -> None:
    """In the sidebar, in the switcher and in the header; a guest is marked there, and where it is quoted."""
    account, name = web(server, new_name()), new_name()
    ann = await visit(account=account)
    rows = ann.page.get_by_role("navigation", name="Rooms").get_by_role("link").filter(has_text=name)
    rooms = []
    for token in (None, token_of(name, secret=SECRET)):
        async with peer(server, made, name, token=token) as user:
            [seq] = await user.say([f"by {user.user_id}"])
            await user.say(["an answer"], reply_to=seq)
            rooms.append(str((await user.ask(type="direct", user=account.id))["room"]))
            await user.at(rooms[-1]).say(["hello"])
            await expect(rows).to_have_count(len(rooms))
    await expect(ann.log.locator(".reply").first).to_contain_text(f"{name} (guest)")
    await expect(ann.log.locator(".reply").last).not_to_contain_text("guest")

    def in_sidebar(room: str) -> Locator:
        return ann.page.locator(f'[data-room="{room}"]')

    def in_switcher(room: str) -> Locator:
        return ann.page.locator(f'[data-key="room {room}"]')

    await ann.page.keyboard.press("Control+k")
    await ann.page.get_by_role("combobox").fill(name)
    ends: list[str] = []
    for place in (in_sidebar, in_switcher):
        await expect(place(rooms[0]).locator(".mark")).to_have_text("guest")
        await expect(place(rooms[1]).locator(".mark")).to_have_count(0)
        ends = [await place(room).locator(".id-end").inner_text() for room in rooms]
        assert ends[0] != ends[1]
    await in_switcher(rooms[0]).click()
    await expect(ann.page.locator(".heading-title")).to_contain_text(ends[0])
    await expect(ann.page.locator(".heading-title .mark")).to_have_text("guest")


async def test_rooms_whose_titles_look_alike_show_their_names(visit: Visit, server: ServerProcess, made: str) -> None:
    """So does an invitation, before one accepts it."""
    account = web(server, new_name())
    ann = await visit(account=account)
    there = ann.page.locator(f'[data-room="{made}"]')
    await expect(there).to_have_text("Plans")
    async with peer(server, made, "eve") as eve:
        await eve.ask(type="create_room", room=f"{made}-2", title="\uff30LANS", private=True)
        await eve.ask(type="invite", room=f"{made}-2", user=account.id)
    invitation = ann.page.get_by_role("region", name="Invitations").get_by_role("listitem")
    await expect(invitation).to_contain_text(f"{made}-2")
    await expect(invitation).to_contain_text("eve guest invites you")
    await invitation.get_by_role("button", name="Accept").click()
    for room in (made, f"{made}-2"):
        await expect(ann.page.locator(f'[data-room="{room}"] .id-end')).to_have_text(room)
    await expect(ann.page.locator(".heading-title")).to_contain_text(f"{made}-2")


@pytest.mark.slow
async def test_rooms_whose_names_look_alike_are_spelled(visit: Visit, server: ServerProcess, made: str) -> None:
    """In the invitation, before one accepts it, in the sidebar and the header."""
    account = web(server, new_name())
    name = f"{made}-general"
    fake = name.replace("a", "\u0430")
    spelled = fake.lower().replace("\u0430", "(U+0430)")
    await account.create(name)
    ann = await visit(account=account)
    await expect(ann.page.locator(f'[data-room="{name}"]')).to_have_text(name)
    async with peer(server, made, "eve") as eve:
        await eve.ask(type="create_room", room=fake, private=True)
        await eve.ask(type="invite", room=fake, user=account.id)
    invitation = ann.page.get_by_role("region", name="Invitations").get_by_role("listitem")
    await expect(invitation.locator(".id-end")).to_have_text(spelled)
    await invitation.get_by_role("button", name="Accept").click()
    await expect(ann.page.locator(f'[data-room="{fake}"] .id-end')).to_have_text(spelled)
    await expect(ann.page.locator(".heading-title .id-end")).to_have_text(spelled)
    await expect(ann.page.locator(f'[data-room="{name}"] .id-end')).to_have_count(0 if name == name.lower() else 1)
