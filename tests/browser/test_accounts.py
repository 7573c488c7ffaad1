"""Accounts on the page: register, sign in, stay signed in, change things, and leave."""

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import pyotp
import pytest
from playwright.async_api import Locator, Page, Request, expect
from websockets.asyncio.client import connect

from tests.browser.account_page import PASSWORD, REFUSED, AccountPage, home, join_room, new_username
from tests.browser.chat_page import OWN, SECRET, Enter
from tests.browser.test_access import CONTRAST, PHONE
from tests.support.browser import Pages
from tests.support.marks import slow
from tests.support.server import ServerProcess

Start = Callable[[Mapping[str, str]], ServerProcess]
Join = Callable[..., Awaitable[AccountPage]]
OTHER_PASSWORD = "a small giraffe in a tall garden"


@pytest.fixture
def join(new_page: Pages, server: ServerProcess, room: str) -> Join:
    """Open the test's room as a new account, or as one that exists: `ann = await join(username)`."""

    return partial(join_room, new_page, server, room)


async def test_a_new_account_talks_and_is_not_marked_as_a_guest(join: Join, enter: Enter) -> None:
    """Its name has no mark for others, who are guests and are marked; a reload keeps it signed in."""
    username = new_username()
    ann = await join(username)
    bob = await enter("bob")
    for person, name, mark in ((bob, username, ""), (ann, "bob", "guest")):
        await expect(person.people.filter(has_text=name).locator(".mark")).to_have_text([mark] if mark else [])
    await ann.say("hello")
    await ann.delivered("hello")
    await bob.say("hi")
    await expect(bob.message("hello").locator(".name")).to_have_text(username)
    await expect(bob.message("hello").locator(".mark")).to_have_count(0)
    await expect(ann.message("hi").locator(".mark")).to_have_text("guest")
    await ann.page.reload()
    await ann.connected()
    await expect(ann.message("hello")).to_have_class(OWN)
    await expect(ann.page.locator("#me")).to_contain_text(username)


@pytest.mark.slow
async def test_claimed_ids_are_marked(enter: Enter, server: ServerProcess, room: str) -> None:
    """In the list of people, in a notice, in a message and on the card."""
    ann = await enter("ann")
    async with connect(f"{server.ws_url}/ws") as connection:
        payload = {"room_id": room, "user_id": "7", "user_name": "root"}
        await connection.send(json.dumps({"type": "join", "payload": payload}))
        await expect(ann.people.filter(has_text="root").locator(".mark")).to_have_text("claimed")
        await expect(ann.notices.last).to_have_text("root (claimed) joined")
        await connection.send(json.dumps({"type": "message", "payload": {"room_id": room, "message": "trust me"}}))
        await expect(ann.message("trust me").locator(".mark")).to_have_text("claimed")
        await ann.message("trust me").get_by_role("button", name="root").click()
        card = ann.page.get_by_role("complementary", name="Profile")
        await expect(card.locator(".profile-name")).to_have_text(re.compile(r"^\s*root\s+claimed\s*$"))
        await expect(card).to_contain_text("The server has not checked who this is")


async def test_signing_out_and_in_again(join: Join, new_page: Pages, room: str) -> None:
    """After signing out the tab is asked for a name; after signing in the account is the same one, in its rooms."""
    username = new_username()
    ann = await join(username)
    await ann.say("before")
    await ann.delivered("before")
    await ann.account()
    await ann.sign_out()
    await ann.at_entry()
    assert await ann.page.context.cookies() == []
    await ann.page.get_by_role("button", name="Sign in", exact=True).click()
    await ann.sign_in(username)
    await ann.connected()
    await expect(ann.message("before")).to_have_class(OWN)


