"""Messages that wait to be sent: editing and discarding them, also if they may be on their way already."""

import re

import pytest
from playwright.async_api import Locator, expect

from tests.browser.chat_page import ChatPage, Enter, Frame, Wire
from tests.support.browser import Pages

LATE = "It may have been sent: if so, it is deleted as soon as it arrives."
HAD_ARRIVED = "A message that you discarded or changed had been sent after all. It was deleted."


class Slow:
    """A network that keeps the first message, also after its connection is lost, until it is delivered."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.kept: list[Frame] = []
        wire.to_server = self._keep

    def _keep(self, frame: Frame, _: object) -> Frame | None:
        if frame["type"] != "message" or self.kept:
            return frame
        self.kept.append(frame)
        return None

    async def lose(self, chat: ChatPage) -> None:
        """End the page's connection; it cannot make another one."""
        self.wire.refuse = True
        await self.wire.cut()
        await expect(chat.status).not_to_have_text("Connected")

    async def back(self, chat: ChatPage) -> None:
        self.wire.refuse = False
        await chat.try_now()

    async def deliver(self, chat: ChatPage) -> None:
        """Deliver what was kept, in place of what the page says next."""

        def pass_on(frame: Frame, _: object) -> Frame:
            if frame["type"] != "typing":
                return frame
            self.wire.to_server = lambda frame, _: frame
            return {key: value for key, value in self.kept[0].items() if key != "resend"}

        self.wire.to_server = pass_on
        await expect(chat.page.locator("#room-count")).to_have_text(re.compile("2"))  # alone, it would not say a thing
        await chat.box.press("x")


def button(chat: ChatPage, text: str, name: str) -> Locator:
    return chat.message(text).get_by_role("button", name=name)


def notice(chat: ChatPage, text: str) -> Locator:
    return chat.page.locator(".toast", has_text=text)


async def say_unheard(ann: ChatPage, ben: ChatPage, wire: Wire, text: str) -> None:
    """Ann writes a message that arrives, and her page loses the connection before it hears of that."""
    wire.to_page = lambda frame, _: None if frame["type"] in ("message", "ack") else frame
    await ann.say(text)
    await expect(ben.message(text)).to_be_visible()
    wire.refuse = True
    await wire.cut()


async def hear_again(ann: ChatPage, wire: Wire) -> None:
    wire.refuse, wire.to_page = False, lambda frame, _: frame
    await ann.try_now()


async def test_a_discarded_message_that_arrives_is_deleted(enter: Enter, wire: Wire) -> None:
    ben = await enter("ben")
    ann, slow = await enter("ann", wire=wire), Slow(wire)
    await ann.say("never mind")
    await slow.lose(ann)
    await button(ann, "never mind", "Discard").click()
    await expect(notice(ann, LATE)).to_be_visible()
    await expect(ann.message("never mind")).to_have_count(0)
    await slow.back(ann)
    await slow.deliver(ann)
    await expect(notice(ann, HAD_ARRIVED)).to_be_visible()
    await ann.box.fill("after it")
    await ann.box.press("Enter")
    await expect(ben.message("after it")).to_be_visible()
    await expect(ben.message("never mind")).to_have_count(0)
    await expect(ann.message("never mind")).to_have_count(0)
    stored = await ann.page.evaluate(
        "() => Object.keys(localStorage).filter((key) => key.startsWith('parley.outbox:'))"
    )
    assert stored == []


@pytest.mark.slow
async def test_a_reload_does_not_forget_what_was_discarded(enter: Enter, wire: Wire) -> None:
    ben = await enter("ben")
    ann, slow = await enter("ann", wire=wire), Slow(wire)
    await ann.say("never mind")
    await slow.lose(ann)
    await button(ann, "never mind", "Discard").click()
    wire.refuse = False
    await ann.page.reload()
    await ann.connected()
    await slow.deliver(ann)
    await expect(notice(ann, HAD_ARRIVED)).to_be_visible()
    await expect(ben.message("never mind")).to_have_count(0)


@pytest.mark.slow
async def test_what_arrived_while_the_page_was_away_is_deleted_when_it_is_back(enter: Enter, wire: Wire) -> None:
    """The message had reached the server before the connection was lost; the page did not hear of it."""
    ben = await enter("ben")
    ann = await enter("ann", wire=wire)
    await say_unheard(ann, ben, wire, "never mind")
    await button(ann, "never mind", "Discard").click()
    await hear_again(ann, wire)
    await expect(notice(ann, HAD_ARRIVED)).to_be_visible()
    await expect(ben.message("never mind")).to_have_count(0)
    await expect(ann.message("never mind")).to_have_count(0)


