"""Links to rooms of this server within messages, rooms that open by themselves, and names with their marks."""

import re

import pytest
from playwright.async_api import expect

from tests.browser.account_page import home, join_room, new_username
from tests.browser.chat_page import SECRET, Enter, new_room
from tests.browser.test_message_actions import toolbar
from tests.support.browser import Pages
from tests.support.server import ServerProcess
from tests.support.web import Web


@pytest.mark.slow
async def test_a_link_to_this_server_is_followed_in_place(enter: Enter, server: ServerProcess, room: str) -> None:
    """To a message of a room of mine at once; to another room after asking. Modifier keys are the browser's."""
    other, mine = new_room(), f"{room}-b"
    owner = Web(server.port, "mod", secret=SECRET)
    await owner.create(other, title="The other room")
    ann = await enter("ann", room=mine)
    await ann.say("look here")
    await ann.delivered("look here")
    seq = await ann.message("look here").get_attribute("data-seq")
    await ann.go_to(room)
    await ann.say(f"{home(server, mine)}&m={seq}", home(server, other))
    await ann.delivered(home(server, other))
    links = ann.log.locator("a[rel]")
    async with ann.page.context.expect_page() as popup:
        await links.first.click(modifiers=["ControlOrMeta"])
    await (await popup.value).close()
    heading = ann.page.get_by_role("heading", level=1)
    await expect(heading).to_have_text(room)
    await links.first.click()
    await expect(heading).to_have_text(mine)
    await expect(ann.message("look here")).to_be_in_viewport()
    await ann.go_to(room)
    await links.last.click()
    await ann.agree_to_enter(other)
    await expect(heading).to_have_text("The other room")
    assert len(ann.page.context.pages) == 1


@pytest.mark.slow
async def test_a_room_opens_when_somebody_makes_me_a_member(new_page: Pages, server: ServerProcess, room: str) -> None:
    username, vault = new_username(), new_room()
    root = Web(server.port, "root", "admin", secret=SECRET)
    await root.create(vault, title="The vault", private=True)
    ann = await join_room(new_page, server, room, username)
    await ann.page.evaluate(
        """room => { const key = Object.keys(localStorage).find((each) => each.startsWith("parley.recent:"));
          localStorage[key] = JSON.stringify([room]); }""",
        vault,
    )
    await ann.page.goto(home(server, vault))
    await expect(ann.closed).to_contain_text("does not exist, or you may not enter it")
    (found,) = (await root.json(f"/api/accounts?contains={username}"))["accounts"]
    reply = await root.put(f"/api/rooms/{vault}/members/{found['id']}", {})
    assert reply.status < 300, reply
    await expect(ann.closed).to_be_hidden()
    await expect(ann.page.get_by_role("heading", level=1)).to_have_text("The vault")
    await ann.say("here I am")
    await ann.delivered("here I am")


@pytest.mark.slow
async def test_who_types_and_who_is_answered_have_their_marks(enter: Enter) -> None:
    ann, bob = await enter("ann"), await enter("bob")
    await ann.say("hello")
    await bob.message("hello").hover()
    await toolbar(bob).get_by_role("button", name="Reply").click()
    await expect(bob.page.locator("#reply-bar")).to_contain_text("Reply to ann (guest): hello")
    await bob.box.press_sequentially("hi")
    await expect(ann.page.locator("#typing")).to_have_text(re.compile(r"^\s*bob \(guest\) is typing"))
