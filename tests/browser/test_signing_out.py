"""Signing out leaves nothing of the person in the browser, in whichever tab it was."""

import re
import time
from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import expect

from server.auth.tokens import sign_account
from tests.browser.account_page import REFUSED, AccountPage, home, new_username
from tests.browser.chat_page import OWN, SECRET, ChatPage, Enter, Wire, link, pass_on, swallow
from tests.browser.test_kept import rooms_kept, until_kept
from tests.browser.test_notifications import open_settings
from tests.browser.test_offline import kept
from tests.support.browser import Pages
from tests.support.marks import slow
from tests.support.server import ServerProcess

EXPIRES = int(time.time()) + 3600
UNSENT = "a secret that was not sent"
Person = Callable[[str], Awaitable[ChatPage]]

STORED = "JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])"
CACHED = """async () => {
  const found = [];
  for (const name of await caches.keys()) {
    const cache = await caches.open(name);
    for (const request of await cache.keys()) found.push(request.url, await (await cache.match(request)).text());
  }
  return found.join("\\n");
}"""


async def tab_beside(new_page: Pages, chat: ChatPage, wire: Wire | None = None) -> ChatPage:
    page = await new_page(same_context_as=chat.page)
    if wire:
        await wire.attach(page)
    await page.goto(chat.page.url)
    tab = ChatPage(page)
    await tab.connected()
    return tab


async def has_not_sent(tab: ChatPage, text: str) -> None:
    await tab.say(text)
    await expect(tab.message(text)).to_be_visible()
    assert [entry["content"] for entry in await tab.outbox()] == [text]


@pytest.fixture
def person(new_page: Pages, server: ServerProcess, room: str, enter: Enter) -> Person:
    """Enter the test's room as a guest, with a new account, or as the user of an application."""

    async def enter_as(kind: str) -> ChatPage:
        if kind == "guest":
            return await enter("ann")
        if kind == "account":
            page = AccountPage(await new_page(home(server, room)))
            await page.page.get_by_role("button", name="Create an account").click()
            await page.register(new_username())
        else:
            given = sign_account(SECRET, userid=new_username(), username="ann", role="user", expires=EXPIRES)
            page = AccountPage(await new_page(home(server, room, f"#token={given}")))
        await page.connected()
        return page

    return enter_as


@pytest.mark.usefixtures("service_worker")
@pytest.mark.parametrize("kind", ["guest", slow("account"), slow("user of an application")])
async def test_nothing_of_a_person_is_left(person: Person, new_page: Pages, wire: Wire, room: str, kind: str) -> None:
    """In all tabs and in closed ones: messages, what was not sent, names of rooms, drafts, keywords."""
    ann = await person(kind)
    await ann.say("a secret that was sent")
    await ann.delivered("a secret that was sent")
    await kept(ann.page)
    await rooms_kept(ann.page, {room: ["a secret that was sent"]})
    wire.to_server = swallow("message")
    other, closed = await tab_beside(new_page, ann, wire), await tab_beside(new_page, ann, wire)
    await has_not_sent(other, UNSENT)
    await has_not_sent(closed, "a secret of a tab that was closed")
    await closed.page.close()
    await other.box.fill("half a secret")
    await open_settings(ann.page, "Notifications")
    settings = ann.page.get_by_role("dialog", name="Settings")
    await settings.get_by_role("textbox", name="Keywords").fill("secret")
    await settings.get_by_role("textbox", name="Keywords").press("Tab")
    await ann.page.keyboard.press("Escape")

    await ann.choose("You and your account", "Sign out")
    dialog = ann.page.get_by_role("dialog")
    await expect(dialog).to_contain_text("2 messages are not sent yet. They will be lost.")
    await dialog.get_by_role("button", name="Sign out").click()
    for page in (ann.page, other.page):
        await expect(page.get_by_label("Your name")).to_have_value("")
        stored = await page.evaluate(STORED)
        assert "secret" not in stored
        assert room not in stored
        assert "secret" not in await page.content()
        assert room not in page.url
    await until_kept(ann.page, lambda found: not found)
    cached = await ann.page.evaluate(CACHED)
    assert room not in cached
    assert UNSENT not in cached


@pytest.mark.slow
@pytest.mark.parametrize(
    "script",
    [
        "Object.defineProperty(window, 'indexedDB', { value: undefined })",
        slow("Object.defineProperty(window, 'indexedDB', { value: null })"),
        "IDBFactory.prototype.open = () => ({})",
    ],
    ids=["undefined", "null", "never answers"],
)
async def test_signing_out_where_the_browser_keeps_no_messages(
    enter: Enter, new_page: Pages, room: str, script: str
) -> None:
    """A database that is not there, or does not answer, holds nothing up. What is typed meanwhile is not kept."""
    ann = await enter("ann")
    await ann.page.context.add_init_script(script)
    await ann.page.reload()
    await ann.connected()
    other = await tab_beside(new_page, ann)
    await other.box.fill("half a secret")
    await ann.leave_for_good()
    await other.page.keyboard.type("x" * 20)
    for page in (ann.page, other.page):
        await expect(page.get_by_label("Your name")).to_be_visible()
        stored = await page.evaluate(STORED)
        assert "guest:" not in stored
        assert "secret" not in stored
        assert room not in stored


