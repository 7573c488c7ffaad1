"""The settings of a server that is one node of several."""

import pytest

from server.settings.values import SettingError, Settings


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("nats://localhost", ("nats://localhost",)),
        ("tls://a:b@nats.example:4222, nats://10.0.0.1:4223", ("tls://a:b@nats.example:4222", "nats://10.0.0.1:4223")),
        ("nats://[::1]:4222/", ("nats://[::1]:4222/",)),
    ],
)
def test_nats_urls(text: str, urls: tuple[str, ...]) -> None:
    assert Settings({"NATS_URL": text, "DATABASE_URL": "postgresql://db/chat"}).nats_url == urls


@pytest.mark.parametrize(
    "text", ["localhost:4222", "http://nats", "nats://", "nats://h:99999", "nats://h/x", "nats://h,,nats://i"]
)
def test_wrong_nats_urls_are_named_and_not_repeated(text: str) -> None:
    with pytest.raises(SettingError) as error:
        Settings({"NATS_URL": text, "DATABASE_URL": "postgresql://db/chat"})
    assert str(error.value).startswith("NATS_URL must be comma-separated URLs of one NATS cluster")


def test_nats_url_without_a_database_is_refused() -> None:
    with pytest.raises(SettingError) as error:
        Settings({"NATS_URL": "nats://me:hidden@localhost"})
    assert str(error.value) == "NATS_URL must not be set without DATABASE_URL: the nodes share a database"


def test_right_settings_of_a_node() -> None:
    given = {
        "NATS_PREFIX": "a-b.c_D9",
        "NATS_ENCRYPT": "on",
        "NODE_NAME": "chat-1.example:8080",
        "NATS_CREDS": __file__,
    }
    settings = Settings(given)
    assert {name: getattr(settings, name.lower()) for name in given} == {**given, "NATS_ENCRYPT": True}


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("NATS_PREFIX", "parley.*"),
        ("NATS_PREFIX", "a..b"),
        ("NATS_PREFIX", "x" * 65),
        ("NODE_NAME", "two words"),
        ("NODE_NAME", "x" * 65),
        ("NATS_CREDS", "/nowhere/nats.creds"),
    ],
)
def test_wrong_settings_of_a_node(name: str, wrong: str) -> None:
    with pytest.raises(SettingError, match=f"^{name} must be "):
        Settings({name: wrong})
