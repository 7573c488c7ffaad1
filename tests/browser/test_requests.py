"""Conversations that others begin: many of them neither fill the sidebar nor keep the user out of their own rooms."""

import re

import pytest
from playwright.async_api import Locator, expect

from tests.browser.chat_page import SECRET, ChatPage
from tests.browser.conftest import PLAIN, Start
from tests.browser.peer import peer
from tests.support.browser import Pages
from tests.support.server import ServerProcess
from tests.support.web import token_of


def token(name: str) -> str:
    return token_of(name, secret=SECRET)


async def owner(server: ServerProcess, *rooms: str) -> None:
    """Have Vic own these rooms."""
    async with peer(server, "", "vic", token=token("vic")) as vic:
        for room in rooms:
            await vic.ask(type="create_room", room=room)


async def flood(server: ServerProcess, count: int, *, first: int = 0) -> None:
    """Have as many strangers write to Vic, each once."""
    for number in range(first, first + count):
        async with peer(server, "", "", token=token(f"stranger{number}")) as stranger:
            opened = await stranger.ask(type="direct", user="u_vic")
            await stranger.at(opened["room"]).say(["hello"])


async def open_page(new_page: Pages, server: ServerProcess) -> ChatPage:
    """Open a new browser as Vic."""
    page = await new_page()
    await page.goto(f"{server.http_url}/client.html#token={token('vic')}")
    chat = ChatPage(page)
    await chat.connected()
    return chat


def entry(chat: ChatPage, room: str) -> Locator:
    return chat.page.locator(f'[data-room="{room}"]')


def conversations(chat: ChatPage, count: int) -> Locator:
    return chat.page.get_by_role("button", name=f"{count} new conversations")


async def mention(server: ServerProcess, room: str) -> None:
    async with peer(server, room, "carl") as carl:
        await carl.say(["@vic hello"])


@pytest.mark.slow
async def test_many_strangers_do_not_keep_a_user_out_of_their_rooms(start_server: Start, new_page: Pages) -> None:
    """In an open page and in a new browser, of a server that allows fewer rooms than that."""
    server = start_server({**PLAIN, "SESSION_ROOMS": "8"})
    rooms = [f"team{number}" for number in range(4)]
    await owner(server, *rooms)
    vic = await open_page(new_page, server)
    await expect(entry(vic, "team3")).to_be_visible()
    await flood(server, 4)
    await expect(vic.page.locator('[data-room^="@"]')).to_have_count(4)  # few are listed by their names
    await expect(conversations(vic, 4)).to_have_count(0)
    await flood(server, 8, first=4)
    fresh = await open_page(new_page, server)
    for chat in (vic, fresh):
        await expect(conversations(chat, 12)).to_be_visible()
        await expect(chat.page.locator('[data-room^="@"]')).to_have_count(0)
        await expect(chat.page).to_have_title(re.compile(r"^\(@1\) team\d"))
    await mention(server, "team3")
    for chat in (vic, fresh):
        await expect(entry(chat, "team3").locator(".badge.mention")).to_contain_text("1")
        await entry(chat, "team3").click()
        await expect(chat.message("@vic hello")).to_be_visible()
    await vic.page.keyboard.press("Control+k")
    await vic.page.get_by_role("combobox").fill("another")
    await vic.page.keyboard.press("Enter")
    await vic.page.get_by_role("button", name="Create room").click()
    await vic.say("here")
    await vic.delivered("here")


@pytest.mark.slow
async def test_new_conversations_are_opened_or_hidden_together(start_server: Start, new_page: Pages) -> None:
    """Hiding them can be undone; a conversation that was opened is listed from then on."""
    server = start_server(PLAIN)
    await owner(server, "team")
    await flood(server, 7)
    vic = await open_page(new_page, server)
    await conversations(vic, 7).click()
    dialog = vic.page.get_by_role("dialog", name="New conversations")
    await expect(dialog.get_by_role("listitem")).to_have_count(7)
    await dialog.get_by_role("button", name="Open stranger3").click()
    await expect(vic.message("hello")).to_be_visible()
    await expect(dialog).to_have_count(0)
    await expect(vic.page.locator('[data-room^="@"]')).to_have_count(1)
    await conversations(vic, 6).click()
    await dialog.get_by_role("button", name="Hide all").click()
    await expect(conversations(vic, 6)).to_have_count(0)
    await expect(vic.page.locator('[data-room^="@"]')).to_have_count(1)
    await vic.page.get_by_role("button", name="Undo").click()
    await conversations(vic, 6).press("Enter")  # a click on what has just come under the pointer does nothing
    await expect(dialog.get_by_role("listitem").filter(has_text="1 unread")).to_have_count(6)
    await dialog.get_by_role("button", name="Hide all").click()
    await vic.page.reload()
    await vic.connected()
    await expect(entry(vic, "team")).to_be_visible()
    await expect(conversations(vic, 6)).to_have_count(0)
    await expect(vic.page.locator('[data-room^="@"]')).to_have_count(1)


@pytest.mark.slow
async def test_the_room_in_front_is_entered_in_place_of_another(start_server: Start, new_page: Pages) -> None:
    """A connection may be in few rooms: the page leaves the one that was used longest ago, on this connection only."""
    server = start_server({**PLAIN, "SESSION_ROOMS": "3"})
    rooms = [f"team{number}" for number in range(5)]
    for some in (rooms[:3], rooms[3:]):
        await owner(server, *some)
    vic = await open_page(new_page, server)
    for text, room in [(f"{turn} in {room}", room) for turn in ("first", "again") for room in rooms]:
        await entry(vic, room).click()
        await expect(vic.page.locator("#room-count")).to_have_text("1")
        await vic.say(text)
        await vic.delivered(text)
        await expect(vic.page.locator("[data-room]")).to_have_count(5)
    await expect(vic.messages).to_have_count(2)
    for room, inside in zip(rooms, [False, False, True, True, True], strict=True):
        async with peer(server, room, "carl") as carl:
            assert ("vic" in carl.ids) == inside


@pytest.mark.slow
async def test_all_rooms_are_listed_when_they_are_many(start_server: Start, new_page: Pages) -> None:
    """The server lists them by pages, by name."""
    server = start_server(PLAIN)
    await owner(server, *(f"team{number}" for number in range(3)))
    page = await new_page()
    await page.add_init_script(
        """const { send } = WebSocket.prototype;
        WebSocket.prototype.send = function (text) {
          send.call(this, text.replace('"limit":500', '"limit":1'));
        };"""
    )
    await page.goto(f"{server.http_url}/client.html#token={token('vic')}")
    await expect(page.locator("[data-room]")).to_have_count(3)
