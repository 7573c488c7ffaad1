"""The pictures of the page in docs/screenshots: `python3 dev.py screenshots`.

A real server, whose clock stands still (see tests/support/still_main.py), and the real page in Chromium. The ten views
are drawn on a desktop and on a phone, light and dark. `python3 dev.py screenshots room search` draws only those.
"""

import asyncio
import io
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np  # this and Pillow come with matplotlib
from PIL import Image
from playwright.async_api import Page, expect

from tests.browser.story import JONAS, NOW, OPERATOR, TOM, Story, told
from tests.support.browser import Pages, launched_chromium
from tests.support.chromium import ChromiumMissingError
from tests.support.process import ROOT
from tests.support.programs import SetupError, apt_install, may_use_apt, say

FOLDER = ROOT / "docs" / "screenshots"
SCREENS: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1280, "height": 800}},
    "phone": {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True},
}
THEMES = ("light", "dark")
COMMON, RARE = 72, 40
"""Colours of a picture: those of surfaces, text and signs, which stay as they are, and those that stand for others."""

FONTS = {"Inter": "fonts-inter", "Noto Color Emoji": "fonts-noto-color-emoji"}
FONTS_CONF = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>
  <include ignore_missing="yes">/etc/fonts/fonts.conf</include>
  <alias binding="strong"><family>system-ui</family><prefer><family>Inter</family></prefer></alias>
  <alias binding="strong"><family>sans</family><prefer><family>Inter</family></prefer></alias>
  <alias binding="strong"><family>sans-serif</family><prefer><family>Inter</family></prefer></alias>
</fontconfig>
"""


class Tour:
    """One page, which is brought into each of the views."""

    def __init__(self, page: Page, story: Story, *, phone: bool) -> None:
        self.page = page
        self.story = story
        self.phone = phone
        self.address = f"{story.server.http_url}/client.html"

    async def press(self, selector: str) -> None:
        await self.page.locator(selector).first.click()

    async def shown(self, selector: str) -> None:
        await expect(self.page.locator(selector).first).to_be_visible()

    async def show(self, room: str) -> None:
        """Open a room, as its link does, with nothing else open."""
        await self.page.goto(f"{self.address}?r={room}")
        await self.shown(".msg")
        await self.people(on=not self.phone and not room.startswith("@"))

    async def people(self, *, on: bool) -> None:
        """Open or close the list of people."""
        if not await self.page.locator("#open-people").is_visible():
            return
        if await self.page.locator("#open-people").get_attribute("aria-expanded") != str(on).lower():
            await self.press("#open-people")
        if on:
            await self.shown(".person-row")

    async def menu_of_room(self, item: str) -> None:
        await self.press("#room-menu")
        await self.page.get_by_role("menuitem", name=item).click()

    async def my_menu(self, item: str) -> None:
        if self.phone:
            await self.press("#menu")
        await self.press("#me")
        await self.page.get_by_role("menuitem", name=item).click()


async def entry(tour: Tour) -> None:
    await tour.page.goto(tour.address)
    await tour.shown("#entry")
    await tour.shown(".entry-room")
    await tour.page.get_by_label("Your name").fill("Maya")


async def sign_in(tour: Tour) -> None:
    await tour.page.goto(tour.address)
    await tour.page.get_by_role("button", name="Sign in").click()
    await tour.shown("#account-title")
    await tour.page.get_by_label("Username").fill("maya")


async def room(tour: Tour) -> None:
    """The room in which one has something new to read, while somebody writes."""
    await tour.page.goto(f"{tour.address}#token={tour.story.token}")
    await tour.shown("#header")
    await tour.show("fair")
    await tour.story.type(JONAS, "fair")
    await expect(tour.page.locator("#typing")).not_to_be_empty()


async def conversation(tour: Tour) -> None:
    """A room with all that messages may have; the pointer is on one of them."""
    await tour.show("website")
    await tour.people(on=False)
    if not tour.phone:
        await tour.page.locator(".msg .text", has_text="The form now").hover()
        await tour.shown(".tools")


async def direct(tour: Tour) -> None:
    await tour.show(tour.story.direct)
    await tour.story.people[OPERATOR].announce("Tonight at 22:00 the server gets an update and is away for a minute.")
    await tour.shown(".announcement")


async def person(tour: Tour) -> None:
    await tour.show("fair")
    await tour.people(on=True)
    await tour.page.locator(".person-row", has_text=TOM).click()
    await tour.shown(".profile-name")


async def search(tour: Tour) -> None:
    await tour.show("fair")
    await tour.press("#open-search")
    field = tour.page.locator("#panel input[type=search]")
    await tour.press(".segment:last-child")
    await field.fill("saturday")
    await field.press("Enter")
    await tour.shown(".hits li")


async def browse(tour: Tour) -> None:
    await tour.show("fair")
    if tour.phone:
        await tour.press("#menu")
    await tour.press(".side-entry")
    await tour.shown(".found")


async def room_settings(tour: Tour) -> None:
    await tour.show("fair")
    await tour.menu_of_room("Room settings")
    await tour.shown("dialog form")


async def settings(tour: Tour) -> None:
    await tour.show("fair")
    await tour.my_menu("Settings")
    await tour.shown(".settings-heading")


VIEWS: dict[str, Callable[[Tour], Awaitable[None]]] = {
    "entry": entry,
    "sign-in": sign_in,
    "room": room,
    "conversation": conversation,
    "direct": direct,
    "person": person,
    "search": search,
    "browse": browse,
    "room-settings": room_settings,
    "settings": settings,
}


def path_of(view: str, screen: str, theme: str) -> Path:
    return FOLDER / f"{view}-{screen}-{theme}.png"


async def draw(page: Page, view: str, screen: str) -> None:
    """Write the pictures of a view, without the caret, which blinks."""
    for theme in THEMES:
        await page.emulate_media(color_scheme=theme)  # type: ignore[arg-type] # one of the two words
        await page.wait_for_function("() => document.getAnimations().every((each) => each.playState !== 'running')")
        taken = await page.screenshot(animations="disabled", caret="hide")
        small = reduced(Image.open(io.BytesIO(taken)).convert("RGB"))
        small.save(path_of(view, screen, theme), optimize=True)


def reduced(picture: Image.Image) -> Image.Image:
    """Return the picture with fewer colours, which takes a third of the bytes.

    Pillow's own ways give surfaces, which differ little from each other, a tint, or lose the colours of emoji.
    """
    pixels = np.asarray(picture, dtype=np.int64) @ np.array([1 << 16, 1 << 8, 1])
    packed, where, counts = np.unique(pixels, return_inverse=True, return_counts=True)
    colors = np.stack([packed >> 16, packed >> 8 & 255, packed & 255], axis=1)
    common = colors[np.argsort(-counts, kind="stable")[:COMMON]]
    rare = picture.quantize(RARE, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).getpalette()
    palette = np.concatenate([common, np.array(rare).reshape(-1, 3)])
    # |c - p|^2 without |c|^2, which is the same for all p
    nearest = ((palette**2).sum(axis=1) - 2 * colors @ palette.T).argmin(axis=1)
    small = Image.fromarray(nearest[where].reshape(pixels.shape).astype(np.uint8), "P")
    small.putpalette(palette.astype(np.uint8).tobytes())
    return small


async def take(wanted: set[str]) -> None:
    """Take the pictures. Each screen has a server of its own, so that what is unread on one is so on the other."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="parley-pictures-") as folder:
        use_fonts(Path(folder))
        async with launched_chromium() as browser:
            for screen, options in SCREENS.items():
                async with told(Path(folder)) as story:
                    pages = Pages(browser)
                    page = await pages(locale="en-GB", timezone_id="UTC", reduced_motion="reduce", **options)
                    await page.clock.set_fixed_time(NOW)
                    tour = Tour(page, story, phone=screen == "phone")
                    for view, reach in VIEWS.items():
                        if view in wanted or view == "room":  # which signs in
                            await reach(tour)
                            if view != "conversation":
                                await page.mouse.move(0, 0)
                        if view in wanted:
                            await draw(page, view, screen)
                    await pages.close()
                    if pages.errors:
                        raise SetupError("the page reported errors:\n" + "\n".join(pages.errors))


