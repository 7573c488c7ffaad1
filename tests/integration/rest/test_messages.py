"""Messages over HTTP: posted and answered once stored, changed, found, and read page by page."""

import asyncio
import re
from typing import Any
from urllib.parse import quote, urljoin

import pytest

from storage.ports.errors import StorageUnavailable
from tests.integration.conftest import ON_BOTH
from tests.support.client import Client
from tests.support.rawws import links
from tests.support.serving import Serve, owner_of
from tests.support.web import Web, code

PLANS = "/api/rooms/plans/messages"


async def contents(web: Web, target: str = PLANS) -> list[str]:
    return [message["content"] for message in (await web.json(target))["messages"]]


@pytest.fixture
async def ann(stored: int) -> Web:
    """Return the owner of "plans", on each kind of storage."""
    ann = Web(stored, "ann")
    await ann.create("plans")
    return ann


# --- posting ---------------------------------------------------------------------------------------------------------


@ON_BOTH
async def test_a_posted_message_is_stored_and_broadcast(ann: Web) -> None:
    async with Client(f"ws://127.0.0.1:{ann.port}", "guest", "plans") as guest:
        reply = await ann.post(PLANS, {"content": "hello", "id": "m-1"})
        assert reply.status == 201
        stored = reply.json()
        assert (stored["id"], stored["room"]) == ("m-1", "plans")
        where = urljoin(PLANS, reply.headers["location"])
        assert where == f"{PLANS}/{stored['seq']}"
        heard = await guest.expect("message")
        assert (heard["seq"], heard["sender_id"], heard["id"]) == (stored["seq"], "u_ann", "m-1")
    assert await ann.json(where) == heard
    assert (await ann.json(PLANS))["messages"] == [heard]


@ON_BOTH
async def test_a_repeated_id_is_stored_once(ann: Web) -> None:
    seq = await ann.say("plans", "hello", id="m-1")
    assert await ann.say("plans", "hello", id="m-1") == seq
    again = await ann.post(PLANS, {"content": "hello"}, Idempotency_Key="m-1")
    assert again.json()["seq"] == seq
    other = await ann.post(PLANS, {"content": "other", "id": "m-1"})
    assert (other.status, code(other)) == (409, "conflict")
    assert await ann.say("plans", "hello", id="m-2") != seq
    assert await ann.say("plans", "hello") != seq
    assert len(await contents(ann)) == 3


async def test_a_repeated_id_is_stored_once_across_transports(ann: Web) -> None:
    seqs = await asyncio.gather(*(ann.say("plans", "hello", id="m-1") for _ in range(20)))
    assert len(set(seqs)) == 1
    async with Client(f"ws://127.0.0.1:{ann.port}", room="plans", token=ann.token) as client:
        await client.say("hello", "m-1", room="plans", resend=True)
        await client.all_acked("m-1")
        assert client.acked() == {"m-1": seqs[0]}
    assert await contents(ann) == ["hello"]


@pytest.mark.parametrize("key", ["", "x" * 65, "a\tb"])
async def test_an_invalid_key_is_named(ann: Web, key: str) -> None:
    reply = await ann.post(PLANS, {"content": "hello"}, Idempotency_Key=key)
    assert reply.status == 400
    assert code(reply) == "bad_field"
    assert reply.json()["error"]["field"].lower().replace("-", "_") == "idempotency_key"


