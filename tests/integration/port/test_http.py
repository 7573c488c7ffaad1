"""The HTTP side as a client sees it: history, health, the page."""

import gzip
import re
from urllib.parse import quote

import brotli
import pytest

from server.web.client import STATIC
from tests.contract.records import until
from tests.support.page import CLIENT, static
from tests.support.rawws import RawClient, command, fetch, links, request
from tests.support.serving import Serve

pytestmark = pytest.mark.one_server(
    "files and health are the node's own; /history of an edge is compared in tests/integration/rest/test_edge.py"
)

NOBODY = "postgresql://someone:s3cr3t-w0rd@127.0.0.1:1/nothing"


async def talk(port: int, room: str, *contents: str, name: str = "ann") -> list[int]:
    """Post messages to a room; return their seqs, once all are stored."""
    seqs: dict[str, int] = {}
    async with await RawClient.native(port, f"/chat?u={quote(name)}&r={quote(room)}") as client:
        await client.expect("joined")
        for number, content in enumerate(contents):
            client.send(command(type="message", id=str(number), room=room, content=content))
        while len(seqs) < len(contents):
            seqs |= {item["id"]: item["seq"] for item in (await client.expect("ack"))["ids"]}
    return [seqs[str(number)] for number in range(len(contents))]


# --- history ---------------------------------------------------------------------------------------------------------


async def test_history_is_a_json_array_that_any_origin_may_read(port: int) -> None:
    (seq,) = await talk(port, "général", "hello")
    reply = await fetch(port, f"/history?r={quote('général')}", [("Origin", "https://elsewhere.example")])
    assert reply.status == 200
    assert reply.headers["content-type"].split(";")[0] == "application/json"
    assert reply.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in reply.headers
    (message,) = reply.json()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", message.pop("timestamp"))
    assert message.pop("sender_id").startswith("g_")
    expected = {"sender": "ann", "room": "général", "content": "hello", "seq": seq, "version": seq}
    assert message == {**expected, "id": "0", "type": "message"}


async def test_a_room_without_messages_is_empty(port: int) -> None:
    async with await RawClient.native(port, "/chat?u=ann&r=silent") as client:
        await client.expect("joined")
        for room in ("nobody", "silent"):
            reply = await fetch(port, f"/history?r={room}")
            assert (reply.status, reply.json()) == (200, [])
            assert "link" not in reply.headers


async def test_the_room_is_general_unless_one_is_named(port: int) -> None:
    await talk(port, "general", "here")
    for target in ("/history", "/history?r=", "/history?r=%20general"):
        assert [message["content"] for message in (await fetch(port, target)).json()] == ["here"]


async def test_history_includes_every_message_broadcast_before_the_request(port: int) -> None:
    """Including messages that are not stored yet."""
    async with await RawClient.native(port, "/chat?u=ann&r=fresh") as client:
        await client.expect("joined")
        for number in range(30):
            client.send(command(type="message", room="fresh", content=str(number)))
        await client.expect("message", content="29")
        messages = (await fetch(port, "/history?r=fresh")).json()
    assert [message["content"] for message in messages] == [str(number) for number in range(30)]


async def test_the_newest_50_are_returned_oldest_first(serve: Serve) -> None:
    server = await serve(RATE_LIMIT_MESSAGES="0")
    await talk(server.port, "many", *(str(number) for number in range(60)))
    messages = (await fetch(server.port, "/history?r=many")).json()
    assert [message["content"] for message in messages] == [str(number) for number in range(10, 60)]
    assert len((await fetch(server.port, "/history?r=many&limit=500")).json()) == 60


