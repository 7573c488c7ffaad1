"""The table of settings: each row is read from its text, invalid values are named, database parts form a URL."""

import ast
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.delivery.ratelimit import Rate
from server.settings.setting import show
from server.settings.sources import read_settings
from server.settings.table import SETTINGS, settings_help
from server.settings.users import TOKEN_SECRETS
from server.settings.values import SettingError, Settings

DEFAULTS = {setting.name: setting.default for setting in SETTINGS}

CONNECTIONS = [f"MAX_CONNECTIONS{of}" for of in ("", "_PER_ADDRESS", "_PER_PRINCIPAL")]
RATES = [f"RATE_LIMIT_{name}" for name in ("GUEST_MESSAGES", "GUESTS", "UPGRADES", "REQUESTS", "REGISTRATIONS")]
RIGHT: dict[str, list[tuple[str, Any]]] = {
    "ADMIN_HOST": [("::1", "::1")],
    "ADMIN_PORT": [("0", 0), ("9100", 9100)],
    "HOST": [
        ("unix:/run/parley/s, [::1]", "unix:/run/parley/s,::1"),
        ("0.0.0.0", "0.0.0.0"),
        ("::", "::"),
        ("[::1]", "::1"),
        ("0.0.0.0, [::]", "0.0.0.0,::"),
        (" localhost ", "localhost"),
    ],
    "PORT": [("0", 0), ("65535", 65535), (" 80 ", 80)],
    "DATABASE_URL": [("postgresql://u:p@h/d",) * 2, ("postgres:///d",) * 2],
    "DB_HOST": [("db.example", "db.example")],
    "DB_PORT": [("1", 1), ("65535", 65535)],
    "DB_USER": [("me", "me")],
    "DB_PASS": [("p@ss:w/rd", "p@ss:w/rd"), (" p ", " p ")],
    "DB_NAME": [("chat", "chat")],
    "ALLOWED_ORIGINS": [
        ("*", ("*",)),
        ("https://a.example, http://b:80/", ("https://a.example", "http://b")),
        ("https://EXAMPLE.com:443,HTTP://b:8080", ("https://example.com", "http://b:8080")),
        ("https://bücher.example, https://faß.de", ("https://xn--bcher-kva.example", "https://xn--fa-hia.de")),
        ("http://[0:0::1]:80, http://127.0.0.1:443", ("http://[::1]", "http://127.0.0.1:443")),
        ("capacitor://localhost, chrome-extension://abc", ("capacitor://localhost", "chrome-extension://abc")),
        ("https://a.example, https://A.example:443", ("https://a.example",)),
        ("null", ("null",)),
    ],
    "TRUSTED_PROXIES": [
        ("10.0.0.1, fd00::/8,192.168.7.1/16", tuple(map(ip_network, ("10.0.0.1", "fd00::/8", "192.168.0.0/16"))))
    ],
    "FORWARDED_HEADER": [("x-real-ip", "X-Real-IP"), ("Forwarded", "Forwarded")],
    "FORWARDED_HOST": [("on", True)],
    "PROXY_PROTOCOL": [("on", True)],
    "GUESTS": [("off", False), ("0", False), ("No", False), ("FALSE", False), ("on", True), ("1", True), ("yes", True)],
    "GUEST_ROLE": [("readonly", "readonly"), ("Member", "member"), ("moderator", "moderator")],
    "JWT_SECRET": [(" any text = with # signs, 32 or more",) * 2],
    "JWT_SECRET_PREVIOUS": [(" any text = with # signs, 32 or more",) * 2],
    "SERVER_SECRET": [(" any text = with # signs, 32 or more",) * 2],
    "EXPORT_TOKEN": [("x" * 32, "x" * 32)],
    "JWT_SECRET_WEAK": [("allow", "allow"), ("REFUSE", "refuse")],
    "JWT_AUDIENCE": [("chat", "chat")],
    "JWT_ISSUER": [("https://shop.example", "https://shop.example")],
    "CHAT_ROLES": [
        ("bot", ("bot",)),
        ("player, admin", ("player", "admin")),
        ("user  organizer,team-lead ,user", ("user", "organizer", "team-lead")),
        ("x" * 64, ("x" * 64,)),
    ],
    "REGISTRATION": [("closed", "closed"), ("Invite", "invite"), ("open", "open")],
    "AUDIT_DAYS": [("0", 0), ("36500", 36_500)],
    "MAX_FRAME_BYTES": [("1024", 1024), ("16777216", 1 << 24)],
    "MAX_CONTENT_CHARS": [("1", 1), ("1000000", 10**6)],
    **{name: [("0", Rate(0, 0)), ("0.5/1", Rate(0.5, 1)), ("1000000/1000000000", Rate(1e6, 1e9))] for name in RATES},
    "RATE_LIMIT_MESSAGES": [("0", 0.0), ("0.5", 0.5), ("1000000", 1e6)],
    "EDIT_WINDOW": [("0", 0.0), ("0.5", 0.5)],
    "RETENTION_DAYS": [("0", 0), ("36500", 36_500)],
    "ERASE_AFTER_DAYS": [("0", 0), ("36500", 36_500)],
    **{name: [("1", 1), ("1000000000", 10**9)] for name in CONNECTIONS},
    "SESSION_ROOMS": [("1", 1), ("10000", 10_000)],
    "ADDRESS_ROOMS": [("1", 1)],
    "SERVER_ROOMS": [("1", 1)],
    "PRESENCE_GRACE": [("0", 0.0), ("2.5", 2.5)],
    "ROOM_TAIL": [("0", 0), ("100000", 100_000)],
    "TAILS_BYTES": [("1048576", 1 << 20)],
    "RESUME_LIMIT": [("0", 0), ("1000000", 10**6)],
    "SLOW_BYTES_LOW": [("1024", 1024)],
    "SLOW_BYTES_HIGH": [("262144", 262144)],
    "HEARTBEAT": [("0.01", 0.01), ("3600", 3600.0)],
    "IDLE_TIMEOUT": [("0", 0.0), ("0.5", 0.5)],
    "HEAD_BYTES": [("1024", 1024), ("1048576", 1 << 20)],
    "HEAD_SECONDS": [("0.01", 0.01)],
    "HELLO_SECONDS": [("0.01", 0.01)],
    "CLOSE_SECONDS": [("0.01", 0.01)],
    "WORKERS": [("1", 1), ("64", 64)],
    "BATCH": [("1", 1), ("10000", 10_000)],
    "QUEUE_MESSAGES": [("2", 2)],
    "QUEUE_BYTES": [("65536", 65536)],
    "MEMORY_MESSAGES": [("1", 1)],
    "MEMORY_ROOMS": [("1", 1)],
    "MEMORY_BYTES": [("1048576", 1048576)],
    "DRAIN_SECONDS": [("0.01", 0.01)],
    "EVENT_LOOP": [("uvloop", "uvloop"), ("AUTO", "auto"), ("asyncio", "asyncio")],
    "LOG_LEVEL": [("debug", "debug"), ("WARNING", "warning")],
    "LOG_FORMAT": [("text", "text"), ("JSON", "json")],
    "ACCESS_LOG": [("on", True), ("off", False)],
}
TEXTS = {"DB_USER", "DB_PASS", "DB_NAME", "JWT_AUDIENCE", "JWT_ISSUER", *TOKEN_SECRETS}  # take any text
OF_A_NODE = {"NATS_URL", "NATS_CREDS", "NATS_CA", "NATS_PREFIX", "NATS_ENCRYPT", "NODE_NAME"}  # test_node_settings.py
OF_MAIL = {"PUBLIC_URL", "SMTP_URL", "MAIL_FROM"}  # test_mail_settings.py
NO_WHOLE = ["-1", "x", "1.5", "1e3", "0x10", "99999999999999999999"]
NO_SECONDS = ["-1", "x", "nan", "inf", "-inf", "1e400", "20s"]
WRONG: dict[str, list[str]] = {
    "ADMIN_HOST": ["a..b", "unix:/s"],
    "ADMIN_PORT": ["65536", *NO_WHOLE],
    "HOST": [
        "unix:s",
        "unix:/" + "s" * 107,
        "a..b",
        "x" * 300,
        ".example",
        "[::1",
        "::1]x",
        "1::2::3",
        "0.0.0.0,",
        ",",
        "[localhost]",
    ],
    "PORT": ["65536", *NO_WHOLE],
    "DATABASE_URL": ["mysql://u:p@h/d", "chat", "http://h", "postgresql:h"],
    "DB_HOST": ["h:5432", "[h]:5432", "::1:x", "[::1]:5432"],
    "DB_PORT": ["0", "65536", *NO_WHOLE],
    "ALLOWED_ORIGINS": [
        "example.com",
        "https://",
        "https://a.example/path",
        "https://a.example?x",
        "https://a, b",
        "https://*.example.com",
        "https://me@a.example",
        "https://a:99999",
        "https://a b",
        "//a",
        "http://127.1",
        "https://a..b",
        "file:///x",
        "*,https://a.com",
        "null, *",
    ],
    "TRUSTED_PROXIES": ["localhost", "10.0.0.0/33", "10.0.0.1;10.0.0.2", "*"],
    "FORWARDED_HEADER": ["Via", "X-Forwarded-Host"],
    "FORWARDED_HOST": ["2", "maybe"],
    "PROXY_PROTOCOL": ["v1", "2"],
    "GUESTS": ["maybe", "2", "y"],
    "GUEST_ROLE": ["two words", "owner", "admin", "reader"],
    "EXPORT_TOKEN": ["x" * 31, "x y" * 16, "é" * 32],
    "JWT_SECRET_WEAK": ["on", "yes"],
    "CHAT_ROLES": [",", " , ,", "x" * 65, "user " + "x" * 65, "a\u202eb"],
    "REGISTRATION": ["off", "on", "yes"],
    "AUDIT_DAYS": ["36501", *NO_WHOLE],
    "MAX_FRAME_BYTES": ["1023", "16777217", *NO_WHOLE],
    "MAX_CONTENT_CHARS": ["0", "1000001", *NO_WHOLE],
    **{name: ["10", "-1/10", "10/0", "10/", "/10", "1000001/10", "1/2/3", "nan/1", "1/inf"] for name in RATES},
    "RATE_LIMIT_MESSAGES": ["1000001", *NO_SECONDS],
    "EDIT_WINDOW": ["1000000001", *NO_SECONDS],
    "RETENTION_DAYS": ["36501", *NO_WHOLE],
    "ERASE_AFTER_DAYS": ["36501", *NO_WHOLE],
    **{name: ["0", *NO_WHOLE] for name in CONNECTIONS},
    "SESSION_ROOMS": ["0", "10001", *NO_WHOLE],
    "ADDRESS_ROOMS": ["0", *NO_WHOLE],
    "SERVER_ROOMS": ["0", *NO_WHOLE],
    "PRESENCE_GRACE": ["3601", *NO_SECONDS],
    "ROOM_TAIL": ["100001", *NO_WHOLE],
    "TAILS_BYTES": ["1048575", *NO_WHOLE],
    "RESUME_LIMIT": ["1000001", *NO_WHOLE],
    "SLOW_BYTES_LOW": ["1023", *NO_WHOLE],
    "SLOW_BYTES_HIGH": ["1023", *NO_WHOLE],
    "HEARTBEAT": ["0", "3601", *NO_SECONDS],
    "IDLE_TIMEOUT": NO_SECONDS,
    "HEAD_BYTES": ["1023", "1048577", *NO_WHOLE],
    "HEAD_SECONDS": ["0", *NO_SECONDS],
    "HELLO_SECONDS": ["0", *NO_SECONDS],
    "CLOSE_SECONDS": ["0", *NO_SECONDS],
    "WORKERS": ["0", "65", *NO_WHOLE],
    "BATCH": ["0", "10001", *NO_WHOLE],
    "QUEUE_MESSAGES": ["1", *NO_WHOLE],
    "QUEUE_BYTES": ["65535", *NO_WHOLE],
    "MEMORY_MESSAGES": ["0", *NO_WHOLE],
    "MEMORY_ROOMS": ["0", *NO_WHOLE],
    "MEMORY_BYTES": ["1048575", "-1", "x", "1.5", "1e3", "0x10"],
    "DRAIN_SECONDS": ["0", *NO_SECONDS],
    "EVENT_LOOP": ["trio", "on"],
    "LOG_LEVEL": ["loud", "10"],
    "LOG_FORMAT": ["xml"],
    "ACCESS_LOG": ["perhaps"],
}


