"""Room settings: what moderators and owners change, the export of all messages, giving the room up, deleting it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from tests.browser.account_page import REFUSED
from tests.browser.chat_page import new_room
from tests.browser.people_page import SCREENS, PersonPage, Visit, made, new_name, owner, visit, web
from tests.support.browser import Pages
from tests.support.server import ServerProcess
from tests.support.web import Web

__all__ = ["made", "owner", "visit"]  # fixtures


async def settings(person: PersonPage) -> None:
    await person.menu("Room settings")
    await expect(person.dialog.get_by_role("heading", name="Settings of")).to_be_visible()


@SCREENS
async def test_title_and_topic(visit: Visit, owner: Web, screen: dict[str, object]) -> None:
    """Both sides see them at once; what was not touched stays."""
    bob, ann = await visit("Bob"), await visit(account=owner, **screen)
    await settings(ann)
    await expect(ann.dialog.get_by_label("Title")).to_have_value("Plans")
    await ann.dialog.get_by_label("Title").fill("Plans for July")
    await ann.dialog.get_by_label("Topic").fill("What comes next?")
    await ann.confirm("Save")
    await expect(bob.page.get_by_role("heading", level=1, name="Plans for July")).to_be_visible()
    await expect(bob.page.locator("#topic")).to_have_text("What comes next?")
    await settings(ann)
    await ann.dialog.get_by_label("Title").fill("")
    await ann.confirm("Save")
    await expect(bob.page.get_by_role("heading", level=1, name=re.compile("^room-"))).to_be_visible()
    await expect(bob.page.locator("#topic")).to_have_text("What comes next?")


@pytest.mark.slow
async def test_an_error_is_next_to_its_field(visit: Visit, owner: Web) -> None:
    """What was typed stays, and the field gets the focus."""
    ann = await visit(account=owner)
    await settings(ann)
    await ann.dialog.get_by_label("Title").fill("x" * 65)
    await ann.dialog.get_by_role("button", name="Save").click()
    await expect(ann.dialog.get_by_label("Title")).to_have_attribute("aria-invalid", "true")
    await expect(ann.dialog.get_by_label("Title")).to_be_focused()
    await expect(ann.dialog.get_by_label("Title")).to_have_accessible_description(re.compile("64 characters"))
    await expect(ann.dialog.get_by_label("Topic")).not_to_have_attribute("aria-invalid", "true")


@pytest.mark.slow
async def test_slow_mode_and_guests(visit: Visit, owner: Web) -> None:
    bob, ann = await visit("Bob"), await visit(account=owner)
    await settings(ann)
    await ann.dialog.get_by_label("Slow mode").select_option(label="One message every hour")
    await ann.confirm("Save")
    await expect(bob.notices.filter(has_text="slow mode")).to_have_count(1)
    await settings(ann)
    await expect(ann.dialog.get_by_label("Slow mode")).to_have_value("3600")
    await ann.dialog.get_by_label("Guests").select_option(label="May not enter")
    await ann.confirm("Save")
    await expect(bob.closed).to_contain_text("Sign in")


@pytest.mark.slow
async def test_password_and_privacy(visit: Visit, owner: Web, made: str) -> None:
    """A password makes the room private; it is never shown; taking it away keeps the room private."""
    ann = await visit(account=owner)
    await settings(ann)
    await expect(ann.dialog.get_by_label("Password")).to_have_count(0)
    await ann.dialog.get_by_label("Who can enter").select_option(label="People who are invited, or know the password")
    await ann.dialog.get_by_role("button", name="Save").click()
    await expect(ann.dialog.get_by_label("Password")).to_have_attribute("aria-invalid", "true")
    await ann.dialog.get_by_label("Password").fill("sesame")
    await ann.confirm("Save")
    room = await owner.json(f"/api/rooms/{made}")
    assert (room["kind"], room["password"]) == ("private", True)
    await settings(ann)
    await expect(ann.dialog.get_by_label("New password")).to_have_value("")
    await ann.dialog.get_by_label("Topic").fill("secret")
    await ann.confirm("Save")  # and the password is still the same
    room = await owner.json(f"/api/rooms/{made}")
    assert (room["kind"], room["password"]) == ("private", True)
    await settings(ann)
    await ann.dialog.get_by_label("Who can enter").select_option(label="Only people who are invited")
    await ann.confirm("Save")
    after = await owner.json(f"/api/rooms/{made}")
    assert after["kind"] == "private"
    assert "password" not in after


@pytest.mark.slow
async def test_retention(visit: Visit, owner: Web, made: str) -> None:
    """One of the usual lengths, or another one, which is then among them."""
    ann = await visit(account=owner)
    await settings(ann)
    await ann.dialog.get_by_label("Keep messages for").select_option(label="Another number of days…")
    for wrong in ("0", "36501", "1.5"):
        await ann.dialog.get_by_label("Days").fill(wrong)
        await ann.dialog.get_by_role("button", name="Save").click()
        await expect(ann.dialog.get_by_label("Days")).to_have_attribute("aria-invalid", "true")
    await ann.dialog.get_by_label("Days").fill("45")
    await ann.confirm("Save")
    assert (await owner.json(f"/api/rooms/{made}"))["retention_days"] == 45
    await settings(ann)
    await expect(ann.dialog.get_by_label("Keep messages for").locator("option:checked")).to_have_text("45 days")
    await ann.dialog.get_by_label("Keep messages for").select_option(label="The server’s default")
    await ann.confirm("Save")
    assert "retention_days" not in await owner.json(f"/api/rooms/{made}")


@pytest.mark.slow
async def test_moderators_change_less(visit: Visit, owner: Web, server: ServerProcess, made: str) -> None:
    """Privacy, password and retention are the owners'."""
    bob = web(server, new_name())
    page = await visit(account=bob)
    reply = await owner.put(f"/api/rooms/{made}/members/{bob.id}", {"role": "moderator"})
    assert reply.status == 204, reply
    await settings(page)
    await expect(page.dialog.get_by_label("Title")).to_be_visible()
    for label in ("Who can enter", "Keep messages for"):
        await expect(page.dialog.get_by_label(label)).to_have_count(0)
    await page.dialog.get_by_label("Topic").fill("by a moderator")
    await page.confirm("Save")
    await expect(page.page.locator("#topic")).to_have_text("by a moderator")


