"""The card of a person: who this is, what one can do with them; two people of one name are told apart."""

import re

import pytest
from playwright.async_api import expect

from tests.browser.peer import peer
from tests.browser.people_page import PHONE, SCREENS, PersonPage, Visit, made, new_name, owner, visit, web
from tests.support.browser import Pages
from tests.support.server import ServerProcess
from tests.support.web import Web

__all__ = ["made", "owner", "visit"]  # fixtures


@pytest.mark.slow
@SCREENS
async def test_the_card_of_a_guest(visit: Visit, owner: Web, screen: dict[str, object]) -> None:
    """Name, mark, role, presence, id; without anything that the reader may not do."""
    await visit("Bob")
    ann = await visit("Ann", **screen)
    await ann.card("Bob")
    await expect(ann.panel.locator(".profile-name")).to_have_text(re.compile(r"^\s*Bob\s+guest\s*$"))
    await expect(ann.panel).to_contain_text("Here now")
    await expect(ann.panel).to_contain_text("Member in Plans")
    await expect(ann.panel).to_contain_text("A guest: anyone may use a name that looks like this one.")
    await expect(ann.panel).to_contain_text("To block people, sign in")
    await expect(ann.panel.locator(".profile-id")).to_contain_text("g_")
    for name in ("Ban", "Mute", "Remove from room", "Change role", "Block"):
        await expect(ann.panel.get_by_role("button", name=name, exact=True)).to_have_count(0)


@pytest.mark.slow
async def test_me_first_and_nothing_to_do_about_me(visit: Visit) -> None:
    """The names of the others come before mine in the alphabet."""
    await visit("Aaron")
    zoe = await visit("Zoe")
    await zoe.open_people()
    await expect(zoe.panel.locator(".people .person-row").nth(1)).to_contain_text("Zoe")  # after the owner, who is away
    await zoe.card("you")
    await expect(zoe.panel).to_contain_text("This is you.")
    await expect(zoe.panel.get_by_role("button", name="Message")).to_have_count(0)


@pytest.mark.slow
async def test_two_people_of_one_name(visit: Visit, owner: Web) -> None:
    """Each has the end of their id, in the list and on the card; a third with another name has none."""
    first, second = await visit("Bob"), await visit("Bob")
    await visit("Cat")
    ann = await visit(account=owner)
    await ann.open_people()
    rows = ann.panel.locator(".person-row")
    await expect(rows.filter(has_text="Bob")).to_have_count(2)
    ids = sorted([await first.user_id(), await second.user_id()])
    ends = rows.filter(has_text="Bob").locator(".id-end")
    await expect(ends).to_have_count(2)
    shown = sorted([(await end.get_attribute("title")) or "" for end in await ends.all()])
    assert shown == ids
    await expect(rows.filter(has_text="Cat").locator(".id-end")).to_have_count(0)
    await rows.filter(has_text="Bob").first.click()
    await expect(ann.panel.locator(".profile-name .id-end")).to_have_count(1)


@SCREENS
async def test_message_opens_the_direct_room(visit: Visit, screen: dict[str, object]) -> None:
    bob = await visit("Bob")
    ann = await visit("Ann", **screen)
    await ann.card("Bob")
    await ann.press("Message")
    await expect(ann.page.get_by_role("heading", level=1, name="Bob")).to_be_visible()
    await ann.say("just for you")
    await expect(ann.message("just for you")).to_be_visible()
    await bob.page.get_by_role("link", name=re.compile("^Ann")).click()
    await expect(bob.message("just for you")).to_be_visible()


@pytest.mark.slow
async def test_message_to_somebody_who_blocks_me_is_refused_next_to_the_button(visit: Visit, owner: Web) -> None:
    """Under the same answer as for a user whom the server does not know."""
    ann = await visit("Ann")
    ann_id = await ann.user_id()
    reply = await owner.put(f"/api/me/blocks/{ann_id}")
    assert reply.status == 204, reply
    await ann.card(owner.id.removeprefix("u_"))
    await ann.press("Message")
    await expect(ann.panel.get_by_role("alert").filter(has_text=re.compile("."))).to_have_text(
        "You cannot send direct messages to this person."
    )
    await expect(ann.page.get_by_role("heading", level=1, name="Plans")).to_be_visible()


@pytest.mark.slow
async def test_mention_puts_the_name_into_the_box(visit: Visit) -> None:
    """With brackets if it needs them; what was typed stays before it."""
    await visit("Bob B")
    ann = await visit("Ann")
    await ann.box.fill("hello")
    await ann.card("Bob B")
    await ann.press("Mention")
    await expect(ann.box).to_have_value("hello @[Bob B] ")
    await expect(ann.box).to_be_focused()


