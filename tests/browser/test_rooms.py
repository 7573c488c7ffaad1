"""Rooms: how a user finds, makes, enters and leaves them, and sees what is new in them."""

import re

import pytest
from playwright.async_api import Locator, expect

from tests.browser.account_page import join_room, new_username
from tests.browser.chat_page import SECRET, ChatPage, Enter, link
from tests.browser.peer import peer
from tests.support.browser import Pages
from tests.support.server import ServerProcess
from tests.support.web import Web, token_of


def web(server: ServerProcess, name: str) -> Web:
    """Requests as an account."""
    return Web(server.port, name, secret=SECRET)


def dialog(person: ChatPage) -> Locator:
    return person.page.get_by_role("dialog")


def entry(person: ChatPage, room: str) -> Locator:
    """The room in the sidebar."""
    return person.page.get_by_role("navigation", name="Rooms").locator(f'[data-room="{room}"]')


async def test_a_name_that_is_no_room_is_not_created_unasked(enter: Enter, server: ServerProcess, room: str) -> None:
    """A typing error makes no room, nor does a name in a message."""
    ann = await enter("ann")
    await ann.page.keyboard.press("Control+k")
    await ann.page.get_by_role("combobox").fill(f"{room}-typo")
    await ann.page.keyboard.press("Enter")
    await expect(dialog(ann)).to_contain_text(f"There is no public room named “{room}-typo”.")
    await ann.page.keyboard.press("Escape")
    await expect(dialog(ann)).to_have_count(0)
    await expect(ann.box).to_be_focused()
    await expect(entry(ann, f"{room}-typo")).to_have_count(0)
    await ann.say(f"see #{room}-typo")
    await ann.log.get_by_role("link", name=f"#{room}-typo").click()
    await expect(dialog(ann)).to_contain_text(f"There is no public room named “{room}-typo”.")
    await ann.page.keyboard.press("Escape")
    assert (await web(server, "eve").get(f"/api/rooms/{room}-typo")).status == 404


async def test_public_rooms_are_found_and_entered(enter: Enter, server: ServerProcess, room: str) -> None:
    owner = web(server, "owner")
    for name, title in ((f"{room}-a", f"First {room}"), (f"{room}-b", "")):
        assert (await owner.post("/api/rooms", {"name": name, "title": title, "topic": "All about it"})).status == 201
    ann = await enter("ann")
    await ann.page.get_by_role("button", name="Browse rooms").click()
    await expect(dialog(ann).get_by_role("searchbox")).to_be_focused()
    await ann.page.keyboard.type(room)
    await expect(dialog(ann).get_by_role("listitem").filter(has_text="All about it")).to_have_count(2)
    await dialog(ann).get_by_role("button", name=f"Join First {room}").click()
    await expect(ann.page.get_by_role("heading", level=1)).to_have_text(f"First {room}")
    await expect(ann.page.locator("#topic")).to_have_text("All about it")
    await expect(ann.box).to_be_focused()
    await ann.page.get_by_role("button", name="Browse rooms").click()
    await dialog(ann).get_by_role("searchbox").fill(room)  # there may be more rooms than the list shows at first
    await expect(dialog(ann).get_by_role("button", name=f"Open First {room}")).to_be_visible()


async def test_a_private_room_is_made_and_entered_by_its_password(enter: Enter, room: str) -> None:
    """What is wrong is said next to its field, and what was typed stays."""
    ann = await enter("ann")
    secret = f"{room}-secret"
    await ann.choose("Add a room", "New room")
    form = dialog(ann)
    await expect(form.get_by_label("Name", exact=True)).to_be_focused()
    await form.get_by_role("button", name="Create room").click()
    await expect(form.get_by_label("Name", exact=True)).to_have_attribute("aria-invalid", "true")
    await form.get_by_label("Name", exact=True).fill(room)
    await form.get_by_label("Title").fill("The den")
    await form.get_by_label("Private").check()
    await form.get_by_label("Password").fill("sesame")
    await form.get_by_role("button", name="Create room").click()
    await expect(form.get_by_role("alert").filter(has_text=re.compile("."))).to_have_count(1)  # the name is taken
    await form.get_by_label("Name", exact=True).fill(secret)
    await expect(form.get_by_label("Title")).to_have_value("The den")
    await form.get_by_role("button", name="Create room").click()
    await expect(ann.page.get_by_role("heading", level=1)).to_have_text("The den")
    await ann.say("only here")

    bob = await enter("bob")
    await bob.page.keyboard.press("Control+k")
    await bob.page.get_by_role("combobox").fill(secret)
    await bob.page.keyboard.press("Enter")
    await dialog(bob).get_by_role("button", name="Enter with a password").click()
    field = dialog(bob).get_by_label("Password")
    await expect(field).to_be_focused()
    await field.fill("open")
    await bob.page.keyboard.press("Enter")
    await expect(dialog(bob).get_by_role("alert").filter(has_text=re.compile("."))).to_be_visible()
    await field.fill("sesame")
    await bob.page.keyboard.press("Enter")
    await expect(bob.page.get_by_role("heading", level=1)).to_have_text("The den")
    await expect(bob.message("only here")).to_be_visible()


