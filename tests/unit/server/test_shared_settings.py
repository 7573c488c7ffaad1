"""The settings on which the nodes of an installation must agree."""

import pytest

from server.settings.shared import disagreements, shared_settings
from server.settings.table import SETTINGS
from server.settings.values import Settings

NODE = {  # what one node may have alone: where it listens, its sockets, memory, queues and log, and its secrets
    *("HOST", "PORT", "ADMIN_PORT", "ADMIN_HOST"),
    *("DATABASE_URL", "DB_HOST", "DB_PORT", "DB_USER", "DB_PASS", "DB_NAME"),
    *("ALLOWED_ORIGINS", "TRUSTED_PROXIES", "FORWARDED_HEADER", "FORWARDED_HOST", "PROXY_PROTOCOL"),
    *("JWT_SECRET", "JWT_SECRET_PREVIOUS", "SERVER_SECRET", "EXPORT_TOKEN", "JWT_SECRET_WEAK"),
    *("MAX_CONNECTIONS", "MAX_CONNECTIONS_PER_ADDRESS", "RATE_LIMIT_UPGRADES", "RATE_LIMIT_REQUESTS"),
    *("SMTP_URL", "MAIL_FROM", "RATE_LIMIT_REGISTRATIONS"),
    *("ROOM_TAIL", "TAILS_BYTES", "SLOW_BYTES_LOW", "IDLE_TIMEOUT"),
    *("HEAD_BYTES", "HEAD_SECONDS", "HELLO_SECONDS", "CLOSE_SECONDS", "DRAIN_SECONDS"),
    *("WORKERS", "BATCH", "QUEUE_MESSAGES", "QUEUE_BYTES", "MEMORY_MESSAGES", "MEMORY_ROOMS", "MEMORY_BYTES"),
    *(
        "NATS_URL",
        "NATS_CREDS",
        "NATS_CA",
        "NATS_PREFIX",
        "NATS_ENCRYPT",
        "NODE_NAME",
    ),  # without the same, there is no link
    *("EVENT_LOOP", "LOG_LEVEL", "LOG_FORMAT", "ACCESS_LOG"),
}
DEFAULTS = {
    "GUESTS": "on",
    "GUEST_ROLE": "member",
    "JWT_AUDIENCE": "",
    "JWT_ISSUER": "",
    "CHAT_ROLES": "admin,organizer,participant,player,user",
    "REGISTRATION": "open",
    "PUBLIC_URL": "",
    "AUDIT_DAYS": "365",
    "MAX_FRAME_BYTES": "65536",
    "MAX_CONTENT_CHARS": "4000",
    "RATE_LIMIT_MESSAGES": "20",
    "MAX_CONNECTIONS_PER_PRINCIPAL": "200",
    "RATE_LIMIT_GUEST_MESSAGES": "200/1000",
    "RATE_LIMIT_GUESTS": "50/15000",
    "EDIT_WINDOW": "60",
    "RETENTION_DAYS": "0",
    "ERASE_AFTER_DAYS": "30",
    "SESSION_ROOMS": "100",
    "ADDRESS_ROOMS": "1000",
    "SERVER_ROOMS": "100000",
    "PRESENCE_GRACE": "5",
    "RESUME_LIMIT": "5000",
    "SLOW_BYTES_HIGH": "1048576",
    "HEARTBEAT": "20",
}
OTHERS = {
    "GUESTS": "no",
    "GUEST_ROLE": "readonly",
    "JWT_AUDIENCE": "chat",
    "JWT_ISSUER": "shop",
    "CHAT_ROLES": "user",
    "REGISTRATION": "closed",
    "PUBLIC_URL": "https://chat.example",
    "RATE_LIMIT_GUEST_MESSAGES": "200/1000.5",
    "RATE_LIMIT_GUESTS": "0",
}


def shared(**given: str) -> dict[str, str]:
    return shared_settings(Settings(given))


def test_every_setting_is_decided_here() -> None:
    assert list(shared()) == [s.name for s in SETTINGS if s.name not in NODE]
    assert not [s.name for s in SETTINGS if s.shared and s.secret]


def test_values_are_shown_in_one_way() -> None:
    assert list(shared().items()) == list(DEFAULTS.items())
    typed = {"GUESTS": "YES", "GUEST_ROLE": "Member", "EDIT_WINDOW": "6e1", "RATE_LIMIT_GUESTS": "50.0/15e3"}
    assert shared(CHAT_ROLES="user admin,player organizer participant user", **typed) == DEFAULTS


@pytest.mark.parametrize("name", DEFAULTS)
def test_another_value_is_a_disagreement(name: str) -> None:
    other = OTHERS.get(name, str(int(DEFAULTS[name] or 0) + 2048) if DEFAULTS[name].isdigit() else "")
    theirs = shared(**{name: other})
    here, there = DEFAULTS[name] or "unset", theirs[name]
    assert [*disagreements(shared(), theirs)] == [f"{name} is {here} here and {there} there"]
    assert [*disagreements(theirs, shared())] == [f"{name} is {there} here and {here} there"]


def test_numbers_are_compared_exactly() -> None:
    assert [*disagreements(shared(EDIT_WINDOW="1234567"), shared(EDIT_WINDOW="1234568"))] == [
        "EDIT_WINDOW is 1234567 here and 1234568 there"
    ]


def test_settings_of_one_node_may_differ() -> None:
    others = {"PORT": "1", "DB_NAME": "chat", "ROOM_TAIL": "1", "JWT_SECRET": "j" * 32, "LOG_LEVEL": "debug"}
    assert shared(**others) == shared()


def test_a_setting_that_an_earlier_version_lacks_counts_as_its_default() -> None:
    earlier = {name: value for name, value in shared().items() if name not in ("EDIT_WINDOW", "JWT_ISSUER")}
    assert [*disagreements(shared(), earlier)] == []
    assert [*disagreements(shared(EDIT_WINDOW="1"), earlier)] == ["EDIT_WINDOW is 1 here and 60 there"]
    assert [*disagreements(shared(JWT_ISSUER="shop"), earlier)] == ["JWT_ISSUER is shop here and unset there"]


def test_a_setting_of_a_later_version_is_left_to_it() -> None:
    assert [*disagreements(shared(), {**shared(), "COLOUR": "red"})] == []