async def test_before_and_after_exclude_the_cursor_itself(port: int) -> None:
    seqs = await talk(port, "cursors", *"abcdef")

    async def contents(question: str) -> str:
        return "".join(message["content"] for message in (await fetch(port, f"/history?r=cursors&{question}")).json())

    assert await contents(f"before={seqs[3]}") == "abc"
    assert await contents(f"before={seqs[3]}&limit=2") == "bc"
    assert await contents(f"after={seqs[2]}") == "def"
    assert await contents(f"after={seqs[2]}&limit=2") == "de"
    assert await contents(f"after={seqs[0]}&before={seqs[4]}") == "bcd"
    assert await contents("before=0") == await contents(f"before={seqs[0]}") == ""
    assert await contents("after=0") == await contents("before=9007199254740991") == "abcdef"


@pytest.mark.parametrize("total", [0, 1, 6, 7, 20])
async def test_links_visit_every_message_once_in_both_directions(serve: Serve, total: int) -> None:
    """And they keep the other parameters of the query, whatever characters those have."""
    room, name = "a&b #1 ü+%", "zoé & co"
    server = await serve(RATE_LIMIT_MESSAGES="0")
    mixed = [f"{'kept' if number % 2 else 'other'} {number}" for number in range(2 * total)]
    await talk(server.port, room, *mixed, name=name)
    expected = [content for content in mixed if content.startswith("kept")]
    question = f"r={quote(room, safe='')}&limit=3&q=kept&sender={quote(name, safe='')}"

    async def walk(target: str, rel: str) -> list[list[str]]:
        pages = []
        while True:
            reply = await fetch(server.port, target)
            assert reply.status == 200, reply
            pages.append([message["content"] for message in reply.json()])
            found = links(target, reply)
            assert len(pages) <= total + 1, "the links go round in circles"
            if rel not in found:
                return pages
            assert reply.headers["access-control-expose-headers"] == "Link"
            target = found[rel]

    older = await walk(f"/history?{question}", "prev")
    assert [content for page in reversed(older) for content in page] == expected
    newer = await walk(f"/history?{question}&after=0", "next")
    assert [content for page in newer for content in page] == expected
    assert all(older[:-1])
    assert all(newer[:-1])


async def test_history_is_filtered_by_sender_and_words(port: int) -> None:
    await talk(port, "search", "The quick fox", "a LAZY dog", "quick and lazy", name="ann")
    await talk(port, "search", "quick too", name="bob")

    async def found(question: str) -> list[str]:
        return [message["content"] for message in (await fetch(port, f"/history?r=search&{question}")).json()]

    assert await found("sender=bob") == ["quick too"]
    assert await found("sender=nobody") == []
    assert await found("q=quick") == ["The quick fox", "quick and lazy", "quick too"]
    assert await found("q=QUICK+lazy") == ["quick and lazy"]
    assert await found("q=quick&sender=ann") == ["The quick fox", "quick and lazy"]


@pytest.mark.parametrize(
    ("question", "field"),
    [
        *(
            (f"limit={value}", "limit")
            for value in ("0", "501", "-1", "x", "", "1.5", "1e2", "+5", "%D9%A3", "9" * 5000)
        ),
        *((f"before={value}", "before") for value in ("-1", "x", "", "9007199254740992", "0" * 5000 + "1", "0x10")),
        *((f"after={value}", "after") for value in ("-1", "null", "9" * 40)),
        *((f"r={value}", "r") for value in ("x" * 65, "a%00b", "%E2%80%8B", "%E2%80%AEevil")),
        *((f"q={value}", "q") for value in ("", "%20", "...")),
    ],
)
async def test_an_invalid_parameter_is_named(port: int, question: str, field: str) -> None:
    reply = await fetch(port, f"/history?{question}")
    assert reply.status == 400
    error = reply.json()["error"]
    assert (error["code"], error["field"]) == ("bad_field", field)
    assert error["message"]
    assert reply.headers["access-control-allow-origin"] == "*", "the page that asked may read why"


async def test_a_seq_at_its_bound_is_accepted(port: int) -> None:
    for value in ("0", "9007199254740991", "0000000000000001"):
        assert (await fetch(port, f"/history?before={value}&after={value}")).status == 200


