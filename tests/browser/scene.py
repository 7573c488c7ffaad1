"""The main states of the page, one after the other, with content that has no Latin letter.

They are reached by ids and classes alone, so that they can be reached in every language.
"""

import contextlib
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from playwright.async_api import Page, expect

from tests.browser.chat_page import SECRET
from tests.browser.peer import Peer, peer
from tests.support.browser import Pages
from tests.support.server import ServerProcess
from tests.support.web import Web

ME, OTHER = "Аня", "Борис"
PARTS = range(4)


@dataclass
class Scene:
    """A page in a room in which another user has written."""

    page: Page
    server: ServerProcess
    room: str
    other: Peer
    seqs: list[int]
    query: str

    @property
    def address(self) -> str:
        return f"{self.server.http_url}/client.html?r={self.room}&u={ME}{self.query}"

    async def press(self, selector: str) -> None:
        """Click something that is in sight, in the sidebar as well where that is a drawer."""
        await self.page.locator(selector).first.click()

    async def press_beside(self, selector: str) -> None:
        """Click something in the sidebar."""
        if await self.page.locator("#menu").is_visible():
            await self.press("#menu")
        await self.press(selector)

    async def shown(self, selector: str) -> None:
        await expect(self.page.locator(selector).first).to_be_visible()


def cyrillic() -> str:
    """Return a name of a room that no other test uses."""
    return f"комната-{secrets.randbelow(10**9)}"


@contextlib.asynccontextmanager
async def scene(
    new_page: Pages,
    server: ServerProcess,
    *,
    query: str = "",
    settings: Mapping[str, object] | None = None,
    **options: Any,
) -> AsyncIterator[Scene]:
    """Open a room with all kinds of messages, in a page without motion."""
    new_page.expect_error("ERR_INTERNET_DISCONNECTED")
    room = cyrillic()
    async with peer(server, "", OTHER) as other:
        await other.ask(type="create_room", room=room, title="План на лето", topic="Куда и когда едем")
        other = other.at(room)
        texts = [
            "привет",
            "**важно**: _всё_ `код` ~~нет~~",
            "> цитата\n\n1. раз\n2. два\n\n```\nблок кода\n```",
            f"@{ME} ты с нами?",
            "\n".join(f"строка {i}" for i in range(30)),
            "будет удалено",
        ]
        seqs = await other.say(texts)
        await other.change(type="delete", seq=seqs[-1])
        await other.change(type="edit", seq=seqs[0], content="привет всем")
        await other.change(type="react", seq=seqs[1], emoji="👍")
        await other.change(type="pin", seq=seqs[1])
        page = await new_page(reduced_motion="reduce", **options)
        if settings:
            text = json.dumps(dict(settings))
            await page.add_init_script(f"localStorage.setItem('parley.settings', '{text}')")
        found = Scene(page, server, room, other, seqs, query)
        await page.goto(found.address)
        yield found


async def visit(scene: Scene, part: int) -> AsyncIterator[str]:
    """Bring the page into each of a part of `STATES`, of `PARTS`; yield its name."""
    for name, reach in list(STATES.items())[part :: len(PARTS)]:
        await scene.page.goto(scene.address)
        await expect(scene.page.locator(".msg").first).to_be_visible()
        await scene.page.wait_for_load_state("networkidle")  # what can be done with a message is loaded after it
        await reach(scene)
        # A picture in the middle of an animation has colours of its own.
        await scene.page.wait_for_function(
            "() => document.getAnimations().every((each) => each.playState !== 'running')"
        )
        yield name


async def talk(scene: Scene) -> None:
    """Messages of both, a reply, and what the other does now."""
    await scene.other.ask(type="message", room=scene.room, content="ответ", reply_to=scene.seqs[0])
    await scene.page.locator("#message").fill("моё сообщение")
    await scene.page.locator("#message").press("Enter")
    await expect(scene.page.locator(".msg .text", has_text="моё сообщение")).to_be_visible()


async def people(scene: Scene) -> None:
    if await scene.page.locator("#open-people").get_attribute("aria-expanded") == "false":
        await scene.press("#open-people")
    await scene.shown(".person-row")


async def profile(scene: Scene) -> None:
    await people(scene)
    await scene.page.locator(".person-row", has_text=OTHER).click()
    await expect(scene.page.locator("#panel-title")).to_be_visible()


async def search(scene: Scene) -> None:
    await scene.press("#open-search")
    field = scene.page.locator("#panel input[type=search]")
    await field.fill("строка")
    await field.press("Enter")
    await scene.shown(".hit")


