"""The page as its users see it: their actions, and what is on the screen. Everything waits for a condition."""

import json
import re
import secrets
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

from playwright.async_api import Locator, Page, WebSocketRoute, expect

from server.dialects import NATIVE
from tests.support import contract
from tests.support.server import ServerProcess

SECRET = "a secret of the tests, long enough for HS256"
# What Chromium itself logs when a server is unreachable: not an error of the page.
SERVER_AWAY = r"WebSocket connection to .* failed|net::ERR_|when fetching the script"
OWN = re.compile(r"\bown\b")  # the class of the user's own messages


def new_room() -> str:
    """Return a new room name: tests may share a server."""
    return f"room-{secrets.token_hex(4)}"


class ChatPage:
    """One tab with the client in it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.log = page.get_by_role("log", name=re.compile("^Messages in"))
        self.box = page.get_by_role("textbox", name=re.compile("^Message "))
        self.status = page.get_by_role("status", name="Connection")
        self.jump = page.locator("#jump")
        self.closed = page.get_by_role("alert", name="This room")
        self.people = page.get_by_role("complementary", name="People").get_by_role("listitem")

    @property
    def messages(self) -> Locator:
        """The messages that are drawn, one's own and others': in a long log those around what is read."""
        return self.log.locator(".msg:not(.gone)")

    @property
    def notices(self) -> Locator:
        """Lines about joins and leaves."""
        return self.log.locator(".notice-text")

    def message(self, text: str) -> Locator:
        """Find the messages with exactly this text."""
        return self.messages.filter(has=self.page.locator(".text", has_text=re.compile(f"^{re.escape(text)}$")))

    async def texts(self) -> list[str]:
        """Return the text of every message, from top to bottom."""
        return await self.log.locator(".text").all_inner_texts()

    async def connected(self) -> None:
        """Wait until the page shows that it is connected."""
        await expect(self.status).to_have_text("Connected")

    async def try_now(self) -> None:
        """Connect without waiting, unless the page does so by itself at this moment."""
        await self.page.evaluate("dispatchEvent(new Event('online'))")
        await self.connected()

    async def say(self, *texts: str) -> None:
        """Write messages and send each with Enter."""
        for text in texts:
            await self.box.fill(text)
            await self.box.press("Enter")

    async def go_to(self, room: str) -> None:
        """Enter a room by the quick switcher; agree to create it if it does not exist."""
        await self.page.keyboard.press("Control+k")
        field = self.page.get_by_role("combobox", name="Find a room or a person")
        await field.fill(room)
        await self.page.locator(f'[data-key="room {room}"], [data-key="typed"]').click()
        create = self.page.get_by_role("button", name="Create room")
        heading = self.page.get_by_role("heading", level=1, name=room, exact=True)
        await expect(create.or_(heading)).to_be_visible()
        if await create.is_visible():
            await create.click()
        await expect(heading).to_be_visible()
        await expect(self.page.locator("#room-count")).not_to_be_empty()  # before, it is not entered yet

    async def choose(self, button: str, item: str) -> None:
        """Choose an item of the menu that a button opens."""
        await self.page.get_by_role("button", name=button).click()
        await self.page.get_by_role("menuitem", name=item).click()

    async def agree_to_be(self, name: str) -> None:
        """Be the guest whom a link names, in a browser in which another one was used last."""
        await expect(self.page.get_by_label("Your name")).to_have_value(name)
        await expect(self.page.get_by_role("button", name="Enter", exact=True)).to_be_focused()
        await self.page.keyboard.press("Enter")

    async def agree_to_enter(self, room: str) -> None:
        """Enter the room that a link names, and in which one has not been."""
        await expect(self.page.get_by_label("Room", exact=True)).to_have_value(room)
        await expect(self.page.get_by_role("button", name="Enter", exact=True)).to_be_focused()
        await self.page.keyboard.press("Enter")

    async def knows(self, name: str) -> bool:
        """Return whether the browser has a guest of this name."""
        return bool(await self.page.evaluate("name => `parley.guest:${name}` in localStorage", name))

    async def last_used(self) -> str:
        """Return the name of the browser's guest that was used last."""
        return str(
            await self.page.evaluate(
                """() => Object.keys(localStorage).filter((key) => key.startsWith("parley.guest:"))
                  .map((key) => JSON.parse(localStorage[key])).sort((a, b) => b.at - a.at)[0]?.name"""
            )
        )

    async def has_been_in(self, name: str, room: str) -> bool:
        """Return whether the browser's guest of this name has been in a room."""
        kept = await self.page.evaluate("name => JSON.parse(localStorage[`parley.recent:guest:${name}`] ?? '[]')", name)
        return room in kept

    async def leave_for_good(self) -> None:
        """Forget the guest: the page asks for a name again."""
        await self.page.locator("#me").click()
        await self.page.get_by_role("menuitem", name="Sign out").click()
        await self.page.get_by_role("dialog").get_by_role("button", name="Sign out").click()

    async def delivered(self, text: str) -> None:
        """Wait until a message is shown once, as stored, which requires an ack."""
        await expect(self.message(text)).to_have_count(1)
        await expect(self.message(text)).to_have_attribute("data-state", "sent")

    async def identity(self) -> str:
        """Return the user id of the guest that this tab is."""
        found = await self.page.evaluate(
            """() => {
              const name = JSON.parse(sessionStorage.getItem('parley.name'));
              return JSON.parse(localStorage.getItem(`parley.guest:${name}`)).user.id;
            }"""
        )
        return str(found)

    async def outbox(self) -> list[dict[str, Any]]:
        """Return what this tab would send after a reload."""
        found = await self.page.evaluate(
            """() => {
              const tab = JSON.parse(sessionStorage.getItem('parley.tab'));
              return JSON.parse(localStorage.getItem(`parley.outbox:${tab}`))?.entries ?? [];
            }"""
        )
        return list(found)

    async def at_end(self) -> None:
        """Wait until messages are drawn, and the newest line is visible at the bottom."""
        await self.page.wait_for_function(
            """() => {
              const log = document.querySelector('#log');
              const { scrollHeight, scrollTop, clientHeight } = log;
              return log.querySelector('.msg') && scrollHeight - scrollTop - clientHeight < 2;
            }"""
        )