@pytest.mark.parametrize(
    ("body", "status", "refusal", "field"),
    [
        ({"content": " \n"}, 400, "empty", "content"),
        ({"content": "x" * 4001}, 413, "too_large", "content"),
        ({"content": "a\x00b"}, 400, "bad_field", "content"),
        ({"content": None}, 400, "bad_field", "content"),
        ({}, 400, "bad_field", "content"),
        ({"content": "x", "id": ""}, 400, "bad_field", "id"),
        ({"content": "x", "id": "a\nb"}, 400, "bad_field", "id"),
        ({"content": "x", "reply_to": -1}, 400, "bad_field", "reply_to"),
        ({"content": "x", "reply_to": 1}, 404, "no_such_message", "reply_to"),
        ([], 400, "bad_json", None),
        (b"{", 400, "bad_json", None),
        (b"", 400, "bad_json", None),
        (b'{"content":"\xff"}', 400, "bad_json", None),
        (b'{"content":"\\ud800"}', 400, "bad_json", None),
        (b"[" * 60_000, 400, "bad_json", None),
        (b'{"content":"' + b"x" * 70_000 + b'"}', 413, "too_large", None),
    ],
)
async def test_an_invalid_message_returns_a_named_error(
    ann: Web, body: Any, status: int, refusal: str, field: str | None
) -> None:
    reply = await ann.post(PLANS, body)
    assert (reply.status, code(reply), reply.json()["error"].get("field")) == (status, refusal, field)
    assert await contents(ann) == []


async def test_a_body_must_be_json_with_that_content_type(port: int) -> None:
    ann = Web(port, "ann")
    await ann.create("plans")
    for media, status in {
        "application/json; charset=utf-8": 201,
        "application/problem+json": 201,
        "text/plain": 415,
        "application/x-www-form-urlencoded": 415,
        "application/octet-stream": 415,
    }.items():
        reply = await ann.post(PLANS, b'{"content":"hello"}', Content_Type=media)
        assert reply.status == status, media
        if status == 415:
            assert code(reply) == "unsupported"
    assert (await ann.post(PLANS, b'{"content":"hello"}')).status == 201


async def test_a_reply_quotes_its_message(ann: Web) -> None:
    seq = await ann.say("plans", "hello")
    await ann.say("plans", "what?", reply_to=seq)
    messages = (await ann.json(PLANS))["messages"]
    assert messages[1]["reply_to"] == {"seq": seq, "sender": "ann", "content": "hello"}


async def test_an_anonymous_caller_cannot_post(ann: Web) -> None:
    reply = await Web(ann.port).post(PLANS, {"content": "hello"})
    assert (reply.status, code(reply)) == (401, "unauthorized")
    assert reply.headers["www-authenticate"] == "Bearer"


async def test_a_guest_posts_with_their_token(ann: Web) -> None:
    async with Client(f"ws://127.0.0.1:{ann.port}", "gus") as client:
        welcome = await client.expect("welcome")
        token, guest_id = welcome["token"], welcome["user"]["id"]
    seq = await Web(ann.port, token=token).say("plans", "hello")
    message = await ann.json(f"{PLANS}/{seq}")
    assert (message["sender"], message["sender_id"]) == ("gus", guest_id)


async def test_posting_too_fast_is_rate_limited(serve: Serve) -> None:
    server = await serve(RATE_LIMIT_MESSAGES="1")
    ann = Web(server.port, "ann")
    await ann.create("plans")
    async with Client(f"ws://127.0.0.1:{server.port}", room="plans", token=ann.token) as client:
        await client.say("one", "1", room="plans")
        await client.all_acked("1")
        replies = [await ann.post(PLANS, {"content": "x"}) for _ in range(3)]
    assert [reply.status for reply in replies] == [201, 201, 429]
    assert code(replies[-1]) == "rate_limited"
    assert int(replies[-1].headers["retry-after"]) >= 1
    assert 0 < replies[-1].json()["error"]["retry_after"] <= 1


async def test_slow_mode_applies_over_http(port: int) -> None:
    ann, ben = Web(port, "ann"), Web(port, "ben")
    await ann.create("plans")
    await ann.patch("/api/rooms/plans", {"slow_mode": 60})
    await ben.say("plans", "one")
    reply = await ben.post(PLANS, {"content": "two"})
    assert (reply.status, code(reply)) == (429, "slow_mode")
    assert 50 < int(reply.headers["retry-after"]) <= 60
    await ann.say("plans", "moderators may")


# --- changing --------------------------------------------------------------------------------------------------------


