"""The handshake of the ordinary request is read without the library: it must answer as the library would."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server import handshake
from server.handshake import shake_hands

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
    "Cookie": st.text("ab=; \t", max_size=5),
    "X-Odd": st.sampled_from(["ä", "a\x00b", "a\rb"]),
}
ORDINARY = {"Host", "Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version"}


@st.composite
def heads(draw: st.DrawFn) -> bytes:
    """Request heads near the ordinary one: each header may be odd, missing, twice, or in another case."""
    target = draw(
        st.sampled_from(["/chat?u=ann&r=general", "/chat", "/chat?u=a%20b#c", "/other", "//chat", "/chat/", "*"])
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
    """Status line and headers in no particular order; the library adds a date."""
    return sorted(line for line in response.split(b"\r\n") if not line.startswith(b"Date:"))


@given(heads(), st.sampled_from([None, ["https://good.example", None], ["https://good.example"]]))
def test_the_short_way_answers_as_the_library_does(head: bytes, origins: Any) -> None:
    short = handshake._accept_common(head, origins)
    if short is not None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(handshake, "_accept_common", lambda *_: None)
            long = shake_hands(head, origins=origins, draining=False)
        assert short[1:] == long[1:]
        assert without_date(short.response) == without_date(long.response)


@pytest.mark.parametrize("protocol", ["", "Sec-WebSocket-Protocol: parley.v1\r\n"])
def test_the_ordinary_request_goes_the_short_way(protocol: str) -> None:
    """What Chromium sends."""
    head = (
        "GET /chat?u=ann HTTP/1.1\r\nHost: localhost:8080\r\nConnection: Upgrade\r\nPragma: no-cache\r\n"
        "Cache-Control: no-cache\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nUpgrade: websocket\r\n"
        "Origin: http://localhost:8080\r\nSec-WebSocket-Version: 13\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n"
        f"Accept-Language: en-US\r\nSec-WebSocket-Key: {KEY}\r\n"
        f"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n{protocol}\r\n"
    )
    accepted = handshake._accept_common(head.encode(), None)
    assert accepted is not None
    assert re.search(rb"\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r\n", accepted.response)
    assert accepted.query == "u=ann"
    assert accepted.dialect is not None
    assert accepted.dialect.name == ("parley.v1" if protocol else "plain")
