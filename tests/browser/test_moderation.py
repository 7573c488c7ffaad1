"""Moderation, seen by the moderator and by the one whom it concerns."""

import re

import pytest
from playwright.async_api import expect

from tests.browser.people_page import PHONE, SCREENS, PersonPage, Visit, made, new_name, owner, visit, web
from tests.support.accounts import visitor
from tests.support.browser import Pages
from tests.support.server import ServerProcess
from tests.support.web import Web

__all__ = ["made", "owner", "visit"]  # fixtures


@SCREENS
async def test_kick(visit: Visit, owner: Web, screen: dict[str, object]) -> None:
    """The one who is removed learns why; they may come back."""
    bob, ann = await visit("Bob"), await visit(account=owner, **screen)
    await ann.card("Bob")
    await ann.press("Remove from room")
    await ann.dialog.get_by_label("Reason").fill("wrong room")
    await ann.confirm("Remove")
    await expect(bob.closed).to_contain_text("wrong room")
    await expect(ann.panel).to_contain_text("Not here now")
    await expect(ann.panel.get_by_role("button", name="Remove from room")).to_have_count(0)
    await bob.closed.get_by_role("button", name="Enter again").click()
    await expect(ann.panel).to_contain_text("Here now")


@pytest.mark.slow
async def test_ban_with_own_time_and_lift_it(visit: Visit, owner: Web) -> None:
    """A time of one's own choice; the card says until when and why, and lifts it."""
    bob, ann = await visit("Bob"), await visit(account=owner)
    await ann.card("Bob")
    await ann.press("Ban")
    await ann.dialog.get_by_label("For how long").select_option(label="Another time…")
    await ann.dialog.get_by_role("button", name="Ban").click()
    await expect(ann.dialog.get_by_role("alert").filter(has_text=re.compile("."))).to_have_count(1)  # no number yet
    await ann.dialog.get_by_label("Length").fill("0")
    await ann.dialog.get_by_role("button", name="Ban").click()
    await expect(ann.dialog).to_contain_text("Enter a number above 0.")
    await ann.dialog.get_by_label("Length").fill("1.5")
    await ann.dialog.get_by_label("Unit").select_option(label="days")
    await ann.dialog.get_by_label("Reason").fill("spam")
    await ann.confirm("Ban")
    await expect(bob.closed).to_contain_text("spam")
    await expect(ann.panel).to_contain_text("Banned until")
    await expect(ann.panel).to_contain_text("Reason: spam")
    await ann.press("Lift the ban")
    await expect(ann.panel).not_to_contain_text("Banned until")
    await bob.closed.get_by_role("button", name="Enter again").click()
    await expect(bob.box).to_be_visible()


@pytest.mark.slow
async def test_a_ban_without_end(visit: Visit, owner: Web) -> None:
    """It is the first choice, and is not shown as one until the year 9999."""
    await visit("Bob")
    ann = await visit(account=owner)
    await ann.card("Bob")
    await ann.press("Ban")
    await ann.confirm("Ban")
    await expect(ann.panel).to_contain_text("Banned until a moderator lifts it")


@SCREENS
async def test_mute_and_unmute(visit: Visit, owner: Web, screen: dict[str, object]) -> None:
    """The muted user sees the reason in place of the message box; the keyboard stays at the button."""
    bob, ann = await visit("Bob"), await visit(account=owner, **screen)
    await ann.card("Bob")
    await ann.press("Mute")
    await ann.dialog.get_by_label("Reason").fill("calm down")
    await ann.confirm("Mute")
    await expect(bob.box).to_be_hidden()
    await expect(bob.page.locator("#composer-frame")).to_contain_text("calm down")
    await expect(ann.panel).to_contain_text("Muted until")
    await expect(ann.panel).to_contain_text("Reason: calm down")
    await ann.press("Unmute")
    await expect(bob.box).to_be_visible()
    await expect(ann.panel.get_by_role("button", name="Mute", exact=True)).to_be_focused()


@pytest.mark.slow
async def test_a_mute_spares_other_guests_of_the_network_and_a_ban_tells_them_why(visit: Visit, owner: Web) -> None:
    """All guests of this test have one address. A ban concerns them, too, by default."""
    bob, cat, ann = await visit("Bob"), await visit("Cat"), await visit(account=owner)
    await ann.card("Bob")
    await ann.press("Mute")
    await expect(ann.dialog.get_by_label("Also other guests of the same network")).to_have_value("0")
    await ann.confirm("Mute")
    await expect(bob.box).to_be_hidden()
    await cat.say("I may write")
    await cat.delivered("I may write")
    await ann.press("Ban")
    await expect(ann.dialog).to_contain_text("Everyone here without an account who uses the same network")
    await ann.confirm("Ban")
    await expect(bob.closed).to_contain_text("You were banned by")
    await expect(cat.closed).to_contain_text("Guests from your network are banned from this room.")


