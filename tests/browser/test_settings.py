"""The settings: each is used at once, in every tab, and before the first paint of the next page."""

import re
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.account_page import PASSWORD, new_username
from tests.browser.chat_page import ChatPage, Enter, link, new_room
from tests.browser.peer import peer
from tests.browser.test_notifications import open_settings
from tests.browser.test_unread import add_room, entry
from tests.support.browser import Pages
from tests.support.marks import slow
from tests.support.server import ServerProcess

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
BACKGROUND = "getComputedStyle(document.body).backgroundColor"


async def theme_of(page: Page) -> str | None:
    return await page.locator("html").get_attribute("data-theme")


@pytest.mark.slow
@pytest.mark.parametrize("scheme", [slow("light"), "dark"])
async def test_the_theme_is_used_at_once_in_all_tabs(enter: Enter, scheme: str) -> None:
    ann = await enter("ann", color_scheme=scheme)
    beside = await enter("ann", room=new_room(), beside=ann)
    plain = await ann.page.evaluate(BACKGROUND)
    other = "Dark" if scheme == "light" else "Light"
    await open_settings(ann.page, "Appearance")
    await ann.page.get_by_role("radio", name=other).check()
    for tab in (ann, beside):
        await expect(tab.page.locator("html")).to_have_attribute("data-theme", other.lower())
        assert await tab.page.evaluate(BACKGROUND) != plain
        color = tab.page.locator("meta[name=theme-color]").first
        await expect(color).to_have_attribute("content", await tab.page.evaluate(BACKGROUND))
    await ann.page.get_by_role("radio", name="High contrast").check()
    await expect(beside.page.locator("html")).to_have_attribute("data-theme", "contrast")
    await ann.page.get_by_role("radio", name="Same as the system").check()
    for tab in (ann, beside):
        await expect(tab.page.locator("html")).not_to_have_attribute("data-theme", re.compile("."))
        assert await tab.page.evaluate(BACKGROUND) == plain


@pytest.mark.slow
async def test_the_look_is_there_before_anything_is_painted(
    new_page: Pages, enter: Enter, server: ServerProcess
) -> None:
    """Also if the page's modules never arrive."""
    ann = await enter("ann", color_scheme="light")
    await open_settings(ann.page, "Appearance")
    await ann.page.get_by_role("radio", name="Dark").check()
    await ann.page.get_by_role("radio", name="Compact").check()
    await set_size(ann.page, 120)
    await expect(ann.page.locator("html")).to_have_css("font-size", "19.2px")
    new_page.expect_error("Failed to load resource")
    beside = await new_page(same_context_as=ann.page)
    await beside.route(re.compile(r"/static/.*/(main|view/\w+|page)\.js"), lambda route: route.abort())
    await beside.goto(f"{server.http_url}/client.html")
    root = beside.locator("html")
    await expect(root).to_have_attribute("data-theme", "dark")
    await expect(root).to_have_attribute("data-density", "compact")
    await expect(root).to_have_css("font-size", "19.2px")


async def set_size(page: Page, percent: int) -> None:
    """Move the slider of the text size, as keys do."""
    slider = page.get_by_role("slider", name="Text size")
    while (now := int(await slider.input_value())) != percent:
        await slider.press("ArrowRight" if now < percent else "ArrowLeft")


@pytest.mark.slow
@pytest.mark.parametrize("percent", [slow(80), 150])
async def test_the_text_size_changes_everything_and_nothing_is_cut(enter: Enter, percent: int) -> None:
    ann = await enter("ann", viewport={"width": 390, "height": 800})
    await ann.say("a message of some words, to see whether it fits")
    await ann.page.get_by_role("button", name="Rooms", exact=True).click()
    await open_settings(ann.page, "Appearance")
    await set_size(ann.page, percent)
    await expect(ann.page.locator("html")).to_have_css("font-size", f"{16 * percent / 100:g}px")
    await expect(ann.page.get_by_role("status").filter(has_text=f"{percent} %")).to_be_visible()
    await ann.page.keyboard.press("Escape")
    await expect(ann.page.get_by_role("dialog")).to_be_hidden()
    assert await ann.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await expect(ann.box).to_be_in_viewport(ratio=1)
    await ann.page.reload()
    await expect(ann.page.locator("html")).to_have_css("font-size", f"{16 * percent / 100:g}px")


