"""By keyboard, with a screen reader, on a phone, in light and dark, without motion."""

import re

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.chat_page import ChatPage, Enter, Wire
from tests.browser.peer import peer
from tests.support.browser import Pages
from tests.support.marks import slow
from tests.support.server import ServerProcess

PHONE = {"viewport": {"width": 360, "height": 640}, "has_touch": True, "is_mobile": True}

# WCAG 2.2: contrast of text against its background, as the browser computed both.
CONTRAST = """() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].map((part, i) => (i < 3 ? part : part / 255));
  };
  const over = (top, under) => top.slice(0, 3).map((part, i) => part * top[3] + under[i] * (1 - top[3])).concat(1);
  const behind = (element) => {
    const layers = [];
    for (let each = element; each; each = each.parentElement) layers.push(rgba(getComputedStyle(each).backgroundColor));
    return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255, 1]);
  };
  const light = ([r, g, b]) => {
    const linear = (p) => (p <= 0.04045 ? p / 12.92 : ((p + 0.055) / 1.055) ** 2.4);
    const [x, y, z] = [r, g, b].map((part) => linear(part / 255));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const poor = [];
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    const style = getComputedStyle(element);
    if (!own || element.disabled) continue;
    if (!element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
    if (style.clipPath !== 'none' || style.opacity < 1) continue;
    const back = behind(element);
    const [a, b] = [light(over(rgba(style.color), back)), light(back)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) poor.push(`${ratio.toFixed(2)} ${element.className} ${element.textContent.slice(0, 40)}`);
  }
  return poor;
}"""


@pytest.mark.slow
async def test_the_page_works_by_keyboard_alone(server: ServerProcess, new_page: Pages, room: str) -> None:
    """Join, post, scroll back, switch rooms and leave, without a pointer."""
    page = await new_page(f"{server.http_url}/client.html?r={room}")
    keys = page.keyboard
    await expect(page.get_by_label("Your name")).to_be_focused()
    await keys.type("ann")
    await keys.press("Enter")
    ann = ChatPage(page)
    await expect(ann.box).to_be_focused()
    await keys.type("hello")
    await keys.press("Enter")
    await ann.delivered("hello")
    await expect(ann.box).to_be_focused()

    async with peer(server, room) as bob:
        await bob.say(f"message {i}" for i in range(60))
    await expect(ann.message("message 59")).to_be_in_viewport()
    await keys.press("PageUp")
    await expect(ann.jump).to_be_visible()
    await keys.press("Shift+Tab")
    await expect(ann.jump).to_be_focused()
    await keys.press("Enter")
    await ann.at_end()
    await ann.log.focus()
    await keys.press("x")  # typing outside of a field goes to the composer
    await expect(ann.box).to_be_focused()
    await expect(ann.box).to_have_value("x")

    await keys.press("Control+k")
    await expect(page.get_by_role("combobox")).to_be_focused()
    await keys.type(f"{room}-b")
    await keys.press("Enter")
    await expect(page.get_by_role("button", name="Create room")).to_be_focused()
    await keys.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text(f"{room}-b")
    await expect(ann.box).to_be_focused()
    await expect(ann.box).to_have_value("")
    await page.get_by_role("link", name=f"{room}-b", exact=True).focus()
    await keys.press("Tab")
    await keys.press("Enter")
    await expect(page.get_by_role("menuitem", name="Leave")).to_be_visible()
    await keys.press("l")  # its first letter
    await expect(page.get_by_role("menuitem", name="Leave")).to_be_focused()
    await keys.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text(room)
    await expect(ann.box).to_be_focused()
    await page.locator("#me").focus()
    await keys.press("Enter")
    await keys.press("End")
    await keys.press("Enter")
    await expect(page.get_by_role("button", name="Sign out")).to_be_focused()
    await keys.press("Enter")
    await expect(page.get_by_role("button", name="Enter", exact=True)).to_be_visible()


