"""axe-core finds nothing, in any state of the page: both themes and high contrast, narrow, and at twice the size.

For fingers, what can be pressed is large enough. A theme changes colours alone: in each state all themes are looked at,
and what is not about colours is looked for in one.
"""

from typing import Any

import pytest
from playwright.async_api import Page

from tests.browser.scene import PARTS, scene, visit
from tests.support.axe import COLOURS, violations
from tests.support.browser import Pages
from tests.support.server import ServerProcess

pytestmark = pytest.mark.slow


LOOKS: dict[str, dict[str, Any]] = {
    "wide": {"color_scheme": "light", "viewport": {"width": 1280, "height": 800}},
    # 1280 x 1024 at 400 %, and a phone; at 200 % of a small window.
    "narrow": {
        "color_scheme": "light",
        "viewport": {"width": 320, "height": 640},
        "has_touch": True,
        "is_mobile": True,
        "settings": {"density": "compact"},  # which is not for fingers
    },
    "zoomed": {"color_scheme": "dark", "viewport": {"width": 640, "height": 400}, "device_scale_factor": 2},
}

# What a finger would miss: smaller than 44 CSS pixels. Words within a text, and what keys alone reach, may be smaller,
# and so may what stands at the edge of something larger: the name above a message, the topic below a title.
SMALL = """() => [...document.querySelectorAll('button, a[href], input, select, textarea, summary, [role=option]')]
  .filter((each) => !each.closest('p, .text, [inert]') && !each.matches('.skip, .name, .topic'))
  .filter((each) => each.checkVisibility({ opacityProperty: true, visibilityProperty: true }))
  .map((each) => [each, each.closest('label:has(> input[type=radio], > input[type=checkbox])') ?? each])
  .map(([each, target]) => [each, target.getBoundingClientRect()])
  .filter(([, { width, height }]) => width > 1 && Math.min(width, height) < 43.5)
  .map(([{ id, className, localName }, box]) => `${id || className || localName}: ${box.width} x ${box.height}`)"""


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("look", LOOKS)
async def test_axe_finds_nothing(new_page: Pages, scene_server: ServerProcess, look: str, part: int) -> None:
    found: dict[str, list[str]] = {}
    async with scene(new_page, scene_server, **LOOKS[look]) as each:
        async for name in visit(each, part):
            wrong = await violations(each.page)
            if LOOKS[look].get("has_touch"):
                wrong += await each.page.evaluate(SMALL)
            if look == "wide":
                wrong += await wrong_colours(each.page)
            if wrong:
                found[name] = wrong
    assert found == {}


async def wrong_colours(page: Page) -> list[str]:
    """Return what axe-core finds in the dark theme of the system and in high contrast, and return to the light one."""
    await page.emulate_media(color_scheme="dark")
    found = await violations(page, rules=COLOURS)
    await page.evaluate("document.documentElement.dataset.theme = 'contrast'")
    found += await violations(page, rules=COLOURS)
    await page.evaluate("delete document.documentElement.dataset.theme")
    await page.emulate_media(color_scheme="light")
    return found
