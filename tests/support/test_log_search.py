"""The search for secrets in logs finds them."""

import logging
from collections.abc import Iterator
from contextlib import nullcontext

import pytest

from model.api_keys import make_key
from tests.support import log_search
from tests.support.web import token_of

WRITTEN = "what nobody else may read"


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    yield
    log_search.found()
    log_search.forget_texts()


@pytest.mark.parametrize(
    "line",
    [
        f"the message {WRITTEN!r}",
        f"the token {token_of('ann')}",
        f"the key {make_key('bot', 'read', 'u_ann', 0, 1)[0]}",
        "cannot connect to postgresql://ann:pass@localhost/chat",
        "Authorization: Bearer 0123456789abcdef",
        "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA",
    ],
    ids=["message", "token", "key", "URL", "header", "hash"],
)
def test_a_leak_is_found_in_this_process_and_in_the_log_of_another(line: str) -> None:
    log_search.note({"type": "message", "room": "general", "content": WRITTEN})
    logging.getLogger("server.web").info("%s", line)
    assert [WRITTEN in leak or "a secret" in leak for leak in log_search.found()] == [True]
    assert log_search.found() == []
    log_search.note_log(f"before\n{line}\nafter")
    assert [repr(line) in leak for leak in log_search.found()] == [True]


def test_secrets_that_clients_receive_are_found() -> None:
    log_search.note({"account": {"id": "a_1"}, "csrf": "0123456789abc", "list": [{"secret": "zyxwvutsrqponm"}]})
    log_search.note_log("0123456789abc")
    log_search.note_log("zyxwvutsrqponm")
    assert len(log_search.found()) == 2


def test_ordinary_lines_are_none() -> None:
    log_search.note({"type": "message", "room": WRITTEN, "content": WRITTEN})
    log_search.note_log(f"room {WRITTEN!r}")
    log_search.note_log("listening on http://127.0.0.1:8080, in Postgres at db:5432/chat; postgresql://ann:***@db/chat")
    log_search.note_log("key pk_Ab12Cd of b_0123456789abcdef")
    assert log_search.found() == []


def test_caplog_has_warnings_only_unless_a_test_asks_for_more(caplog: pytest.LogCaptureFixture) -> None:
    for name, level, heard in (("server.a", None, 1), ("server.b", "", 2), ("server.c", "server.c", 2)):
        caplog.clear()
        with caplog.at_level(logging.INFO, level) if level is not None else nullcontext():
            logging.getLogger(name).info("said")
            logging.getLogger(name).warning("said")
        assert len(caplog.records) == heard, name