@pytest.mark.slow
async def test_the_link_of_a_private_room_asks_for_its_password(enter: Enter, server: ServerProcess, room: str) -> None:
    """So does the switcher. A room that did not let one in goes from the list with the next one. Bob has been in a room
    of this name: otherwise the entry page would ask.
    """
    vault = f"{room}-vault"
    await web(server, "grace").post("/api/rooms", {"name": vault, "title": "The vault", "password": "sesame"})
    bob = await enter("bob")
    recent = "names => { localStorage['parley.recent:guest:bob'] = JSON.stringify(names) }"
    await bob.page.evaluate(recent, [room, vault])
    await bob.page.goto(link(server, vault, "bob"))
    await expect(bob.closed).to_contain_text("does not exist, or you may not enter it")
    await bob.go_to(room)
    await expect(bob.page.get_by_role("navigation", name="Rooms").get_by_role("link")).to_have_count(1)

    await bob.page.evaluate(recent, [room, vault])
    await bob.page.goto(link(server, vault, "bob"))
    await expect(bob.closed).to_be_visible()
    await bob.page.keyboard.press("Control+k")
    await bob.page.get_by_role("combobox").fill(vault)
    await bob.page.get_by_role("option", name=f"Enter “{vault}” with a password").click()
    await expect(dialog(bob).get_by_label("Password")).to_be_focused()
    await bob.page.keyboard.press("Escape")
    await bob.closed.get_by_role("button", name="Enter with a password").click()
    await dialog(bob).get_by_label("Password").fill("open")
    await bob.page.keyboard.press("Enter")
    await expect(dialog(bob).get_by_text("This password is wrong")).to_be_visible()
    await dialog(bob).get_by_label("Password").fill("sesame")
    await bob.page.keyboard.press("Enter")
    await expect(bob.page.get_by_role("heading", level=1)).to_have_text("The vault")
    await expect(bob.box).to_be_focused()
    await expect(bob.closed).to_be_hidden()


@pytest.mark.parametrize("answer", ["Accept", "Decline"])
async def test_an_invitation_says_who_and_is_answered(
    enter: Enter, server: ServerProcess, room: str, answer: str
) -> None:
    ann = await enter("ann")
    den = f"{room}-den"
    owner = web(server, "grace")
    await owner.post("/api/rooms", {"name": den, "title": "The den", "private": True})
    async with peer(server, den, "grace", token=token_of("grace", secret=SECRET)) as grace:
        await grace.change(type="invite", user=await ann.identity())
    rooms = ann.page.get_by_role("navigation", name="Rooms")
    invitation = rooms.get_by_role("region", name="Invitations")
    await expect(invitation).to_contain_text("grace invites you")
    size = ann.page.viewport_size
    await ann.page.set_viewport_size({"width": 390, "height": 800})
    menu = ann.page.get_by_role("button", name="Rooms, 1 invitation")
    sign, count = await menu.locator("svg").bounding_box(), await menu.locator(".badge").bounding_box()
    assert sign
    assert count
    assert sign["x"] + sign["width"] <= count["x"]
    await ann.page.set_viewport_size(size or {"width": 1280, "height": 800})
    await invitation.get_by_role("button", name=f"{answer}: The den").click()
    await expect(invitation).to_have_count(0)
    await expect(entry(ann, den)).to_have_count(1 if answer == "Accept" else 0)
    title = "The den" if answer == "Accept" else room
    await expect(ann.page.get_by_role("heading", level=1)).to_have_text(title)


@pytest.mark.slow
async def test_an_invitation_does_not_move_under_the_hand(enter: Enter, server: ServerProcess, room: str) -> None:
    """Rooms stay where they are, and many invitations are folded."""
    ann = await enter("ann", viewport={"width": 1280, "height": 1000})
    who = await ann.identity()
    invitations = ann.page.get_by_role("region", name="Invitations")
    place = await entry(ann, room).bounding_box()
    async with peer(server, room, "bob") as bob:
        for number in range(4):
            await bob.ask(type="create_room", room=f"{room}-{number}", private=True)
            await bob.ask(type="invite", room=f"{room}-{number}", user=who)
            await expect(invitations).to_contain_text(f"{room}-{min(number, 1)}")
        assert await entry(ann, room).bounding_box() == place
        await expect(invitations.get_by_role("listitem")).to_have_count(2)
        await invitations.get_by_role("button", name="2 more invitations").click()
        await expect(invitations.get_by_role("listitem")).to_have_count(4)


