"""Reports: made by a reader, seen and handled by the moderators of the room, and by admins."""

import re

import pytest
from playwright.async_api import expect

from tests.browser.account_page import REFUSED
from tests.browser.people_page import SCREENS, PersonPage, Visit, made, new_name, owner, visit, web
from tests.support.browser import Pages
from tests.support.server import ServerProcess
from tests.support.web import Web

pytestmark = pytest.mark.slow


__all__ = ["made", "owner", "visit"]  # fixtures


async def report(server: ServerProcess, room: str, content: str, reason: str) -> None:
    """Somebody writes a message, and another user reports it."""
    author, reader = web(server, f"{new_name()}-author"), web(server, f"{new_name()}-reader")
    seq = await author.say(room, content)
    reply = await reader.post(f"/api/rooms/{room}/messages/{seq}/reports", {"reason": reason})
    assert reply.status == 201, reply


async def reports(person: PersonPage, item: str = r"^Reports") -> None:
    await person.menu(re.compile(item))
    await expect(person.dialog.get_by_role("tab", name="Open")).to_be_visible()


@SCREENS
async def test_a_report_is_seen_and_resolved(
    visit: Visit, owner: Web, server: ServerProcess, made: str, screen: dict[str, object]
) -> None:
    """The menu says that there is one; it has message, reason and reporter; a note is kept with it."""
    ann = await visit(account=owner, **screen)
    await report(server, made, "you are all idiots", "insults")
    button = ann.page.locator("#room-menu")
    await expect(button).to_have_accessible_name("More about this room")
    await button.click()
    await ann.page.get_by_role("menuitem", name="Reports: 1 open").click()
    one = ann.dialog.get_by_role("listitem")
    await expect(one).to_contain_text("you are all idiots")
    await expect(one).to_contain_text("insults")
    await expect(one).to_contain_text(re.compile("Reported by .*-reader"))
    await expect(button).to_have_accessible_name("More about this room: there are open reports")
    await one.get_by_label("Note for other moderators").fill("talked to them")
    await one.get_by_role("button", name="Resolve").click()
    await expect(ann.dialog).to_contain_text("No report is open.")
    await ann.dialog.get_by_role("tab", name="Resolved").click()
    await expect(one).to_contain_text("talked to them")
    await expect(one).to_contain_text(f"Resolved by {owner.id.removeprefix('u_')}")
    await expect(button).to_have_accessible_name("More about this room")
    await one.get_by_role("button", name="Open again").click()
    await ann.dialog.get_by_role("tab", name="Open").click()
    await one.get_by_role("button", name="Dismiss").click()
    await ann.dialog.get_by_role("tab", name="Dismissed").click()
    await expect(one).to_contain_text("you are all idiots")


async def test_moderators_learn_of_reports_by_themselves(
    visit: Visit, owner: Web, server: ServerProcess, made: str
) -> None:
    """When the room comes to the front, and while it is there. Others are told nothing."""
    await report(server, made, "you are all idiots", "insults")
    ann = await visit(account=owner)
    bob = await visit("Bob")
    dotted = "More about this room: there are open reports"
    await expect(ann.page.locator("#room-menu")).to_have_accessible_name(dotted)
    await reports(ann)
    await ann.dialog.get_by_role("button", name="Dismiss").click()
    await ann.dialog.get_by_role("button", name="Close").click()
    await expect(ann.page.locator("#room-menu")).to_have_accessible_name("More about this room")
    await report(server, made, "and fools", "insults again")
    await ann.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # as when one comes back to it
    await expect(ann.page.locator("#room-menu")).to_have_accessible_name(dotted)
    await expect(bob.page.locator("#room-menu")).to_have_accessible_name("More about this room")


async def test_the_message_and_its_author_are_a_press_away(
    visit: Visit, owner: Web, server: ServerProcess, made: str
) -> None:
    """The message is shown in its place among others; the card of the author offers a ban."""
    ann = await visit(account=owner)
    await report(server, made, "you are all idiots", "insults")
    for i in range(80):
        await owner.say(made, f"line {i}")
    await reports(ann)
    await ann.dialog.get_by_role("button", name="Show message").click()
    await expect(ann.dialog).to_have_count(0)
    await expect(ann.message("you are all idiots")).to_be_in_viewport()
    await reports(ann)
    await ann.dialog.get_by_role("button", name="Show author").click()
    await expect(ann.panel.locator(".profile-name")).to_contain_text("-author")
    await expect(ann.panel.get_by_role("button", name="Ban", exact=True)).to_be_visible()


async def test_more_than_a_page_of_reports(visit: Visit, owner: Web, server: ServerProcess, made: str) -> None:
    """The newest 100 first, then the others; the menu says 99+."""
    author = web(server, new_name())
    readers = [web(server, f"{new_name()}-{i}") for i in range(6)]
    for i in range(102):
        seq = await author.say(made, f"bad {i}")
        reply = await readers[i // 18].post(f"/api/rooms/{made}/messages/{seq}/reports", {"reason": "x"})
        assert reply.status == 201, reply
    ann = await visit(account=owner)
    await reports(ann, r"^Reports: 99\+ open")
    await expect(ann.dialog.get_by_role("listitem")).to_have_count(100)
    await expect(ann.dialog.get_by_role("listitem").first).to_contain_text("bad 101")
    await ann.dialog.get_by_role("button", name="Show older reports").click()
    await expect(ann.dialog.get_by_role("listitem")).to_have_count(102)
    await expect(ann.dialog.get_by_role("listitem").last).to_contain_text("bad 0")
    await expect(ann.dialog.get_by_role("button", name="Show older reports")).to_have_count(0)


async def test_an_admin_sees_those_of_all_rooms(visit: Visit, server: ServerProcess, made: str, owner: Web) -> None:
    """With the room's title; also in rooms that they are not in, whose message leads there."""
    other = f"{owner.id}-other"
    await owner.create(other, title="Other place")
    await report(server, other, "bad words", "rude")
    root = await visit(account=web(server, new_name(), "admin"))
    await root.page.locator("#me").click()
    await root.page.get_by_role("menuitem", name="Reports of all rooms").click()
    one = root.dialog.get_by_role("listitem").filter(has_text=other)
    await expect(one).to_contain_text("bad words")
    await one.get_by_role("button", name="Show message").click()
    await expect(root.page.get_by_role("heading", level=1, name="Other place")).to_be_visible()
    await expect(root.message("bad words")).to_be_visible()


async def test_a_refused_report_stays_with_its_reason(
    visit: Visit, owner: Web, server: ServerProcess, new_page: Pages, made: str
) -> None:
    """Somebody who is no moderator any more is told so next to the report."""
    new_page.expect_error(REFUSED)
    bob = web(server, new_name())
    page = await visit(account=bob)
    await owner.put(f"/api/rooms/{made}/members/{bob.id}", {"role": "moderator"})
    await report(server, made, "bad words", "rude")
    await reports(page)
    await expect(page.dialog.get_by_role("listitem")).to_have_count(1)
    await owner.put(f"/api/rooms/{made}/members/{bob.id}", {"role": "member"})
    await page.dialog.get_by_role("button", name="Resolve").click()
    await expect(page.dialog.get_by_role("listitem").get_by_role("alert")).not_to_be_empty()
