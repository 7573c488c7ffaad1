"""Names and contents through both dialects: what is kept, what is normalized, what is refused."""

from urllib.parse import quote

import pytest

from tests.support.rawws import NATIVE, RawClient, command, fetch, text

SYSTEMS = [
    "SYSTEM",
    "system",
    "SyStEm",
    "ＳＹＳＴＥＭ",
    "S Y S T E M",
    "S.Y.S.T.E.M",
    "_system_",
    "«SYSTEM»",
    "ⓢⓨⓢⓣⓔⓜ",
    "𝕊𝕐𝕊𝕋𝔼𝕄",
    "ſystem",
]
UNSEEN = [
    "a\u200bb",
    "\u202eevil",
    "a\u2066b",
    "\ufeffann",
    "a\u00adb",
    "a\x00b",
    "a\x1bb",
    "a\x85b",
    "a\u2028b",
    "\u3164",
    "a\ufdd0b",
    "a\u0378b",
    "a\ue000b",
]


@pytest.mark.parametrize("name", SYSTEMS)
async def test_a_user_cannot_have_the_name_of_the_server(port: int, name: str) -> None:
    async with await RawClient.open(port, f"/chat?u={quote(name)}") as plain:
        assert (await plain.message())["sender"] == "SYSTEM"
        assert await plain.closing() == (4102, "refused")
    async with await RawClient.open(port, f"/chat?u={quote(name)}", NATIVE) as native:
        welcome = await native.message()
        error = await native.message()
        assert (error["type"], error["code"], error["field"]) == ("error", "reserved_name", "u")
        assert welcome["user"]["name"].startswith("guest-")


@pytest.mark.parametrize("name", UNSEEN, ids=ascii)
async def test_names_contain_no_invisible_characters(port: int, name: str) -> None:
    for parameter in ("u", "r"):
        async with await RawClient.open(port, f"/chat?{parameter}={quote(name)}") as plain:
            await plain.message()
            assert await plain.closing() == (4102, "refused")
    async with await RawClient.native(port) as native:
        native.send(command(type="join", id="j", room=name))
        await native.refused("bad_field", field="room", id="j")
    assert (await fetch(port, f"/history?r={quote(name)}")).json()["error"]["field"] == "r"


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("a\u00a0 b", "a b"),
        ("\u3000東京\u3000支店", "東京 支店"),
        ("Ann ❤\ufe0f", "Ann ❤\ufe0f"),
        ("👨\u200d👩\u200d👧", "👨\u200d👩\u200d👧"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("a\u200db", "ab"),
    ],
    ids=ascii,
)
async def test_names_are_accepted_as_keyboards_type_them(port: int, sent: str, kept: str) -> None:
    """In every place: names of users and rooms, and titles."""
    async with (
        await RawClient.native(port, f"/chat?u={quote(sent)}&r={quote(sent)}") as native,
        await RawClient.open(port, f"/chat?u=bob&r={quote(sent)}") as plain,
    ):
        assert (await native.expect("joined"))["room"] == kept
        await plain.message()
        native.send(command(type="message", id="m", room=sent, content=f"@[{sent}] is me"))
        told = await native.expect("message")
        assert (told["sender"], told["room"], len(told["mentions"])) == (kept, kept, 1)
        await native.expect("ack")
        assert (await plain.message())["sender"] == kept
        assert (await fetch(port, f"/history?r={quote(sent)}")).json()[0]["room"] == kept
        native.send(command(type="create_room", id="t", room=f"{kept} 2", title=f" {sent}"))
        assert (await native.expect("room"))["info"]["title"] == kept


@pytest.mark.parametrize(
    "name", ["a" + "\u0345" * 5_000 + "\u0334" * 4_000, "a" + "\u0334" * 31, "\ufdfa" * 300], ids=range(3)
)
async def test_names_that_are_too_long_or_have_too_many_marks_are_refused(port: int, name: str) -> None:
    async with await RawClient.native(port) as native:
        native.send(command(type="join", id="j", room=name))
        await native.refused("bad_field", field="room", id="j")
        native.send(command(type="rooms", id="q", q=name + "x" * 300))
        await native.refused("bad_field", field="q", id="q")


async def test_windows_line_ends_are_newlines_in_every_dialect(port: int) -> None:
    async with (
        await RawClient.native(port, "/chat?u=ann&r=crlf") as ann,
        await RawClient.open(port, "/chat?u=bob&r=crlf") as bob,
    ):
        await ann.expect("joined")
        await bob.message()
        bob.send(text("one\r\ntwo\rthree"))
        told = await ann.expect("message")
        assert told["content"] == "one\ntwo\nthree"
        ann.send(command(type="message", id="m", room="crlf", content="a\r\n"))
        assert (await ann.expect("message", sender="ann"))["content"] == "a\n"
        seq = (await ann.expect("ack"))["ids"][0]["seq"]
        ann.send(command(type="edit", id="e", room="crlf", seq=seq, content="b\r"))
        assert (await ann.expect("edited"))["content"] == "b\n"
        assert [line["content"] for line in (await fetch(port, "/history?r=crlf")).json()] == [told["content"], "b\n"]


