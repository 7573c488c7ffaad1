"""Jumps to a message that is loaded, but is not among the lines that are drawn: it is shown, and marked."""

import re
from typing import Any

import pytest
from playwright.async_api import expect

from tests.browser.chat_page import link, new_room
from tests.browser.peer import make_room, peer
from tests.browser.people_page import DESKTOP, PHONE, PersonPage
from tests.browser.scrolling import AT_BEGINNING, scroll
from tests.support.browser import Pages
from tests.support.marks import slow
from tests.support.server import ServerProcess

LONG = "\n".join(f"line {i}" for i in range(30))
CODE = "```\n" + "\n".join(f"x = {i}" for i in range(12)) + "\n```"
FAR = [3, 20, 42, 90]
NEAR = [158, 140]  # drawn at the end, too


def content(i: int) -> str:
    """Return a message with a word that no other has, of one of several heights."""
    return f"number{i}" + (f"\n{LONG}" if i % 7 == 0 else f"\n{CODE}" if i % 5 == 0 else "")


async def arrived(person: PersonPage, seq: int) -> None:
    """Wait until a message is shown, and marked."""
    await expect(person.page.locator(".msg.target")).to_have_attribute("data-seq", str(seq))
    await expect(person.page.locator(f".msg[data-seq='{seq}'] > .text")).to_be_in_viewport()


async def to_end(person: PersonPage, seq: int) -> None:
    await person.jump.click()
    await expect(person.page.locator(f".msg[data-seq='{seq}']")).to_be_in_viewport()
    await expect(person.jump).to_be_hidden()


async def find(person: PersonPage, text: str, *, everywhere: bool = False) -> None:
    """Search for a word of one message, in this room or in all, and press the result."""
    field = person.panel.get_by_role("searchbox", name="Search messages")
    if not await field.is_visible():
        await person.page.locator("#open-search").click()
    if everywhere:
        await person.panel.get_by_label("In all my rooms").check()
    await field.fill(text)
    await field.press("Enter")
    found = person.panel.get_by_role("list", name="Results").get_by_role("listitem")
    await expect(found.filter(has_text=text)).to_have_count(1)
    await found.get_by_role("button").click()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("screen", "density"),
    [(DESKTOP, "comfortable"), slow(DESKTOP, "compact"), slow(PHONE, "comfortable"), slow(PHONE, "compact")],
    ids=["desktop", "desktop-compact", "phone", "phone-compact"],
)
async def test_what_is_loaded_but_not_drawn_is_shown(
    new_page: Pages, server: ServerProcess, room: str, screen: dict[str, Any], density: str
) -> None:
    """By a search result, a quote, a pin, a date, and from another room; from the end, after all was loaded."""
    async with peer(server, "", "bob") as bob:
        await bob.ask(type="create_room", room=room)
        bob = bob.at(room)
        seqs = await bob.say(content(i) for i in range(160))
        [last] = await bob.say(["and I agree"], reply_to=seqs[42])
        await bob.change(type="pin", seq=seqs[25])
        await make_room(server, other := new_room())
        page = await new_page(**screen)
        await page.add_init_script(f"""localStorage.setItem("parley.settings", '{{"density": "{density}"}}')""")
        await page.goto(link(server, room, "ann"))
        ann = PersonPage(page)
        await ann.connected()
    await expect(ann.page.locator(f".msg[data-seq='{last}']")).to_be_in_viewport()
    await scroll(ann, -900, AT_BEGINNING)
    await to_end(ann, last)
    for i in [*FAR, *NEAR]:
        await find(ann, content(i).split("\n")[0])
        await arrived(ann, seqs[i])
        if i not in NEAR:
            await to_end(ann, last)
    await to_end(ann, last)
    await ann.page.get_by_role("button", name=re.compile("^Reply to bob.*: number42")).click()
    await arrived(ann, seqs[42])
    await to_end(ann, last)
    await ann.menu("Pinned messages")
    await ann.panel.get_by_role("button", name="number25").click()
    await arrived(ann, seqs[25])
    await to_end(ann, last)
    await ann.menu("Jump to a date")
    await ann.dialog.get_by_label("Date").fill("2020-01-01")
    await ann.confirm("Jump")
    await arrived(ann, seqs[0])
    await to_end(ann, last)
    await ann.go_to(other)
    await find(ann, "number60", everywhere=True)
    await arrived(ann, seqs[60])