@pytest.mark.slow
async def test_rows_are_closer_in_the_compact_density(enter: Enter) -> None:
    ann = await enter("ann")
    height = "each => each.getBoundingClientRect().height"
    row = ann.page.locator("[data-room]").first
    before = await row.evaluate(height)
    await open_settings(ann.page, "Appearance")
    await ann.page.get_by_role("radio", name="Compact").check()
    await expect(ann.page.locator("html")).to_have_attribute("data-density", "compact")
    assert await row.evaluate(height) < before


@pytest.mark.slow
@pytest.mark.parametrize(("locale", "automatic"), [("en-US", r"[1-9]\d?:\d\d [AP]M"), slow("de-DE", r"\d\d:\d\d")])
async def test_the_clock_is_of_12_or_24_hours(enter: Enter, locale: str, automatic: str) -> None:
    """In what is shown already, too; otherwise as is usual for the browser's language."""
    ann = await enter("ann", locale=locale)
    await ann.say("now")
    await ann.delivered("now")
    time = ann.message("now").locator("time").first
    await expect(time).to_have_text(re.compile(f"^{automatic}$"))
    await open_settings(ann.page, "Appearance")
    await ann.page.get_by_role("radio", name="24 hours").check()
    await expect(time).to_have_text(re.compile(r"^\d\d:\d\d$"))
    await ann.page.get_by_role("radio", name="12 hours").check()
    await expect(time).to_have_text(re.compile(r"^[1-9]\d?:\d\d [AP]M$"))
    await expect(ann.page.get_by_text(re.compile(r"^Now: [1-9]\d?:\d\d [AP]M$"))).to_be_visible()


@pytest.mark.slow
async def test_enter_sends_or_starts_a_line(enter: Enter) -> None:
    ann = await enter("ann")
    beside = await enter("ann", room=new_room(), beside=ann)
    await open_settings(ann.page, "Writing")
    await ann.page.get_by_role("radio", name="Start a new line").check()
    await ann.page.keyboard.press("Escape")
    for tab in (ann, beside):
        await tab.box.click()
        await tab.page.keyboard.type("one")
        await tab.page.keyboard.press("Enter")
        await tab.page.keyboard.type("two")
        await expect(tab.box).to_have_value("one\ntwo")
        await tab.page.keyboard.press("Control+Enter")
        await expect(tab.messages.filter(has_text="two")).to_have_count(1)


@pytest.mark.slow
async def test_keywords_and_rooms_that_differ_are_listed(enter: Enter) -> None:
    ann = await enter("ann")
    other = new_room()
    await add_room(ann, other)
    await open_settings(ann.page, "Notifications")
    await expect(ann.page.get_by_text("None. A room’s menu has")).to_be_visible()
    await ann.page.get_by_role("textbox", name="Keywords").fill(" deploy,  release ,, deploy ")
    await ann.page.get_by_role("textbox", name="Keywords").blur()
    await ann.page.get_by_role("radio", name="All messages").check()
    await ann.page.keyboard.press("Escape")
    await entry(ann.page, other).click(button="right")
    await ann.page.get_by_role("menuitemradio", name="Nothing (mute)").click()
    await ann.page.reload()
    await ann.connected()
    await open_settings(ann.page, "Notifications")
    await expect(ann.page.get_by_role("textbox", name="Keywords")).to_have_value("deploy, release")
    await expect(ann.page.get_by_role("radio", name="All messages")).to_be_checked()
    level = ann.page.get_by_label(f"Notify me of, in {other}")
    await expect(level).to_have_value("none")
    await level.select_option("mentions")
    await expect(entry(ann.page, other).get_by_text("muted")).to_have_count(0)
    await ann.page.get_by_role("button", name=f"Reset {other}").click()
    await expect(level).to_have_count(0)
    assert (await ann.page.evaluate("JSON.parse(localStorage.getItem('parley.settings')).levels")) == {}


@pytest.mark.slow
async def test_a_guest_is_shown_how_to_have_an_account(enter: Enter) -> None:
    ann = await enter("ann")
    await open_settings(ann.page, "Blocked people")
    await expect(ann.page.get_by_text("Only people with an account can block others.")).to_be_visible()
    await ann.page.get_by_role("button", name="Account", exact=True).click()
    await ann.page.get_by_role("dialog").get_by_role("button", name="Create an account").click()
    await expect(ann.page.get_by_role("heading", level=1, name="Create an account")).to_be_visible()