async def test_reactions_that_look_the_same_are_one(port: int) -> None:
    async with await RawClient.native(port, "/chat?u=ann&r=hearts") as ann:
        await ann.expect("joined")
        ann.send(command(type="message", id="m", room="hearts", content="x"))
        seq = (await ann.expect("ack"))["ids"][0]["seq"]
        for count, (emoji, on) in enumerate([("❤", True), ("❤\ufe0e", False), ("❤\ufe0f", True), ("❤\u200d", True)]):
            ann.send(command(type="react", id=f"r{count}", room="hearts", seq=seq, emoji=emoji, on=on))
            told = await ann.expect("reaction")
            assert (told["emoji"], told["count"]) == ("❤\ufe0f", int(on))
            await ann.expect("ack")
        [line] = (await fetch(port, "/history?r=hearts")).json()
        assert list(line["reactions"]) == ["❤\ufe0f"]


async def test_equal_looking_room_names_are_one_room(port: int) -> None:
    """NFC and NFD of the same letters, in every place."""
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    async with (
        await RawClient.native(port, f"/chat?u=ann&r={quote(decomposed)}") as ann,
        await RawClient.open(port, f"/chat?u=bob&r={quote(composed)}") as bob,
    ):
        assert (await ann.expect("joined"))["room"] == composed
        await bob.message()
        ann.send(command(type="message", id="m", room=composed, content="one room"))
        assert (await bob.message())["room"] == composed
        await ann.expect("ack")
        assert len((await fetch(port, f"/history?r={quote(decomposed)}")).json()) == 1


@pytest.mark.parametrize(
    "room",
    ["a/b", "../x", "'; DROP TABLE rooms; --", "<script>", "%00", "a&r=b", "🙂 room", "日本語", "مرحبا", "x" * 64],
)
async def test_any_visible_name_is_a_valid_room_name(port: int, room: str) -> None:
    async with await RawClient.native(port) as client:
        client.send(command(type="join", room=room))
        assert (await client.expect("joined"))["room"] == room
        client.send(command(type="message", id="m", room=room, content="x"))
        await client.expect("ack")
    assert [line["room"] for line in (await fetch(port, f"/history?r={quote(room, safe='')}")).json()] == [room]


@pytest.mark.parametrize(
    "content",
    [
        "<img src=x onerror=alert(1)>",
        "multi\nline\n\ttabbed",
        "e\u0301 stays as it came",
        "👨\u200d👩\u200d👧 and \u202eoverride",
        "\U0010ffff\ufffe",
        "'; DROP TABLE messages; --",
        '{"type":"goodbye"}',
        "100 % \\ \" '",
        " spaces around ",
    ],
    ids=ascii,
)
async def test_content_is_returned_as_it_was_sent(port: int, content: str) -> None:
    async with (
        await RawClient.native(port, "/chat?u=ann&r=den") as ann,
        await RawClient.open(port, "/chat?u=bob&r=den") as bob,
    ):
        await ann.expect("joined")
        await bob.message()
        ann.send(command(type="message", id="m", room="den", content=content))
        assert (await bob.message())["content"] == content
        await ann.expect("ack")
        bob.send(text(content))
        assert (await ann.expect("message", sender="bob"))["content"] == content
        assert [line["content"] for line in (await fetch(port, "/history?r=den")).json()] == [content, content]


@pytest.mark.parametrize("escape", ["\\ud800", "\\udc00", "\\ud800\\ud800", "\\udc00\\ud800"])
async def test_a_lone_surrogate_is_refused(port: int, escape: str) -> None:
    async with await RawClient.native(port, "/chat?u=ann&r=den") as client:
        await client.expect("joined")
        client.send(text(f'{{"type":"message","room":"den","content":"{escape}"}}'))
        await client.refused("bad_json")
        client.send(text('{"type":"message","room":"den","content":"\\ud83d\\ude00"}'))
        await client.expect("message", content="😀")


async def test_content_is_counted_in_characters(port: int) -> None:
    """Not in bytes: 4000 emoji are 16000 bytes and fine."""
    async with await RawClient.open(port, "/chat?u=ann") as client:
        await client.message()
        client.send(text("😀" * 4000) + text("😀" * 4001))
        got = [await client.message(), await client.message()]
    by_sender = {frame["sender"]: frame["content"] for frame in got}
    assert by_sender == {"ann": "😀" * 4000, "SYSTEM": "a message can have at most 4000 characters"}
