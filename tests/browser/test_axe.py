"""axe-core finds nothing, in any state of the page: both themes and high contrast, narrow, and at twice the size."""

from typing import Any

import pytest

from tests.browser.scene import PARTS, scene, visit
from tests.support.axe import violations
from tests.support.browser import Pages
from tests.support.server import ServerProcess

pytestmark = pytest.mark.slow


WIDE = {"width": 1280, "height": 800}
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light", "viewport": WIDE},
    "dark": {"color_scheme": "dark", "viewport": WIDE},
    "contrast": {"color_scheme": "dark", "viewport": WIDE, "settings": {"theme": "contrast"}},
    # 1280 x 1024 at 400 %, and a phone; at 200 % of a small window.
    "narrow": {
        "color_scheme": "light",
        "viewport": {"width": 320, "height": 640},
        "has_touch": True,
        "is_mobile": True,
    },
    "zoomed": {"color_scheme": "dark", "viewport": {"width": 640, "height": 400}, "device_scale_factor": 2},
}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(
    "look", ["light", *(pytest.param(look, marks=pytest.mark.slow) for look in LOOKS if look != "light")]
)
async def test_axe_finds_nothing(new_page: Pages, scene_server: ServerProcess, look: str, part: int) -> None:
    found: dict[str, list[str]] = {}
    async with scene(new_page, scene_server, **LOOKS[look]) as each:
        async for name in visit(each, part):
            if wrong := await violations(each.page):
                found[name] = wrong
    assert found == {}