def test_every_setting_is_tested_here() -> None:
    assert set(RIGHT) == set(DEFAULTS) - OF_A_NODE - OF_MAIL
    assert set(WRONG) == set(DEFAULTS) - OF_A_NODE - OF_MAIL - TEXTS


@pytest.mark.parametrize(("name", "text", "value"), [(n, t, v) for n, rows in RIGHT.items() for t, v in rows])
@pytest.mark.parametrize("source", ["environment", "file"])
def test_a_valid_value_is_read(tmp_path: Path, name: str, text: str, value: Any, source: str) -> None:
    environment: dict[str, str] = {"SLOW_BYTES_LOW": "1024", "JWT_SECRET": "j" * 32}
    dotenv = tmp_path / ".env"
    if source == "environment":
        environment[name] = text
    else:
        dotenv.write_text(f"{name}='{text}'\n")
        environment = {key: given for key, given in environment.items() if key != name}
    assert getattr(read_settings(environment, dotenv), name.lower()) == value


@pytest.mark.parametrize(("name", "text"), [(n, t) for n, rows in WRONG.items() for t in rows])
def test_an_invalid_value_is_reported_by_name_and_not_repeated(name: str, text: str) -> None:
    with pytest.raises(SettingError) as refused:
        Settings({name: text, "SLOW_BYTES_LOW": "1024"} if name != "SLOW_BYTES_LOW" else {name: text})
    said = str(refused.value)
    assert said.startswith(f"{name} must be ")
    assert "\n" not in said
    assert refused.value.__cause__ is refused.value.__context__ is None
    assert len(text) <= 4 or text not in said.replace("https://example.com", "")