@pytest.mark.slow
async def test_a_phone_shows_the_box_after_a_mention(visit: Visit) -> None:
    await visit("Bob")
    ann = await visit("Ann", **PHONE)
    await ann.card("Bob")
    await ann.press("Mention")
    await expect(ann.panel).to_be_hidden()
    await expect(ann.box).to_have_value("@Bob ")


async def test_block_and_unblock(visit: Visit, server: ServerProcess) -> None:
    """Accounts can. The blocked user cannot open a direct room any more, then can again."""
    cat = web(server, new_name())
    bob, ann = await visit("Bob"), await visit(account=cat)
    await ann.card("Bob")
    await ann.press("Block")
    await expect(ann.dialog).to_contain_text("Block Bob?")
    await ann.confirm("Block")
    await expect(ann.panel).to_contain_text("You block this person.")
    name = cat.id.removeprefix("u_")
    await bob.card(name)
    await bob.press("Message")
    await expect(bob.panel.locator("#profile-error-message")).not_to_be_empty()
    await ann.press("Unblock")
    await expect(ann.panel).not_to_contain_text("You block this person.")
    await bob.press("Message")
    await expect(bob.page.get_by_role("heading", level=1, name=name)).to_be_visible()


@pytest.mark.slow
async def test_a_block_is_known_after_a_reload(visit: Visit, server: ServerProcess) -> None:
    cat = web(server, new_name())
    bob, ann = await visit("Bob"), await visit(account=cat)
    await cat.put(f"/api/me/blocks/{await bob.user_id()}")
    await ann.page.reload()
    await ann.connected()
    await ann.card("Bob")
    await expect(ann.panel.get_by_role("button", name="Unblock")).to_be_visible()


@pytest.mark.slow
async def test_a_thousand_messages_of_a_blocked_person_are_passed_by_hand(
    visit: Visit, server: ServerProcess, made: str
) -> None:
    """They fold into one line: the page does not load on without end, and one gets to what is before and after them."""
    cat = web(server, new_name())
    async with peer(server, made, "spam") as spam, peer(server, made, "bob") as bob:
        await bob.say(["the first"])
        await spam.say(f"spam {i}" for i in range(1000))
        await bob.say(["the last"])
        await cat.put(f"/api/me/blocks/{spam.user_id}")
    ann = await visit(account=cat)
    earlier = ann.log.get_by_role("button", name="Show earlier messages")
    for _ in range(2):  # each time 400 of them
        await earlier.click()
        await expect(ann.log.locator("#log-top .skeleton")).to_have_count(0)
    await expect(ann.message("the first")).to_be_visible()
    await expect(ann.log.get_by_role("button", name="Show newer messages")).to_be_visible()
    await ann.page.locator("#jump").click()
    await expect(ann.message("the last")).to_be_visible()


@pytest.mark.slow
async def test_the_card_follows_what_happens(visit: Visit, owner: Web) -> None:
    """Somebody who leaves is not here now; their role changes as it is given."""
    bob, ann = await visit("Bob"), await visit("Ann")
    await ann.card("Bob")
    bob_id = await ann.panel.locator(".profile-id code").inner_text()
    reply = await owner.put(f"/api/rooms/{ann_room(ann)}/members/{bob_id}", {"role": "moderator"})
    assert reply.status == 204, reply
    await expect(ann.panel).to_contain_text("Moderator in Plans")
    await bob.page.close()
    await expect(ann.panel).not_to_contain_text("Here now")


@pytest.mark.slow
async def test_back_leads_to_the_row_by_keyboard(visit: Visit) -> None:
    """The focus is never lost on the way to a card and back."""
    await visit("Bob")
    ann = await visit("Ann")
    await ann.open_people()
    await expect(ann.panel.get_by_role("region", name="Owners")).to_be_visible()  # the list is whole
    row = ann.panel.locator(".person-row", has_text="Bob")
    await row.focus()
    await ann.page.keyboard.press("Enter")
    await expect(ann.panel.get_by_role("button", name="Back")).to_be_focused()
    await ann.page.keyboard.press("Enter")
    await expect(row).to_be_focused()


@pytest.mark.slow
async def test_another_room_closes_the_card(visit: Visit, new_page: Pages) -> None:
    """Its role and its buttons are those of the room in which it was opened."""
    await visit("Bob")
    ann = await visit("Ann")
    await ann.card("Bob")
    await ann.press("Message")
    await expect(ann.page.get_by_role("heading", level=1, name="Bob")).to_be_visible()
    await expect(ann.panel.get_by_role("heading", name="Profile")).to_have_count(0)


def ann_room(person: PersonPage) -> str:
    """The name of the room in front."""
    found = re.search(r"[?&]r=([^&#]+)", person.page.url)
    assert found, person.page.url
    return found[1]