async def test_the_focus_is_always_visible(enter: Enter) -> None:
    """Each stop of the Tab key has an outline, the message box another border; the first one skips the sidebar."""
    ann = await enter("ann")
    border = "getComputedStyle(document.querySelector('.composer-body')).borderTopColor"
    await ann.page.keyboard.press("Shift+Tab")  # from the composer, so that the focus counts as set by keyboard
    await ann.page.locator(".skip").focus()
    await expect(ann.page.get_by_role("link", name="Skip to the message box")).to_be_focused()
    await expect(ann.page.get_by_role("link", name="Skip to the message box")).to_be_in_viewport()
    without = await ann.page.evaluate(border)
    seen = set()
    for _ in range(20):
        stop = await ann.page.evaluate(
            f"""(without) => {{
              const at = document.activeElement, ring = getComputedStyle(at);
              const outlined = ring.outlineStyle !== 'none' && parseFloat(ring.outlineWidth) >= 1;
              const drawn = outlined || (at.id === 'message' && {border} !== without);
              return [at.id || at.classList[0] || at.localName, drawn];
            }}""",
            without,
        )
        if stop[0] in seen or stop[0] == "body":
            break
        assert stop[1], f"no visible focus on {stop[0]}"
        seen.add(stop[0])
        await ann.page.keyboard.press("Tab")
    assert {"skip", "jump-to", "add-room", "room", "me", "open-people", "open-search", "room-menu", "message"} <= seen


@pytest.mark.slow
async def test_forced_colours_hide_nothing(enter: Enter, server: ServerProcess, room: str) -> None:
    """Where the system paints over backgrounds: the room in front, what has the focus, mentions, who is here."""
    ann = await enter("ann", forced_colors="active")
    async with peer(server, room, "bob") as bob:
        await bob.say(["hello @ann", "hello all"])
        ring = (
            "at => { const { outlineStyle, outlineWidth } = getComputedStyle(at); return outlineStyle + outlineWidth }"
        )
        assert await ann.page.locator(".room[aria-current]").evaluate(ring) == "solid2px"
        mention, other = ann.messages.first, ann.message("hello all")
        await expect(mention).to_have_class(re.compile("mentions-me"))
        assert await mention.evaluate(ring) == "solid2px"
        assert await other.evaluate(ring) != "solid2px"
        await expect(mention.locator(".at-name")).to_have_css("border-style", "solid")
        await ann.box.focus()
        assert await ann.page.locator(".composer-body").evaluate(ring) == "solid2px"
        here = ann.people.filter(has_text="bob")
        colour = "dot => getComputedStyle(dot).backgroundColor"
        behind = await ann.page.locator("#panel").evaluate(colour)
        assert await here.locator(".online-dot").evaluate(colour) != behind
        await here.get_by_role("button").focus()
        await ann.page.keyboard.press("Tab")
        await ann.page.keyboard.press("Shift+Tab")
        assert await here.get_by_role("button").evaluate(ring) == "solid2px"


async def test_a_screen_reader_finds_landmarks_names_and_live_regions(enter: Enter) -> None:
    """Landmarks, names and live regions: the tree that assistive technology sees."""
    ann = await enter("ann")
    bob = await enter("bob")
    await bob.say("hello there")
    await ann.say("hi")
    await ann.delivered("hi")
    await expect(ann.people).to_have_count(2)
    body = ann.page.locator("body")
    await expect(body).to_match_aria_snapshot(
        """
        - link "Skip to the message box"
        - navigation "Rooms":
          - button /Switch to…/
          - region "Rooms":
            - heading "Rooms" [level=2]
            - button "Add a room"
            - list "Rooms":
              - listitem:
                - link /room-/
                - button /Options of room-/
            - button "Browse rooms"
          - button /ann Guest in this browser/
        - main:
          - heading /room-/ [level=1]
          - status "Connection": Connected
          - button "2 people here" [expanded]
          - button "Search"
          - button "Pinned messages"
          - button "More about this room"
          - region "Announcements"
          - log /Messages in room-/
          - alert "Problems"
          - status "Notices"
          - textbox /Message room-/
        - complementary "People":
          - heading "People" [level=2]
          - button "Close"
          - region "2 people":
            - heading "2 people" [level=3]
            - list "2 people":
              - listitem:
                - button "ann guest you"
              - listitem:
                - button "bob guest"
        """
    )
    assert await ann.page.evaluate("document.documentElement.lang") == "en"