@pytest.mark.slow
async def test_export(visit: Visit, owner: Web, made: str) -> None:
    """One JSON object a line, with the deleted message."""
    ann = await visit(account=owner)
    await owner.say(made, "first")
    seq = await owner.say(made, "second")
    await owner.delete(f"/api/rooms/{made}/messages/{seq}")
    await settings(ann)
    async with ann.page.expect_download() as download:
        await ann.dialog.get_by_role("button", name="Export messages").click()
    file = await download.value
    assert file.suggested_filename == f"{made}.jsonl"
    text = Path(await file.path()).read_text()  # noqa: ASYNC240 - a few bytes
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["content"] for line in lines] == ["first", "second"]
    await expect(ann.dialog).to_contain_text("Exported: 1 KB")


@pytest.mark.slow
async def test_a_refused_export_says_why(visit: Visit, owner: Web, new_page: Pages, made: str) -> None:
    new_page.expect_error(REFUSED)
    ann = await visit(account=owner)

    async def refuse(route: Any) -> None:
        error = {"code": "rate_limited", "message": "too many exports", "retryable": True}
        await route.fulfill(status=429, json={"error": error})

    await ann.page.route(f"**/api/rooms/{made}/export", refuse)
    await settings(ann)
    await ann.dialog.get_by_role("button", name="Export messages").click()
    await expect(ann.dialog.get_by_role("alert").filter(has_text="Too many exports.")).to_be_visible()
    await ann.page.unroute(f"**/api/rooms/{made}/export")
    async with ann.page.expect_download():
        await ann.dialog.get_by_role("button", name="Export messages").click()
    await expect(ann.dialog.get_by_role("alert").filter(has_text="Too many exports.")).to_have_count(0)


@SCREENS
async def test_delete_the_room(visit: Visit, owner: Web, screen: dict[str, object]) -> None:
    """After a question. The others learn who did it, and can only close it; who did it goes on in another room."""
    other = new_room()
    await owner.create(other)
    bob, ann = await visit("Bob"), await visit(account=owner, **screen)
    await settings(ann)
    await ann.dialog.get_by_role("button", name="Delete the room").click()
    await expect(ann.dialog).to_contain_text("This cannot be undone.")
    await ann.dialog.get_by_role("button", name="Cancel").click()
    await expect(bob.box).to_be_visible()
    await settings(ann)
    await ann.dialog.get_by_role("button", name="Delete the room").click()
    await ann.confirm("Delete the room")
    await expect(bob.closed).to_contain_text("The room was deleted by")
    await expect(bob.closed.get_by_role("button", name="Close")).to_be_visible()
    await expect(bob.closed.get_by_role("button", name="Enter again")).to_have_count(0)
    await expect(ann.page.get_by_text("You deleted Plans.")).to_be_visible()
    await expect(ann.page.get_by_role("heading", level=1, name=other)).to_be_visible()
    await expect(ann.box).to_be_visible()


@pytest.mark.slow
async def test_the_only_owner_cannot_give_the_room_up(visit: Visit, owner: Web) -> None:
    """The refusal is in the dialog; once there is another owner, it works."""
    bob, ann = await visit("Bob"), await visit(account=owner)
    await settings(ann)
    await ann.dialog.get_by_role("button", name="Give up membership").click()
    await ann.dialog.get_by_role("button", name="Give up membership").click()
    await expect(ann.dialog).to_contain_text("owner")
    await ann.dialog.get_by_role("button", name="Cancel").click()
    await ann.card("Bob")
    await ann.press("Change role")
    await ann.dialog.get_by_label("Role").select_option(label="Owner")
    await ann.confirm("Save")
    await settings(ann)
    await ann.dialog.get_by_role("button", name="Give up membership").click()
    await ann.confirm("Give up membership")
    await expect(bob.notices.filter(has_text="gave up their membership")).to_have_count(1)


@pytest.mark.slow
@pytest.mark.parametrize("role", ["readonly", "member"])
async def test_members_find_no_settings(visit: Visit, owner: Web, made: str, role: str) -> None:
    bob = await visit("Bob")
    await owner.put(f"/api/rooms/{made}/members/{await bob.user_id()}", {"role": role})
    await bob.page.locator("#room-menu").click()
    await expect(bob.page.get_by_role("menuitem", name="Copy link")).to_be_visible()
    await expect(bob.page.get_by_role("menuitem", name="Room settings")).to_have_count(0)
