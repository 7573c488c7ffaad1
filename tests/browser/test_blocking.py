"""Nothing of a user whom one blocks asks for attention: as far as the page decides that."""

import re
from typing import Any

import pytest
from playwright.async_api import expect

from tests.browser.peer import Peer, peer
from tests.browser.people_page import PersonPage, Visit, made, new_name, owner, visit, web
from tests.support.server import ServerProcess

__all__ = ["made", "owner", "visit"]  # fixtures


async def block(ann: PersonPage, name: str) -> None:
    await ann.card(name)
    await ann.press("Block")
    await ann.confirm("Block")
    await expect(ann.panel).to_contain_text("You block this person.")


async def invite(bob: Peer, user: str, *rooms: str, **fields: Any) -> None:
    """Make private rooms, and invite a user to each."""
    for room in rooms:
        await bob.ask(type="create_room", room=room, private=True, **fields)
        await bob.ask(type="invite", room=room, user=user)


@pytest.mark.slow
async def test_a_blocked_user_is_neither_quoted_nor_counted_nor_announced(
    visit: Visit, server: ServerProcess, made: str
) -> None:
    """Who comes or types is not said, answers by others do not quote them, and what they write is not unread."""
    ann = await visit(account=web(server, new_name()))
    async with peer(server, made, "carl") as carl:
        async with peer(server, made, "Bob") as bob:
            [seq] = await bob.say(["rude words"])
            await carl.say(["an answer"], reply_to=seq)
            await expect(ann.log.locator(".reply")).to_contain_text("rude words")
            await block(ann, "Bob")
            await expect(ann.panel.get_by_role("button", name="Message", exact=True)).to_have_count(0)
            await expect(ann.log.locator(".reply")).to_have_text("Reply to a message from somebody you block")
            await expect(ann.log.get_by_text("rude words")).to_have_count(0)
            await ann.go_to(f"{made}-b")
            await bob.tell(type="typing")
            await bob.say(["more of it"])
            await carl.say(["to be read"])
            await expect(ann.page.locator(f'[data-room="{made}"] .badge')).to_contain_text("1")
            await ann.page.locator(f'[data-room="{made}"]').click()
            await expect(ann.message("to be read")).to_be_visible()
            await bob.tell(type="typing")
            await bob.ask(type="members", room=made)
            [last] = await carl.say(["and after that"])
            await expect(ann.message("and after that")).to_be_visible()
            await expect(ann.page.locator("#typing")).to_have_text("")
        await carl.change(type="delete", seq=last)
        async with peer(server, made, "dora"):
            await expect(ann.notices.last).to_contain_text("dora")
            await expect(ann.notices.filter(has_text="Bob left")).to_have_count(0)


@pytest.mark.slow
async def test_reactions_of_a_blocked_user_and_words_are_not_shown(
    visit: Visit, server: ServerProcess, made: str
) -> None:
    """Also not to screen readers. Those of others stay, and the rest of a reaction's count."""
    ann = await visit(account=web(server, new_name()))
    await ann.say("mine")
    await ann.delivered("mine")
    seq = int(await ann.message("mine").get_attribute("data-seq") or 0)
    reactions = ann.message("mine").locator(".reaction")
    async with peer(server, made, "carl") as carl, peer(server, made, "Bob") as bob:
        for emoji in ("I_know_where", "http://evil.example", "4711", "👎", "👍", "🇺🇦"):
            await bob.change(type="react", seq=seq, emoji=emoji)
        await carl.change(type="react", seq=seq, emoji="👍")
        await expect(reactions).to_have_text(["👎1", "👍2", "🇺🇦1"])
        await block(ann, "Bob")
        await expect(reactions).to_have_text(["👍1"])
        await expect(reactions).to_have_attribute("aria-label", "👍, 1 reaction: carl")
        await expect(ann.message("mine")).to_have_attribute("aria-label", re.compile(r"mine\. 👍 1$"))
        await carl.change(type="react", seq=seq, emoji="👍", on=False)
        await expect(reactions).to_have_count(0)


@pytest.mark.slow
async def test_the_invitations_of_a_blocked_user_are_gone(visit: Visit, server: ServerProcess, made: str) -> None:
    """Also on the server, where they would keep others from inviting. All invitations can be declined at once."""
    account = web(server, new_name())
    ann = await visit(account=account)
    invitations = ann.page.get_by_role("navigation", name="Rooms").get_by_role("region", name="Invitations")
    async with peer(server, made, "Bob") as bob, peer(server, made, "carl") as carl:
        await invite(bob, account.id, f"{made}-1", f"{made}-2", f"{made}-3")
        await invite(carl, account.id, f"{made}-4")
        await invitations.get_by_role("button", name="2 more invitations").click()
        await expect(invitations.get_by_role("listitem")).to_have_count(4)
        await block(ann, "Bob")
        await expect(invitations.get_by_role("listitem")).to_have_count(1)
        await expect(invitations).to_contain_text("carl guest invites you")
        await expect(invitations.get_by_role("button", name="Decline all")).to_have_count(0)
        await ann.page.reload()
        await expect(invitations.get_by_role("listitem")).to_have_count(1)
        await invite(carl, account.id, f"{made}-5")
        await invitations.get_by_role("button", name="Decline all").click()
        await expect(invitations).to_have_count(0)
        await ann.page.reload()
        await ann.connected()
        await expect(ann.log).to_be_visible()
        await expect(invitations).to_have_count(0)