@pytest.mark.slow
async def test_a_mute_of_an_account_does_not_ask_about_guests(visit: Visit, owner: Web, server: ServerProcess) -> None:
    bob = web(server, new_name())
    await visit(account=bob)
    ann = await visit(account=owner)
    await ann.card(bob.id.removeprefix("u_"))
    await ann.press("Mute")
    await expect(ann.dialog.get_by_label("For how long")).to_be_visible()
    await expect(ann.dialog.get_by_label("Also other guests")).to_have_count(0)


async def test_roles(visit: Visit, owner: Web) -> None:
    """The owner makes a guest a moderator, whose page offers moderation then: of members, not of owners."""
    bob, ann = await visit("Bob"), await visit(account=owner)
    await visit("Cat")
    await ann.card("Bob")
    await ann.press("Change role")
    await ann.dialog.get_by_label("Role").select_option(label="Moderator")
    await expect(ann.dialog).to_contain_text("Removes messages and people")
    await ann.confirm("Save")
    await expect(ann.panel).to_contain_text("Moderator in Plans")
    await bob.card("Cat")
    await expect(bob.panel.get_by_role("button", name="Ban", exact=True)).to_be_visible()
    await expect(bob.panel.get_by_role("button", name="Change role")).to_have_count(0)
    await bob.panel.get_by_role("button", name="Back").click()
    await bob.card(owner.id.removeprefix("u_"))
    await expect(bob.panel).to_contain_text("You cannot moderate this person")
    await expect(bob.panel.get_by_role("button", name="Ban", exact=True)).to_have_count(0)


@pytest.mark.slow
async def test_what_the_server_refuses_is_said_in_the_dialog(visit: Visit, owner: Web, server: ServerProcess) -> None:
    """Nobody can see the role of an account on the server, so banning an admin is offered, and refused."""
    root = web(server, new_name(), "admin")
    await visit(account=root)
    ann = await visit(account=owner)
    await ann.card(root.id.removeprefix("u_"))
    await ann.press("Ban")
    await ann.dialog.get_by_role("button", name="Ban").click()
    await expect(ann.dialog).to_contain_text("You cannot moderate someone with the same or a higher role.")


@pytest.mark.slow
async def test_invite_to_another_room(visit: Visit, owner: Web) -> None:
    """To a private room of mine; the invited user finds it in the sidebar."""
    other = f"{owner.id}-secret"
    await owner.create(other, title="Secret", private=True)
    bob, ann = await visit("Bob"), await visit(account=owner)
    await ann.page.get_by_role("link", name=re.compile("^Secret")).wait_for()
    await ann.card("Bob")
    await ann.press("Invite to another room")
    await ann.dialog.get_by_label("To the room").select_option(label="Secret")
    await ann.confirm("Invite")
    await expect(ann.page.get_by_text("Bob is invited to Secret.")).to_be_visible()
    await bob.page.get_by_role("button", name="Accept: Secret").click()
    await expect(bob.page.get_by_role("heading", level=1, name="Secret")).to_be_visible()


@pytest.mark.slow
async def test_invitations_are_made_and_withdrawn(visit: Visit, owner: Web, server: ServerProcess) -> None:
    """By name for people whom the page has met, by id for others."""
    other = f"{owner.id}-club"
    await owner.create(other, title="Club", private=True)
    bob, ann = await visit("Bob"), await visit(account=owner)
    await ann.page.get_by_role("link", name=re.compile("^Club")).click()
    await expect(ann.page.get_by_role("heading", level=1, name="Club")).to_be_visible()
    await ann.menu("Invite and manage people")
    field = ann.dialog.get_by_label("Name or ID of a person")
    await field.fill("bO")
    await ann.dialog.get_by_role("button", name="Invite Bob").click()
    await expect(ann.dialog.get_by_role("listitem").filter(has_text="Bob")).to_contain_text("Invited")
    await field.fill("u_nobody-has-this")
    await ann.dialog.get_by_role("button", name="Invite u_nobody-has-this").click()
    await expect(ann.dialog.get_by_role("listitem").get_by_role("alert")).to_contain_text("user")
    await expect(bob.page.get_by_role("button", name="Accept: Club")).to_be_visible()
    await ann.dialog.get_by_role("tab", name="Invitations").click()
    await ann.dialog.get_by_role("button", name="Withdraw the invitation of Bob").click()
    await expect(ann.dialog).to_contain_text("There are no open invitations.")
    await expect(bob.page.get_by_role("button", name="Accept: Club")).to_have_count(0)


@pytest.mark.slow
@SCREENS
async def test_the_list_of_the_banned(visit: Visit, owner: Web, screen: dict[str, object]) -> None:
    bob, ann = await visit("Bob"), await visit(account=owner, **screen)
    bob_id = await bob.user_id()
    await owner.put(f"/api/rooms/{_room(ann.page.url)}/bans/{bob_id}", {"reason": "spam", "guests": 0})
    await ann.menu("Invite and manage people")
    await ann.dialog.get_by_role("tab", name="Invite", exact=True).press("End")
    await expect(ann.dialog.get_by_role("tab", name="Banned")).to_be_focused()
    await expect(ann.dialog.get_by_role("listitem")).to_contain_text("Banned until a moderator lifts it")
    await expect(ann.dialog.get_by_role("listitem")).to_contain_text("Reason: spam")
    await ann.dialog.get_by_role("button", name="Lift the ban of Bob").click()
    await expect(ann.dialog).to_contain_text("Nobody is banned.")