Enter = Callable[..., Awaitable[ChatPage]]
Frame = dict[str, Any]
# Gets a frame and the page's connection; returns the frame to pass on, or None to swallow it.
OnFrame = Callable[[Frame, WebSocketRoute], Frame | None]


def link(server: ServerProcess, room: str, name: str) -> str:
    """Return the address that joins directly."""
    return f"{server.http_url}/client.html?r={quote(room, safe='')}&u={quote(name, safe='')}"


def pass_on(frame: Frame, _: WebSocketRoute) -> Frame:
    """Let every frame through."""
    return frame


def swallow(*types: str) -> OnFrame:
    """Let every frame through except those of these types."""
    return lambda frame, _: None if frame["type"] in types else frame


def answer(route: WebSocketRoute, frame: Frame) -> None:
    """Send a frame to the page, as its server would."""
    route.send(json.dumps(frame))


def refusal(command_id: str, code: str, message: str, *, retry_after: float | None = None) -> Frame:
    """Return the `error` for a refused command, a retryable one if it has `retry_after`."""
    frame: Frame = {"type": "error", "id": command_id, "code": code, "message": message}
    return frame | ({"retryable": False} if retry_after is None else {"retryable": True, "retry_after": retry_after})


class Wire:
    """Stands between a page and its server and sees every frame; a test decides what happens to it.

    `to_server` and `to_page` are called with every frame. `refuse` closes every connection before it opens.
    """

    def __init__(self) -> None:
        self.sent: list[Frame] = []
        self.to_server: OnFrame = pass_on
        self.to_page: OnFrame = pass_on
        self.refuse = False
        self.connections = 0
        self._routes: list[WebSocketRoute] = []

    async def attach(self, page: Page) -> None:
        """Take over the connections of a page, before it is opened or reloaded."""
        await page.route_web_socket(re.compile(r"/chat(\?|$)"), self._connect)

    async def cut(self, code: int = 4008, reason: str = "slow_consumer") -> None:
        """Close all connections, as a server would."""
        routes, self._routes = self._routes, []
        for route in routes:
            await route.close(code=code, reason=reason)

    def tell(self, frame: Frame) -> None:
        """Send the page what the server has not sent."""
        answer(self._routes[-1], frame)

    async def _connect(self, route: WebSocketRoute) -> None:
        self.connections += 1
        if self.refuse:
            await route.close(code=4008, reason="refused by the test")
            return
        server = route.connect_to_server()
        self._routes.append(route)

        def up(text: str | bytes) -> None:
            frame = json.loads(text)
            self.sent.append(frame)
            if (passed := self.to_server(frame, route)) is not None:
                server.send(json.dumps(passed))

        def down(text: str | bytes) -> None:
            frame = json.loads(text)
            contract.hold(NATIVE.name, frame)
            if (passed := self.to_page(frame, route)) is not None:
                answer(route, passed)

        route.on_message(up)
        server.on_message(down)