@pytest.mark.slow
async def test_a_direct_message_comes_with_the_name_of_its_sender(enter: Enter, room: str) -> None:
    """Begun in the sidebar on one side; a room with an unread message on the other."""
    ann = await enter("ann")
    bob = await enter("bob")
    await bob.page.get_by_role("button", name="New direct message").click()
    await bob.page.get_by_role("combobox", name="Find a person").fill("an")
    await expect(bob.page.get_by_role("option")).to_have_text(re.compile("ann"))
    await bob.page.keyboard.press("Enter")
    await expect(bob.page.get_by_role("heading", level=1)).to_have_text("ann")
    await bob.say("psst")
    direct = ann.page.get_by_role("navigation", name="Rooms").get_by_role("region", name="Direct messages")
    await expect(direct.get_by_role("link", name="bob guest 1 unread")).to_be_visible()
    await expect(ann.page).to_have_title(f"(@1) {room} · Parley")
    await direct.get_by_role("link").click()
    await expect(ann.message("psst")).to_be_visible()
    await expect(ann.page).to_have_title("bob · Parley")


async def test_a_direct_room_appears_with_its_first_message(enter: Enter, room: str) -> None:
    """That somebody has opened it is told nowhere, and neither is there that the other one came."""
    ann, bob = await enter("ann"), await enter("bob")
    direct = ann.page.get_by_role("navigation", name="Rooms").get_by_role("region", name="Direct messages")
    await bob.page.get_by_role("button", name="New direct message").click()
    await bob.page.get_by_role("combobox", name="Find a person").fill("an")
    await expect(bob.page.get_by_role("option")).to_have_text(re.compile("ann"))
    await bob.page.keyboard.press("Enter")
    await expect(bob.page.get_by_role("heading", level=1)).to_have_text("ann")
    await ann.page.reload()
    await ann.connected()
    await expect(ann.page.locator("#room-count")).to_have_text("2")  # what the server lists is known
    await expect(direct.get_by_role("link")).to_have_count(0)
    await ann.page.get_by_role("button", name="New direct message").click()
    await ann.page.get_by_role("combobox", name="Find a person").fill("bo")
    await expect(ann.page.get_by_role("option")).to_have_text(re.compile("bob"))  # as somebody to write to
    await ann.page.keyboard.press("Escape")
    await bob.say("psst")
    await expect(direct.get_by_role("link", name="bob guest 1 unread")).to_be_visible()
    await direct.get_by_role("link").click()
    await expect(ann.message("psst")).to_be_visible()
    await ann.say("hello")
    await expect(bob.message("hello")).to_be_visible()
    for person in (ann, bob):
        await expect(person.notices).to_have_count(0)


async def test_what_is_new_is_told_by_type_and_pills(enter: Enter, server: ServerProcess, room: str) -> None:
    """Bold for unread, a pill of its own colour for mentions, grey if muted; 99+ in the list and in the title."""
    ann = await enter("ann")
    await ann.go_to(f"{room}-b")
    there = entry(ann, room)
    weight = "link => Number(getComputedStyle(link).fontWeight)"
    assert await there.evaluate(weight) < 600
    async with peer(server, room, "bob") as bob:
        await bob.say(["hello"])
        await expect(there.locator(".badge")).to_have_text("1 1 unread")
        assert await there.evaluate(weight) >= 600
        color = await there.locator(".badge").evaluate("pill => getComputedStyle(pill).backgroundColor")
        await bob.say(["@ann, look"])
        await expect(there.locator(".badge")).to_have_text("1 1 mention")
        assert await there.locator(".badge").evaluate("pill => getComputedStyle(pill).backgroundColor") != color
        await expect(ann.page).to_have_title(f"(@1) {room}-b · Parley")
        await there.click()
        await ann.go_to(f"{room}-b")
        await bob.say(f"message {i}" for i in range(120))
    await expect(there.locator(".badge")).to_have_text("99+ more than 99 unread")
    await expect(ann.page).to_have_title(f"(99+) {room}-b · Parley")
    await there.click(button="right")
    await ann.page.get_by_role("menuitemradio", name="Nothing (mute)").click()
    await expect(there.locator(".badge")).to_have_class(re.compile("quiet"))
    await expect(ann.page).to_have_title(f"{room}-b · Parley")
    assert await there.evaluate(weight) < 600
    await there.click(button="right")
    await ann.page.get_by_role("menuitem", name="Mark as read").click()
    await expect(there.locator(".badge")).to_have_count(0)