@pytest.mark.slow
async def test_loaded_history_is_not_announced(enter: Enter, server: ServerProcess, room: str) -> None:
    """Neither the first page nor older ones; later messages are."""
    async with peer(server, room) as bob:
        await bob.say(f"message {i}" for i in range(150))
        ann = await enter("ann")
        await expect(ann.message("message 149")).to_be_in_viewport()
        heard = ann.page.locator("#heard")
        await ann.page.evaluate(
            """() => {
              window.loud = [];
              const added = (change) => [...change.addedNodes].map((node) => node.textContent);
              new MutationObserver((changes) => window.loud.push(...changes.flatMap(added)))
                .observe(document.querySelector('#heard'), { childList: true, subtree: true });
              document.querySelector('#log').scrollTop = 0;
            }"""
        )
        await expect(ann.message("message 90")).to_be_attached()
        await expect(heard).to_be_empty()
        await ann.jump.click()
        await ann.at_end()
        await bob.say(["a later one"])
        await expect(heard).to_contain_text("a later one")
    assert not [text for text in await ann.page.evaluate("window.loud") if "message " in text]


async def test_an_ack_is_not_announced_as_a_new_message(enter: Enter, wire: Wire) -> None:
    """From posting to ack a message stays one element: it is announced once."""
    ann = await enter("ann", wire=wire)
    await ann.page.evaluate(
        """() => {
          window.added = 0;
          new MutationObserver((changes) => {
            const added = changes.flatMap((each) => [...each.addedNodes]);
            window.added += added.filter((node) => node.classList?.contains('msg')).length;
          }).observe(document.querySelector('#log'), { childList: true, subtree: true });
        }"""
    )
    await ann.say("once")
    await ann.delivered("once")
    assert await ann.page.evaluate("window.added") == 1


async def test_the_page_fits_a_phone(enter: Enter) -> None:
    """Nothing is wider than the screen, whatever the content; rooms and users are in a drawer."""
    ann = await enter("ann the third of that name, of somewhere", **PHONE)
    bob = await enter("bob")
    await bob.say("w" * 300, "https://example.com/" + "path/" * 60, "short")
    await expect(ann.message("short")).to_be_in_viewport()
    await _no_sideways_scroll(ann.page)
    assert await ann.log.evaluate("log => log.scrollWidth <= log.clientWidth")

    sidebar = ann.page.get_by_role("navigation", name="Rooms")
    menu = ann.page.get_by_role("button", name="Rooms", exact=True)
    await expect(sidebar).to_be_hidden()
    await expect(menu).to_have_attribute("aria-expanded", "false")
    await menu.click()
    await expect(sidebar).to_be_in_viewport(ratio=1)
    await expect(ann.page.get_by_role("button", name="Close the list of rooms")).to_be_focused()
    await expect(ann.page.locator("#main")).to_have_attribute("inert", "")
    await _no_sideways_scroll(ann.page)
    await ann.page.keyboard.press("Escape")
    await expect(sidebar).to_be_hidden()
    await expect(menu).to_be_focused()

    await ann.page.set_viewport_size({"width": 320, "height": 300})  # a keyboard takes the rest
    await expect(ann.box).to_be_in_viewport()
    await expect(ann.message("short")).to_be_in_viewport()
    await _no_sideways_scroll(ann.page)