async def test_no_token_is_readable_by_scripts(join: Join) -> None:
    """What signs in is in HttpOnly cookies; neither they nor the password are in the page's storage."""
    ann = await join(new_username())
    cookies = {cookie["name"]: cookie for cookie in await ann.page.context.cookies()}
    assert {name for name, cookie in cookies.items() if not cookie["httpOnly"]} == {"parley-csrf"}
    stored = await ann.page.evaluate("JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])")
    secrets = [cookie["value"] for cookie in cookies.values() if cookie["httpOnly"]]
    assert secrets
    for secret in (PASSWORD, *secrets):
        assert secret not in stored


@pytest.mark.slow
async def test_signing_out_leaves_nothing_in_the_tab(join: Join, room: str) -> None:
    """Rooms and drafts are forgotten, the page shows none of the messages, and a reload shows no more."""
    ann = await join(new_username())
    await ann.say("a secret")
    await ann.delivered("a secret")
    await ann.box.fill("half a secret")
    await ann.account()
    await ann.sign_out()
    await ann.at_entry()
    stored = await ann.page.evaluate("JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])")
    assert "secret" not in stored
    assert room not in stored
    assert "secret" not in await ann.page.content()


async def test_errors_are_shown_next_to_their_fields(
    join: Join, new_page: Pages, server: ServerProcess, room: str
) -> None:
    """The first wrong field has the focus, a screen reader hears what is wrong, and nothing typed is lost."""
    new_page.expect_error(REFUSED)
    username = new_username()
    await join(username)
    page = AccountPage(await new_page(home(server, room)))
    await page.page.get_by_role("button", name="Create an account").click()
    await page.press("Create account")
    name, password = page.panel.get_by_label("Username", exact=True), page.panel.get_by_label("Password")
    await expect(name).to_be_focused()
    await expect(name).to_have_accessible_description(re.compile("Username is missing"))
    await page.register(username.upper(), "password")
    await expect(password).to_have_attribute("aria-invalid", "true")
    await password.fill(PASSWORD)
    await page.press("Create account")
    await expect(name).to_have_attribute("aria-invalid", "true")
    await expect(name).to_be_focused()
    await expect(name).to_have_value(username.upper())


@pytest.mark.slow
async def test_a_wrong_password_and_an_unknown_name_look_the_same(
    join: Join, new_page: Pages, server: ServerProcess, room: str
) -> None:
    new_page.expect_error(REFUSED)
    username = new_username()
    await join(username)
    page = AccountPage(await new_page(home(server, room)))
    await page.page.get_by_role("button", name="Sign in", exact=True).click()
    said = []
    for name in (username, new_username()):
        await page.sign_in(name, OTHER_PASSWORD)
        error = page.panel.get_by_role("alert").filter(has_text="wrong")
        await expect(error).to_be_visible()
        said.append(await error.inner_text())
    assert said[0] == said[1]


async def turn_on(part: Locator) -> list[str]:
    """Turn on the second factor; return the recovery codes, which are in front then."""
    await part.get_by_label("Current password").fill(PASSWORD)
    await part.get_by_role("button", name="Turn on").click()
    secret = (await part.locator(".secret").inner_text()).replace(" ", "")
    await part.get_by_label("Code").fill(pyotp.TOTP(secret).now())
    await part.get_by_role("button", name="Confirm").click()
    codes = part.get_by_role("list", name="Recovery codes").get_by_role("listitem")
    await expect(codes).to_have_count(10)
    return await codes.all_inner_texts()