@pytest.mark.slow
async def test_history_is_503_while_storage_is_unavailable(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat.rooms.storing.READ_SECONDS", 0.5)
    server = await serve(DATABASE_URL=NOBODY)
    reply = await fetch(server.port, "/history")
    assert reply.status == 503
    error = reply.json()["error"]
    assert error["code"] == "unavailable"
    assert int(reply.headers["retry-after"]) >= 1
    assert error["retry_after"] > 0


# --- health and readiness --------------------------------------------------------------------------------------------


async def test_health_and_ready_answer_200(port: int) -> None:
    assert (await fetch(port, "/health")).json() == {"status": "ok"}
    reply = await fetch(port, "/ready")
    assert (reply.status, reply.json()) == (200, {"status": "ready"})


async def test_ready_gives_the_reason(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """Publicly, so without host, port or user. Still healthy: a restart would not bring the database back."""
    server = await serve(DATABASE_URL=NOBODY)
    await until(lambda: "cannot connect" in str(server.chat.problem()))  # it has tried once
    reply = await fetch(server.port, "/ready")
    assert reply.status == 503
    assert reply.json() == {"status": "not ready", "reason": "starting"}
    assert "s3cr3t" not in caplog.text
    assert "retry-after" in reply.headers
    assert (await fetch(server.port, "/health")).status == 200
    reply = await fetch(server.port, "/api/keys", [("Authorization", "Bearer pk_unknown")])
    assert (reply.status, reply.json()["error"]["code"]) == (503, "unavailable"), "what was revoked is not known"


async def test_a_draining_server_is_not_ready(serve: Serve) -> None:
    server = await serve()
    await server.chat.drain(1.0)
    reply = await fetch(server.port, "/ready")
    assert reply.status == 503
    assert reply.json() == {"status": "not ready", "reason": "stopping"}


# --- the page and its files ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "question", ["", "?r=general&u=ann", "?r=a%26b%23c%2Bd%25", "?r=%C3%A9&x=%0D%0ASet-Cookie:%20a=b", "?r=a+b"]
)
async def test_the_root_redirects_to_the_page_and_keeps_the_query(port: int, question: str) -> None:
    reply = await fetch(port, f"/{question}")
    assert reply.status == 302
    assert reply.headers["location"] == f"client.html{question}", "relative: a proxy may serve it below a path"
    assert "set-cookie" not in reply.headers


async def test_the_policy_allows_only_the_pages_own_modules(port: int) -> None:
    reply = await fetch(port, "/client.html")
    assert (reply.status, reply.headers["content-type"].split(";")[0]) == (200, "text/html")
    assert reply.headers["cache-control"] == "no-cache"
    policy = dict(part.strip().split(" ", 1) for part in reply.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["base-uri"] == policy["form-action"] == "'none'"
    assert not any("unsafe" in sources or "*" in sources for sources in policy.values())
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["referrer-policy"] == "no-referrer"


async def test_every_static_file_is_served_with_its_type(port: int) -> None:
    """With `nosniff` a browser runs a module only as JavaScript. Addresses name the content, so browsers keep it."""
    types = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".png": "image/png"}
    files = [path for path in STATIC.rglob("*") if path.suffix in types]
    assert files
    for path in files:
        name = path.relative_to(STATIC).as_posix()
        reply = await fetch(port, static(name))
        assert (reply.status, reply.body) == (200, CLIENT.files[name].content), path
        assert reply.headers["content-type"].split(";")[0] == types[path.suffix], path
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["cache-control"] == "public, max-age=31536000, immutable"


async def test_the_page_names_files_of_its_version_by_relative_addresses(port: int) -> None:
    reply = await fetch(port, "/client.html")
    addresses = re.findall(r'\b(?:href|src)="([^#"]*)"', reply.body.decode())
    assert f"static/{CLIENT.tree}/main.js" in addresses
    for address in addresses:
        assert address.startswith(f"static/{CLIENT.tree}/"), address
        assert (await fetch(port, f"/{address}")).status == 200, address


async def test_files_of_another_version_are_not_found(port: int) -> None:
    for path in ("/static/main.js", "/static/0123456789abcdef/main.js", f"/static/{CLIENT.tree.upper()}x/main.js"):
        reply = await fetch(port, path)
        assert (reply.status, reply.headers["cache-control"]) == (404, "no-store")


FILES = ["/client.html", static("main.js"), static("css/base.css"), static("icon.svg")]


@pytest.mark.parametrize("path", FILES)
@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip, deflate", "gzip"),
        ("br;q=0.5, gzip;q=0.8", "gzip"),
        ("", ""),
        ("deflate", ""),
        ("identity;q=0", "gzip"),
    ],
)
async def test_files_are_compressed_as_the_client_asks(port: int, path: str, accepted: str, coding: str) -> None:
    plain = await fetch(port, path)
    assert "content-encoding" not in plain.headers
    for _ in range(2):  # compressed now, and before
        reply = await fetch(port, path, [("Accept-Encoding", accepted)])
        assert reply.status == 200
        assert reply.headers.get("content-encoding", "") == coding
        assert decoded(reply.body, coding) == plain.body
        assert reply.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
        assert reply.headers["content-length"] == str(len(reply.body))
        assert reply.headers["content-type"] == plain.headers["content-type"]
        assert (reply.headers["etag"] == plain.headers["etag"]) == (coding == ""), "a tag for each coding"
        assert len(reply.body) < len(plain.body) or not coding


