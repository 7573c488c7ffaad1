"""An ordinary handshake is parsed without the library; the response must be the library's."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chat.ports import Identity
from model.errors import ParleyError
from model.room import User
from server.access.origins import Origins
from server.auth.cookies import access_cookies
from server.auth.tokens import authenticate
from server.dialects import dialects_by_path
from server.wire import handshake
from server.wire.handshake import Handshake, shake_hands
from utils.clock import SystemClock

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
HEADERS = {
    "Host": st.sampled_from(["localhost:8080", "example.com", ""]),
    "Upgrade": st.sampled_from(["websocket", "WebSocket", " websocket ", "h2c", "websocket, h2c"]),
    "Connection": st.sampled_from(["Upgrade", "keep-alive, Upgrade", "upgrade", "keep-alive", "Upgrade , close"]),
    "Sec-WebSocket-Key": st.sampled_from(
        [KEY, "AAAAAAAAAAAAAAAAAAAAAA==", "AAAAAAAAAAAAAAAAAAAAAB==", "short", "AAAAAAAAAAAAAAAAAAAAAA=", f"{KEY} "]
    ),
    "Sec-WebSocket-Version": st.sampled_from(["13", " 13", "8", "13, 8"]),
    "Sec-WebSocket-Protocol": st.sampled_from(["parley.v1", "other, parley.v1", "other", "parley.v1,", ""]),
    "Origin": st.sampled_from(["https://good.example", "https://bad.example", "null"]),
    "Sec-WebSocket-Extensions": st.just("permessage-deflate; client_max_window_bits"),
    "Cookie": st.text("ab=; \t", max_size=5)
    | st.sampled_from(["parley=good; parley-csrf=x", "parley=bad; parley-csrf=x", "parley=good"]),
    "Sec-Fetch-Site": st.sampled_from(["same-origin", "cross-site", ""]),
    "Authorization": st.sampled_from(["Bearer good", "Bearer bad", "bearer forbidden", "Basic YTpi", "Bearer", ""]),
    "X-Odd": st.sampled_from(["ä", "a\x00b", "a\rb"]),
}
ANN = Identity(User("u_7", "ann"), guest=False, role="user")
BEN = Identity(User("g_7", "ben"), guest=True)


class Tokens:
    """Knows two users, and one with a role that is not admitted."""

    def mint(self, identity: Identity) -> str:
        raise AssertionError("nothing is minted here")

    def verify(self, token: str) -> Identity:
        if token == "forbidden":
            raise ParleyError("forbidden", "not you")
        if token == "early":
            raise ParleyError("unavailable", "not yet", retry_after=2.0)
        if token not in ("good", "guest"):
            raise ParleyError("unauthorized", "no such token")
        return ANN if token == "good" else BEN

    def verify_cookie(self, token: str) -> Identity | None:
        return None if token != "good" else replace(ANN, by_cookie=True)

    def problem(self) -> None:
        pass

    def denial(self, identity: Identity | None, address: str = "") -> None:
        raise AssertionError("nothing has ended here")


def shake(head: bytes, *, origins: Iterable[str] = ("*",), draining: bool = False, guests: bool = True) -> Handshake:
    return shake_hands(
        head,
        dialects=BY_PATH,
        origins=Origins(origins),
        draining=draining,
        authenticate=lambda values, cookies, accounts: authenticate(
            values, access_cookies(cookies, ""), Tokens(), guests=guests, accounts_only=accounts
        ),
    )


BY_PATH = dialects_by_path(SystemClock())
ORDINARY = {"Host", "Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version"}


@st.composite
def heads(draw: st.DrawFn) -> bytes:
    """Generate request heads close to the ordinary one: headers may be odd, missing, doubled, or in another case."""
    target = draw(
        st.sampled_from(
            ["/chat?u=ann&r=general", "/chat", "/ws", "/api/chat?room=den", "/chat?u=a%20b#c", "/other", "//chat", "*"]
        )
    )
    method = draw(st.sampled_from(["GET"] * 5 + ["POST", "get"]))
    version = draw(st.sampled_from(["HTTP/1.1"] * 5 + ["HTTP/1.0"]))
    lines = []
    for name, values in HEADERS.items():
        wanted = draw(st.sampled_from([1] * 8 + [0, 2] if name in ORDINARY else [0] * 4 + [1]))
        spellings = st.sampled_from([name, name.lower(), name.upper()])
        lines += [f"{draw(spellings)}: {draw(values)}" for _ in range(wanted)]
    return "\r\n".join([f"{method} {target} {version}", *draw(st.permutations(lines)), "", ""]).encode("latin-1")


def without_date(response: bytes) -> list[bytes]:
    """Return the status line and headers in no particular order, without the date that the library adds."""
    return sorted(line for line in response.split(b"\r\n") if not line.startswith(b"Date:"))


@given(heads(), st.sampled_from([["*"], ["https://good.example"], []]))
def test_the_fast_path_responds_as_the_library_does(head: bytes, origins: list[str]) -> None:
    short = handshake._accept_common(head, BY_PATH, Origins(origins))
    if short is not None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(handshake, "_accept_common", lambda *_: None)
            long = shake(head, origins=origins)
        assert short[1:] == long[1:]
        assert without_date(short.response) == without_date(long.response)


@given(st.lists(st.sampled_from([*"abu=&&==%+;#é", "%41", "u=", "room="]), max_size=20).map("".join))
def test_a_query_is_read_as_the_standard_library_does(query: str) -> None:
    wanted = {name: values[0] for name, values in parse_qs(query, errors="replace").items()}
    assert handshake.parameters_in(query) == wanted


@pytest.mark.parametrize("protocol", ["", "Sec-WebSocket-Protocol: parley.v1\r\n"])
def test_an_ordinary_request_takes_the_fast_path(protocol: str) -> None:
    """What Chromium sends."""
    head = (
        "GET /chat?u=ann HTTP/1.1\r\nHost: localhost:8080\r\nConnection: Upgrade\r\nPragma: no-cache\r\n"
        "Cache-Control: no-cache\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nUpgrade: websocket\r\n"
        "Origin: http://localhost:8080\r\nSec-WebSocket-Version: 13\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n"
        f"Accept-Language: en-US\r\nSec-WebSocket-Key: {KEY}\r\n"
        f"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n{protocol}\r\n"
    )
    accepted = handshake._accept_common(head.encode(), BY_PATH, Origins())
    assert accepted is not None
    assert re.search(rb"\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r\n", accepted.response)
    assert (accepted.path, accepted.query, accepted.identity) == ("/chat", "u=ann", None)
    assert accepted.dialect is not None
    assert accepted.dialect.name == ("parley.v1" if protocol else "plain")


# --- the identity of the client --------------------------------------------------------------------------------------


def head_of(target: str, *headers: str) -> bytes:
    lines = [
        f"GET {target} HTTP/1.1",
        "Host: localhost",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {KEY}",
        "Sec-WebSocket-Version: 13",
        *headers,
    ]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1")


def refusal_of(response: bytes) -> tuple[str, dict[str, str], str]:
    """Return the status line, the headers by lower-case name, and the body."""
    head, _, body = response.decode().partition("\r\n\r\n")
    status, *lines = head.split("\r\n")
    return status, {line.split(": ")[0].lower(): line.split(": ")[1] for line in lines}, body


@pytest.mark.parametrize("path", BY_PATH)
@pytest.mark.parametrize("spelling", ["Authorization: Bearer good", "AUTHORIZATION:bearer   good  "])
@pytest.mark.parametrize("protocol", [[], ["Sec-WebSocket-Protocol: parley.v1"]], ids=["its own", "parley.v1"])
def test_a_token_is_accepted_at_every_path(path: str, spelling: str, protocol: list[str]) -> None:
    shaken = shake(head_of(f"{path}?x=y", spelling, *protocol))
    assert shaken.response.startswith(b"HTTP/1.1 101 ")
    assert shaken.dialect is not None
    assert shaken.dialect.name == ("parley.v1" if protocol else BY_PATH[path].name)
    assert (shaken.path, shaken.query, shaken.identity) == (path, "x=y", ANN)


@pytest.mark.parametrize("path", BY_PATH)
@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        (["Authorization: Bearer bad"], "no such token"),
        (["Authorization: Bearer"], "no such token"),
        (["Authorization: Bearer good", "Authorization: Bearer good"], "Authorization contains more than one token"),
    ],
    ids=["wrong", "none", "two"],
)
def test_an_invalid_token_is_401_at_every_path(path: str, headers: list[str], reason: str) -> None:
    """The client does not become a guest instead: it meant to authenticate."""
    shaken = shake(head_of(path, *headers))
    status, told, body = refusal_of(shaken.response)
    assert status == "HTTP/1.1 401 Unauthorized"
    assert told["www-authenticate"] == "Bearer"
    assert told["connection"] == "close"
    assert told["content-length"] == str(len(body))
    assert body == f"{reason}\n"
    assert shaken == (shaken.response, None, "", "", None, "unauthorized")


@pytest.mark.parametrize("path", BY_PATH)
def test_a_role_that_is_not_admitted_is_403(path: str) -> None:
    shaken = shake(head_of(path, "Authorization: Bearer forbidden"))
    status, told, body = refusal_of(shaken.response)
    assert (status, body) == ("HTTP/1.1 403 Forbidden", "not you\n")
    assert "www-authenticate" not in told
    assert shaken.dialect is None


@pytest.mark.parametrize("path", BY_PATH)
def test_a_token_that_cannot_be_verified_yet_is_503(path: str) -> None:
    status, told, body = refusal_of(shake(head_of(path, "Authorization: Bearer early")).response)
    assert (status, told["retry-after"], body) == ("HTTP/1.1 503 Service Unavailable", "2", "not yet\n")
    assert "www-authenticate" not in told


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ([], "an account token is required: Authorization: Bearer <token>"),
        (["Authorization: Basic YTpi"], "an account token is required: Authorization: Bearer <token>"),
        (["Authorization: good"], "an account token is required: Authorization: Bearer <token>"),
        (["Authorization: Bearer guest"], "an account token is required; this is a guest token"),
        (["Sec-WebSocket-Protocol: parley.v1"], "an account token is required: Authorization: Bearer <token>"),
    ],
    ids=["nothing", "another scheme", "no scheme", "a guest's", "parley.v1"],
)
def test_the_events_dialect_requires_an_account(headers: list[str], reason: str) -> None:
    status, told, body = refusal_of(shake(head_of("/api/chat?room=den", *headers)).response)
    assert (status, told["www-authenticate"]) == ("HTTP/1.1 401 Unauthorized", "Bearer")
    assert body == f"{reason}\n"


@pytest.mark.parametrize("path", ["/chat", "/ws"])
def test_at_other_paths_another_authorization_scheme_is_ignored(path: str) -> None:
    """A browser also sends the password of a protected site, which is for the proxy that requested it."""
    shaken = shake(head_of(path, "Authorization: Basic YTpi"))
    assert shaken.response.startswith(b"HTTP/1.1 101 ")
    assert shaken.identity is None


@pytest.mark.parametrize("path", ["/chat", "/ws"])
def test_a_guest_token_is_accepted_only_if_guests_are_enabled(path: str) -> None:
    assert shake(head_of(path, "Authorization: Bearer guest")).identity == BEN
    status, _, body = refusal_of(shake(head_of(path, "Authorization: Bearer guest"), guests=False).response)
    assert (status, body) == ("HTTP/1.1 401 Unauthorized", "guest access is disabled\n")
    assert shake(head_of(path, "Authorization: Bearer good"), guests=False).identity == ANN


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (head_of("/other", "Authorization: Bearer bad"), b"404"),
        (head_of("/api/chat").replace(b"GET", b"POST"), b"405"),
        (head_of("/api/chat").replace(b"Version: 13", b"Version: 8"), b"426"),
        (head_of("/api/chat").replace(KEY.encode(), b"short"), b"400"),
        (head_of("/api/chat", "Origin: https://bad.example", "Authorization: Bearer bad"), b"403"),
    ],
    ids=["path", "method", "version", "key", "origin"],
)
def test_handshake_errors_take_precedence(head: bytes, status: bytes) -> None:
    response = shake(head, origins=["https://good.example"]).response
    assert response.startswith(b"HTTP/1.1 " + status)
    assert b"token" not in response


def test_a_draining_server_checks_no_token() -> None:
    assert shake(head_of("/api/chat", "Authorization: Bearer bad"), draining=True).response.startswith(b"HTTP/1.1 503 ")


@pytest.mark.parametrize("value", ["\xff\xfe", "Bearer \xff", "Bearer \x80good", "\xa0"])
def test_odd_bytes_in_a_header_cause_no_internal_error(value: str) -> None:
    for path in BY_PATH:
        assert shake(head_of(path, f"Authorization: {value}")).response.startswith((b"HTTP/1.1 101 ", b"HTTP/1.1 40"))


def test_a_head_is_read_in_linear_time() -> None:
    """Also a head that consists of spaces, on the fast path and on the slow one."""
    for path, size in (("/chat", 4000), ("/api/chat", 60_000)):
        head = head_of(path, f"X-Odd: a{' ' * size}b", "Authorization: Bearer good" if path == "/api/chat" else "X: y")
        spent = []
        for _ in range(5):
            begun = time.thread_time()
            assert shake(head).response.startswith(b"HTTP/1.1 101 ")
            spent.append(time.thread_time() - begun)
        assert min(spent) < 0.005
