"""Warnings about settings that are valid but have less effect than they seem to."""

import resource

import pytest

from server.access.capacity import room_for
from server.settings.values import Settings

SECRET = "a secret of at least thirty-two characters"
OTHER = "another secret of at least thirty-two characters"
FORGETFUL = "SERVER_SECRET is not set and there is no database: guests are not recognized after a restart"
NO_APPLICATION = "JWT_SECRET is not set: tokens of an application are refused"
BOTH = "JWT_SECRET is set and REGISTRATION is not: users may make accounts here besides those they have"
LOST = "there is no database: accounts made here are lost when the server stops"
PLAIN = "PUBLIC_URL is not https: browsers send passwords and the cookies of logins without encryption"
UNSET = "PUBLIC_URL is not set: browsers may send passwords and the cookies of logins without encryption"
CLOSED = {"REGISTRATION": "closed"}
LIMIT = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
ROOM = room_for(LIMIT)


@pytest.mark.parametrize(
    ("given", "remarks"),
    [
        ({"JWT_SECRET": SECRET, "SERVER_SECRET": OTHER, **CLOSED}, []),
        ({"JWT_SECRET": SECRET, "DB_NAME": "chat"}, [BOTH, UNSET]),
        ({"JWT_SECRET": SECRET, "DB_NAME": "chat", "REGISTRATION": "open"}, [UNSET]),
        ({"JWT_SECRET": SECRET, "DB_NAME": "chat", "REGISTRATION": "open", "PUBLIC_URL": "https://a.example"}, []),
        ({"DB_NAME": "chat", "PUBLIC_URL": "http://a.example"}, [PLAIN]),
        ({"JWT_SECRET": SECRET, "GUESTS": "off", "REGISTRATION": "invite"}, [LOST, UNSET]),
        ({"JWT_SECRET": SECRET, **CLOSED}, [FORGETFUL]),
        ({"DB_NAME": "chat"}, [UNSET]),
        ({}, [FORGETFUL, LOST, UNSET]),
        ({"GUESTS": "off"}, [LOST, UNSET]),
        ({"DB_NAME": "chat", **CLOSED}, [NO_APPLICATION]),
        (
            {
                **CLOSED,
                "JWT_SECRET": "x",
                "JWT_SECRET_PREVIOUS": "y",
                "SERVER_SECRET": "z",
                "JWT_SECRET_WEAK": "allow",
            },
            [
                f"{name} has fewer than 32 characters: tokens can be forged by brute force"
                for name in ("JWT_SECRET", "JWT_SECRET_PREVIOUS", "SERVER_SECRET")
            ],
        ),
    ],
)
def test_the_start_log_says_who_can_connect(given: dict[str, str], remarks: list[str]) -> None:
    assert list(Settings(given).oddities()) == remarks


@pytest.mark.parametrize(
    ("most", "of_address", "remarks"),
    [
        ("10", "10", []),
        ("10", "11", ["MAX_CONNECTIONS_PER_ADDRESS is 11, but only 10 connections are possible in all"]),
        (str(ROOM), "", []),
        (
            str(ROOM + 1),
            "",
            [f"MAX_CONNECTIONS is {ROOM + 1}, but the limit of open files, {LIMIT}, leaves room for {ROOM}"],
        ),
        (
            "",
            str(ROOM + 1),
            [f"MAX_CONNECTIONS_PER_ADDRESS is {ROOM + 1}, but only {ROOM} connections are possible in all"],
        ),
    ],
)
def test_the_start_log_says_how_many_connections_are_possible(most: str, of_address: str, remarks: list[str]) -> None:
    given = {
        "MAX_CONNECTIONS": most,
        "MAX_CONNECTIONS_PER_ADDRESS": of_address,
        "JWT_SECRET": SECRET,
        "GUESTS": "off",
        **CLOSED,
    }
    assert list(Settings(given).oddities()) == remarks


def test_remarks_about_setting_sources_come_first() -> None:
    assert list(Settings({"JWT_SECRET": SECRET, **CLOSED}, ["odd"]).oddities()) == ["odd", FORGETFUL]