async def signed_in(new_page: Pages, server: ServerProcess, room: str, **options: Any) -> ChatPage:
    """Enter a room with a new account."""
    page = await new_page(**options)
    fields = {"username": new_username(), "password": PASSWORD, "cookie": True}
    answer = await page.request.post(
        f"{server.http_url}/api/register", data=fields, headers={"Origin": server.http_url}
    )
    assert answer.ok, await answer.text()
    await page.goto(link(server, room, ""))
    chat = ChatPage(page)
    await chat.agree_to_enter(room)
    await chat.connected()
    return chat


@pytest.mark.slow
@pytest.mark.parametrize(
    ("label", "heading"),
    [
        ("Display name", "Name"),
        ("Password", "Password"),
        ("Second factor", "Second factor"),
        ("Signed-in devices", "Signed-in devices"),
        ("Delete the account", "Delete the account"),
    ],
)
async def test_the_account_is_a_click_away(
    new_page: Pages, server: ServerProcess, room: str, label: str, heading: str
) -> None:
    ann = await signed_in(new_page, server, room)
    await open_settings(ann.page, "Account")
    await ann.page.get_by_role("dialog").get_by_role("button", name=label, exact=True).click()
    part = ann.page.get_by_role("heading", level=2, name=heading, exact=True)
    await expect(part).to_be_in_viewport()
    await expect(part).to_be_focused()


async def test_blocked_users_can_be_unblocked(new_page: Pages, server: ServerProcess, room: str) -> None:
    """Somebody who was blocked on another device is listed as well."""
    ann = await signed_in(new_page, server, room)
    async with peer(server, room, "bob") as bob:
        await bob.say(["hello"])
        await expect(ann.message("hello")).to_be_visible()
        cookies = await ann.page.context.cookies()
        token = next(cookie["value"] for cookie in cookies if cookie["name"].endswith("parley-csrf"))
        headers = {"Origin": server.http_url, "X-CSRF-Token": token}
        address = f"{server.http_url}/api/me/blocks/{bob.user_id}"
        assert (await ann.page.request.put(address, data={}, headers=headers)).ok
        await open_settings(ann.page, "Blocked people")
        await expect(ann.page.get_by_role("dialog").get_by_text("1 person", exact=True)).to_be_visible()
        await ann.page.get_by_role("button", name="Unblock bob").click()
        await expect(ann.page.get_by_text("You block nobody.")).to_be_visible()
        answer = await ann.page.request.get(f"{server.http_url}/api/me/blocks")
        assert bob.user_id not in await answer.text()


@pytest.mark.slow
async def test_the_settings_are_used_by_keyboard(enter: Enter) -> None:
    """The section in front has the focus at first, and the focus goes back where it was."""
    ann = await enter("ann")
    me = ann.page.locator("#me")
    await me.focus()
    await ann.page.keyboard.press("Enter")
    await ann.page.keyboard.press("ArrowDown")
    await ann.page.get_by_role("menuitem", name="Settings").press("Enter")
    appearance = ann.page.get_by_role("button", name="Appearance")
    await expect(appearance).to_be_focused()
    await ann.page.keyboard.press("Tab")
    await ann.page.keyboard.press("Tab")
    await expect(ann.page.get_by_role("button", name="Writing")).to_be_focused()
    await ann.page.keyboard.press("Enter")
    await expect(ann.page.get_by_role("heading", level=3, name="Writing")).to_be_visible()
    await expect(ann.page.get_by_role("button", name="Writing")).to_be_focused()
    await ann.page.get_by_role("button", name="Keyboard shortcuts").click()
    await expect(ann.page.get_by_role("heading", name="Keyboard shortcuts")).to_be_visible()
    await ann.page.keyboard.press("Escape")
    await expect(ann.page.get_by_role("dialog")).to_be_hidden()
    await expect(me).to_be_focused()


@pytest.mark.slow
async def test_settings_of_another_type_are_ignored(new_page: Pages, server: ServerProcess, room: str) -> None:
    """What a person, or another version of the page, left in the browser's storage does no harm."""
    page = await new_page()
    await page.add_init_script(
        "const odd = { theme: 5, fontSize: 900, levels: [], keywords: 'x' };"
        "localStorage.setItem('parley.settings', JSON.stringify(odd));"
        "localStorage.setItem('parley.look', '{\"theme\": 7')"
    )
    await page.goto(link(server, room, "ann"))
    ann = ChatPage(page)
    await ann.connected()
    assert await theme_of(page) is None
    await expect(page.locator("html")).to_have_css("font-size", "24px")  # the largest
