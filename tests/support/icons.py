"""Draw the icons of an installed page from `icon.svg`, after a change of that.

.venv/bin/python -m tests.support.icons
"""

import asyncio
import re

from tests.support.browser import launched_chromium
from tests.support.process import ROOT

STATIC = ROOT / "server" / "static"
# Systems cut a maskable icon to a circle, a square or something between, of at least 80 % of its width.
SAFE = 0.82


def maskable(svg: str) -> str:
    """Return the icon with a background to its edges, and its drawing within what is never cut off."""
    head, background, drawing = re.split(r"(<rect [^>]*/>)", svg)
    drawing, end = drawing.rsplit("</svg>", 1)
    square = re.sub(r' rx="\d+"', "", background)
    inner = f'<g transform="translate(32 32) scale({SAFE}) translate(-32 -32)">{drawing}</g>'
    return f"{head}{square}{inner}</svg>{end}"


async def draw() -> None:
    """Write the files that `manifest.webmanifest` names."""
    svg = (STATIC / "icon.svg").read_text()
    async with launched_chromium() as browser:
        for name, text, size in (
            ("icon-192.png", svg, 192),
            ("icon-512.png", svg, 512),
            ("icon-maskable-512.png", maskable(svg), 512),
        ):
            page = await browser.new_page(viewport={"width": size, "height": size})
            await page.set_content(f"<style>body{{margin:0}}svg{{display:block}}</style>{text}")
            await page.screenshot(path=STATIC / name, omit_background=True)
            await page.close()


if __name__ == "__main__":
    asyncio.run(draw())