@pytest.mark.parametrize("name", DEFAULTS)
@pytest.mark.parametrize("text", ["", "  "])
def test_an_empty_value_counts_as_unset(name: str, text: str) -> None:
    assert getattr(Settings({name: text}), name.lower()) == DEFAULTS[name]


def test_defaults_listen_on_this_machine_only_and_keep_messages_in_memory() -> None:
    settings = Settings({})
    assert (settings.host, settings.port, settings.database_url) == ("127.0.0.1", 8080, "")


def test_the_slow_marks_may_be_equal_but_not_reversed() -> None:
    assert Settings({"SLOW_BYTES_LOW": "2000", "SLOW_BYTES_HIGH": "2000"}).slow_bytes_high == 2000
    with pytest.raises(SettingError, match="SLOW_BYTES_HIGH must"):
        Settings({"SLOW_BYTES_LOW": "2001", "SLOW_BYTES_HIGH": "2000"})


@pytest.mark.parametrize("name", TOKEN_SECRETS)
@pytest.mark.parametrize("secret", ["x", "x" * 31, "é" * 31])
def test_a_short_secret_is_refused_unless_that_is_allowed(secret: str, name: str) -> None:
    others = {"JWT_SECRET": "j" * 32}
    with pytest.raises(SettingError, match=rf"^{name} must have 32 characters or more, unless") as refused:
        Settings({**others, name: secret})
    assert secret not in str(refused.value).replace("text", "")
    allowed = Settings({**others, name: secret, "JWT_SECRET_WEAK": "allow"})
    longer = Settings({**others, name: secret + "x" * 31})
    assert [getattr(each, name.lower()) for each in (allowed, longer)] == [secret, secret + "x" * 31]