@pytest.mark.slow
async def test_an_invite_link(visit: Visit, owner: Web, new_page: Pages) -> None:
    """It is shown once, works for who has it, and not after it was revoked."""
    other = f"{owner.id}-den"
    await owner.create(other, title="Den", private=True)
    ann = await visit(account=owner)
    await ann.page.get_by_role("link", name=re.compile("^Den")).click()
    await expect(ann.page.get_by_role("heading", level=1, name="Den")).to_be_visible()
    await ann.menu("Invite and manage people")
    await ann.dialog.get_by_role("tab", name="Links").click()
    await expect(ann.dialog).to_contain_text("No link is in use.")
    await ann.dialog.get_by_label("Can be used").select_option(label="5 times")
    await ann.dialog.get_by_role("button", name="Make a link").click()
    link = await ann.dialog.get_by_label("New invite link").input_value()
    await expect(ann.dialog.get_by_role("listitem")).to_contain_text("5 of 5 uses left")
    bob = PersonPage(await new_page(link))
    await bob.page.locator("#account-panel").get_by_label("Your name").fill("Bob")
    await bob.page.get_by_role("button", name="Enter as a guest").click()
    await expect(bob.page.get_by_role("heading", level=1, name="Den")).to_be_visible()
    await ann.page.keyboard.press("Escape")
    await ann.menu("Invite and manage people")
    await ann.dialog.get_by_role("tab", name="Links").click()
    await expect(ann.dialog.get_by_role("listitem")).to_contain_text("4 of 5 uses left")
    await expect(ann.dialog.get_by_label("New invite link")).to_have_count(0)
    await ann.dialog.get_by_role("button", name="Revoke").click()
    await expect(ann.dialog).to_contain_text("No link is in use.")


async def test_members_are_offered_no_moderation(visit: Visit) -> None:
    ann = await visit("Ann", **PHONE)
    await ann.page.locator("#room-menu").click()
    await expect(ann.page.get_by_role("menuitem", name="Leave")).to_be_visible()
    for item in ("Room settings", "Reports", "Deleted messages", "Invite and manage people"):
        await expect(ann.page.get_by_role("menuitem", name=item)).to_have_count(0)


@pytest.mark.slow
async def test_deleted_messages(visit: Visit, owner: Web) -> None:
    """A moderator reads what was deleted; opening one shows its place in the room."""
    bob, ann = await visit("Bob"), await visit(account=owner)
    seq = await owner.say(_room(ann.page.url), "a secret plan")
    await bob.say("still here")
    await bob.delivered("still here")
    await owner.delete(f"/api/rooms/{_room(ann.page.url)}/messages/{seq}")
    await ann.menu("Deleted messages")
    found = ann.panel.get_by_role("list", name="Deleted messages").get_by_role("listitem")
    await expect(found).to_contain_text("a secret plan")
    await expect(found).to_contain_text("Deleted")
    await expect(found).to_have_count(1)


@pytest.mark.slow
async def test_deleted_messages_whose_text_was_erased(visit: Visit, server: ServerProcess, owner: Web) -> None:
    """Here with the account that wrote it: waiting for `ERASE_AFTER_DAYS` has the same result."""
    ann = await visit(account=owner)
    room, password = _room(ann.page.url), "correct horse battery"
    signed = (await visitor(server.port).post("/api/register", {"username": new_name(), "password": password})).json()
    eve = Web(server.port, token=signed["access_token"])
    await eve.say(room, "a secret plan")
    assert (await eve.ask("DELETE", "/api/me", {"old_password": password, "messages": "delete"})).status == 202
    await expect(ann.page.locator(".msg", has_text="a secret plan")).to_have_count(0, timeout=30_000)
    await ann.menu("Deleted messages")
    found = ann.panel.get_by_role("list", name="Deleted messages").get_by_role("listitem")
    await expect(found).to_contain_text("The text was erased.")


@pytest.mark.slow
async def test_an_announcement(visit: Visit, server: ServerProcess) -> None:
    """An admin writes it, everyone sees it; others are not offered to."""
    bob, ann = await visit("Bob"), await visit(account=web(server, new_name(), "admin"))
    await bob.page.locator("#me").click()
    await expect(bob.page.get_by_role("menuitem", name="Settings")).to_be_visible()
    await expect(bob.page.get_by_role("menuitem", name="Send an announcement")).to_have_count(0)
    await bob.page.keyboard.press("Escape")
    await ann.page.locator("#me").click()
    await ann.page.get_by_role("menuitem", name="Send an announcement").click()
    await ann.dialog.get_by_label("Text").fill("back in five minutes")
    await ann.confirm("Send to everyone")
    await expect(bob.page.locator("#announcements")).to_contain_text("back in five minutes")


def _room(url: str) -> str:
    """The name of the room in front."""
    found = re.search(r"[?&]r=([^&#]+)", url)
    assert found, url
    return found[1]