async def test_a_message_is_edited_and_deleted(ann: Web) -> None:
    seq = await ann.say("plans", "hello")
    async with Client(f"ws://127.0.0.1:{ann.port}", "guest", "plans") as guest:
        edited = await ann.patch(f"{PLANS}/{seq}", {"content": "hello, all"})
        assert edited.status == 200
        assert (edited.json()["content"], edited.json()["seq"]) == ("hello, all", seq)
        assert (await guest.expect("edited"))["version"] == edited.json()["version"] > seq
        assert (await ann.delete(f"{PLANS}/{seq}")).status == 204
        assert (await guest.expect("deleted"))["seq"] == seq
    gone = await ann.get(f"{PLANS}/{seq}")
    assert (gone.status, code(gone)) == (404, "no_such_message")
    assert (await ann.delete(f"{PLANS}/{seq}")).status == 204  # once more, as the response may have been lost
    assert code(await ann.patch(f"{PLANS}/{seq}", {"content": "x"})) == "no_such_message"
    assert await contents(ann) == []
    assert await contents(ann, f"{PLANS}?include_deleted=true") == ["hello, all"]


async def test_only_the_author_edits_and_only_moderators_delete_others(ann: Web) -> None:
    ben = Web(ann.port, "ben")
    seq = await ben.say("plans", "hello")
    edit = await ann.patch(f"{PLANS}/{seq}", {"content": "x"})
    assert (edit.status, code(edit)) == (403, "not_author")
    delete = await Web(ann.port, "cal").delete(f"{PLANS}/{seq}")
    assert (delete.status, code(delete)) == (403, "not_author")
    assert (await ann.delete(f"{PLANS}/{seq}")).status == 204


async def test_a_message_past_the_edit_window_cannot_be_edited(serve: Serve) -> None:
    server = await serve(EDIT_WINDOW="0.000001")
    ann = Web(server.port, "ann")
    await ann.create("plans")
    seq = await ann.say("plans", "hello")
    reply = await ann.patch(f"{PLANS}/{seq}", {"content": "x"})
    assert (reply.status, code(reply)) == (403, "too_late")


@pytest.mark.parametrize("emoji", ["👍", ":thumbs up:".replace(" ", "_"), "a/b", "#", "👩‍👩‍👧‍👧"])
async def test_reactions_are_added_and_removed(ann: Web, emoji: str) -> None:
    ben = Web(ann.port, "ben")
    seq = await ann.say("plans", "hello")
    target = f"{PLANS}/{seq}/reactions/{quote(emoji, safe='')}"
    for one in (ann, ben, ben):
        assert (await one.put(target)).status == 204
    assert (await ann.json(f"{PLANS}/{seq}"))["reactions"] == {emoji: ["u_ann", "u_ben"]}
    for _ in range(2):
        assert (await ann.delete(target)).status == 204
    assert (await ann.json(f"{PLANS}/{seq}"))["reactions"] == {emoji: ["u_ben"]}
    assert code(await ann.put(f"{PLANS}/{seq}/reactions/{'x' * 33}")) == "bad_field"
    assert code(await ann.put(f"{PLANS}/{seq + 1}/reactions/x")) == "no_such_message"


async def test_messages_are_pinned_and_unpinned(ann: Web) -> None:
    seq = await ann.say("plans", "hello")
    await ann.say("plans", "other")
    assert code(await Web(ann.port, "ben").put(f"{PLANS}/{seq}/pin")) == "forbidden"
    assert (await ann.put(f"{PLANS}/{seq}/pin")).status == 204
    assert await contents(ann, f"{PLANS}?pinned=true") == ["hello"]
    assert (await ann.json(f"{PLANS}/{seq}"))["pinned_by"] == "u_ann"
    assert (await ann.delete(f"{PLANS}/{seq}/pin")).status == 204
    assert await contents(ann, f"{PLANS}?pinned=true") == []


@pytest.mark.parametrize("seq", ["x", "-1", "1.0", "9007199254740992", "%20", "1e3"])
async def test_a_seq_must_be_a_number(port: int, seq: str) -> None:
    ann = Web(port, "ann")
    for reply in (
        await ann.get(f"{PLANS}/{seq}"),
        await ann.delete(f"{PLANS}/{seq}"),
        await ann.put(f"{PLANS}/{seq}/pin"),
        await ann.patch(f"{PLANS}/{seq}", {"content": "x"}),
    ):
        assert (reply.status, code(reply), reply.json()["error"]["field"]) == (400, "bad_field", "seq")