def test_the_previous_secret_needs_one_that_replaced_it() -> None:
    with pytest.raises(SettingError, match=r"^JWT_SECRET_PREVIOUS must not be set without JWT_SECRET$"):
        Settings({"JWT_SECRET_PREVIOUS": "p" * 32})


@pytest.mark.parametrize("name", ["JWT_SECRET", "JWT_SECRET_PREVIOUS"])
def test_the_secret_of_the_servers_must_not_be_one_that_applications_know(name: str) -> None:
    with pytest.raises(SettingError, match=r"^SERVER_SECRET must differ from JWT_SECRET and JWT_SECRET_PREVIOUS"):
        Settings({"JWT_SECRET": "j" * 32, name: "s" * 32, "SERVER_SECRET": "s" * 32})


@pytest.mark.parametrize(
    ("host", "admin_host", "same"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("0.0.0.0", "127.0.0.1", True),
        ("::", "::1", True),
        ("::,10.0.0.1", "[::]", True),
        ("localhost", "::1", True),
        ("LOCALHOST", "127.0.0.1", True),
        ("chat.example", "0.0.0.0", True),
        ("10.0.0.1", "127.0.0.1", False),
        ("0.0.0.0", "::1", False),
        ("::", "127.0.0.1", False),
        ("chat.example", "127.0.0.1", False),
    ],
)
def test_the_two_ports_of_one_address_must_differ(host: str, admin_host: str, same: bool) -> None:
    for one, other in ((host, admin_host), (admin_host, host)):
        given = {"HOST": one, "ADMIN_HOST": other, "PORT": "9100", "ADMIN_PORT": "9100"}
        if same:
            with pytest.raises(SettingError, match=r"^ADMIN_PORT must differ from PORT"):
                Settings(given)
        else:
            assert Settings(given).admin_port == 9100
        assert Settings({**given, "PORT": "9101"}).port == 9101
        assert Settings({**given, "PORT": "0", "ADMIN_PORT": "0"}).port == 0