async def nothing_found(scene: Scene) -> None:
    await search(scene)
    await scene.page.locator("#panel input[type=search]").fill("зебра")
    await scene.page.keyboard.press("Enter")
    await scene.shown(".find-results .button")


async def moderate(scene: Scene) -> None:
    """Become an owner of the room, in which there is a report."""
    members = (await scene.other.ask(type="members", room=scene.room))["members"]
    me = next(each for each in members if each["name"] == ME)
    if me.get("role") != "owner":
        await scene.other.ask(type="set_role", room=scene.room, user=me["id"], role="owner")
        reader = Web(scene.server.port, f"ч{secrets.randbelow(10**9)}", secret=SECRET)
        await reader.post(f"/api/rooms/{quote(scene.room)}/messages/{scene.seqs[1]}/reports", {"reason": "грубо"})
    await people(scene)
    await scene.shown(".people-panel > .button")
    if await scene.page.locator(".panel-close").is_visible():
        await scene.press(".panel-close")
        await expect(scene.page.locator("#panel")).to_be_hidden()


async def moderator_card(scene: Scene) -> None:
    await moderate(scene)
    await profile(scene)
    await scene.shown("[data-act=ban]")


async def sanction(scene: Scene) -> None:
    await moderator_card(scene)
    await scene.press("[data-act=ban]")
    await scene.page.locator("dialog select").first.select_option("own")
    await scene.press("dialog [type=submit]")
    await scene.shown("dialog [aria-invalid=true]")


async def role(scene: Scene) -> None:
    await moderator_card(scene)
    await scene.press("[data-act=role]")
    await scene.shown("dialog select")


async def room_settings(scene: Scene) -> None:
    await moderate(scene)
    await scene.press("#room-menu")
    await scene.page.locator(".menu-item").nth(7).click()
    await scene.page.locator("dialog select").nth(2).select_option("password")
    await scene.press("dialog [type=submit]")
    await scene.shown("dialog [aria-invalid=true]")


async def managed(scene: Scene, item: int, tab: int = 0) -> None:
    """What the menu has for moderators, and there the tab."""
    await moderate(scene)
    await scene.press("#room-menu")
    await scene.page.locator(".menu-item").nth(item).click()
    await scene.page.locator("dialog [role=tab]").nth(tab).click()
    await expect(scene.page.locator("dialog [role=tab]").nth(tab)).to_have_attribute("aria-selected", "true")


async def links(scene: Scene) -> None:
    await managed(scene, 8, 2)
    await scene.press("dialog [type=submit]")
    await scene.page.locator("#new-link").evaluate("field => field.value = ''")  # its letters are Latin


async def reports(scene: Scene) -> None:
    await managed(scene, 9)
    await scene.shown(".report")


async def deleted(scene: Scene) -> None:
    await moderate(scene)
    await scene.press("#room-menu")
    await scene.page.locator(".menu-item").nth(10).click()
    await scene.shown(".hit")


async def date(scene: Scene) -> None:
    await scene.press("#room-menu")
    await scene.page.locator(".menu-item").nth(1).click()
    await scene.shown("dialog input[type=date]")


async def pins(scene: Scene) -> None:
    await scene.press("#room-menu")
    await scene.press(".menu-item")


async def toolbar(scene: Scene) -> None:
    if await scene.page.evaluate("matchMedia('(hover: hover)').matches"):
        await scene.page.locator(".msg .text", has_text="важно").hover()
        await scene.press(".tools [data-action=more]")
        await scene.shown(".menu-item")


async def emoji(scene: Scene) -> None:
    await scene.press("#emoji")
    await scene.shown(".emoji-cell")  # the table of them is loaded


async def reply(scene: Scene) -> None:
    message = scene.page.locator(".msg", has_text="важно").first
    await message.focus()
    await message.press("r")
    await scene.shown("#reply-bar")


async def room_menu(scene: Scene) -> None:
    await scene.press("#room-menu")
    await scene.shown(".menu-item")


async def drawer(scene: Scene) -> None:
    if await scene.page.locator("#menu").is_visible():
        await scene.press("#menu")
    await scene.shown("#me")


async def my_menu(scene: Scene) -> None:
    await scene.press_beside("#me")
    await scene.shown(".menu-item")


async def browse(scene: Scene) -> None:
    await scene.press_beside(".side-entry")
    await scene.shown(".found")


async def create(scene: Scene) -> None:
    await browse(scene)
    await scene.press(".dialog-bar .button")
    await scene.shown("dialog form")
    await scene.press("dialog [type=submit]")
    await scene.shown("dialog [aria-invalid=true]")


