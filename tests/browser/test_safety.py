"""Text by other users is never more than text, and the page only connects to its own server."""

from urllib.parse import urlsplit

import pytest
from playwright.async_api import Request, expect

from tests.browser.chat_page import Enter, new_room
from tests.support.browser import Pages
from tests.support.server import ServerProcess

MARKUP = '"><img src=x onerror=window.hit=1><script>window.hit=1</script>'
NAME = "<img src=x onerror=hit=1>"
ROOM = "<svg onload=hit=1> &amp; "
# Created by the client's own code; anything else in a log would be a user's markup.
OWN_ELEMENTS = {"div", "p", "span", "time", "bdi", "a", "button", "code", "svg", "path", "line", "circle"}

# Of each host and address, whether a character stands to the left of the one before it.
BACKWARDS = """() => [...document.querySelectorAll(".msg .host, .msg .text a[dir=ltr]")].map(({ firstChild: text }) => {
  const range = document.createRange();
  const left = (i) => (range.setStart(text, i), range.setEnd(text, i + 1), range.getBoundingClientRect().left);
  return [...text.data].some((_, i) => i && left(i) < left(i - 1));
})"""


async def test_markup_is_shown_as_text_in_every_field(enter: Enter) -> None:
    """A name, a room, a message, a notice, the list of users, the title and the address: shown as written."""
    room = f"{ROOM}{new_room()}"
    ann = await enter("ann", room=room)
    eve = await enter(NAME, room=room)
    await expect(ann.notices).to_have_text([f"{NAME} (guest) joined"])
    await eve.say(MARKUP, "<b>bold?</b>", "javascript:window.hit=1", "`${window.hit=1}` {{1+1}}")
    await expect(ann.messages).to_have_count(4)
    for chat in (ann, eve):
        assert await chat.texts() == [MARKUP, "<b>bold?</b>", "javascript:window.hit=1", "${window.hit=1} {{1+1}}"]
        await expect(chat.page.get_by_role("heading", level=1)).to_have_text(room)
        await expect(chat.page).to_have_title(f"{room} · Parley")
        await expect(chat.people).to_have_count(2)
        tags = await chat.page.evaluate(
            "[...document.querySelectorAll('#log *, #sidebar ul *, #me *')].map((each) => each.localName)"
        )
        assert set(tags) - OWN_ELEMENTS == {"li"}
        assert await chat.page.evaluate("window.hit") is None
    await expect(ann.messages.first.locator(".name")).to_have_text(NAME)
    await expect(ann.people.filter(has_text=NAME)).to_have_count(1)
    await eve.page.close()
    await ann.say("gone?")
    await expect(ann.notices.last).to_have_text(f"{NAME} (guest) left", timeout=15_000)


async def test_text_cannot_reach_out_of_its_message(enter: Enter) -> None:
    """Direction overrides, right-to-left names and endless words do not affect other text."""
    ann = await enter("ann")
    eve = await enter("שלום abc")
    await eve.say("\u202eevil\u202d reversed", "מה שלומך?", "w" * 2000, "e" + "\u0301" * 30 + "zalgo")
    await expect(ann.messages).to_have_count(4)
    assert await ann.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    isolated = "getComputedStyle(document.querySelector('.msg .name')).unicodeBidi"
    assert await ann.page.evaluate(isolated) == "isolate"
    assert await ann.log.locator(".text[dir=auto]").count() == 4
    await expect(ann.message("מה שלומך?").locator(".text")).to_have_css("direction", "rtl")


@pytest.mark.slow
async def test_no_character_turns_an_address_round(enter: Enter) -> None:
    """A direction override before a link, or in its text, ends there: hosts are read from left to right."""
    ann, eve = await enter("ann"), await enter("eve")
    await eve.say(
        "[\u202eknab eht](https://moc.knab.example)",
        "see \u202e[knab ruoy](https://moc.knab.example)",
        "see \u202ehttps://moc.knab.example/a",
        "\u05e9 \u2067[\u202bx](https://moc.knab.example)",
    )
    await expect(ann.messages).to_have_count(4)
    assert await ann.page.evaluate(BACKWARDS) == [False] * 4
    await eve.say(
        "[write to us](mailto:\u202emoc.knab@troppus)",
        "[call](tel:+\u202e54321)",
        "[https://a.example](https://bank.example/\u202egnp.exe)",
        "#[\u202emoor live] tail",
    )
    await expect(ann.messages).to_have_count(8)
    assert await ann.page.evaluate(BACKWARDS) == [False] * len(await ann.log.locator(".host, .text a[dir=ltr]").all())
    hosts = await ann.log.locator(".text .host").all_text_contents()
    assert hosts[3:] == ["(mailto:%E2%80%AEmoc.knab@troppus)", "(tel:+%E2%80%AE54321)"]
    assert "\u202e" not in "".join(await ann.log.locator(".text a[dir=ltr]").all_text_contents())
    await expect(ann.log.locator(".room-name")).to_have_css("unicode-bidi", "isolate")


