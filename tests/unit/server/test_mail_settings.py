"""The settings for links and mail."""

from typing import Literal

import pytest

from server.settings.readers import MailServer
from server.settings.values import SettingError, Settings

URL = {"PUBLIC_URL": "https://chat.example"}
FROM = {"MAIL_FROM": "chat@example.org"}
SERVER = {"SMTP_URL": "smtp://me:hidden@mail"}


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://Chat.Example/", "https://chat.example"),
        ("https://chat.example:443/a/b/", "https://chat.example/a/b"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://[::1]:80", "http://[::1]"),
    ],
)
def test_the_public_address_has_one_form(text: str, url: str) -> None:
    assert Settings({"PUBLIC_URL": text}).public_url == url


@pytest.mark.parametrize(
    "text",
    [
        *("chat.example", "ftp://h", "https://", "https://me@h", "https://h?x", "https://h/#x", "https://h:0"),
        *(
            "https://h:99999",
            "https://h/a b",
            "https://h//",
            "https://h/../a",
            "https://h\\a",
            'https://h/"',
            "https://h/a;Domain=example.org",
            "https://ü",
        ),
    ],
)
def test_an_address_that_is_no_plain_url_is_refused(text: str) -> None:
    with pytest.raises(SettingError, match=r"^PUBLIC_URL must be http:// or https://"):
        Settings({"PUBLIC_URL": text})


@pytest.mark.parametrize(
    ("text", "port", "security", "login"),
    [
        ("smtp://mail", 587, "starttls", ("", "")),
        ("smtp://mail?starttls=required", 587, "starttls", ("", "")),
        ("smtp://me:hid%20den@mail:2525", 2525, "starttls", ("me", "hid den")),
        ("smtps://me:hidden@mail", 465, "tls", ("me", "hidden")),
        ("smtp://mail?starttls=no", 25, "none", ("", "")),
    ],
)
def test_a_server_for_mail(
    text: str, port: int, security: Literal["tls", "starttls", "none"], login: tuple[str, str]
) -> None:
    assert Settings({"SMTP_URL": text, **URL, **FROM}).smtp_url == MailServer("mail", port, security, *login)


@pytest.mark.parametrize(
    "text",
    [
        *("mail", "http://mail", "smtp://", "smtp://me:hidden@", "smtp://mail:0", "smtp://mail:x", "smtp://mail/x"),
        *("smtp://me@mail", "smtp://:hidden@mail", "smtp://mail?x=y", "smtps://mail?starttls=no", "smtp://m ail"),
        "smtp://me:hid#den@mail",
    ],
)
def test_another_url_for_mail_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(SettingError) as refused:
        Settings({"SMTP_URL": text, **URL, **FROM})
    (problem,) = refused.value.problems
    assert problem.startswith("SMTP_URL ")
    assert "hidden" not in problem


@pytest.mark.parametrize("text", ["chat", "chat@", "@h", "a b@h", "Chat <chat@h>", "a@h\nBcc: b@h", "a@@h", "a@-h"])
def test_the_sender_of_mail_is_one_address(text: str) -> None:
    with pytest.raises(SettingError, match=r"^MAIL_FROM must be an e-mail address$"):
        Settings({"MAIL_FROM": text})


def test_mail_needs_an_address_for_links_and_a_sender() -> None:
    for given, missing in ((FROM, "PUBLIC_URL"), (URL, "MAIL_FROM"), ({}, "PUBLIC_URL")):
        with pytest.raises(SettingError, match=f"^SMTP_URL must not be set without {missing}$"):
            Settings({**SERVER, **given})