def decoded(body: bytes, coding: str) -> bytes:
    return bytes({"": bytes, "gzip": gzip.decompress, "br": brotli.decompress}[coding](body))


@pytest.mark.parametrize("path", FILES)
@pytest.mark.parametrize("coding", ["", "gzip", "br"])
async def test_an_unchanged_file_is_not_sent_again(port: int, path: str, coding: str) -> None:
    accept = ("Accept-Encoding", coding)
    first = await fetch(port, path, [accept])
    tag = first.headers["etag"]
    for tags in (tag, f'"x", W/{tag}', "*"):
        again = await fetch(port, path, [accept, ("If-None-Match", tags)])
        assert (again.status, again.body) == (304, b"")
        for name in ("etag", "vary", "cache-control"):
            assert again.headers[name] == first.headers[name]
    other = await fetch(port, path, [("Accept-Encoding", "gzip" if coding != "gzip" else "br"), ("If-None-Match", tag)])
    assert other.status == 200, "another coding is another version"
    assert (await fetch(port, path, [accept, ("If-Match", tag)])).status == 200
    assert (await fetch(port, path, [accept, ("If-Match", f'W/{tag}, "x"')])).status == 412


@pytest.mark.parametrize("coding", ["", "br"])
async def test_a_range_of_a_file_is_sent(port: int, coding: str) -> None:
    accept = ("Accept-Encoding", coding)
    path = static("main.js")
    whole = await fetch(port, path, [accept])
    tag, size = whole.headers["etag"], len(whole.body)
    for asked, part in (("2-11", (2, 12)), ("100-", (100, size)), ("-9", (size - 9, size)), ("5-999999", (5, size))):
        reply = await fetch(port, path, [accept, ("Range", f"bytes={asked}")])
        assert (reply.status, reply.body) == (206, whole.body[slice(*part)])
        assert reply.headers["content-range"] == f"bytes {part[0]}-{part[1] - 1}/{size}"
        assert reply.headers["etag"] == tag
    for asked in ("bytes=999999-", "bytes=5-2", "lines=1-2", "bytes=0-1,4-5"):
        reply = await fetch(port, path, [accept, ("Range", asked)])
        assert (reply.status, reply.headers["content-range"]) == (416, f"bytes */{size}")
    for tags, status in ((tag, 206), ('"x"', 200), ("Sat, 29 Oct 1994 19:43:31 GMT", 200)):
        reply = await fetch(port, path, [accept, ("Range", "bytes=0-1"), ("If-Range", tags)])
        assert reply.status == status, tags


