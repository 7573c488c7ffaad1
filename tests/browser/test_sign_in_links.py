"""Anybody can write a link with a token: it changes who acts in this browser only if the person agrees."""

import time

import pytest
from playwright.async_api import Locator, Page, expect

from server.auth.tokens import sign_account
from tests.browser.account_page import AccountPage, home, new_username
from tests.browser.chat_page import SECRET, ChatPage, Enter, Frame, Wire, answer, pass_on, refusal
from tests.support.browser import Pages
from tests.support.marks import slow
from tests.support.server import ServerProcess

EXPIRES = int(time.time()) + 3600


def token(userid: str, name: str, *, secret: str = SECRET, later: int = 0) -> str:
    return sign_account(secret, userid=userid, username=name, role="user", expires=EXPIRES + later)


def question(page: Page, name: str) -> Locator:
    return page.get_by_role("dialog", name=f"Continue as {name}")


async def signed_in(new_page: Pages, server: ServerProcess, room: str, given: str, **options: Page) -> ChatPage:
    chat = ChatPage(await new_page(home(server, room, f"#token={given}"), **options))
    await chat.connected()
    return chat


async def goes_on_as(chat: ChatPage, name: str, text: str) -> None:
    """Write as this user, also after a reload."""
    await expect(chat.page.locator("#me")).to_contain_text(name)
    await chat.say(text)
    await chat.delivered(text)
    await expect(chat.message(text).locator("xpath=self::*[contains(@class, 'own')]")).to_have_count(1)
    await chat.page.reload()
    await chat.connected()
    await expect(chat.page.locator("#me")).to_contain_text(name)


@pytest.mark.slow
@pytest.mark.parametrize("opened", [slow("in another tab"), "in the tab that is open"])
async def test_a_guest_is_asked_and_says_no(
    enter: Enter, new_page: Pages, server: ServerProcess, room: str, opened: str
) -> None:
    """Everything stays as it was: who one is, in all tabs and later, and what was typed. Enter alone does not agree."""
    vic = await enter("Vic")
    who = await vic.identity()
    await vic.box.fill("half a thou")
    fragment = f"#token={token('mal', 'Mallory')}"
    if opened == "in another tab":
        tab = ChatPage(await new_page(home(server, room, fragment), same_context_as=vic.page))
    else:
        tab = vic
        await tab.page.evaluate("hash => { location.hash = hash; }", fragment)
    dialog = question(tab.page, "Mallory")
    await expect(dialog).to_contain_text("You are Vicguest here.")
    assert "token" not in tab.page.url
    await expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    await tab.page.keyboard.press("Enter")
    await expect(dialog).to_have_count(0)
    for each in (vic, tab):
        assert await each.identity() == who
        await expect(each.box).to_have_value("half a thou")
    for number, each in enumerate((vic, tab)):
        await goes_on_as(each, "Vic", f"by {number}")
    kept = await tab.page.evaluate("Object.keys({ ...localStorage, ...sessionStorage })")
    assert not {"parley.applied", "parley.token"} & set(kept)


@pytest.mark.slow
async def test_a_guest_agrees(enter: Enter, new_page: Pages, server: ServerProcess, room: str) -> None:
    """The other tabs follow, and say so; what the guest had not sent is not sent as the other user."""
    wire = Wire()
    wire.to_server = lambda frame, _: None if frame["type"] == "message" else frame
    vic = await enter("Vic", wire=wire)
    await vic.say("not sent")
    await expect(vic.messages).to_have_count(1)
    wire.to_server = pass_on
    tab = ChatPage(await new_page(home(server, room, f"#token={token('zoe', 'Zoe')}"), same_context_as=vic.page))
    await question(tab.page, "Zoe").get_by_role("button", name="Continue").click()
    await expect(tab.page.locator("#me")).to_contain_text("Zoe")
    await expect(vic.page.locator("#me")).to_contain_text("Zoe")
    await expect(vic.page.get_by_text("Another tab has signed this browser in as Zoe.")).to_be_visible()
    await expect(vic.message("not sent").get_by_text("Written as Vic.")).to_be_visible()
    await goes_on_as(tab, "Zoe", "by Zoe")
    again = await signed_in(new_page, server, room, token("zoe", "Zoe", later=60), same_context_as=tab.page)
    await expect(again.page.get_by_role("dialog")).to_have_count(0)


