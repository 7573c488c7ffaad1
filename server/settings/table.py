"""Every setting in one table; `server.settings.sources` reads them, in one place."""

from collections.abc import Callable
from typing import Any, NamedTuple

from chat.delivery.ratelimit import Rate
from server.access.addresses import FORWARDED_HEADERS, trusted_networks
from server.access.origins import read_origins
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
    whole,
)


class Setting(NamedTuple):
    """One row: environment variable, allowed values, default, help, and the function that parses its text.

    ``read`` parses the text and raises ValueError if it is invalid; ``kind`` then completes the message "NAME must be
    ...", except for a `ReadError`, which has its own text. A new value of a ``live`` setting is applied while the
    server runs. A ``secret`` may be in a file that NAME_FILE names, and its text is used as is; all others are trimmed.
    """

    name: str
    kind: str
    default: Any
    help: str
    read: Callable[[str], Any]
    live: bool = False
    secret: bool = False


# RFC 7518 section 3.2: a key for HS256 has at least 256 bits, which takes at least 32 characters of one byte.
SECRET_CHARS = 32
TOKEN_SECRETS = ("JWT_SECRET", "JWT_SECRET_PREVIOUS", "SERVER_SECRET")
CHAT_ROLES = ("player", "participant", "user", "organizer", "admin")
RATE = "a rate per second and a burst, such as 10/100; 0 for no limit"

