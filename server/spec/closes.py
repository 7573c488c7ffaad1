"""Why a WebSocket connection is closed, code by code, and whether to come back."""

from __future__ import annotations

from typing import Any

from model.errors import CLOSE_CODES

WHEN: dict[int, str] = {
    1001: "the server stops; `goodbye` came before",
    1002: "a frame against RFC 6455",
    1007: "a text frame that is not UTF-8",
    1009: "an oversize frame; `too_large` came before",
    1011: "a fault of the server in the middle of a resume: resume again",
    1013: "there is no place for this client now, or that of its address cannot be read; the reason came before",
    4001: "nothing was sent for `IDLE_TIMEOUT` seconds, where the operator set it",
    4002: "what was broadcast may have been lost: another server wrote to the same storage meanwhile",
    4008: "too much was waiting to be read, or a page for too long",
    4101: "guests are off and no `hello` came",
    4102: "the name or room in the address is not valid; the reason came before (dialects that name a room there)",
    4103: "more control frames or fragments than any client needs, or 1000 `rate_limited` at once",
    4104: "the token of an account has expired; `unauthorized` came before. Connect with a new one, or send it in time",
}
# Faults of the client's own in one frame: whether to come back is for whoever mends it to say.
_CLIENTS_OWN = frozenset({1002, 1007, 1009})


def close_codes() -> list[dict[str, Any]]:
    """Every code, with ``reconnect``: 4100 to 4199 would only happen again."""
    reasons = dict(CLOSE_CODES)
    codes: list[dict[str, Any]] = []
    for code, when in WHEN.items():
        row: dict[str, Any] = {"code": code, "description": when}
        if code in reasons:
            row["reason"] = reasons[code]
        if code not in _CLIENTS_OWN:
            row["reconnect"] = not 4100 <= code < 4200
        codes.append(row)
    return codes
