"""Pinned messages: the list, one's place in the room, and what happens to them while the list is open."""

import re

import pytest
from playwright.async_api import expect

from tests.browser.people_page import PHONE, SCREENS, PersonPage, Visit, made, owner, visit
from tests.support.browser import Pages
from tests.support.web import Web

__all__ = ["made", "owner", "visit"]  # fixtures


async def pins(person: PersonPage) -> None:
    await person.menu("Pinned messages")
    await expect(person.panel.get_by_role("heading", name="Pinned messages")).to_be_visible()


@SCREENS
async def test_a_pin_leads_to_its_message(visit: Visit, owner: Web, made: str, screen: dict[str, object]) -> None:
    """The one that was pinned last comes first, with who pinned it."""
    seqs = [await owner.say(made, f"rule {i}") for i in range(2)]
    for i in range(100):
        await owner.say(made, f"line {i}")
    for seq in reversed(seqs):
        await owner.put(f"/api/rooms/{made}/messages/{seq}/pin")
    ann = await visit("Ann", **screen)
    await pins(ann)
    found = ann.panel.get_by_role("list", name="Pinned messages").get_by_role("listitem")
    await expect(found).to_have_count(2)
    await expect(found.first).to_contain_text("rule 0")
    await expect(found.first).to_contain_text(f"Pinned by {owner.id.removeprefix('u_')}")
    await expect(found.get_by_role("button", name="Unpin")).to_have_count(0)  # a member may not
    await found.last.get_by_role("button").click()
    await expect(ann.message("rule 1")).to_be_in_viewport()
    if screen is PHONE:
        await expect(ann.panel).to_be_hidden()


@pytest.mark.slow
async def test_the_list_follows_what_happens(visit: Visit, owner: Web, made: str) -> None:
    """Pins by others, unpinning, an edit, a deletion; also of messages that the page has not loaded."""
    old = await owner.say(made, "an old rule")
    for i in range(100):
        await owner.say(made, f"line {i}")
    new = await owner.say(made, "a new rule")
    ann, bob = await visit(account=owner), await visit("Bob")
    for person in (ann, bob):
        await pins(person)
        await expect(person.panel).to_contain_text("Nothing is pinned in this room.")
    await expect(ann.panel).to_contain_text("“Pin” is in the menu")
    await owner.put(f"/api/rooms/{made}/messages/{new}/pin")
    await owner.put(f"/api/rooms/{made}/messages/{old}/pin")
    for person in (ann, bob):
        found = person.panel.get_by_role("list", name="Pinned messages").get_by_role("listitem")
        await expect(found).to_have_count(2)
        await expect(found.first).to_contain_text("an old rule")
    reply = await owner.patch(f"/api/rooms/{made}/messages/{new}", {"content": "a newer rule"})
    assert reply.status == 200, reply
    found = bob.panel.get_by_role("list", name="Pinned messages").get_by_role("listitem")
    await expect(found.last).to_contain_text("a newer rule")
    await ann.panel.get_by_role("listitem").filter(has_text="an old rule").get_by_role("button", name="Unpin").click()
    await expect(found).to_have_count(1)
    await owner.delete(f"/api/rooms/{made}/messages/{new}")
    await expect(bob.panel).to_contain_text("Nothing is pinned in this room.")
    await expect(ann.panel).to_contain_text("Nothing is pinned in this room.")


@pytest.mark.slow
async def test_more_pins_than_a_page(visit: Visit, owner: Web, made: str) -> None:
    """They are drawn a page at a time: a room may have thousands of long ones. All can be reached, each once."""
    for i in range(102):
        await owner.put(f"/api/rooms/{made}/messages/{await owner.say(made, f'rule {i}')}/pin")
    ann = await visit("Ann")
    await pins(ann)
    found = ann.panel.get_by_role("list", name="Pinned messages").get_by_role("listitem")
    more = ann.panel.get_by_role("button", name="Show older messages")
    await expect(more).to_be_visible()
    await expect(found).to_have_count(50)
    await more.click()
    await expect(found).to_have_count(100)
    await more.click()
    await expect(found).to_have_count(102)
    await expect(more).to_have_count(0)
    await expect(found.last).to_contain_text("rule 0")


@pytest.mark.slow
async def test_pins_of_another_room(visit: Visit, owner: Web, made: str) -> None:
    """The open list shows those of the room in front."""
    seq = await owner.say(made, "a rule of Plans")
    await owner.put(f"/api/rooms/{made}/messages/{seq}/pin")
    other = f"{made}-b"
    await owner.create(other, title="Other place")
    ann = await visit(account=owner)
    await pins(ann)
    await expect(ann.panel).to_contain_text("a rule of Plans")
    await ann.page.get_by_role("link", name=re.compile("^Other place")).click()
    await expect(ann.panel).to_contain_text("Nothing is pinned in this room.")
    await ann.page.get_by_role("link", name=re.compile("^Plans")).click()
    await expect(ann.panel).to_contain_text("a rule of Plans")


async def test_a_message_is_text_in_the_list(visit: Visit, owner: Web, made: str, new_page: Pages) -> None:
    """Markup, and a text of many lines, which is cut."""
    seq = await owner.say(made, "<b onclick=x>bold</b>\n" + "line\n" * 40)
    await owner.put(f"/api/rooms/{made}/messages/{seq}/pin")
    ann = await visit("Ann")
    await pins(ann)
    text = ann.panel.locator(".hit-text")
    await expect(text).to_contain_text("<b onclick=x>bold</b>")
    box = await text.bounding_box()
    assert box is not None
    assert box["height"] < 260