async def test_a_second_factor_is_turned_on_and_asked_for(join: Join, new_page: Pages) -> None:
    """Turning it on shows the key, then the recovery codes; signing in asks for a code after the password."""
    new_page.expect_error(REFUSED)
    username = new_username()
    ann = await join(username)
    await ann.account()
    part = ann.part("Second factor")
    await ann.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await part.get_by_label("Current password").fill(PASSWORD)
    await part.get_by_role("button", name="Turn on").click()
    code = part.get_by_role("img", name="The key, for the authenticator app to scan")
    shown = await code.evaluate("svg => [svg.clientWidth, svg.clientHeight, svg.firstElementChild.getBBox().width]")
    assert shown[0] == shown[1] >= 160
    assert shown[2] >= 21  # modules of the smallest code
    await part.get_by_role("button", name="Copy the key").click()
    await expect(part.get_by_text("Copied.")).to_be_visible()
    key = (await part.locator(".secret").inner_text()).replace(" ", "")
    assert await ann.page.evaluate("navigator.clipboard.readText()") == key
    await part.get_by_role("button", name="Cancel").click()
    codes = await turn_on(part)
    assert len(set(codes)) == 10
    lines = "codes => codes.map(code => code.getClientRects().length)"
    assert await part.locator(".codes code").evaluate_all(lines) == [1] * 10
    await part.get_by_role("button", name="Copy them").click()
    await expect(part.get_by_text("Copied.")).to_be_visible()
    assert (await ann.page.evaluate("navigator.clipboard.readText()")).split() == codes
    await part.get_by_role("button", name="I have saved them").click()
    await expect(part.get_by_text("On. 10 recovery codes are left.", exact=True)).to_be_visible()

    other = await new_page(ann.page.url)
    page = AccountPage(other)
    await other.get_by_role("button", name="Sign in", exact=True).click()
    await page.sign_in(username)
    code = page.panel.get_by_label("Code")
    await expect(code).to_be_focused()
    await expect(page.panel.locator(".field-error:not(:empty)")).to_have_count(0)  # it is the next step
    await code.fill(codes[0].upper().replace("-", " "))
    await other.keyboard.press("Enter")
    await page.connected()


async def test_a_device_that_is_signed_out_elsewhere_says_so_and_comes_back(join: Join, new_page: Pages) -> None:
    """The room stays; what is typed goes into no form, and what was typed is kept for the same account."""
    new_page.expect_error(REFUSED)
    username = new_username()
    ann = await join(username)
    phone = await join(username, new=False, user_agent="Mozilla/5.0 (Android 15; Mobile) Firefox/140.0")
    await phone.account()
    here = phone.panel.get_by_role("list", name="Signed-in devices").get_by_role("listitem").first
    await expect(here).to_have_text(re.compile("Firefox on Android.*this device", re.DOTALL))
    await phone.back()
    await phone.box.fill("half a thou")
    await ann.account()
    devices = ann.panel.get_by_role("list", name="Signed-in devices").get_by_role("listitem")
    await expect(devices).to_have_count(2)
    await expect(devices.filter(has_text="this device")).to_have_count(1)
    await expect(devices.filter(has_text="this device")).to_contain_text("Chrome on ")
    await devices.get_by_role("button", name="Sign out Firefox on Android").click()
    await expect(devices).to_have_count(1)
    await expect(phone.closed).to_contain_text("You were signed out. Sign in to continue.")
    await expect(phone.closed).to_contain_text("Your draft is kept.")
    await phone.page.keyboard.type("ght to nobody")
    await phone.page.keyboard.press("Enter")
    await phone.closed.get_by_role("button", name="Sign in").click()
    await phone.at("Sign in")
    await expect(phone.panel.get_by_label("Password")).to_have_value("")
    await expect(phone.panel.get_by_text("You were signed out.")).to_be_visible()
    await expect(phone.panel.get_by_label("Username")).to_have_value(username)
    await expect(phone.panel.get_by_label("Password")).to_be_focused()
    await phone.sign_in(username)
    await phone.connected()
    await expect(phone.box).to_have_value("half a thou")


@pytest.mark.slow
async def test_changing_the_password_signs_out_the_other_devices_only(join: Join, new_page: Pages) -> None:
    new_page.expect_error(REFUSED)
    username = new_username()
    ann = await join(username)
    phone = await join(username, new=False)
    await ann.account()
    part = ann.part("Password")
    await part.get_by_label("Current password").fill(OTHER_PASSWORD)
    await part.get_by_label("New password").fill(OTHER_PASSWORD)
    await part.get_by_role("button", name="Change password").click()
    await expect(part.get_by_role("alert").filter(has_text=re.compile("."))).to_have_text("The password is wrong.")
    await part.get_by_label("Current password").fill(PASSWORD)
    await part.get_by_role("button", name="Change password").click()
    await expect(part.get_by_text("Your password is changed.")).to_be_visible()
    await phone.closed.get_by_role("button", name="Sign in").click()
    await phone.at("Sign in")
    await ann.back()
    await ann.connected()
    await ann.say("still here")
    await ann.delivered("still here")


