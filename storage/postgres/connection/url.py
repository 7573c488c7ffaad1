"""The URL of a database: parsed as libpq parses it. Errors and logs name its hosts, ports and database, nothing else.

A URL contains a password, and after a mistake (an ``@`` that is not encoded) libpq takes a part of the password for a
host name and prints it. So URLs that look like mistakes are refused at startup, and in libpq's errors every part of the
URL is replaced by its name.
"""

import re
from collections.abc import Mapping

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import Conninfo

# Hosts and ports may be several, separated by commas.
_LISTS = frozenset({"host", "hostaddr", "port"})
# A name this plain was meant as a parameter; it is not part of a password with digits.
_PLAIN = re.compile(r"[A-Za-z_]{1,40}")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
# The beginnings of psycopg's and libpq's messages, and psycopg's list of the failures of all addresses, after the last.
_FAILED = re.compile(
    r'^(?:connection (?:failed|is bad): )?(?:connection to server (?:at|on socket) "[^"]*".*? failed: )?', re.ASCII
)
_SEVERAL = "Multiple connection attempts failed. All failures were:\n"
_ATTEMPT = re.compile(r"^- host: '?(.*?)'?, port: '?(.*?)'?, hostaddr: \S+: ", re.MULTILINE)
# libpq's second line, which asks whether the server is running.
_QUESTION = re.compile(r"^\s*Is the server running .*$", re.MULTILINE)
_KNOWN = {option.keyword.decode() for option in Conninfo.get_defaults()} | {"ssl"}
# The longest message of libpq that is passed on.
_SAID_CHARS = 300


def read_url(url: str) -> dict[str, str]:
    """Return the parameters of a ``postgresql://`` URL as libpq parses it, including several hosts, each with a port.

    Raises:
        ValueError: the text completes "DATABASE_URL ..." and repeats only the name of a parameter from the URL.
    """
    scheme, separator, rest = url.partition("://")
    if scheme not in ("postgresql", "postgres") or not separator:
        raise ValueError("must be postgresql://user:password@host:port/database")
    base, _, query = rest.partition("?")
    if base.count("@") > 1:
        raise ValueError("has more than one @ before the database: write %40 for @ in the user or password")
    if "@" in base.partition("/")[2]:
        raise ValueError("has an @ after a /: write %2F for / in the user or password")
    names = [part.partition("=")[0] for part in query.split("&") if part]
    unknown = [name for name in names if name not in _KNOWN]
    if unknown and "@" in query and "@" not in base:
        raise ValueError("has an @ after a ?: write %3F for ? in the user or password")
    if _BAD_ESCAPE.search(rest):
        raise ValueError("has a % that encodes nothing: write %25 for it")
    if unknown:
        named = f": {unknown[0]}" if _PLAIN.fullmatch(unknown[0]) else ""
        raise ValueError(f"has a parameter that PostgreSQL does not know{named}")
    try:
        parts = {name: str(value) for name, value in conninfo_to_dict(url).items() if value is not None}
    except psycopg.ProgrammingError:
        raise ValueError("is not a valid postgresql:// URL") from None
    for port in parts.get("port", "").split(","):
        if port and not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):
            raise ValueError("has a port that is not a whole number from 1 to 65535")
    return parts


def place_of(parts: Mapping[str, str]) -> str:
    """Return where a database is: ``127.0.0.1:5432/chat``, with all of several hosts, and without the user.

    Args:
        parts: the result of `read_url`, which refuses a URL in which one of these could be a part of the password.
    """
    hosts = (parts.get("host") or parts.get("hostaddr") or _default_host()).split(",")
    ports = (parts.get("port") or "5432").split(",")
    places = ",".join(f"{host}:{ports[min(at, len(ports) - 1)] or 5432}" for at, host in enumerate(hosts))
    database = f"/{parts['dbname']}" if "dbname" in parts else ""
    return (places + database)[:_SAID_CHARS]


def _default_host() -> str:
    """Return where libpq connects without a host in the URL."""
    (host,) = (option.val for option in Conninfo.get_defaults() if option.keyword == b"host")
    return host.decode(errors="replace") if host else "the local socket"


def without_url(said: str, parts: Mapping[str, str]) -> str:
    """Return libpq's error about a connection on one line of bounded length, with ``<host>`` etc. for ``parts``.

    It omits that the connection failed, which the caller says. Several hosts are numbered.
    """
    _, several, attempts = said.partition(_SEVERAL)
    if several:
        texts = _ATTEMPT.split(attempts)[1:]
        failures = [
            _number(host, port, parts) + _hidden(text.strip().partition("\n")[0], parts)
            for host, port, text in zip(texts[::3], texts[1::3], texts[2::3], strict=True)
        ]
        said = "; ".join(dict.fromkeys(failures))
    else:
        said = _hidden(said, parts)
    return said if len(said) <= _SAID_CHARS else said[:_SAID_CHARS] + "..."


def _number(host: str, port: str, parts: Mapping[str, str]) -> str:
    """Name one of several hosts of the URL by its place instead of its name."""
    hosts, ports = parts.get("host", "").split(","), parts.get("port", "").split(",")
    if len(hosts) > 1:
        for at, one in enumerate(hosts):
            if one == host and ports[min(at, len(ports) - 1)] in ("", port):
                return f"host {at + 1} of {len(hosts)}: "
    return ""


def _hidden(said: str, parts: Mapping[str, str]) -> str:
    lines = [" ".join(_FAILED.sub("", line).split()) for line in _QUESTION.sub("", said).splitlines()]
    said = " ".join(dict.fromkeys(line for line in lines if line))
    for name, value in sorted(parts.items(), key=lambda part: -len(part[1])):
        for one in value.split(",") if name in _LISTS else [value]:
            if one and name in _LISTS | {"password"}:
                said = re.sub(rf"(?<!\w){re.escape(one)}(?!\w)", f"<{name}>", said)
            elif one:
                said = re.sub(rf"(?<=[\"']){re.escape(one)}(?=[\"'])", f"<{name}>", said)
    return said