@pytest.mark.slow
async def test_the_next_guest_with_this_name_gets_nothing(
    enter: Enter, new_page: Pages, server: ServerProcess, wire: Wire, room: str
) -> None:
    """A tab that was open takes the messages with it, also while the page does not know it yet."""
    wire.to_server = swallow("message")
    ann = await enter("ann")
    other = await tab_beside(new_page, ann, wire)
    await has_not_sent(other, UNSENT)
    await ann.leave_for_good()
    for page in (ann.page, other.page):
        await expect(page.get_by_label("Your name")).to_have_value("")
    wire.to_server = pass_on
    await other.page.goto(link(server, room, "ann"))
    await other.connected()
    third = ChatPage(await new_page(link(server, room, "ann"), same_context_as=other.page))
    await third.connected()
    for tab in (other, third):
        await expect(tab.message(UNSENT)).to_have_count(0)


@pytest.mark.slow
async def test_a_guest_that_is_signed_out_on_the_entry_page(
    enter: Enter, new_page: Pages, server: ServerProcess, wire: Wire
) -> None:
    """It is asked with the number of its unsent messages, and they are gone."""
    wire.to_server = swallow("message")
    ann = await enter("ann", wire=wire)
    await has_not_sent(ann, UNSENT)
    entry = await new_page(f"{server.http_url}/client.html", same_context_as=ann.page)
    await ann.page.close()
    await entry.get_by_role("button", name="Sign out ann").click()
    dialog = entry.get_by_role("dialog", name="Sign out as ann?")
    await expect(dialog).to_contain_text("One message is not sent yet. It will be lost.")
    await dialog.get_by_role("button", name="Sign out").click()
    await expect(entry.get_by_label("Your name")).to_have_value("")
    assert UNSENT not in await entry.evaluate(STORED)


@pytest.mark.slow
async def test_what_a_renamed_guest_had_not_sent_goes_with_it(
    enter: Enter, new_page: Pages, server: ServerProcess, wire: Wire, room: str
) -> None:
    """From a tab that was closed, too: the next guest with the name before does not get it."""
    wire.to_server = swallow("message")
    ann = await enter("ann")
    closed = await tab_beside(new_page, ann, wire)
    await has_not_sent(closed, UNSENT)
    await closed.page.close()
    await ann.choose("You and your account", "Change name")
    field = ann.page.get_by_role("dialog").get_by_label("Your name")
    await field.fill("Annie")
    await field.press("Enter")
    await expect(ann.page.get_by_role("dialog")).to_have_count(0)
    annie = ChatPage(await new_page(link(server, room, "Annie"), same_context_as=ann.page))
    await annie.connected()
    await annie.delivered(UNSENT)
    await expect(annie.message(UNSENT)).to_have_class(OWN)
    next_ann = ChatPage(await new_page(link(server, room, "ann"), same_context_as=ann.page))
    await next_ann.agree_to_be("ann")
    await next_ann.connected()
    await expect(next_ann.message(UNSENT)).not_to_have_class(OWN)


@pytest.mark.slow
async def test_what_a_guest_had_not_sent_goes_to_the_account_that_keeps_it(
    enter: Enter, new_page: Pages, server: ServerProcess, wire: Wire, room: str
) -> None:
    """After asking. The next guest with its name does not get it, nor its drafts."""
    new_page.expect_error(REFUSED)  # a tab that looks whether it is still signed in
    wire.to_server = swallow("message")
    name = f"Ann {new_username()[-6:]}"
    ann = AccountPage((await enter(name)).page)
    closed = await tab_beside(new_page, ann, wire)
    await has_not_sent(closed, UNSENT)
    await closed.page.close()
    await ann.box.fill("half a secret")
    await ann.choose("You and your account", "Create an account")
    await ann.panel.get_by_label("Name that others see").fill("Annabel")
    await ann.register(new_username())
    await ann.keep_later()
    await ann.connected()
    await ann.account()
    await ann.press("Keep what I wrote")
    await expect(ann.panel.get_by_text("What you wrote as this guest is yours now.")).to_be_focused()
    stored = await ann.page.evaluate("JSON.stringify({ ...localStorage })")
    assert name not in re.sub(r'"author[^}]*}', "", stored)
    await ann.page.reload()
    await ann.connected()
    await expect(ann.box).to_have_value("half a secret")
    await expect(ann.message(UNSENT).get_by_text(f"Written as {name}.")).to_be_visible()


@pytest.mark.slow
async def test_typing_in_another_tab_goes_into_no_form(enter: Enter, new_page: Pages) -> None:
    """That tab begins again by itself."""
    ann = await enter("ann")
    tab = await tab_beside(new_page, ann)
    await tab.box.press_sequentially("half a ")
    await ann.leave_for_good()
    name = tab.page.get_by_label("Your name")
    await expect(name).to_be_visible()
    await expect(tab.page.get_by_role("heading", level=1)).to_be_focused()
    await tab.page.keyboard.type("secret")
    await tab.page.keyboard.press("Enter")
    await expect(name).to_have_value("")
    await expect(ann.page.get_by_label("Your name")).to_be_focused()


@pytest.mark.slow
async def test_a_tab_that_slept_while_its_guest_was_signed_out_knows_nothing(enter: Enter, new_page: Pages) -> None:
    """Such as one that went elsewhere, and comes back."""
    ann = await enter("ann")
    await ann.say("a secret")
    await ann.delivered("a secret")
    tab = await tab_beside(new_page, ann)
    await tab.page.goto("about:blank")
    await ann.leave_for_good()
    await expect(ann.page.get_by_label("Your name")).to_have_value("")
    await tab.page.go_back()
    await expect(tab.page.get_by_label("Your name")).to_have_value("")
    assert "secret" not in await tab.page.content()