def test_a_unix_socket_has_no_address() -> None:
    assert Settings({"HOST": "unix:/s", "ADMIN_HOST": "::", "PORT": "9100", "ADMIN_PORT": "9100"}).host == "unix:/s"


def test_an_invalid_value_is_not_reported_a_second_time_in_combination() -> None:
    with pytest.raises(SettingError) as refused:
        Settings({"SLOW_BYTES_LOW": "2000000", "SLOW_BYTES_HIGH": "x", "JWT_SECRET": "x", "JWT_SECRET_WEAK": "maybe"})
    names = [problem.partition(" must")[0] for problem in refused.value.problems]
    assert names == ["JWT_SECRET_WEAK", "SLOW_BYTES_HIGH"]


# --- other values while the server runs ------------------------------------------------------------------------------


def test_reloading_applies_live_settings_and_names_the_others() -> None:
    old = Settings({"PORT": "1", "EDIT_WINDOW": "5", "DB_NAME": "chat", "DB_PASS": "p"})
    new = Settings({"PORT": "2", "EDIT_WINDOW": "6", "DB_NAME": "chat", "DB_PASS": "q"}, ["odd"])
    renewed, changed, waiting = old.renewed(new)
    assert (renewed.port, renewed.edit_window, renewed.database_url) == (1, 6, old.database_url)
    assert (changed, waiting, renewed.remarks) == (["EDIT_WINDOW"], ["PORT", "DB_PASS"], ("odd",))
    assert renewed.renewed(new)[1:] == ([], ["PORT", "DB_PASS"])
    assert renewed.renewed(old)[1:] == (["EDIT_WINDOW"], [])