@pytest.mark.parametrize(
    "path",
    [
        "/static/../http.py",
        "/static/%2e%2e/http.py",
        "/static/..%2fhttp.py",
        "/static/view/../../http.py",
        "/static/view/%2e%2e/%2e%2e/http.py",
        "/static/..%5chttp.py",
        "/static//etc/passwd",
        "/static/%2fetc/passwd",
        "/static/../../../../../../etc/passwd",
        "/static/....//http.py",
        "/static/%00",
        "/static/protocol.js%00.png",
        "/../main.py",
        "/main.py",
        "/.env",
        "/server/web/app.py",
        "/static",
        "/static/",
        "/static/view",
        "/static/nothing.js",
        static(""),
        static("view"),
        static("nothing.js"),
        static("main.js/"),
        static("../main.js"),
        static("%2e%2e/main.js"),
        static("../../client.html"),
        static("vendor/lit-html/LICENSE"),
        static("main.js%00.png"),
        "/static/" + "a" * 256,
        "/static/" + "a" * 8000,
        "/static/" + "a/" * 2000,
        "/static/" + "%C3%A9" * 200,
        "/static/" + "%F0%9F%92%A3" * 64,
        "/static/%ff%fe",
        "/static/%ED%A0%80",
        "/static/%0d%0aset-cookie:x",
        "/static/" + "a" * 8000 + "?" + "b" * 1000,
    ],
)
async def test_nothing_outside_of_the_static_folder_is_served(port: int, path: str) -> None:
    """No name reaches the file system, which has its own errors for some: all are 404."""
    reply = await fetch(port, path)
    assert reply.status == 404
    assert b"import" not in reply.body
    assert b"root:" not in reply.body


# --- methods and paths -----------------------------------------------------------------------------------------------

PATHS = ["/", "/client.html", "/history", "/health", "/ready", "/metrics", static("main.js")]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_another_method_is_405_with_allow(port: int, path: str, method: str) -> None:
    reply = await fetch(port, path, method=method)
    assert reply.status == 405
    assert set(reply.headers["allow"].split(",")) == {"GET", "HEAD"}


@pytest.mark.parametrize("path", PATHS)
async def test_head_is_get_without_the_body(port: int, path: str) -> None:
    get = await fetch(port, path)
    async with await RawClient.connect(port) as client:
        client.send(request(path, [("Connection", "close")], method="HEAD"))
        head = await client.reply(head_only=True)
        assert await client.rest() == b""
    assert head.status == get.status
    assert head.headers["content-type"] == get.headers["content-type"]


@pytest.mark.parametrize("path", ["/nothing", "/history/", "/client.htm", "/%00", "/é".encode().decode("latin-1")])
async def test_an_unknown_path_is_404(port: int, path: str) -> None:
    assert (await fetch(port, quote(path, safe="/%"))).status == 404


async def test_the_websocket_address_without_an_upgrade_is_426(port: int) -> None:
    reply = await fetch(port, "/chat?r=general")
    assert (reply.status, reply.headers["upgrade"]) == (426, "websocket")


async def test_a_request_with_a_body_is_answered_and_the_connection_stays_usable(port: int) -> None:
    async with await RawClient.connect(port) as client:
        client.send(request("/health", [("Content-Length", "5")]) + b"12345" + request("/ready"))
        assert [(await client.reply()).status for _ in range(2)] == [200, 200]


async def test_a_large_body_is_handled(port: int) -> None:
    async with await RawClient.connect(port) as client:
        size = 5_000_000
        headers = [("Content-Length", str(size)), ("Connection", "close")]
        client.send(request("/history", headers, method="POST") + b"x" * size)
        assert (await client.reply()).status == 405
        assert await client.rest() == b""
    assert (await fetch(port, "/health")).status == 200


async def test_history_requires_a_token_if_guests_are_disabled(serve: Serve) -> None:
    server = await serve(GUESTS="off")
    got = await fetch(server.port, "/history?r=general")
    assert got.status == 401
    assert got.json()["error"]["code"] == "unauthorized"