@pytest.mark.slow
async def test_a_new_name_is_shown_to_others(join: Join, enter: Enter) -> None:
    ann = await join(new_username())
    bob = await enter("bob")
    name = f"Ann {new_username()}"
    await ann.account()
    await ann.part("Name").get_by_label("Name that others see").fill(name)
    await ann.press("Change name")
    await expect(ann.part("Name").get_by_text("Your name is changed.")).to_be_visible()
    await ann.back()
    await expect(bob.people.filter(has_text=name)).to_have_count(1)
    await ann.connected()
    await ann.say("it is me")
    await expect(bob.message("it is me").locator(".name")).to_have_text(name)


@pytest.mark.slow
async def test_all_tabs_of_a_browser_act_for_one_account(
    enter: Enter, new_page: Pages, server: ServerProcess, room: str
) -> None:
    """A guest's tab acts for the account once another tab has signed in, and for a guest after signing out."""
    bob = await enter("bob")
    tab = AccountPage(await new_page(home(server, room), same_context_as=bob.page))
    username = new_username()
    await tab.connected()  # as the same guest
    await tab.choose("You and your account", "Create an account")
    await tab.register(username)
    await tab.keep_later()
    await tab.connected()
    await expect(bob.page.locator("#me")).not_to_contain_text("Guest")
    await bob.say("from the other tab")
    await bob.delivered("from the other tab")
    await expect(tab.message("from the other tab")).to_have_class(OWN)
    await tab.account()
    await tab.sign_out()
    await expect(bob.page.get_by_label("Your name")).to_have_value("bob")


async def test_an_expired_access_token_is_renewed_unseen(join: Join, new_page: Pages) -> None:
    """Without a valid access token the page refreshes once, and nothing is to be seen of it."""
    new_page.expect_error(REFUSED)
    ann = await join(new_username())
    asked: list[str] = []
    ann.page.on("request", lambda request: asked.append(request.url) if "/api/refresh" in request.url else None)
    context = ann.page.context
    await context.clear_cookies(name="parley")
    await ann.page.reload()
    await ann.connected()
    assert len(asked) == 1
    await expect(ann.page.locator("#me")).to_contain_text("user")


@pytest.mark.parametrize("kind", ["reset", slow("email"), slow("admin"), slow("invite")])
async def test_a_link_is_used_only_by_a_click(new_page: Pages, server: ServerProcess, room: str, kind: str) -> None:
    """Opening it removes its secret from the address, and sends it nowhere; pressing the button sends it once.

    The secret of an invite link is sent to find out where it leads, which does not use it, and never in an address.
    """
    new_page.expect_error(REFUSED)
    page = await new_page()
    secret = "not-a-real-token-but-one-of-its-form-012345"
    asked: list[Request] = []
    page.on("request", lambda request: asked.append(request))
    await page.goto(home(server, room, f"#{kind}={secret}"))
    someone = AccountPage(page)
    await expect(someone.panel.get_by_role("button").first).to_be_visible()
    assert page.url == home(server, room)
    assert asked
    assert [request.url for request in asked if secret in request.url.split("#")[0]] == []
    sent = [request.url.rpartition("/api/")[2] for request in asked if secret in f"{request.post_data}"]
    assert sent == (["links/find"] if kind == "invite" else [])
    if kind != "email":
        return
    await someone.press("Confirm")
    await expect(someone.panel.get_by_role("alert").filter(has_text="has expired, or was used")).to_be_visible()
    assert [request.method for request in asked if secret in f"{request.post_data}"] == ["POST"]


