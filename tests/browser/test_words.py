"""Every text of the page is in its table: in a language without Latin letters, whose texts are longer, none is left."""

import re
from typing import Any

import pytest

from server.web.client import STATIC
from tests.browser.scene import PARTS, scene, visit
from tests.support.browser import Pages
from tests.support.server import ServerProcess

pytestmark = pytest.mark.slow


# Texts that are seen or read out, with a letter of ASCII. Keys are called as on the keyboard; names of emoji, and ids,
# are data.
LATIN = """() => {
  const found = [];
  const shown = (element) => element.checkVisibility({ visibilityProperty: true });
  const spoken = ['label', 'valuetext', 'description', 'roledescription'].map((name) => `aria-${name}`);
  spoken.push('title', 'placeholder', 'alt');
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT);
  for (let node = walker.currentNode; node; node = walker.nextNode()) {
    const element = node.nodeType === Node.TEXT_NODE ? node.parentElement : node;
    if (element.closest('script, style, noscript, kbd, .emoji-cell, .emoji-name, .profile-id code')) continue;
    if (!shown(element)) continue;
    if (node.nodeType === Node.TEXT_NODE) {
      if (/[a-z]/i.test(node.data)) found.push(node.data.trim());
    } else {
      for (const name of spoken) {
        const value = element.getAttribute(name) ?? '';
        if (/[a-z]/i.test(value)) found.push(`${name}: ${value}`);
      }
    }
  }
  if (/[a-z]/i.test(document.title)) found.push(document.title);
  return [...new Set(found)];
}"""

# What is cut off, or wider than the window. Lines that are cut with dots are meant to be.
OUTSIDE = """() => {
  const found = [];
  if (document.documentElement.scrollWidth > innerWidth) found.push('the page scrolls sideways');
  const top = document.querySelector('dialog[open]') ?? document.body;
  for (const element of top.querySelectorAll('button, input, select, textarea, h1, h2, h3, p, label, legend')) {
    if (!element.checkVisibility({ visibilityProperty: true })) continue;
    if (element.closest('.sr, [inert], .code, pre, .settings-nav')) continue; // that is a row to scroll
    const { left, right, width } = element.getBoundingClientRect();
    const name = `${element.className || element.id || element.localName} ${element.textContent.slice(0, 40)}`;
    if (width && (left < -1 || right > innerWidth + 1)) found.push(`outside: ${name}`);
    const style = getComputedStyle(element);
    const cut = style.overflowX !== 'visible' && style.textOverflow === 'ellipsis';
    const wide = element.clientWidth && element.scrollWidth > element.clientWidth + 1;
    if (element.matches('button:not(.icon-button), label, legend, p') && !cut && wide) found.push(`too wide: ${name}`);
  }
  return [...new Set(found)];
}"""

NARROW: dict[str, Any] = {"viewport": {"width": 320, "height": 640}, "has_touch": True, "is_mobile": True}
WIDE: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(("locale", "size"), [("pseudo", "wide"), ("pseudo-rtl", "narrow")])
async def test_every_text_is_in_the_table_and_has_room(
    new_page: Pages, scene_server: ServerProcess, locale: str, size: str, part: int
) -> None:
    """Also the names of controls, and those that only screen readers say; from right to left as well."""
    found: dict[str, list[str]] = {}
    options = NARROW if size == "narrow" else WIDE
    async with scene(new_page, scene_server, query=f"&locale={locale}", locale="ru-RU", **options) as each:
        async for name in visit(each, part):
            direction = await each.page.evaluate("document.documentElement.dir")
            assert direction == ("rtl" if locale == "pseudo-rtl" else "ltr"), name
            if wrong := [*await each.page.evaluate(LATIN), *await each.page.evaluate(OUTSIDE)]:
                found[name] = wrong
    assert found == {}


@pytest.mark.parametrize(("locale", "direction"), [("pseudo", "ltr"), ("pseudo-rtl", "rtl")])
async def test_the_list_of_rooms_is_at_the_side_where_lines_begin(
    new_page: Pages, scene_server: ServerProcess, locale: str, direction: str
) -> None:
    async with scene(new_page, scene_server, query=f"&locale={locale}", **WIDE) as each:
        await each.shown(".msg")
        sidebar = await each.page.locator("#sidebar").bounding_box()
        main = await each.page.locator("#main").bounding_box()
        assert sidebar is not None
        assert main is not None
        assert (sidebar["x"] < main["x"]) == (direction == "ltr")
        own = await each.page.locator(".msg").first.evaluate("each => getComputedStyle(each).direction")
        assert own == direction


def test_styles_know_no_left_and_right() -> None:
    """Sides are named by the direction of writing, so that the page can be mirrored."""
    sided = re.compile(r"(?:margin|padding|border)-(?:left|right)|^\s*(?:left|right|float):|text-align: (?:left|right)")
    four = re.compile(r"^\s*(?:margin|padding|inset): ([^;]+);")
    nested = re.compile(r"\([^()]*\)")
    found = []
    for path in sorted((STATIC / "css").glob("*.css")):
        for line in path.read_text().splitlines():
            values = ""
            if (match := four.search(line)) and "--left" not in line:  # a place in the window, measured by a script
                values = match[1]
                while nested.search(values):
                    values = nested.sub(lambda part: re.sub(r"[\s()]", "_", part[0]), values)
            parts = values.split()
            if sided.search(line) or (len(parts) == 4 and parts[1] != parts[3]):
                found.append(f"{path.name}: {line.strip()}")
    # Code is written from left to right everywhere.
    assert found == ["message.css: text-align: left;", "message.css: float: right;"]
