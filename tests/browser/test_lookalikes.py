"""Names that look alike are told apart, as the server compares them."""

import pytest
from playwright.async_api import expect

from model.lookalikes import skeleton
from server.web.client import BrowserClient
from tests.browser.account_page import AccountPage, join_room, new_username
from tests.browser.chat_page import Enter
from tests.support.browser import Pages
from tests.support.marks import slow
from tests.support.server import ServerProcess
from utils.confusables import prototypes

NAMES = (
    "Ann Lee", "Аnn Lee", "ANN LEE", "Annı", "paypal", "раураl", "Ill", "1lI|", "modern", "rnodem", "O0o",
    "Straße", "STRASSE", "ΑΣ", "ας", "ａｎｎ", "𝐚𝐧𝐧", "a\u0332nn", "ánn", "ann\u200b", "ᴀɴɴ", "🅰🄽n", "🇦nn", "ﷺ" * 20,
    "山田", "⼭田", "한글", "नमस्ते", "عربى", "עברית", "", "x" * 200,
)  # fmt: skip


async def test_the_page_compares_names_as_the_server_does(enter: Enter) -> None:
    ann = await enter("ann")
    names = [*NAMES, *map(chr, prototypes())]
    path = f"/static/{BrowserClient().tree}/view/lookalikes.js"
    found = await ann.page.evaluate(
        """async ([path, names]) => {
          const { skeletons, table } = await import(path);
          return names.map(skeletons(await table()));
        }""",
        [path, names],
    )
    assert {name: look for name, look in zip(names, found, strict=True) if look != skeleton(name)} == {}


async def test_names_of_ascii_are_compared_without_the_table(enter: Enter) -> None:
    ann = await enter("ann")
    names = [*(name for name in NAMES if name.isascii()), *map(chr, range(32, 127))]
    path = f"/static/{BrowserClient().tree}/view"
    found = await ann.page.evaluate(
        """async ([path, names]) => {
          const { compareLooks } = await import(`${path}/lookalikes.js`);
          const { looks } = await import(`${path}/names.js`);
          compareLooks(() => {});
          return names.map(looks.of);
        }""",
        [path, names],
    )
    assert found == list(map(skeleton, names))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Аnn Lee", slow("Ann Iee")], ids=["Cyrillic", "ASCII"])
async def test_a_name_that_looks_like_the_owners_is_told_apart(
    enter: Enter, new_page: Pages, server: ServerProcess, room: str, name: str
) -> None:
    """In the log and in the list of people, also if the owner has not written anything."""
    owner = await join_room(new_page, server, room, new_username())
    await _rename(owner, "Ann Lee")
    other = await join_room(new_page, server, room, new_username())
    await _rename(other, name)
    await other.say("I am the owner")
    await other.delivered("I am the owner")
    zoe = await enter("zoe")
    await expect(zoe.message("I am the owner").locator(".id-end")).to_have_count(1)
    await expect(zoe.people.locator(".id-end")).to_have_count(2)
    await owner.say("No, I am")
    await expect(zoe.message("No, I am").locator(".id-end")).to_have_count(1)
    await zoe.say("who?")
    await expect(zoe.message("who?").locator(".id-end")).to_have_count(0)


async def _rename(page: AccountPage, name: str) -> None:
    await page.account()
    await page.part("Name").get_by_label("Name that others see").fill(name)
    await page.part("Name").get_by_role("button").click()
    await expect(page.part("Name").get_by_text("Your name is changed.")).to_be_visible()
    await page.back()
    await page.connected()
