"""Parts of the page that are loaded when they are needed: one that could not be loaded works as soon as it can be."""

import json
import re

import pytest
from playwright.async_api import Page, Route, expect

from server.web.client import FIRST, JOINED, LOADER
from tests.browser.chat_page import SERVER_AWAY, ChatPage, Enter, link
from tests.support.browser import Pages
from tests.support.page import CLIENT
from tests.support.server import ServerProcess

CALL = re.compile(r"\.importPart\(([^)]*)\)")
FIRST_VIEW = re.compile(rf"/(?:{FIRST}|{JOINED}|css/first\.css|.*\.(?:svg|png|webmanifest))$")
IMPORT_PARTS = f"""async ([joined, calls]) => {{
  const {{ $modules }} = await import(joined);
  const {{ importPart }} = $modules[{CLIENT.joined.index(LOADER)}];
  const load = (call) => importPart(...call).then(Object.keys, (error) => error.name);
  return Promise.all(calls.map(load));
}}"""
# What the page loads by itself after the first view.
BACKGROUND = (
    "covers.js", "net/kept.js", "view/dialogs/host.js", "view/log/copying.js", "view/lookalikes.js", "view/people.js",
    "view/room-menu.js", "view/switcher.js", "view/toolbar.js",
)  # fmt: skip
NOT_REACHED = "The server cannot be reached. Try again."


def calls() -> list[list[str]]:
    """Return what the served modules load on demand: paths, each with those of what it imports."""
    texts = (file.content.decode() for path, file in CLIENT.files.items() if path.endswith(".js"))
    found = {each for text in texts for each in CALL.findall(text)}
    return [json.loads(f"[{each}]".replace("'", '"')) for each in sorted(found) if each.startswith("'")]


async def background_parts(page: Page) -> None:
    """Wait until the page has loaded them."""
    joined = await page.locator("link[rel=modulepreload]").get_attribute("href")
    loaded = await page.evaluate(IMPORT_PARTS, [f"./{joined}", [[path] for path in BACKGROUND]])
    assert "TypeError" not in loaded


async def cut(page: Page) -> None:
    """Have nothing reach the server but what the first view needs. Connections stay."""

    async def answer(route: Route) -> None:
        await (route.continue_() if FIRST_VIEW.search(route.request.url) else route.abort())

    await page.context.route("**/static/**", answer)


async def mend(page: Page) -> None:
    await page.context.unroute_all()


@pytest.mark.slow
async def test_every_part_can_be_loaded_after_it_could_not(enter: Enter, new_page: Pages) -> None:
    """A browser asks once for a module that it imports: each part, and what it imports, must be there before."""
    new_page.expect_error(SERVER_AWAY)
    wanted = calls()
    assert len(wanted) > 40
    assert any(len(call) > 1 for call in wanted)
    ann = await enter("ann")
    joined = await ann.page.locator("link[rel=modulepreload]").get_attribute("href")
    ask = [f"./{joined}", wanted]
    await background_parts(ann.page)
    await ann.page.context.route("**/static/**", lambda route: route.abort())
    lost = await ann.page.evaluate(IMPORT_PARTS, ask)
    assert lost.count("TypeError") > 30  # the others are there
    await mend(ann.page)
    found = dict(zip((call[0] for call in wanted), await ann.page.evaluate(IMPORT_PARTS, ask), strict=True))
    assert [path for path, exported in found.items() if not exported or exported == "TypeError"] == []


@pytest.mark.slow
async def test_what_could_not_be_opened_opens_when_the_server_is_back(
    server: ServerProcess, new_page: Pages, room: str
) -> None:
    """Each refusal is said, a command's next to it; nothing has to be reloaded."""
    new_page.expect_error(SERVER_AWAY)
    page = await new_page("about:blank")
    await cut(page)
    await page.goto(link(server, room, "ann"))
    ann = ChatPage(page)
    await ann.connected()
    toast = page.get_by_role("alert", name="Problems").locator(".toast")
    openers = [
        ("#me", page.get_by_role("menu")),
        ("#open-search", page.get_by_role("complementary", name="Search")),
        ("#emoji", page.get_by_role("dialog", name="Emoji")),
    ]
    for button, _ in openers:
        await page.locator(button).click()
        await expect(toast).to_contain_text(NOT_REACHED)
        await toast.get_by_role("button", name="Dismiss").click()
    await page.keyboard.press("Control+k")
    await expect(toast).to_contain_text(NOT_REACHED)
    await toast.get_by_role("button", name="Dismiss").click()
    await expect(page.locator("#dialog")).to_be_hidden()
    await ann.say("/dance")
    await expect(page.locator("#composer")).to_contain_text(NOT_REACHED)
    await expect(ann.box).to_have_value("/dance")
    await mend(page)
    await ann.box.press("Enter")
    await expect(page.locator("#composer")).to_contain_text("There is no command /dance")
    for button, opened in openers:
        await page.locator(button).click()
        await expect(opened).to_be_visible()
        await page.keyboard.press("Escape")
    await page.keyboard.press("Control+k")
    await expect(page.get_by_role("combobox", name="Find a room or a person")).to_be_visible()