SETTINGS: tuple[Setting, ...] = (
    Setting(
        "HOST",
        "comma-separated addresses",
        "127.0.0.1",
        "addresses to listen on; 0.0.0.0 for all of IPv4, :: for all of IPv6, 0.0.0.0,:: for both",
        hosts,
    ),
    Setting("PORT", "a whole number from 0 to 65535", 8080, "port to listen on; 0 picks a free one", whole(0, 65535)),
    Setting(
        "ADMIN_PORT",
        "a whole number from 0 to 65535",
        None,
        "port for /metrics and the full /ready; /metrics is then removed from the public port; 0 picks a free one",
        whole(0, 65535),
    ),
    Setting("ADMIN_HOST", "comma-separated addresses", "127.0.0.1", "addresses to listen on for ADMIN_PORT", hosts),
    Setting(
        "DATABASE_URL",
        "postgresql://user:password@host:port/database",
        "",
        "database for messages; unset: they are kept in memory, unless DB_NAME is set",
        database,
        secret=True,
    ),
    Setting(
        "DB_HOST",
        "a host name, an address without a port, or the directory of a socket",
        "localhost",
        "used with DB_NAME, instead of DATABASE_URL",
        database_host,
    ),
    Setting("DB_PORT", "a whole number from 1 to 65535", 5432, "used with DB_NAME", whole(1, 65535)),
    Setting("DB_USER", "a user name", "postgres", "used with DB_NAME", str),
    Setting("DB_PASS", "a password", "", "used with DB_NAME", str, secret=True),
    Setting("DB_NAME", "a database name", "", "name of the database, if DATABASE_URL is unset", str),
    Setting(
        "ALLOWED_ORIGINS",
        "* or comma-separated origins, such as https://example.com",
        ("*",),
        "web pages, besides the server's own, that may use the server; clients that send no Origin always may",
        read_origins,
        live=True,
    ),
    Setting(
        "TRUSTED_PROXIES",
        "comma-separated addresses and networks, such as 10.0.0.0/8",
        (),
        "reverse proxies trusted to report the client's address",
        trusted_networks,
        live=True,
    ),
    Setting(
        "FORWARDED_HEADER",
        "X-Forwarded-For, Forwarded or X-Real-IP",
        "X-Forwarded-For",
        "header in which trusted proxies send the client's address",
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
        "whether every connection begins with a PROXY header (version 1 or 2), from TRUSTED_PROXIES if that is set",
        flag,
    ),
    Setting(
        "GUESTS",
        "on or off",
        True,
        "whether users without an account may connect",
        flag,
        live=True,
    ),
    Setting(
        "GUEST_ROLE",
        "member, readonly or moderator",
        "member",
        "role of a guest in a room that has not given them one",
        one_of("member", "readonly", "moderator"),
        live=True,
    ),
    Setting(
        "JWT_SECRET",
        "at least 32 characters",
        "",
        "secret with which your application signs account tokens; unset: accounts are refused",
        str,
        secret=True,
    ),
    Setting(
        "JWT_SECRET_PREVIOUS",
        "at least 32 characters",
        "",
        "the JWT_SECRET before a change: account tokens that it signed are still accepted",
        str,
        secret=True,
    ),
    Setting(
        "SERVER_SECRET",
        "at least 32 characters",
        "",
        "secret of the servers alone, for guest tokens; unset: made once and kept in the database",
        str,
        secret=True,
    ),
    Setting(
        "JWT_SECRET_WEAK",
        "refuse or allow",
        "refuse",
        "whether to accept shorter secrets of tokens, which can be brute-forced",
        one_of("refuse", "allow"),
    ),
    Setting("JWT_AUDIENCE", "text", "", "required value of aud in an account token; unset: aud is ignored", str),
    Setting("JWT_ISSUER", "text", "", "required value of iss in an account token; unset: iss is ignored", str),
    Setting(
        "CHAT_ROLES",
        "roles separated by spaces or commas",
        CHAT_ROLES,
        "account roles that are admitted, as named in the tokens",
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
        "messages per second of one user; bursts of up to three times that many",
        number(0, 10**6),
        live=True,
    ),
    Setting(
        "MAX_CONNECTIONS",
        "a whole number from 1",
        None,
        "concurrent connections of any kind; unset: the limit on open files minus 128",
        whole(1, MANY),
    ),
    Setting(
        "MAX_CONNECTIONS_PER_ADDRESS",
        "a whole number from 1",
        None,
        "concurrent connections from one address; unset: three quarters of MAX_CONNECTIONS",
        whole(1, MANY),
    ),
    Setting(
        "MAX_CONNECTIONS_PER_PRINCIPAL",
        "a whole number from 1",
        200,
        "concurrent WebSocket connections of one account or guest",
        whole(1, MANY),
        live=True,
    ),
    Setting(
        "RATE_LIMIT_GUEST_MESSAGES",
        RATE,
        Rate(200.0, 1000.0),
        "messages of all guests at one address together; no limit if RATE_LIMIT_MESSAGES is 0",
        rate,
        live=True,
    ),
    Setting("RATE_LIMIT_GUESTS", RATE, Rate(50.0, 15_000.0), "new guests from one address", rate, live=True),
    Setting(
        "RATE_LIMIT_UPGRADES",
        RATE,
        Rate(200.0, 20_000.0),
        "new WebSocket connections from one address",
        rate,
        live=True,
    ),
    Setting(
        "RATE_LIMIT_REQUESTS",
        RATE,
        Rate(50.0, 2000.0),
        "HTTP requests from one address, except those with an account token and those for the page and its files",
        rate,
        live=True,
    ),
    Setting(
        "EDIT_WINDOW",
        "a number of seconds, 0 for no limit",
        60.0,
        "how long an author may edit a message",
        number(0, 10**9),
        live=True,
    ),
    Setting(
        "RETENTION_DAYS",
        "a whole number of days, 0 for no limit",
        0,
        "how long messages are kept in rooms without their own retention",
        whole(0, 36_500),
        live=True,
    ),
    Setting(
        "SESSION_ROOMS",
        "a whole number from 1 to 10000",
        100,
        "maximum number of rooms that one connection may join",
        whole(1, 10_000),
        live=True,
    ),
    Setting(
        "ADDRESS_ROOMS",
        "a whole number from 1",
        1000,
        "rooms that one account, or all guests at one address together, may keep loaded, and may create per day",
        whole(1, MANY),
        live=True,
    ),
    Setting(
        "SERVER_ROOMS",
        "a whole number from 1",
        100_000,
        "rooms that may be loaded at once",
        whole(1, MANY),
        live=True,
    ),
    Setting(
        "PRESENCE_GRACE",
        "a number of seconds, 0 for none",
        5.0,
        "how long a user is still shown as present after losing the connection",
        number(0, 3600),
        live=True,
    ),
    Setting(
        "ROOM_TAIL",
        "a whole number from 0 to 100000",
        500,
        "recent messages a room keeps in memory for resume",
        whole(0, 100_000),
    ),
    Setting(
        "TAILS_BYTES",
        "a whole number from 1048576",
        128 << 20,
        "bytes of recent messages that all rooms together keep in memory",
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
        "unread bytes above which a client receives no presence",
        whole(1024, MANY),
    ),
    Setting(
        "SLOW_BYTES_HIGH",
        "a whole number from 1024",
        1 << 20,
        "unread bytes above which a client is disconnected",
        whole(1024, MANY),
    ),
    Setting(
        "HEARTBEAT",
        "a number of seconds above 0",
        20.0,
        "seconds between pings; a client that is silent for three of them is disconnected",
        number(0.01, 3600),
    ),
    Setting(
        "IDLE_TIMEOUT",
        "a number of seconds, 0 for never",
        0.0,
        "disconnect clients that sent no command for this long",
        number(0, 10**7),
    ),
    Setting(
        "HEAD_BYTES",
        "a whole number from 1024 to 1048576",
        16 << 10,
        "largest request head, in bytes; it may have 128 headers, or one per 128 bytes if that is more",
        whole(1024, 1 << 20),
    ),
    Setting(
        "HEAD_SECONDS",
        "a number of seconds above 0",
        10.0,
        "time limit for a client to send its request head",
        number(0.01, 3600),
    ),
    Setting(
        "HELLO_SECONDS",
        "a number of seconds above 0",
        10.0,
        "time limit to send hello if guests are off",
        number(0.01, 3600),
    ),
    Setting(
        "CLOSE_SECONDS",
        "a number of seconds above 0",
        5.0,
        "time limit for a client to complete the closing handshake",
        number(0.01, 3600),
    ),
    Setting("WORKERS", "a whole number from 1 to 64", 4, "concurrent writers to storage", whole(1, 64)),
    Setting(
        "BATCH", "a whole number from 1 to 10000", 500, "maximum number of writes in one transaction", whole(1, 10_000)
    ),
    Setting(
        "QUEUE_MESSAGES",
        "a whole number from 2",
        20_000,
        "maximum number of writes queued at one worker",
        whole(2, MANY),
    ),
    Setting(
        "QUEUE_BYTES",
        "a whole number from 65536",
        64 << 20,
        "maximum number of bytes queued at one worker",
        whole(65536, 1 << 40),
    ),
    Setting(
        "MEMORY_MESSAGES",
        "a whole number from 1",
        10_000,
        "with memory storage, maximum number of messages kept per room",
        whole(1, MANY),
    ),
    Setting(
        "MEMORY_ROOMS",
        "a whole number from 1",
        10_000,
        "with memory storage, maximum number of rooms kept",
        whole(1, MANY),
    ),
    Setting(
        "MEMORY_BYTES",
        "a whole number from 1048576",
        256 << 20,
        "with memory storage, maximum number of bytes used (about twice the text of the messages); the largest rooms "
        "evict their oldest messages first",
        whole(1 << 20, 1 << 50),
    ),
    Setting(
        "DRAIN_SECONDS",
        "a number of seconds above 0",
        20.0,
        "time limit to store pending writes when stopping",
        number(0.01, 3600),
    ),
    Setting(
        "EVENT_LOOP",
        "auto, asyncio or uvloop",
        "auto",
        "event loop to run on; auto is uvloop if it is installed",
        event_loop,
    ),
    Setting(
        "LOG_LEVEL",
        "debug, info, warning or error",
        "info",
        "lowest level that is logged",
        one_of("debug", "info", "warning", "error"),
        live=True,
    ),
)


def show(value: object) -> str:
    """Return a default as the README table and the help show it."""
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
    """Return the table of settings for ``--help``."""
    width = max(len(setting.name) for setting in SETTINGS)
    return "\n".join(f"  {s.name:<{width}}  {s.help} ({s.kind}; default {show(s.default)})" for s in SETTINGS)