@pytest.mark.slow
@pytest.mark.parametrize("joined", [True, False], ids=["from the chat", "from the form"])
async def test_a_link_is_taken_from_the_address_bar_of_an_open_page(
    enter: Enter, new_page: Pages, server: ServerProcess, room: str, joined: bool
) -> None:
    """Pasted there, it leads to its page, and its secret disappears; one that was cut says so."""
    chat = (await enter("ann")).page if joined else await new_page(f"{server.http_url}/client.html")
    page = AccountPage(chat)
    before = chat.url
    paste = "hash => { location.hash = hash; }"
    await chat.evaluate(paste, f"#reset={'x' * 43}")
    await page.at("Set a new password")
    assert chat.url == before
    await chat.evaluate(paste, "#reset=abc")
    await page.at("This link is not complete")
    assert chat.url == before
    await page.press("Continue")
    await (page.connected() if joined else page.at_entry())


@pytest.mark.slow
async def test_a_server_without_guests_says_so_at_once(start_server: Start, new_page: Pages, room: str) -> None:
    """Also to those who come with a name; until then a connection would wait for 10 seconds."""
    server = start_server({"GUESTS": "off", "SERVER_SECRET": SECRET})
    ann = AccountPage(await new_page(home(server, room) + "&u=ann"))
    await ann.at("Sign in")
    assert await ann.page.evaluate("performance.now()") < 10_000
    await ann.press("Create an account")
    await ann.register(new_username())
    await ann.connected()
    await expect(ann.page.get_by_role("heading", level=1, name=room)).to_be_visible()


@pytest.mark.slow
async def test_a_browser_that_lost_the_readable_cookie_signs_in_again(join: Join) -> None:
    """Its page takes it for signed out, and so does the server."""
    username = new_username()
    ann = await join(username)
    await ann.page.wait_for_load_state("networkidle")  # its page still asks whom she blocks, as the account
    await ann.page.context.clear_cookies(name="parley-csrf")
    await ann.page.reload()
    await ann.at_entry()
    await ann.page.get_by_role("button", name="Sign in", exact=True).click()
    await ann.sign_in(username)
    await ann.connected()
    await expect(ann.page.locator("#me")).to_contain_text(username)


@pytest.mark.slow
@pytest.mark.parametrize("on", [True, False], ids=["just turned on", "just turned off"])
async def test_an_account_is_deleted_right_after_its_second_factor_was_switched(
    join: Join, new_page: Pages, on: bool
) -> None:
    """A code is asked for if it is needed."""
    new_page.expect_error(REFUSED)
    ann = await join(new_username())
    await ann.account()
    part = ann.part("Second factor")
    codes = await turn_on(part)
    await part.get_by_role("button", name="I have saved them").click()
    end = ann.part("Delete the account")
    await end.get_by_label("Password").fill(PASSWORD)
    if not on:
        await end.get_by_role("button", name="Delete my account").click()
        await expect(end.get_by_label("Code")).to_be_focused()
        await part.get_by_text("Turn the second factor off").click()
        off = part.get_by_role("group").filter(has_text="Turn the second factor off")
        await off.get_by_label("Current password").fill(PASSWORD)
        await off.get_by_label("Code").fill(codes[0])
        await off.get_by_role("button", name="Turn off").click()
        await expect(part.get_by_role("button", name="Turn on")).to_be_visible()
    await end.get_by_role("button", name="Delete my account").click()
    if on:
        await expect(end.get_by_label("Code")).to_be_focused()
        await expect(end.get_by_text("This account has a second factor. Enter the code")).to_be_visible()
        await end.get_by_label("Code").fill(codes[0])
        await end.get_by_role("button", name="Delete my account").click()
    await ann.at_entry()
    await expect(ann.page.get_by_role("status", name="Notices")).to_contain_text("Your account is deleted.")


