"""Nothing reaches beyond its place, whatever its length: names of 64 characters, on wide screens and on phones."""

from collections.abc import Mapping
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.account_page import PASSWORD, AccountPage, home
from tests.browser.chat_page import Enter
from tests.browser.test_access import PHONE
from tests.support.browser import Pages
from tests.support.server import ServerProcess

pytestmark = pytest.mark.slow

DESKTOP = {"viewport": {"width": 1100, "height": 760}}
# The visible elements that are cut without an ellipsis, or whose box is not within the box that they belong to.
OUTSIDE = """(place) => {
  const whole = document.querySelector(place);
  const frame = whole.getBoundingClientRect();
  const found = [];
  for (const each of whole.querySelectorAll('*')) {
    if (!each.checkVisibility() || each.matches('.cut *') || each.closest('svg, .sr, .status-text')) continue;
    const box = each.getBoundingClientRect();
    const within = box.left >= frame.left - 1 && box.right <= frame.right + 1;
    if (box.width > 1 && !within) found.push(each.outerHTML.slice(0, 90));
  }
  return found;
}"""


@pytest.mark.parametrize("screen", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("name", ["Alexander Müller", "W" * 64, "Wörter " * 9], ids=["usual", "no space", "words"])
async def test_a_long_name_covers_nothing(enter: Enter, screen: Mapping[str, Any], name: str) -> None:
    """In the sidebar, in the log, in the header of the room, which has such a name, too."""
    ann = await enter(name, **screen)
    await enter("x" + name[1:])
    await expect(ann.page.locator("#room-count")).to_have_text("2")
    await ann.say("short")
    await ann.delivered("short")
    await _fits(ann.page, "#main")
    menu = ann.page.locator("#menu")
    if await menu.is_visible():
        await menu.click()
    await _fits(ann.page, "#sidebar")
    await expect(ann.page.locator("#me")).to_be_in_viewport(ratio=1)
    await ann.page.locator("#me").click()
    await expect(ann.page.get_by_role("menu")).to_be_visible()
    await _fits(ann.page, ".menu")


@pytest.mark.parametrize("screen", [DESKTOP, PHONE], ids=["desktop", "phone"])
async def test_a_long_username_fits_the_form_and_the_account(
    new_page: Pages, server: ServerProcess, screen: Mapping[str, Any]
) -> None:
    ann = AccountPage(await new_page(home(server, "r" * 64), **screen))
    await ann.page.get_by_role("button", name="Create an account").click()
    await ann.at("Create an account")
    username = "w" * 55 + str(abs(hash(str(screen))))[:9]
    await ann.panel.get_by_label("Username", exact=True).fill(username)
    await ann.panel.get_by_label("Password").fill(PASSWORD)
    await ann.press("Create account")
    await ann.connected()
    menu = ann.page.locator("#menu")
    if await menu.is_visible():
        await menu.click()
    await _fits(ann.page, "#sidebar")
    await ann.account()
    await _fits(ann.page, "#account-view")
    await ann.page.keyboard.press("Escape")


async def _fits(page: Page, place: str) -> None:
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert await page.evaluate(OUTSIDE, place) == []