# --- reading ---------------------------------------------------------------------------------------------------------


async def test_a_page_says_whether_there_is_more_on_either_side(ann: Web) -> None:
    seqs = [await ann.say("plans", f"{number} of ten") for number in range(10)]

    async def page(question: str) -> tuple[str, bool, bool, set[str]]:
        reply = await ann.get(f"{PLANS}?{question}")
        body = reply.json()
        rels = set(re.findall(r'rel="(\w+)"', reply.headers.get("link", "")))
        found = "".join(message["content"][0] for message in body["messages"])
        return found, body["has_older"], body["has_newer"], rels

    assert await page("limit=3") == ("789", True, False, {"prev"})
    assert await page(f"limit=3&before={seqs[5]}") == ("234", True, True, {"prev", "next"})
    assert await page(f"limit=3&after={seqs[5]}") == ("678", True, True, {"prev", "next"})
    assert await page(f"limit=3&around={seqs[5]}") == ("456", True, True, {"prev", "next"})
    assert await page(f"limit=4&around={seqs[0]}") == ("0123", False, True, {"next"})
    assert await page(f"after={seqs[2]}&before={seqs[6]}") == ("345", True, True, {"prev", "next"})
    assert await page("q=ten+3") == ("3", False, False, set())
    assert await page("sender=ben") == ("", False, False, set())
    first = (await ann.json(f"{PLANS}/{seqs[3]}"))["timestamp"]
    last = (await ann.json(f"{PLANS}/{seqs[6]}"))["timestamp"]
    assert await page(f"start={quote(first)}&end={quote(last)}") == ("345", False, False, set())


async def test_links_visit_every_message_once_in_both_directions(ann: Web) -> None:
    sent = [f"message {number}" for number in range(10)]
    for content in sent:
        await ann.say("plans", content)

    async def walk(target: str, rel: str) -> list[str]:
        found: list[str] = []
        while target:
            reply = await ann.get(target)
            page = [message["content"] for message in reply.json()["messages"]]
            found = page + found if rel == "prev" else found + page
            target = links(target, reply).get(rel, "")
        return found

    assert await walk(f"{PLANS}?limit=3&q=message", "prev") == sent
    assert await walk(f"{PLANS}?limit=3&after=0", "next") == sent
    around = (await ann.json(f"{PLANS}?limit=1&around=0"))["messages"][0]["seq"]
    assert await walk(f"{PLANS}?limit=3&around={around}", "next") == sent


@pytest.mark.parametrize(
    ("question", "field"),
    [
        *((f"limit={value}", "limit") for value in ("0", "501", "x", "")),
        *((f"{name}=x", name) for name in ("before", "after", "around", "start", "end", "pinned", "include_deleted")),
        ("start=2026-11-21", "start"),
        ("end=2026-11-21T08:31:11", "end"),
        ("around=1&after=1", "around"),
        ("q=...", "q"),
    ],
)
async def test_an_invalid_query_is_named(port: int, question: str, field: str) -> None:
    reply = await Web(port, "ann").get(f"{PLANS}?{question}")
    assert (reply.status, code(reply), reply.json()["error"]["field"]) == (400, "bad_field", field)


@ON_BOTH
async def test_search_finds_words_in_the_users_rooms(ann: Web) -> None:
    ben = Web(ann.port, "ben")
    await ben.create("secret", private=True)
    await ben.say("secret", "the quick fox")
    for number in range(5):
        await ann.say("plans", f"quick number {number}")
    found = await ann.get("/search?q=QUICK&limit=3")
    assert [message["content"] for message in found.json()["messages"]] == [f"quick number {n}" for n in (4, 3, 2)]
    assert found.json()["has_older"] is True
    target = links("/search", found)["next"]
    assert await contents(ann, target) == ["quick number 1", "quick number 0"]
    assert await contents(ben, "/search?q=quick") == ["the quick fox"]
    assert (await Web(ann.port).get("/search?q=quick")).status == 401
    assert code(await ann.get("/search?q=...")) == "bad_field"
    assert code(await ann.get("/search")) == "bad_field"
    assert code(await ann.get("/search?q=x&cursor=x")) == "bad_field"