@pytest.mark.slow
async def test_a_server_without_guests_asks_to_sign_in(start_server: Start, new_page: Pages, room: str) -> None:
    server = start_server({"GUESTS": "off", "SERVER_SECRET": SECRET})
    ann = AccountPage(await new_page(home(server, room)))
    await ann.at("Sign in")
    await expect(ann.panel.get_by_text("This server requires an account.")).to_be_visible()
    await ann.back()  # to a form without anything for guests
    await expect(ann.page.get_by_role("textbox")).to_have_count(0)
    await expect(ann.page.get_by_role("button", name="Enter")).to_be_hidden()
    await ann.page.get_by_role("button", name="Sign in", exact=True).click()
    await ann.press("Create an account")
    await ann.register(new_username())
    await ann.connected()


@pytest.mark.slow
async def test_a_closed_server_offers_no_registration(start_server: Start, new_page: Pages, room: str) -> None:
    server = start_server({"REGISTRATION": "closed", "SERVER_SECRET": SECRET})
    page = await new_page(home(server, room))
    await expect(page.get_by_role("button", name="Create an account")).to_be_hidden()
    await expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()


@pytest.mark.slow
async def test_the_pages_work_by_keyboard_alone(new_page: Pages, server: ServerProcess, room: str) -> None:
    """Register, open the account, go back with Escape: without a pointer, and the focus is never lost."""
    page = await new_page(home(server, room))
    keys = page.keyboard
    await page.get_by_role("button", name="Create an account").focus()
    await keys.press("Enter")
    ann = AccountPage(page)
    await expect(ann.panel.get_by_label("Username", exact=True)).to_be_focused()
    await keys.type(new_username())
    await keys.press("Tab")
    await keys.type(PASSWORD)
    await keys.press("Enter")
    await ann.connected()
    await page.locator("#me").focus()
    await keys.press("Enter")
    await expect(page.get_by_role("menuitem", name="Account")).to_be_focused()
    await keys.press("Enter")
    await ann.at("Your account")
    await expect(ann.part("Name").get_by_label("Name that others see")).to_be_focused()
    await keys.press("Escape")
    await expect(ann.box).to_be_focused()


async def test_a_screen_reader_finds_what_a_form_is_about(new_page: Pages, server: ServerProcess, room: str) -> None:
    page = await new_page(home(server, room))
    await page.get_by_role("button", name="Create an account").click()
    await AccountPage(page).at("Create an account")
    await expect(page).to_have_title("Create an account · Parley")
    await expect(page.get_by_role("main")).to_match_aria_snapshot(
        """
        - main "Create an account":
          - button "Back"
          - heading "Create an account" [level=1]
          - text: Username
          - textbox "Username"
          - paragraph: /You sign in with it/
          - text: Password
          - textbox "Password"
          - paragraph: /At least 8 characters/
          - text: Name that others see
          - textbox "Name that others see"
          - paragraph: /Your username/
          - button "Create account"
          - button "I have an account"
        """
    )


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", slow("dark")])
async def test_the_account_fits_a_phone_and_has_contrast(join: Join, scheme: str) -> None:
    """320 CSS pixels wide (WCAG 1.4.10), 24 pixels for each target (2.5.8), 4.5 to 1 for each text (1.4.3)."""
    options: dict[str, Any] = {**PHONE, "viewport": {"width": 320, "height": 640}}
    ann = await join(new_username(), color_scheme=scheme, reduced_motion="reduce", **options)
    await ann.account()
    await expect(ann.panel.get_by_role("list", name="Signed-in devices").get_by_role("listitem")).to_have_count(1)
    assert await ann.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert await ann.page.evaluate(
        "(view => view.scrollWidth <= view.clientWidth)(document.querySelector('#account-view'))"
    )
    assert await ann.page.evaluate(CONTRAST) == []
    assert await _small(ann.page) == []


async def _small(page: Page) -> list[str]:
    found: list[str] = await page.evaluate(
        """() => [...document.querySelectorAll('button, input, summary')]
          .filter((each) => each.checkVisibility())
          .map((each) => [each.id || each.textContent, (each.closest('label') ?? each).getBoundingClientRect()])
          .filter(([, box]) => box.width < 24 || box.height < 24).map(([name]) => name)"""
    )
    return found
