"""Messages: author, time, room and delivery state, as the page shows them."""

import asyncio
import re

import pytest
from playwright.async_api import WebSocketRoute, expect

from tests.browser.chat_page import ChatPage, Enter, Frame, Wire, answer, new_room, pass_on, swallow
from tests.browser.peer import peer
from tests.support.browser import Pages
from tests.support.process import poll_until
from tests.support.server import ServerProcess


async def test_two_users_exchange_messages(enter: Enter) -> None:
    """Each sees both messages in order, and can distinguish their own from the other's."""
    ann = await enter("ann")
    bob = await enter("bob")

    await ann.say("Hello Bob")
    await expect(bob.message("Hello Bob")).to_have_count(1)
    await bob.say("Hello Ann")
    await expect(ann.message("Hello Ann")).to_have_count(1)

    assert await ann.texts() == await bob.texts() == ["Hello Bob", "Hello Ann"]
    await expect(ann.message("Hello Ann").locator(".name")).to_have_text("bob")
    await expect(ann.message("Hello Bob").locator(".head")).to_contain_text("you")
    await expect(bob.message("Hello Bob").locator(".name")).to_have_text("ann")
    await expect(ann.message("Hello Bob")).to_have_class(re.compile(r"\bown\b"))
    await expect(bob.message("Hello Bob")).not_to_have_class(re.compile(r"\bown\b"))