@pytest.mark.slow
async def test_a_draft_is_marked_in_the_list(enter: Enter, room: str) -> None:
    ann = await enter("ann")
    await ann.box.fill("half a thou")
    await ann.go_to(f"{room}-b")
    await expect(entry(ann, room)).to_contain_text("draft")
    await ann.go_to(room)
    await expect(entry(ann, room)).not_to_contain_text("draft")


@pytest.mark.slow
async def test_a_room_is_in_every_tab_until_it_is_left(enter: Enter, room: str) -> None:
    """Also one that entering has made, of which nobody is a member."""
    ann = await enter("ann")
    other = await enter("ann", room=f"{room}-b", beside=ann)
    for tab in (ann, other):
        await expect(entry(tab, room)).to_be_visible()
        await expect(entry(tab, f"{room}-b")).to_be_visible()
    await other.choose("More about this room", "Leave")
    await expect(entry(ann, f"{room}-b")).to_have_count(0)
    await other.page.get_by_role("button", name="Undo").click()
    await expect(entry(ann, f"{room}-b")).to_be_visible()
    await other.go_to(room)
    await ann.choose("More about this room", "Leave")
    await expect(other.page.get_by_role("heading", level=1)).to_have_text(f"{room}-b")
    await expect(entry(other, room)).to_have_count(0)


@pytest.mark.slow
async def test_a_room_that_entering_has_made_is_on_other_devices(
    new_page: Pages, server: ServerProcess, room: str
) -> None:
    """As soon as one has read something in it, and after it was closed everywhere."""
    username = new_username()
    ann = await join_room(new_page, server, room, username)
    phone = await join_room(new_page, server, f"{room}-b", username, new=False)
    await ann.say("hello")
    await expect(entry(phone, room)).to_be_visible()
    await ann.page.close()
    await phone.page.close()
    later = await join_room(new_page, server, f"{room}-c", username, new=False)
    await expect(entry(later, room)).to_be_visible()


@pytest.mark.slow
async def test_a_private_room_that_was_left_is_found_again(enter: Enter, server: ServerProcess, room: str) -> None:
    ann = await enter("ann")
    async with peer(server, room, "bob") as bob:
        await bob.ask(type="create_room", room=f"{room}-den", private=True, title="The den")
        await bob.ask(type="invite", room=f"{room}-den", user=await ann.identity())
    await ann.page.get_by_role("button", name="Accept: The den").click()
    heading = ann.page.get_by_role("heading", level=1)
    await expect(heading).to_have_text("The den")
    await entry(ann, f"{room}-den").click(button="right")
    await ann.page.get_by_role("menuitem", name="Leave").click()
    await expect(heading).to_have_text(room)
    await ann.page.reload()
    await ann.connected()
    await expect(entry(ann, f"{room}-den")).to_have_count(0)
    await ann.page.keyboard.press("Control+k")
    await ann.page.get_by_role("option", name="The den").click()
    await expect(heading).to_have_text("The den")


@pytest.mark.slow
async def test_leaving_is_undone_and_quitting_is_confirmed(enter: Enter, server: ServerProcess, room: str) -> None:
    """The focus is never lost on the way."""
    owner = web(server, "owner")
    await owner.post("/api/rooms", {"name": f"{room}-b"})
    ann = await enter("ann")
    await ann.go_to(f"{room}-b")
    await ann.choose("More about this room", "Leave")
    await expect(ann.page.get_by_role("heading", level=1)).to_have_text(room)
    await expect(entry(ann, f"{room}-b")).to_have_count(0)
    await expect(ann.box).to_be_focused()
    await ann.page.get_by_role("button", name="Undo").click()
    await expect(ann.page.get_by_role("heading", level=1)).to_have_text(f"{room}-b")
    await expect(ann.box).to_be_focused()
    await ann.choose("More about this room", "Give up membership")
    await expect(dialog(ann)).to_contain_text("on all your devices")
    await ann.page.keyboard.press("Escape")
    await expect(entry(ann, f"{room}-b")).to_have_count(1)
    await ann.choose("More about this room", "Give up membership")
    await dialog(ann).get_by_role("button", name="Give up membership").click()
    await expect(entry(ann, f"{room}-b")).to_have_count(0)
    await expect(ann.page.get_by_role("heading", level=1)).to_have_text(room)
    await expect(ann.box).to_be_focused()