@pytest.mark.slow
async def test_an_edited_message_is_sent_once_and_keeps_its_place(enter: Enter, wire: Wire) -> None:
    ben = await enter("ben")
    ann, slow = await enter("ann", wire=wire), Slow(wire)
    await ann.say("first", "second")
    await slow.lose(ann)
    await ann.box.fill("half a draft")
    await button(ann, "first", "Edit").click()
    await expect(ann.box).to_be_focused()
    await expect(ann.box).to_have_value("first")
    await expect(ann.page.locator("#edit-bar")).to_be_visible()
    await ann.box.press("Escape")
    await expect(ann.box).to_have_value("half a draft")
    await button(ann, "first", "Edit").click()
    await expect(ann.box).to_have_value("first")
    await ann.box.fill("first, as it should be")
    await ann.box.press("Enter")
    await expect(ann.box).to_have_value("half a draft")
    assert await ann.texts() == ["first, as it should be", "second"]
    await slow.back(ann)
    await slow.deliver(ann)
    await expect(notice(ann, HAD_ARRIVED)).to_be_visible()
    await ann.delivered("second")
    assert await ben.texts() == ["first, as it should be", "second"]


@pytest.mark.slow
async def test_a_message_that_is_being_edited_waits_with_those_behind_it(enter: Enter, wire: Wire) -> None:
    ben = await enter("ben")
    ann = await enter("ann", wire=wire)
    wire.refuse = True
    await wire.cut()
    await expect(ann.status).not_to_have_text("Connected")
    await ann.say("one", "two")
    await button(ann, "one", "Edit").click()
    wire.refuse = False
    await ann.try_now()
    await ben.say("meanwhile")
    await expect(ann.message("meanwhile")).to_be_visible()
    await expect(button(ann, "two", "Edit")).to_be_visible()
    await ann.box.press("End")
    await ann.page.keyboard.type(" and a half")
    await ann.box.press("Enter")
    await ann.delivered("two")
    assert await ben.texts() == ["meanwhile", "one and a half", "two"]


@pytest.mark.slow
async def test_a_message_that_arrives_while_it_is_edited_is_edited_as_a_sent_one(enter: Enter, wire: Wire) -> None:
    ben = await enter("ben")
    ann = await enter("ann", wire=wire)
    await say_unheard(ann, ben, wire, "tpyo")
    await button(ann, "tpyo", "Edit").click()
    await expect(ann.box).to_have_value("tpyo")
    await ann.box.fill("typo")
    await hear_again(ann, wire)
    await ann.delivered("tpyo")
    await expect(ann.box).to_have_value("typo")
    await ann.box.press("Enter")
    await expect(ben.message("typo")).to_be_visible()
    assert await ben.texts() == ["typo"]
    await expect(ann.box).to_have_value("")


@pytest.mark.slow
async def test_discarding_can_be_undone(enter: Enter, wire: Wire) -> None:
    ben = await enter("ben")
    ann = await enter("ann", wire=wire)
    wire.refuse = True
    await wire.cut()
    await expect(ann.status).not_to_have_text("Connected")
    await ann.say("one", "two")
    await button(ann, "one", "Discard").click()
    await expect(notice(ann, "Message discarded")).to_have_text(re.compile(r"^\s*Message discarded\s*Undo"))
    await expect(ann.message("one")).to_have_count(0)
    await ann.page.get_by_role("button", name="Undo").click()
    await expect(ann.message("one")).to_be_visible()
    wire.refuse = False
    await ann.try_now()
    await ann.delivered("two")
    assert await ben.texts() == ["one", "two"]


@pytest.mark.slow
async def test_a_real_network_that_comes_back_delivers_nothing_discarded(enter: Enter, new_page: Pages) -> None:
    new_page.expect_error("net::ERR_|WebSocket connection to .* failed")
    ben, ann = await enter("ben"), await enter("ann")
    await ann.page.context.set_offline(True)
    await ann.say("to be discarded")
    await button(ann, "to be discarded", "Discard").click()
    await ann.page.context.set_offline(False)
    await ann.connected()
    await ann.say("and this is sent")
    await ann.delivered("and this is sent")
    await expect(ben.message("and this is sent")).to_be_visible()
    await expect(ben.message("to be discarded")).to_have_count(0)