WHOLE = [
    "我们明天在 Berlin 见面,好吗?带上 3 本书 📚。" * 50,
    "私はJSが好きです。テストは 3 回。😀" * 40,
    "내일 서울에서 만나요 3시에 " * 100,
    "नमस्ते दुनिया, कल मिलते हैं 👍🏽 " * 60,
    "مرحبا بالعالم، نلتقي غدا 👨‍👩‍👧 " * 60,
    "สวัสดีชาวโลก " * 140,
    "Привет, как дела? Hello! " * 90,
    "😀🇩🇪1️⃣❤️👩🏽‍💻" * 80,
]


@pytest.mark.slow
async def test_a_text_that_is_slow_to_draw_is_drawn_when_one_wants_it(enter: Enter) -> None:
    """Where scripts change with each letter, the browser looks for fonts for most of a second. Languages are whole."""
    ann, eve = await enter("ann"), await enter("eve")
    slow_text = "字क" * 950
    await eve.say(*WHOLE, slow_text)
    await expect(ann.messages).to_have_count(len(WHOLE) + 1)
    text = ann.log.locator(".text")
    assert await text.evaluate_all("all => all.map((each) => each.textContent)") == [
        *(each.strip() for each in WHOLE),
        slow_text[:120],
    ]
    more = ann.messages.get_by_role("button", name="Show more")
    await expect(more).to_have_count(1)
    await more.click()
    await expect(text.last).to_have_text(slow_text)
    await ann.messages.get_by_role("button", name="Show less").click()
    await expect(text.last).to_have_text(slow_text[:120])
    await ann.messages.last.hover()
    await ann.page.get_by_role("toolbar").get_by_role("button", name="Reply").click()
    await expect(ann.page.locator("#reply-bar")).to_contain_text(f"{slow_text[:24]}…")
    await ann.say("indeed")
    await expect(ann.log.locator(".reply-text")).to_have_text(f"{slow_text[:24]}…")
    await eve.say("字क" * 950 + "!")
    await expect(ann.page.locator("[aria-live] p").last).to_have_text(f"eve: {slow_text[:120]}")


@pytest.mark.slow
async def test_a_long_message_is_folded_and_marks_stay_in_their_bubble(enter: Enter) -> None:
    ann = await enter("ann")
    await ann.say("\n".join("x" * 200), "x " * 1500, "short")
    await expect(ann.messages).to_have_count(3)
    text = ann.log.locator(".text")
    await expect(text.last).to_have_css("overflow", "clip")
    for number in range(2):
        folded = await text.nth(number).evaluate("text => text.getBoundingClientRect().height")
        assert folded < 700
        more = ann.messages.nth(number).get_by_role("button", name="Show more")
        await more.click()
        opened = await text.nth(number).evaluate("text => text.getBoundingClientRect().height")
        assert opened > folded
        await ann.messages.nth(number).get_by_role("button", name="Show less").click()
        assert await text.nth(number).evaluate("text => text.getBoundingClientRect().height") == folded
    await expect(ann.messages.nth(2).get_by_role("button", name="Show more")).to_have_count(0)


async def test_the_page_requests_only_its_own_server(enter: Enter, server: ServerProcess, new_page: Pages) -> None:
    """No other request is sent, whatever the messages contain: not even for the icon of a link."""
    page = await new_page()
    hosts: set[str | None] = set()

    def note(request: Request) -> None:
        hosts.add(urlsplit(request.url).netloc)

    page.on("request", note)
    await page.goto(f"{server.http_url}/client.html?r={new_room()}&u=ann")
    await expect(page.get_by_role("status", name="Connection")).to_have_text("Connected")
    await page.get_by_role("textbox", name="Message").fill("https://example.com/a.png")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("link", name="https://example.com/a.png")).to_be_visible()
    assert hosts == {urlsplit(server.http_url).netloc}


async def test_the_content_security_policy_is_strict(server: ServerProcess, new_page: Pages) -> None:
    """The server allows the page only its own files, and the page needs nothing more."""
    page = await new_page()
    response = await page.goto(f"{server.http_url}/client.html")
    assert response is not None
    policy = (await response.all_headers())["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    await expect(page.get_by_role("button", name="Enter")).to_be_visible()
    assert await page.evaluate("document.querySelectorAll('[style], script:not([src])').length") == 0