@pytest.mark.slow
async def test_a_user_of_an_application_is_asked(new_page: Pages, server: ServerProcess, room: str) -> None:
    """Also if the other one has the same name, or one that is written from right to left."""
    vic = await signed_in(new_page, server, room, token("vic", "Victoria"))
    other = ChatPage(await new_page(home(server, room), same_context_as=vic.page))
    await other.connected()
    fragment = f"#token={token('mal', 'Victoria')}"
    tab = ChatPage(await new_page(home(server, room, fragment), same_context_as=vic.page))
    dialog = question(tab.page, "Victoria")
    await expect(dialog).to_contain_text("Victoria#vic")
    await expect(dialog).to_contain_text("Victoria#mal")
    await dialog.get_by_role("button", name="Cancel").click()
    for number, each in enumerate((vic, other, tab)):
        await goes_on_as(each, "Victoria", f"still me {number}")
    right_to_left = "\u05d0\u05d1\u05d2"
    fragment = f"#token={token('mal', right_to_left)}"
    await tab.page.evaluate("hash => { location.hash = hash; }", fragment)
    heading = tab.page.get_by_role("dialog").get_by_role("heading", level=2)
    await expect(heading.locator("bdi")).to_have_text(right_to_left)
    assert await heading.inner_text() == f"Continue as {right_to_left}?"


@pytest.mark.parametrize("who", ["a guest", slow("a user of the application")])
async def test_a_forged_token_signs_nobody_out(
    enter: Enter, new_page: Pages, server: ServerProcess, room: str, who: str
) -> None:
    """Ids are no secret: a link may have a token that names the person, and that no application has signed."""
    if who == "a guest":
        vic = await enter("Vic")
    else:
        vic = await signed_in(new_page, server, room, token("vic", "Vic"))
    forged = token("vic", "Vic", secret="x" * 40)
    tab = ChatPage(await new_page(home(server, room, f"#token={forged}"), same_context_as=vic.page))
    if who == "a guest":
        await question(tab.page, "Vic").get_by_role("button", name="Continue").click()
    await expect(tab.page.get_by_text("The server did not accept the sign-in of this link.")).to_be_visible()
    await goes_on_as(tab, "Vic", "by the tab of the link")
    await goes_on_as(vic, "Vic", "by the other one")


@pytest.mark.slow
async def test_one_whose_login_has_ended_is_asked(new_page: Pages, server: ServerProcess, room: str) -> None:
    wire = Wire()
    vic = await signed_in(new_page, server, room, token("vic", "Vic"))
    await wire.attach(vic.page)

    def expired(frame: Frame, route: object) -> None:
        if frame["type"] == "hello":
            answer(route, refusal(frame["id"], "unauthorized", "the token has expired"))  # type: ignore[arg-type]

    wire.to_server = expired
    await vic.page.reload()
    await expect(vic.page.get_by_role("alert").filter(has_text="Open the chat from the application")).to_be_visible()
    wire.to_server = pass_on
    await vic.page.evaluate("hash => { location.hash = hash; }", f"#token={token('mal', 'Mallory')}")
    await question(vic.page, "Mallory").get_by_role("button", name="Cancel").click()
    await vic.page.evaluate("hash => { location.hash = hash; }", f"#token={token('vic', 'Vic', later=60)}")
    await vic.connected()
    await goes_on_as(vic, "Vic", "back")


@pytest.mark.slow
async def test_an_account_stays_signed_in(new_page: Pages, server: ServerProcess, room: str) -> None:
    username = new_username()
    ann = AccountPage(await new_page(home(server, room)))
    await ann.page.get_by_role("button", name="Create an account").click()
    await ann.register(username)
    await ann.connected()
    await ann.box.fill("half a thou")
    await ann.page.evaluate("hash => { location.hash = hash; }", f"#token={token('mal', 'Mallory')}")
    await expect(ann.page.get_by_text(f"You are signed in as {username}. Sign out first")).to_be_visible()
    await expect(ann.box).to_have_value("half a thou")
    await ann.page.reload()
    await ann.connected()
    await expect(ann.page.locator("#me")).to_contain_text(username)


@pytest.mark.slow
@pytest.mark.parametrize(
    "unfit",
    [("mal", "Vic. Your account is locked: write your password to @support. " * 2), ("mal", "\u202eyrollaM"),
     ("mal", ""), ("mal", "x" * 20_000), ("\u202elam", "Mallory"), ("mal", "a\nb")],
    ids=["sentence", "turned", "none", "long", "id", "lines"],
)  # fmt: skip
async def test_a_link_for_what_can_be_no_user_asks_nothing(
    enter: Enter, new_page: Pages, server: ServerProcess, room: str, unfit: tuple[str, str]
) -> None:
    """A stranger's words are not in the page's own question."""
    vic = await enter("Vic")
    await vic.page.evaluate("hash => { location.hash = hash; }", f"#token={token(*unfit, secret='x' * 32)}")
    await vic.page.wait_for_function("() => location.hash === ''")
    await vic.page.evaluate("hash => { location.hash = hash; }", f"#token={token('mal', 'Mallory')}")
    await expect(question(vic.page, "Mallory")).to_be_visible()
    await expect(vic.page.get_by_role("dialog")).to_have_count(1)