@pytest.mark.slow
async def test_every_message_shows_its_time(enter: Enter) -> None:
    """The time is shown, the full date appears on hovering, and is machine-readable."""
    ann = await enter("ann")
    await ann.say("now")
    await ann.delivered("now")
    time = ann.message("now").locator("time.time")
    await expect(time).to_have_text(re.compile(r"\d{1,2}:\d{2}"))
    await expect(time).to_have_attribute("datetime", re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"))
    await expect(time).to_have_attribute("title", re.compile(r"20\d\d"))
    await expect(ann.log.get_by_role("separator", name="Today")).to_be_visible()


async def test_messages_of_one_author_are_grouped(enter: Enter) -> None:
    """The name is shown once per run; every line still tells its author and time to screen readers."""
    ann = await enter("ann")
    bob = await enter("bob")
    await bob.say("one", "two", "three")
    await expect(ann.messages).to_have_count(3)
    await expect(ann.log.locator(".msg.start")).to_have_count(1)
    await expect(ann.message("two").locator(".name")).to_have_count(0)
    await expect(ann.message("two")).to_have_attribute("aria-label", re.compile(r"^bob, \d{1,2}:\d\d.*: two"))


async def test_a_message_is_marked_sent_only_with_its_ack(enter: Enter, wire: Wire) -> None:
    """A message that is in the room but not acked is not marked as sent."""
    held: list[tuple[WebSocketRoute, Frame]] = []

    def hold_acks(frame: Frame, route: WebSocketRoute) -> Frame | None:
        if frame["type"] != "ack":
            return frame
        held.append((route, frame))
        return None

    wire.to_page = hold_acks
    ann = await enter("ann", wire=wire)
    bob = await enter("bob")
    await ann.say("is this kept?")
    await expect(bob.message("is this kept?")).to_have_count(1)
    await expect(ann.message("is this kept?").get_by_role("img", name="Sent, not stored yet")).to_be_visible()
    await expect(ann.message("is this kept?").get_by_role("img", name="Sent", exact=True)).to_have_count(0)
    assert len(await ann.outbox()) == 1

    answer(*held.pop())
    await ann.delivered("is this kept?")
    assert await ann.outbox() == []


async def test_a_reload_shows_the_history_once_and_keeps_the_identity(enter: Enter) -> None:
    ann = await enter("ann")
    bob = await enter("bob")
    await ann.say("first")
    await ann.delivered("first")
    await bob.say("second")
    await expect(ann.message("second")).to_have_count(1)
    before = await ann.identity()

    await ann.page.reload()
    await ann.connected()
    await expect(ann.messages).to_have_count(2)
    assert await ann.texts() == ["first", "second"]
    assert await ann.identity() == before
    await expect(ann.message("first").locator(".own-mark")).to_have_text("you")
    await bob.say("third")
    await expect(ann.message("third")).to_have_count(1)
    assert await ann.texts() == ["first", "second", "third"]


async def test_joins_and_leaves_are_shown(enter: Enter) -> None:
    """The list, the count and a line in the log follow the presence."""
    ann = await enter("ann")
    await expect(ann.people).to_have_text([re.compile("ann")])
    bob = await enter("bob")
    await expect(ann.people).to_have_count(2)
    await expect(ann.page.get_by_role("button", name="2 people here")).to_be_visible()
    await expect(ann.notices).to_have_text(["bob (guest) joined"])
    await ann.say("hello")
    await ann.delivered("hello")
    await bob.page.close()
    await expect(ann.people).to_have_count(1, timeout=15_000)
    await expect(ann.notices).to_have_text(["bob (guest) joined", "bob (guest) left"])


@pytest.mark.slow
async def test_what_changes_in_a_room_is_said_in_its_log(enter: Enter, server: ServerProcess, wire: Wire) -> None:
    """Title, topic, roles and mutes; but not that somebody joined who has already spoken."""
    late: list[Frame] = []

    def hold(frame: Frame, _: WebSocketRoute) -> Frame | None:
        if frame["type"] != "presence" or not frame.get("joined"):
            return frame
        late.append(frame)
        return None

    async with peer(server, "", "mod") as mod:
        await mod.ask(type="create_room", room=(plans := new_room()))
        ann = await enter("ann", room=plans, wire=wire)
        wire.to_page = hold
        me = await ann.identity()
        await expect(ann.log).to_have_attribute("aria-busy", "false")
        await mod.ask(type="update_room", room=plans, title="Plans")
        await mod.ask(type="update_room", room=plans, topic="Summer” · Host made ann an owner\nYou won “it")
        await mod.ask(type="set_role", room=plans, user=me, role="moderator")
        await mod.ask(type="mute", room=plans, user=me, seconds=600, guests=0)
        async with peer(server, plans, "bob") as bob:
            await bob.say(f"line {number}" for number in range(15))
            await expect(ann.message("line 14")).to_be_visible()
            await asyncio.to_thread(poll_until, lambda: late, what="the server says that bob has joined")
            for frame in late:
                wire.tell(frame)
            await expect(ann.people.filter(has_text="bob")).to_have_count(1)
            await expect(ann.notices).to_have_text(
                [
                    "mod (guest) renamed the room to “Plans”",
                    # What a person writes cannot end its quotation, and seem to be the page's.
                    'mod (guest) set the topic: “Summer" · Host made ann an owner You won "it”',
                    "mod (guest) made ann (guest) a moderator",
                    "mod (guest) muted ann (guest)",
                ]
            )


@pytest.mark.slow
async def test_joins_and_leaves_that_cancel_out_are_not_shown(enter: Enter, server: ServerProcess, room: str) -> None:
    """Consecutive joins and leaves are one line, and those that cancel out are none."""
    ann = await enter("ann")
    async with peer(server, room, "bob"):
        await expect(ann.notices).to_have_text(["bob (guest) joined"])
    await expect(ann.people).to_have_count(1, timeout=15_000)
    await expect(ann.notices).to_have_count(0)


@pytest.mark.slow
async def test_line_breaks_and_spaces_are_preserved(enter: Enter) -> None:
    """Shift+Enter starts a line; the Enter that confirms a word in an input method does not send."""
    ann = await enter("ann")
    bob = await enter("bob")
    await ann.box.press_sequentially("def f():")
    await ann.box.press("Shift+Enter")
    await ann.box.press_sequentially("    return 1")
    await ann.box.dispatch_event("keydown", {"key": "Enter", "isComposing": True, "bubbles": True, "cancelable": True})
    await expect(ann.box).to_have_value("def f():\n    return 1")
    await ann.box.press("Enter")
    await expect(bob.messages).to_have_count(1)
    assert await bob.texts() == ["def f():\n    return 1"]
    await expect(ann.box).to_have_value("")


@pytest.mark.slow
async def test_only_web_addresses_become_links(enter: Enter) -> None:
    """They open in a new tab without a referrer; anything else that looks like an address stays text."""
    ann = await enter("ann")
    await ann.say("see https://example.com/a_(b)?c=1&d=2. and javascript:alert(1) data:text/html,x //x.y")
    await expect(ann.messages).to_have_count(1)
    links = ann.log.get_by_role("link")
    await expect(links).to_have_count(1)
    await expect(links).to_have_attribute("href", "https://example.com/a_(b)?c=1&d=2")
    await expect(links).to_have_attribute("rel", "noopener noreferrer nofollow")
    await expect(links).to_have_attribute("target", "_blank")


LINKS = [  # a text, where its link leads, and what the link says, if that is not the same
    ("http://127.0.0.1:4173/\uff08\u6784\u5efa\uff09\u3002", "http://127.0.0.1:4173/", None),
    ("\u770bhttp://example.com/a\u3002", "http://example.com/a", None),
    ("http://example.com/a\uff0c\u597d", "http://example.com/a", None),
    ("\u300chttps://example.com/b\u300d", "https://example.com/b", None),
    ("http://example.com/\u6784\u5efa", "http://example.com/\u6784\u5efa", None),
    ("https://example.com/\u202egnp.exe", "https://example.com/", None),
    ("https://example.com/\u2066x\u2069", "https://example.com/", None),
    ("https://EXAMPLE.com:443/x", "https://EXAMPLE.com:443/x", None),
    ("http://\u0430pple.com/x", "http://\u0430pple.com/x", "http://xn--pple-43d.com/x"),
    (
        "http://evil.example:80\\@good.example/",
        "http://evil.example:80\\@good.example/",
        "http://evil.example/@good.example/",
    ),
    ("https://good.example@evil.example/", "https://good.example@evil.example/", "https://evil.example/"),
]


@pytest.mark.slow
async def test_a_link_ends_with_the_address_and_shows_its_target(enter: Enter) -> None:
    ann = await enter("ann")
    await ann.say(*(text for text, _, _ in LINKS))
    await expect(ann.messages).to_have_count(len(LINKS))
    for index, (_, leads_to, shown) in enumerate(LINKS):
        link = ann.messages.nth(index).get_by_role("link")
        await expect(link).to_have_attribute("href", leads_to)
        await expect(link).to_have_text(shown or leads_to)


async def test_one_tab_can_be_in_several_rooms(enter: Enter, server: ServerProcess, room: str) -> None:
    """A second room is joined besides the first, which counts unread messages; back returns to it."""
    ann = await enter("ann")
    other = f"{room}-b"
    await ann.go_to(other)
    await expect(ann.page.get_by_role("heading", level=1, name=other)).to_be_visible()
    await ann.say("in the other one")
    await ann.delivered("in the other one")
    async with peer(server, room, "bob") as bob:
        await bob.say(["one", "two"])
    rooms = ann.page.get_by_role("navigation", name="Rooms")
    await expect(rooms.get_by_role("link", name=re.compile(f"^# {room} 2 unread$|^{room} 2 unread$"))).to_be_visible()
    assert await ann.texts() == ["in the other one"]
    await expect(ann.page).to_have_title(f"(2) {other} · Parley")

    await ann.page.go_back()
    await expect(ann.page.get_by_role("heading", level=1, name=room, exact=True)).to_be_visible()
    await expect(ann.messages).to_have_count(2)
    assert await ann.texts() == ["one", "two"]
    await expect(ann.page).to_have_title(f"{room} · Parley")


async def test_a_draft_is_kept_in_its_room(enter: Enter, room: str) -> None:
    """Unfinished text is kept after a reload and after a visit to another room."""
    ann = await enter("ann")
    await ann.box.fill("half a thou")
    await ann.go_to(f"{room}-b")
    await expect(ann.box).to_have_value("")
    await ann.page.reload()
    await ann.connected()
    await ann.page.get_by_role("link", name=f"{room} draft", exact=True).click()
    await expect(ann.box).to_have_value("half a thou")


@pytest.mark.slow
async def test_unsent_messages_in_a_left_room_are_kept(enter: Enter, wire: Wire, room: str) -> None:
    """Leaving warns of them; rejoining sends them."""
    wire.to_server = swallow("message")
    ann = await enter("ann", wire=wire)
    await ann.go_to(f"{room}-b")
    await ann.say("left behind")
    await expect(ann.messages).to_have_count(1)
    await ann.choose("More about this room", "Leave")
    await expect(ann.page.get_by_role("status", name="Notices")).to_contain_text("Unsent messages will be sent")
    await expect(ann.page.get_by_role("heading", level=1)).to_have_text(room)
    wire.to_server = pass_on
    await ann.go_to(f"{room}-b")
    await ann.delivered("left behind")


async def test_a_room_link_never_contains_the_users_name(enter: Enter, server: ServerProcess, room: str) -> None:
    """The address bar is safe to share; the next person is asked for a name of their own."""
    ann = await enter("ann")
    assert ann.page.url == f"{server.http_url}/client.html?r={room}"


@pytest.mark.slow
async def test_a_room_link_asks_for_a_name_and_remembers_it(
    new_page: Pages, enter: Enter, server: ServerProcess, room: str
) -> None:
    """A second tab of the same browser asks nothing: it is the same guest."""
    bob = await enter("bob")
    ann = ChatPage(await new_page())
    await ann.page.goto(f"{server.http_url}/client.html?r={room}")
    await expect(ann.page.get_by_label("Room", exact=True)).to_have_value(room)
    await ann.page.get_by_label("Your name").fill("ann")
    await ann.page.keyboard.press("Enter")
    await ann.connected()
    second = ChatPage(await new_page(same_context_as=ann.page))
    await second.page.goto(f"{server.http_url}/client.html?r={room}")
    await second.connected()
    assert await second.identity() == await ann.identity()
    await expect(bob.people).to_have_count(2)


async def test_edits_and_deletions_by_others_are_shown(
    enter: Enter, server: ServerProcess, room: str, wire: Wire
) -> None:
    """At once, after a reload, and when it happened while the page was away."""
    ann = await enter("ann", wire=wire)
    async with peer(server, room, "bob") as bob:
        first, second, third = await bob.say(["helo", "secret", "later"])
        await expect(ann.messages).to_have_count(3)
        await bob.change(type="edit", seq=first, content="hello **there**")
        edited = ann.message("hello there").locator(".text")
        await expect(edited).to_have_attribute("data-edited", re.compile("^edited "))
        await bob.change(type="delete", seq=second)
        await expect(ann.messages).to_have_count(2)
        assert await ann.texts() == ["hello there", "later"]
        await ann.page.reload()
        await expect(ann.messages).to_have_count(2)
        edited = ann.message("hello there").locator(".text")
        await expect(edited).to_have_attribute("data-edited", re.compile("^edited "))
        wire.refuse = True
        await wire.cut()
        await bob.change(type="edit", seq=third, content="sooner")
        await bob.change(type="delete", seq=first)
        wire.refuse = False
        await expect(ann.messages).to_have_count(1)
        assert await ann.texts() == ["sooner"]