def use_fonts(folder: Path) -> None:
    """Let Chromium draw the system's font as Inter, so that the pictures do not depend on the machine."""
    file = folder / "fonts.conf"
    file.write_text(FONTS_CONF)
    os.environ["FONTCONFIG_FILE"] = str(file)


def ensure_fonts() -> None:
    """Install the fonts of the pictures. Raises SetupError with what is missing."""
    if missing := missing_fonts():
        if may_use_apt():
            apt_install(*missing)
        if missing := missing_fonts():
            raise SetupError(f"the pictures need the fonts of Debian's packages {' and '.join(missing)}")


def missing_fonts() -> list[str]:
    if not shutil.which("fc-list"):
        raise SetupError("the pictures need fontconfig's fc-list")
    listed = subprocess.run(["fc-list", ":", "family"], capture_output=True, text=True, check=True).stdout
    return [package for family, package in FONTS.items() if family not in listed]


def main(arguments: list[str]) -> int:
    """Take the pictures of the named views, or of all. Returns the exit status."""
    if unknown := set(arguments) - VIEWS.keys():
        print(f"dev.py: no view {', '.join(sorted(unknown))}; there are {', '.join(VIEWS)}", file=sys.stderr)  # noqa: T201
        return 2
    try:
        ensure_fonts()
        asyncio.run(take(set(arguments) or set(VIEWS)))
    except (ChromiumMissingError, SetupError) as error:
        print(f"dev.py: {error}", file=sys.stderr)  # noqa: T201 - dev.py's user reads it
        return 1
    files = sorted(FOLDER.glob("*.png"))
    say(f"{len(files)} pictures in {FOLDER.relative_to(ROOT)}, {sum(each.stat().st_size for each in files) // 1024} KB")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