def test_an_unknown_attribute_raises_attribute_error() -> None:
    with pytest.raises(AttributeError, match="colour"):
        _ = Settings({}).colour


def test_unrelated_variables_are_ignored() -> None:
    assert Settings({"PATH": "/bin", "port": "5"}).port == 8080


# --- the parts of a database -----------------------------------------------------------------------------------------

readable = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12).filter(
    lambda t: t == t.strip()
)


@given(user=readable, password=readable, name=readable)
def test_special_characters_in_database_parts_are_quoted(user: str, password: str, name: str) -> None:
    """libpq reads the same parts from the URL."""
    parts = {"DB_NAME": name, "DB_USER": user, "DB_PASS": password, "DB_HOST": "db.example", "DB_PORT": "5433"}
    url = Settings(parts).database_url
    taken = psycopg.conninfo.conninfo_to_dict(url)
    assert (taken["user"], taken["password"], taken["dbname"]) == (user, password, name)
    assert (taken["host"], str(taken["port"])) == ("db.example", "5433")


@pytest.mark.parametrize(
    "host", ["::1", "[::1]", "fe80::1%eth0", "127.0.0.1", "/var/run/postgresql", "db.example", "a,b"]
)
def test_any_kind_of_host_forms_a_valid_url(host: str) -> None:
    url = Settings({"DB_NAME": "chat", "DB_HOST": host}).database_url
    assert psycopg.conninfo.conninfo_to_dict(url)["host"] == host.strip("[]")


def test_without_a_password_the_url_has_no_colon() -> None:
    assert Settings({"DB_NAME": "chat"}).database_url == "postgresql://postgres@localhost:5432/chat"


def test_database_parts_require_a_name_and_the_url_wins() -> None:
    assert Settings({"DB_HOST": "h", "DB_PASS": "p"}).database_url == ""
    assert Settings({"DATABASE_URL": "postgresql://h/d", "DB_NAME": "other"}).database_url == "postgresql://h/d"
    assert urlsplit(unquote(Settings({"DB_NAME": "a/b"}).database_url)).path == "/a/b"


# --- help ------------------------------------------------------------------------------------------------------------


def test_help_has_a_line_for_each_setting() -> None:
    lines = settings_help().splitlines()
    assert [line.split()[0] for line in lines] == list(DEFAULTS)
    for line, setting in zip(lines, SETTINGS, strict=True):
        assert setting.help in line
        assert f"({setting.kind}; default {show(setting.default)})" in line


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("", "unset"),
        (None, "unset"),
        (True, "on"),
        (("*",), "*"),
        (20.0, "20"),
        (0.5, "0.5"),
        (1234567.5, "1234567.5"),
        (7, "7"),
        (Rate(10.0, 0.1234567), "10/0.1234567"),
        (Rate(0.0, 5.0), "0"),
    ],
)
def test_help_shows_a_default_as_it_would_be_typed(value: object, shown: str) -> None:
    assert show(value) == shown


def test_every_default_shown_in_help_is_valid() -> None:
    for setting in SETTINGS:
        if (text := show(setting.default)) != "unset":
            assert setting.read(text) == setting.default, setting.name


def test_only_one_module_reads_settings() -> None:
    """No other module reads the environment, except main's command line, which passes it on, and `block add`, for the
    address of the operator (``SSH_CONNECTION``), which is no setting.
    """
    root = Path(__file__).resolve().parents[3]
    readers = set()
    for package in ("utils", "model", "storage", "chat", "server"):
        for path in (root / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv"):
                    readers.add(path.relative_to(root).as_posix())
    assert readers <= {"server/cli.py", "server/commands/blocks.py"}