async def test_history_depends_on_the_caller(ann: Web) -> None:
    await ann.create("secret", private=True)
    await ann.say("secret", "psst")
    assert [message["content"] for message in await ann.json("/history?r=secret")] == ["psst"]
    for one in (Web(ann.port), Web(ann.port, "ben")):
        hidden, unknown = await one.get("/history?r=secret"), await one.get("/history?r=nothing")
        assert (hidden.status, hidden.json()) == (200, [])
        assert (hidden.body, sorted(hidden.headers)) == (unknown.body, sorted(unknown.headers))


# --- storage ---------------------------------------------------------------------------------------------------------


async def test_posting_is_refused_while_storage_is_unavailable(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a named error and a retry time; a refused message is not broadcast."""
    server = await serve()
    ann = Web(server.port, "ann")
    await ann.create("plans")

    async def away(*args: object, **named: object) -> None:
        raise StorageUnavailable("unplugged")

    with monkeypatch.context() as unplugged:
        repository = owner_of(server).chat.parts.storage
        for read in ("find_room", "find_member", "history", "rooms_of", "listed_rooms", "search", "members"):
            unplugged.setattr(repository.rooms if hasattr(repository.rooms, read) else repository.messages, read, away)
        unplugged.setattr(repository, "problem", lambda: "unplugged")
        for reply in (
            await ann.get("/api/rooms"),
            await ann.get("/api/rooms/plans"),
            await ann.get(PLANS),
            await ann.get("/api/rooms/plans/members"),
            await ann.get("/api/rooms/plans/export"),
            await ann.get("/search?q=x"),
            await ann.get("/history?r=plans"),
            await ann.get("/api/chat/messages?room=plans"),
            await ann.get("/api/users"),
            await ann.post("/api/rooms", {"name": "other"}),
            await ann.post(PLANS, {"content": "hello"}),
            await ann.patch("/api/rooms/plans", {"title": "x"}),
        ):
            assert (reply.status, code(reply)) == (503, "unavailable"), reply
            assert int(reply.headers["retry-after"]) >= 1
    assert await contents(ann) == []
    assert len((await ann.json("/api/rooms"))["rooms"]) == 1


@pytest.mark.one_server("an edge that stops refuses nothing: the rooms stay where they are")
async def test_a_stopping_server_accepts_no_messages(serve: Serve) -> None:
    server = await serve()
    ann = Web(server.port, "ann")
    await ann.create("plans")
    await server.chat.drain(1.0)
    reply = await ann.post(PLANS, {"content": "hello"})
    assert (reply.status, code(reply)) == (503, "shutting_down")
    assert "retry-after" in reply.headers
    assert await contents(ann) == []


async def test_a_full_queue_refuses_messages(serve: Serve) -> None:
    server = await serve(QUEUE_MESSAGES="2", WORKERS="1")
    ann = Web(server.port, "ann")
    await ann.create("plans")
    worker = owner_of(server).chat.parts.pool.workers[0]
    worker._unconfirmed += 2
    try:
        reply = await ann.post(PLANS, {"content": "hello"})
    finally:
        worker._unconfirmed -= 2
    assert (reply.status, code(reply)) == (503, "overloaded")
    assert "retry-after" in reply.headers


async def test_an_internal_fault_returns_a_named_error(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server = await serve()

    async def broken(*args: object, **named: object) -> None:
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(owner_of(server).chat.parts.storage.rooms, "listed_rooms", broken)
    reply = await Web(server.port).get("/api/rooms")
    assert (reply.status, code(reply)) == (500, "internal")
    assert "ours" not in str(reply)
    assert "ours" in caplog.text