@pytest.mark.slow
async def test_back_closes_what_covers_the_room_and_nothing_else(enter: Enter, room: str) -> None:
    """A panel, the drawer, a dialog. A room that is chosen in the drawer takes its place."""
    ann = await enter("ann", **PHONE)
    page = ann.page
    await ann.go_to(f"{room}-b")

    async def back_from(covers: Locator) -> None:
        await expect(covers).to_be_visible()
        await page.wait_for_function("() => history.state?.covers === 1")
        await page.go_back()
        await expect(covers).to_be_hidden()
        await expect(page.get_by_role("heading", level=1)).to_have_text(f"{room}-b")

    await page.locator("#open-people").click()
    await back_from(page.locator("#panel"))
    await page.locator("#menu").click()
    await back_from(page.get_by_role("navigation", name="Rooms"))
    await page.locator("#menu").click()
    await page.get_by_role("button", name="Switch to").click()
    await back_from(page.get_by_role("dialog"))
    await page.locator("#menu").click()
    await page.wait_for_function("() => history.state?.covers === 1")
    await page.get_by_role("link", name=room, exact=True).click()
    await expect(page.get_by_role("heading", level=1)).to_have_text(room)
    await page.locator("#open-search").click()
    await page.wait_for_function("() => history.state?.covers === 1")
    await page.locator("#panel").get_by_role("button", name="Close").click()
    await page.wait_for_function("() => history.state === null")
    await page.go_back()
    await expect(page.get_by_role("heading", level=1)).to_have_text(f"{room}-b")


async def test_targets_are_large_enough_to_touch(enter: Enter) -> None:
    """24 by 24 CSS pixels at least (WCAG 2.2, target size)."""
    ann = await enter("ann", **PHONE)
    await ann.page.locator("#menu").click()
    small = await ann.page.evaluate(
        """() => [...document.querySelectorAll('button, a.room, textarea, input')]
          .filter((each) => each.checkVisibility())
          .map((each) => [each.id || each.className, each.getBoundingClientRect()])
          .filter(([, box]) => box.width < 24 || box.height < 24).map(([name]) => name)"""
    )
    assert small == []


@pytest.mark.parametrize("scheme", ["light", slow("dark")])
async def test_text_has_enough_contrast_in_light_and_dark(
    enter: Enter, server: ServerProcess, new_page: Pages, wire: Wire, scheme: str
) -> None:
    """WCAG AA, 4.5 to 1, for every text of every state: form, talk, waiting, failed, alert, banner."""
    form = await new_page(f"{server.http_url}/client.html", color_scheme=scheme)
    await form.get_by_role("button", name="Enter").click()
    await expect(form.get_by_text("Choose a name")).to_be_visible()
    assert await form.evaluate(CONTRAST) == []

    ann = await enter("ann", wire=wire, color_scheme=scheme, reduced_motion="reduce")
    background = await ann.page.evaluate("getComputedStyle(document.body).backgroundColor")
    red = int(re.findall(r"\d+", background)[0])
    assert red > 200 if scheme == "light" else red < 60
    for name in ("bob", "carla", "dmitri", "eve", "fatima"):
        async with peer(server, ann.page.url.split("r=")[1], name) as someone:
            await someone.say([f"I am {name}, see https://example.com"])
    await ann.say("mine")
    await ann.delivered("mine")
    await ann.page.evaluate("dispatchEvent(new Event('blur'))")
    assert await ann.page.evaluate(CONTRAST) == []

    wire.refuse = True
    await wire.cut()
    await ann.say("waiting")
    await expect(ann.page.locator("#banner")).to_be_visible()
    assert await ann.page.evaluate(CONTRAST) == []
    await wire.cut(4103, "flood")
    await ann.box.fill("x" * 4010)
    await ann.box.press("Enter")
    await expect(ann.page.get_by_text("10 characters too long")).to_be_visible()
    assert await ann.page.evaluate(CONTRAST) == []


async def test_reduced_motion_is_respected(enter: Enter) -> None:
    ann = await enter("ann", reduced_motion="reduce")
    await ann.say("still")
    await ann.delivered("still")
    moving = await ann.page.evaluate(
        """() => document.getAnimations().length + [...document.querySelectorAll('*')]
          .filter((each) => getComputedStyle(each).animationName !== 'none').length"""
    )
    assert moving == 0


async def _no_sideways_scroll(page: Page) -> None:
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth && scrollX === 0")
