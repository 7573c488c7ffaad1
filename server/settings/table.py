"""Every setting in one table; `server.settings.sources` reads them, in one place."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from chat.delivery.ratelimit import Rate
from server.access.addresses import FORWARDED_HEADERS, trusted_networks
from server.access.origins import read_origins
from server.codec.decoding import ReadError
from server.settings.readers import (
    MANY,
    database,
    database_host,
    event_loop,
    flag,
    hosts,
    number,
    one_of,
    rate,
    roles,
    same_address,
    whole,
)


class SettingError(Exception):
    """Settings have wrong values.

    Args:
        problems: a line for each of them, which names the setting and says what it takes, never the value.
    """

    def __init__(self, *problems: str) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


class Setting(NamedTuple):
    """One row: environment variable, what it takes, default, help, and how its text is read.

    ``read`` takes the text and raises ValueError for a wrong one; ``kind`` completes "NAME takes ..." unless that is a
    `ReadError`, which has words of its own. A new value of a
    ``live`` one is applied while the server runs. A ``secret`` one may be in a file that NAME_FILE names, and its text
    is taken as it is; all others are trimmed.
    """

    name: str
    kind: str
    default: Any
    help: str
    read: Callable[[str], Any]
    live: bool = False
    secret: bool = False


# RFC 7518 section 3.2: a key of HS256 has at least 256 bits, as 32 characters of one byte have at most.
SECRET_CHARS = 32
CHAT_ROLES = ("player", "participant", "user", "organizer", "admin")
RATE = "a number a second and a number at once, such as 10/100; 0 for no limit"

SETTINGS: tuple[Setting, ...] = (
    Setting(
        "HOST",
        "addresses, separated by commas",
        "127.0.0.1",
        "addresses to listen on; 0.0.0.0 for every one of IPv4, :: for every one of IPv6, 0.0.0.0,:: for both",
        hosts,
    ),
    Setting("PORT", "a whole number from 0 to 65535", 8080, "port to listen on; 0 takes a free one", whole(0, 65535)),
    Setting(
        "ADMIN_PORT",
        "a whole number from 0 to 65535",
        None,
        "port for /metrics and /ready in full detail; /metrics then leaves the public port; 0 takes a free one",
        whole(0, 65535),
    ),
    Setting(
        "ADMIN_HOST", "addresses, separated by commas", "127.0.0.1", "with ADMIN_PORT, addresses to listen on", hosts
    ),
    Setting(
        "DATABASE_URL",
        "postgresql://user:password@host:port/database",
        "",
        "where messages are kept; unset: in memory, unless DB_NAME is set",
        database,
        secret=True,
    ),
    Setting(
        "DB_HOST",
        "a host name, an address without a port, or the folder of a socket",
        "localhost",
        "with DB_NAME, in place of DATABASE_URL",
        database_host,
    ),
    Setting("DB_PORT", "a whole number from 1 to 65535", 5432, "with DB_NAME", whole(1, 65535)),
    Setting("DB_USER", "a user name", "postgres", "with DB_NAME", str),
    Setting("DB_PASS", "a password", "", "with DB_NAME", str, secret=True),
    Setting("DB_NAME", "a database name", "", "the database, where DATABASE_URL is unset", str),
    Setting(
        "ALLOWED_ORIGINS",
        "* or origins such as https://example.com, separated by commas",
        ("*",),
        "web pages, beside the server's own, that may connect and ask; programs that send no Origin always may",
        read_origins,
        live=True,
    ),
    Setting(
        "TRUSTED_PROXIES",
        "addresses and networks such as 10.0.0.0/8, separated by commas",
        (),
        "reverse proxies trusted to report the client's address",
        trusted_networks,
        live=True,
    ),
    Setting(
        "FORWARDED_HEADER",
        "X-Forwarded-For, Forwarded or X-Real-IP",
        "X-Forwarded-For",
        "the header in which trusted proxies send the client's address",
        lambda text: FORWARDED_HEADERS[text.lower()],
        live=True,
    ),
    Setting(
        "FORWARDED_HOST",
        "on or off",
        False,
        "whether X-Forwarded-Host (or host= in Forwarded) of a trusted proxy replaces Host",
        flag,
        live=True,
    ),
    Setting(
        "PROXY_PROTOCOL",
        "on or off",
        False,
        "whether every connection begins with a PROXY header (version 1 or 2); of TRUSTED_PROXIES, if that is set",
        flag,
    ),
    Setting(
        "GUESTS",
        "on or off",
        True,
        "let people in without an account",
        flag,
        live=True,
    ),
    Setting(
        "GUEST_ROLE",
        "member, readonly or moderator",
        "member",
        "what a guest is in rooms where nobody made them anything",
        one_of("member", "readonly", "moderator"),
        live=True,
    ),
    Setting(
        "JWT_SECRET",
        "a text of 32 characters or more",
        "",
        "signs the tokens of accounts, and guests' by a key made of it; unset: no account gets in",
        str,
        secret=True,
    ),
    Setting(
        "JWT_SECRET_WEAK",
        "refuse or allow",
        "refuse",
        "whether to accept a shorter JWT_SECRET, which can be brute-forced",
        one_of("refuse", "allow"),
    ),
    Setting("JWT_AUDIENCE", "a text", "", "required value of aud in an account's token; unset: aud is ignored", str),
    Setting("JWT_ISSUER", "a text", "", "required value of iss in an account's token; unset: iss is ignored", str),
    Setting(
        "CHAT_ROLES",
        "roles, separated by spaces or commas",
        CHAT_ROLES,
        "the roles of accounts that are let in, as their tokens say them",
        roles,
        live=True,
    ),
    Setting(
        "MAX_FRAME_BYTES",
        "a whole number from 1024 to 16777216",
        65536,
        "largest frame from a client, in bytes",
        whole(1024, 1 << 24),
    ),
    Setting(
        "MAX_CONTENT_CHARS",
        "a whole number from 1 to 1000000",
        4000,
        "longest message, in characters",
        whole(1, 10**6),
        live=True,
    ),
    Setting(
        "RATE_LIMIT_MESSAGES",
        "a number, 0 for no limit",
        20.0,
        "messages a second of one principal; three times that at once",
        number(0, 10**6),
        live=True,
    ),
    Setting(
        "MAX_CONNECTIONS",
        "a whole number from 1",
        None,
        "connections of any kind at the same time; unset: the limit of open files less 128",
        whole(1, MANY),
    ),
    Setting(
        "MAX_CONNECTIONS_PER_ADDRESS",
        "a whole number from 1",
        None,
        "those of one address; unset: three quarters of MAX_CONNECTIONS",
        whole(1, MANY),
    ),
    Setting(
        "MAX_CONNECTIONS_PER_PRINCIPAL",
        "a whole number from 1",
        200,
        "WebSocket connections of one account, or one guest",
        whole(1, MANY),
        live=True,
    ),
    Setting(
        "RATE_LIMIT_GUEST_MESSAGES",
        RATE,
        Rate(200.0, 1000.0),
        "messages of all guests of one address together; off with RATE_LIMIT_MESSAGES",
        rate,
        live=True,
    ),
    Setting("RATE_LIMIT_GUESTS", RATE, Rate(50.0, 15_000.0), "new guests of one address", rate, live=True),
    Setting(
        "RATE_LIMIT_UPGRADES", RATE, Rate(200.0, 20_000.0), "new WebSocket connections of one address", rate, live=True
    ),
    Setting(
        "RATE_LIMIT_REQUESTS",
        RATE,
        Rate(50.0, 2000.0),
        "HTTP requests per address, not counting those with an account's token or for the page and its files",
        rate,
        live=True,
    ),
    Setting(
        "EDIT_WINDOW",
        "a number of seconds, 0 for no end",
        60.0,
        "how long an author may edit a message",
        number(0, 10**9),
        live=True,
    ),
    Setting(
        "RETENTION_DAYS",
        "a whole number of days, 0 for ever",
        0,
        "how long rooms without a rule of their own keep messages",
        whole(0, 36_500),
        live=True,
    ),
    Setting(
        "SESSION_ROOMS",
        "a whole number from 1 to 10000",
        100,
        "rooms that one connection may be in",
        whole(1, 10_000),
        live=True,
    ),
    Setting(
        "ADDRESS_ROOMS",
        "a whole number from 1",
        1000,
        "rooms that one account, or all guests of one address, may hold open or make in a day",
        whole(1, MANY),
        live=True,
    ),
    Setting(
        "SERVER_ROOMS",
        "a whole number from 1",
        100_000,
        "rooms that may be open at the same time",
        whole(1, MANY),
        live=True,
    ),
    Setting(
        "PRESENCE_GRACE",
        "seconds, 0 for none",
        5.0,
        "how long somebody who lost the connection still counts as there",
        number(0, 3600),
        live=True,
    ),
    Setting(
        "ROOM_TAIL",
        "a whole number from 0 to 100000",
        500,
        "messages a room keeps at hand for resume",
        whole(0, 100_000),
    ),
    Setting(
        "TAILS_BYTES",
        "a whole number from 1048576",
        128 << 20,
        "bytes of messages that all rooms together keep at hand",
        whole(1 << 20, 1 << 50),
    ),
    Setting(
        "RESUME_LIMIT",
        "a whole number from 0 to 1000000",
        5000,
        "maximum number of missed messages a resume delivers",
        whole(0, 10**6),
        live=True,
    ),
    Setting(
        "SLOW_BYTES_LOW",
        "a whole number from 1024",
        256 << 10,
        "unread bytes above which a client gets no presence",
        whole(1024, MANY),
    ),
    Setting(
        "SLOW_BYTES_HIGH",
        "a whole number from 1024",
        1 << 20,
        "unread bytes above which a client is cut off",
        whole(1024, MANY),
    ),
    Setting(
        "HEARTBEAT",
        "seconds, above 0",
        20.0,
        "pause between pings; a client silent for three is dead",
        number(0.01, 3600),
    ),
    Setting("IDLE_TIMEOUT", "seconds, 0 for never", 0.0, "close who asked for nothing for so long", number(0, 10**7)),
    Setting(
        "HEAD_BYTES",
        "a whole number from 1024 to 1048576",
        16 << 10,
        "largest request head, in bytes, of up to 128 headers or one for each 128 bytes",
        whole(1024, 1 << 20),
    ),
    Setting("HEAD_SECONDS", "seconds, above 0", 10.0, "time for a client to send its request head", number(0.01, 3600)),
    Setting("HELLO_SECONDS", "seconds, above 0", 10.0, "time to say hello where guests are off", number(0.01, 3600)),
    Setting(
        "CLOSE_SECONDS",
        "seconds, above 0",
        5.0,
        "time for a client to end a connection that was closed",
        number(0.01, 3600),
    ),
    Setting("WORKERS", "a whole number from 1 to 64", 4, "writers to storage", whole(1, 64)),
    Setting("BATCH", "a whole number from 1 to 10000", 500, "most messages in one transaction", whole(1, 10_000)),
    Setting("QUEUE_MESSAGES", "a whole number from 2", 20_000, "most messages that wait at one worker", whole(2, MANY)),
    Setting(
        "QUEUE_BYTES",
        "a whole number from 65536",
        64 << 20,
        "most bytes that wait at one worker",
        whole(65536, 1 << 40),
    ),
    Setting("MEMORY_MESSAGES", "a whole number from 1", 10_000, "messages kept per room, in memory", whole(1, MANY)),
    Setting("MEMORY_ROOMS", "a whole number from 1", 10_000, "rooms kept, in memory", whole(1, MANY)),
    Setting(
        "MEMORY_BYTES",
        "a whole number from 1048576",
        256 << 20,
        "bytes that memory storage may take, counted as used (about twice the text of messages); the largest rooms "
        "forget their oldest messages first",
        whole(1 << 20, 1 << 50),
    ),
    Setting(
        "DRAIN_SECONDS", "seconds, above 0", 20.0, "time to store what is queued when stopping", number(0.01, 3600)
    ),
    Setting(
        "EVENT_LOOP",
        "auto, asyncio or uvloop",
        "auto",
        "what runs the server; auto is uvloop where it is installed",
        event_loop,
    ),
    Setting(
        "LOG_LEVEL",
        "debug, info, warning or error",
        "info",
        "how much the log says",
        one_of("debug", "info", "warning", "error"),
        live=True,
    ),
)


class Settings:
    """The values in force, by the name of the setting in lower case: ``settings.port``.

    Args:
        environment: the texts, by the name of the setting.
        remarks: sentences for the log, about what is odd and does no harm.
        problems: what was wrong with the sources of the texts.
        from_file: secrets that a file holds, which is said where one is wrong.

    Raises:
        SettingError: values are wrong, alone or beside others; it names all of them.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        remarks: Sequence[str] = (),
        problems: Sequence[str] = (),
        from_file: Collection[str] = (),
    ) -> None:
        self.remarks = tuple(remarks)
        self._values: dict[str, Any] = {}
        wrong: dict[str, str] = {}
        for setting in SETTINGS:
            text = environment.get(setting.name, "")
            if not setting.secret or not text.strip(" \t\r\n"):
                text = text.strip()
            value = setting.default
            if text:
                try:
                    value = setting.read(text)
                except ReadError as error:
                    wrong[setting.name] = str(error)
                except (ValueError, KeyError):
                    wrong[setting.name] = f"takes {setting.kind}"
            self._values[setting.name.lower()] = value
        self._given = dict(self._values)
        if not self.database_url and self.db_name:
            user, password = quote(self.db_user, safe=""), quote(self.db_pass, safe="")
            host = quote(self.db_host, safe="")
            login = f"{user}:{password}" if password else user
            self._values["database_url"] = f"postgresql://{login}@{host}:{self.db_port}/{quote(self.db_name, safe='')}"
        for names, name, problem in self._beside_each_other():
            if wrong.keys().isdisjoint(names):  # else it was not these values that were given
                wrong[name] = problem
        said = [
            f"{name} (from {name}_FILE) {problem}" if name in from_file else f"{name} {problem}"
            for name, problem in wrong.items()
        ]
        if problems or said:
            raise SettingError(*problems, *said)

    def _beside_each_other(self) -> Iterator[tuple[tuple[str, ...], str, str]]:
        """What is wrong with values that are right by themselves: which settings, the one to name, and the problem."""
        if self.slow_bytes_high < self.slow_bytes_low:
            problem = "takes a whole number that is not below SLOW_BYTES_LOW"
            yield ("SLOW_BYTES_HIGH", "SLOW_BYTES_LOW"), "SLOW_BYTES_HIGH", problem
        if 0 < len(self.jwt_secret) < SECRET_CHARS and self.jwt_secret_weak == "refuse":  # noqa: S105 - what to do
            problem = f"takes a text of {SECRET_CHARS} characters or more, unless JWT_SECRET_WEAK is allow"
            yield ("JWT_SECRET", "JWT_SECRET_WEAK"), "JWT_SECRET", problem
        if self.admin_port and self.admin_port == self.port and same_address(self.host, self.admin_host):
            problem = "takes another port than PORT, as HOST and ADMIN_HOST have an address in common"
            yield ("PORT", "ADMIN_PORT", "HOST", "ADMIN_HOST"), "ADMIN_PORT", problem

    def renewed(self, new: Settings) -> tuple[Settings, list[str], list[str]]:
        """These settings with the live ones of ``new``; the names of those that changed by that, and of those that
        changed but need a restart."""
        changed = [s for s in SETTINGS if self._given[s.name.lower()] != new._given[s.name.lower()]]
        live = {s.name.lower(): new._given[s.name.lower()] for s in changed if s.live}
        renewed = Settings({}, new.remarks)
        renewed._values, renewed._given = self._values | live, self._given | live
        return renewed, [s.name for s in changed if s.live], [s.name for s in changed if not s.live]

    def __getattr__(self, name: str) -> Any:
        try:
            return self._values[name]
        except KeyError:
            raise AttributeError(name) from None


def show(value: object) -> str:
    """A default as it stands in the table and in help."""
    if value in ("", (), None):
        return "unset"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, Rate):
        return f"{value.rate:g}/{value.burst:g}" if value.rate else "0"
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def settings_help() -> str:
    """The table of settings for ``--help``."""
    width = max(len(setting.name) for setting in SETTINGS)
    return "\n".join(f"  {s.name:<{width}}  {s.help} (takes {s.kind}; default {show(s.default)})" for s in SETTINGS)