async def switcher(scene: Scene) -> None:
    await scene.press_beside(".jump-to")
    await scene.shown("dialog [role=combobox]")


async def missing(scene: Scene) -> None:
    await switcher(scene)
    await scene.page.locator("dialog [role=combobox]").fill(cyrillic())
    await scene.page.keyboard.press("Enter")
    await scene.shown("dialog form")


async def settings(scene: Scene, section: int) -> None:
    await my_menu(scene)
    await scene.page.locator(".menu-item").nth(-3).click()
    await scene.page.locator(".settings-nav button").nth(section).click()
    await scene.shown(".settings-heading")


async def shortcuts(scene: Scene) -> None:
    await settings(scene, 2)
    await scene.press(".settings-body .link")
    await scene.shown(".help-keys")


async def invited(scene: Scene) -> None:
    me = next(
        each for each in (await scene.other.ask(type="members", room=scene.room))["members"] if each["name"] == ME
    )
    private = cyrillic()
    await scene.other.ask(type="create_room", room=private, private=True)
    await scene.other.ask(type="invite", room=private, user=me["id"])
    await drawer(scene)
    await scene.shown(".invitation")


async def removed(scene: Scene) -> None:
    me = next(
        each for each in (await scene.other.ask(type="members", room=scene.room))["members"] if each["name"] == ME
    )
    await scene.other.ask(type="kick", room=scene.room, user=me["id"], reason="хватит")
    await scene.shown("#closed")


async def offline(scene: Scene) -> None:
    await scene.page.context.set_offline(True)
    await scene.page.locator("#message").fill("подождёт")
    await scene.page.locator("#message").press("Enter")
    await scene.shown("#banner button")


async def too_long(scene: Scene) -> None:
    await scene.page.locator("#message").fill("я" * 4010)
    await scene.page.locator("#message").press("Enter")
    await scene.shown("#counter")


async def empty(scene: Scene) -> None:
    await scene.other.ask(type="create_room", room=(room := cyrillic()))
    await scene.page.goto(f"{scene.server.http_url}/client.html?r={room}&u={ME}{scene.query}")
    await scene.page.locator("#join").click()
    await scene.shown(".beginning")


async def no_room(scene: Scene) -> None:
    """The entry page, with what is wrong with its fields."""
    await scene.page.context.set_offline(False)
    await scene.page.evaluate("localStorage.clear(); sessionStorage.clear()")
    await scene.page.goto(f"{scene.server.http_url}/client.html?{scene.query}")
    await scene.shown("#entry")


async def my_name(scene: Scene) -> None:
    await my_menu(scene)
    await scene.page.locator(".menu-item").first.click()
    await scene.shown("dialog form")


async def sign_out(scene: Scene) -> None:
    await my_menu(scene)
    await scene.page.locator(".menu-item").last.click()
    await scene.shown("dialog form")


async def page_about_accounts(scene: Scene, item: int) -> None:
    await my_menu(scene)
    await scene.page.locator(".menu-item").nth(item).click()
    await expect(scene.page.locator("#account-title")).to_be_visible()


STATES: dict[str, Callable[[Scene], Awaitable[None]]] = {
    "talk": talk,
    "people": people,
    "profile": profile,
    "search": search,
    "nothing found": nothing_found,
    "pins": pins,
    "date": date,
    "toolbar": toolbar,
    "emoji": emoji,
    "reply": reply,
    "room menu": room_menu,
    "drawer": drawer,
    "my menu": my_menu,
    "browse": browse,
    "create": create,
    "switcher": switcher,
    "missing": missing,
    "appearance": lambda scene: settings(scene, 0),
    "notifications": lambda scene: settings(scene, 1),
    "writing": lambda scene: settings(scene, 2),
    "account": lambda scene: settings(scene, 3),
    "blocked": lambda scene: settings(scene, 4),
    "shortcuts": shortcuts,
    "too long": too_long,
    "empty": empty,
    "sign in": lambda scene: page_about_accounts(scene, -5),
    "register": lambda scene: page_about_accounts(scene, -4),
    # These leave something behind.
    "moderator's card": moderator_card,
    "ban": sanction,
    "role": role,
    "room settings": room_settings,
    "invite people": lambda scene: managed(scene, 8),
    "invitations": lambda scene: managed(scene, 8, 1),
    "links": links,
    "banned": lambda scene: managed(scene, 8, 3),
    "reports": reports,
    "deleted": deleted,
    "my name": my_name,
    "sign out": sign_out,
    "invited": invited,
    "removed": removed,
    "offline": offline,
    "entry": no_room,
}
