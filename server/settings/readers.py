"""Parse the texts of settings: a function for each kind, which raises ValueError for an invalid text."""

import ipaddress
import re
import ssl
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import SplitResult, quote, unquote, urlsplit

from chat.delivery.ratelimit import UNLIMITED, Rate
from model.emails import check_email
from model.errors import ParleyError
from server.codec.decoding import ReadError
from storage.factory import check_url

MANY = 10**9
ROLE_CHARS = 64
SUBJECT_CHARS = 64
NODE_CHARS = 64
TOKEN_CHARS = 32
# Before the path of a Unix socket.
UNIX = "unix:"
_PATH_BYTES = 107  # of `sun_path`, without its NUL; see unix(7)
_LOCAL = {"localhost": ("127.0.0.1", "::1")}


def whole(low: int, high: int) -> Callable[[str], float]:
    """Whole numbers from ``low`` to ``high``."""
    return number(low, high, int)


def number(low: float, high: float, kind: Callable[[str], float] = float) -> Callable[[str], float]:
    """Finite numbers from ``low`` to ``high``."""

    def read(text: str) -> float:
        value = kind(text)
        if not low <= value <= high:  # NaN is not in any range
            raise ValueError
        return value

    return read


def rate(text: str) -> Rate:
    """A rate per second and a burst, ``10/100``; or 0 for no limit."""
    rate, slash, burst = text.partition("/")
    if not slash:
        if float(rate):
            raise ValueError  # the burst is missing
        return UNLIMITED
    return Rate(number(0, 10**6)(rate), number(1, MANY)(burst))


def flag(text: str) -> bool:
    """On or off; KeyError for anything else."""
    return {"on": True, "1": True, "true": True, "yes": True, "off": False, "0": False, "false": False, "no": False}[
        text.lower()
    ]


def one_of(*words: str) -> Callable[[str], str]:
    """One of these words, in any case."""

    def read(text: str) -> str:
        return words[words.index(text.lower())]

    return read


def hosts(text: str) -> str:
    """Names and addresses to listen on, separated by commas; IPv6 ones with or without brackets."""
    return ",".join(_host(part.strip()) for part in text.split(","))


def listeners(text: str) -> str:
    """As `hosts`, and paths of Unix sockets after ``unix:``."""
    parts = [part.strip() for part in text.split(",")]
    return ",".join(_unix(part) if part.startswith(UNIX) else _host(part) for part in parts)


def _host(text: str) -> str:
    if text.startswith("[") or ":" in text:
        address = text[1:-1] if text.startswith("[") and text.endswith("]") else text
        ipaddress.IPv6Address(address)
        return address
    if not text.encode("idna"):  # as the resolver will: UnicodeError for an impossible name
        raise ValueError
    return text


def _unix(text: str) -> str:
    path = text.removeprefix(UNIX)
    if not path.startswith("/") or len(path.encode()) > _PATH_BYTES or "\0" in path:
        raise ReadError(f"must be an address, or {UNIX} and an absolute path of at most {_PATH_BYTES} bytes")
    return text


def same_address(one: str, other: str) -> bool:
    """Return whether two values of `hosts` have an address in common, as far as is known without resolving names."""
    here, there = (
        {
            address
            for host in text.split(",")
            if not host.startswith(UNIX)
            for address in _LOCAL.get(host.lower(), (host,))
        }
        for text in (one, other)
    )
    return not here.isdisjoint(there) or _covers(here, there) or _covers(there, here)


def _covers(wide: set[str], hosts: set[str]) -> bool:
    """Return whether ``wide`` has the wildcard address of a family to which one of ``hosts`` may belong."""
    return any(("::" if ":" in host else "0.0.0.0") in wide for host in hosts)  # a name may be IPv4


def event_loop(text: str) -> str:
    """An installed event loop."""
    name = one_of("auto", "asyncio", "uvloop")(text)
    if name == "uvloop" and find_spec("uvloop") is None:
        raise ReadError("must be auto or asyncio: uvloop is not installed")
    return name


def database(text: str) -> str:
    """The URL of a database, in libpq's format."""
    text = text.strip()
    try:
        check_url(text)
    except ValueError as error:
        raise ReadError(str(error)) from None
    return text


def database_host(text: str) -> str:
    """A host, an address, or the folder of a socket."""
    text = text.removeprefix("[").removesuffix("]")
    if ":" in text:
        ipaddress.IPv6Address(text)
    return text


def nats_urls(text: str) -> tuple[str, ...]:
    """URLs of the servers of one NATS cluster; only with the packages for it."""
    urls = tuple(part.strip() for part in text.split(","))
    if "" in urls:
        raise ReadError("has an empty entry: remove the comma, or write %2C for one in the password")
    parsed = [_nats_url(url) for url in urls]
    if len({parts.scheme for parts in parsed}) > 1:
        raise ReadError("must not mix nats:// and tls://: the servers are one cluster")
    # Servers that are named by other servers come without a login.
    if len({login for parts in parsed if (login := parts.netloc.rpartition("@")[0])}) > 1:
        raise ReadError("must have the same user and password in each URL, or in one of them")
    if not all(find_spec(package) for package in ("nats", "nkeys", "nacl")):
        constraints = Path(__file__).parents[2] / "constraints.txt"  # of a checkout
        pinned = f" -c {constraints}" if constraints.is_file() else ""
        install = f"{sys.executable} -m pip install 'nats-py[nkeys]'{pinned}"
        raise ReadError(f"needs packages that are not installed: {install}")
    return urls


def _nats_url(url: str) -> SplitResult:
    """Return the parts of a URL; the text of an error repeats nothing of it, as it may contain a password."""
    if re.search(r"[^\x21-\x7e]", url):
        raise ReadError("has a space or another character that a URL cannot contain: write %20 for a space")
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in ("nats", "tls"):
        raise ReadError("must begin with nats:// or tls://, in each of its URLs")
    login, at, _ = rest.rpartition("@")
    for character in "/?#" if at else "":
        if character in login:
            raise ReadError(f"has a {character} before the @: write {quote(character, safe='')} in the password")
    if at and "@" in login:
        raise ReadError("has more than one @: write %40 for @ in the user or password")
    parts = urlsplit(url)
    if at and not parts.username:
        raise ReadError("has an @ and no user before it")
    if not parts.hostname:
        raise ReadError("has no host in one of its URLs")
    try:
        is_port = parts.port != 0 and not parts.netloc.endswith(":")
    except ValueError:
        is_port = False
    if not is_port:
        raise ReadError("has a port that is not a number from 1 to 65535")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ReadError("has something after the host and port in one of its URLs")
    return parts


def subject(text: str) -> str:
    """The first tokens of a NATS subject."""
    if not re.fullmatch(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*", text) or len(text) > SUBJECT_CHARS:
        raise ValueError
    return text


def node_name(text: str) -> str:
    """A name for operators."""
    if not re.fullmatch(r"[A-Za-z0-9._:-]+", text) or len(text) > NODE_CHARS:
        raise ValueError
    return text


def nats_credentials(text: str) -> str:
    """The path of a credentials file of NATS."""
    try:
        content = Path(text).read_bytes()
    except OSError as error:
        raise ReadError(f"names a file that cannot be read: {error.strerror}") from None
    if b"BEGIN NATS USER JWT" not in content or b"BEGIN USER NKEY SEED" not in content:
        raise ValueError
    return text


def public_url(text: str) -> str:
    """The address of the server, without a slash at the end."""
    parts = urlsplit(text)
    try:
        port = parts.port
    except ValueError:
        port = 0
    plain = re.fullmatch(r"[\x21-\x7e]+", text) and not re.search(r"[?#@\\\"<>^`{|};]", text)
    if not plain or parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise ValueError
    if "//" in parts.path or {".", ".."}.intersection(parts.path.split("/")):
        raise ValueError
    default = {"http": 80, "https": 443}[parts.scheme]
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname  # in lower case
    return f"{parts.scheme}://{host}{'' if port in (None, default) else f':{port}'}{parts.path.rstrip('/')}"


class MailServer(NamedTuple):
    """Where mail is sent: ``tls`` from the first byte, ``starttls`` before the login, or neither."""

    host: str
    port: int
    security: Literal["tls", "starttls", "none"]
    user: str
    password: str


def mail_server(text: str) -> MailServer:
    """A server for mail; the text of an error repeats nothing of it, as it may contain a password."""
    text = text.strip()
    scheme, separator, _ = text.partition("://")
    if not separator or scheme not in ("smtp", "smtps"):
        raise ReadError("must begin with smtp:// or smtps://")
    if not re.fullmatch(r"[\x21-\x7e]+", text) or "#" in text:
        raise ReadError("has a character that a URL cannot contain: write %20 for a space, %23 for #")
    parts = urlsplit(text)
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise ReadError("has a port that is not a number from 1 to 65535")
    if not parts.hostname or parts.path.strip("/"):
        raise ReadError("must have a host, and nothing behind the port except ?starttls=required or ?starttls=no")
    if parts.query not in ("", "starttls=required", "starttls=no") or (scheme == "smtps" and parts.query):
        raise ReadError("may end with ?starttls=required or ?starttls=no, after smtp:// only")
    if bool(parts.username) != bool(parts.password):
        raise ReadError("must have both a user and a password, or neither")
    security: Literal["tls", "starttls", "none"] = "starttls"  # by default: a password must not travel in the clear
    if scheme == "smtps":
        security = "tls"
    elif parts.query == "starttls=no":
        security = "none"
    default = {"tls": 465, "starttls": 587, "none": 25}[security]
    return MailServer(
        parts.hostname, port or default, security, unquote(parts.username or ""), unquote(parts.password or "")
    )


def mail_address(text: str) -> str:
    """An e-mail address, without a name."""
    try:
        return check_email(text)
    except ParleyError:
        raise ValueError from None


def export_token(text: str) -> str:
    """A token that fits into a header, and that nobody guesses."""
    if len(text) < TOKEN_CHARS or not (text.isascii() and text.isprintable()) or " " in text:
        raise ValueError
    return text


def certificates(text: str) -> str:
    """The path of a file of certificates."""
    try:
        ssl.create_default_context(cafile=text)
    except ssl.SSLError:
        raise ValueError from None
    except OSError as error:
        raise ReadError(f"names a file that cannot be read: {error.strerror}") from None
    return text


def roles(text: str) -> tuple[str, ...]:
    """Roles of accounts, each once."""
    roles = tuple(dict.fromkeys(text.replace(",", " ").split()))
    if not roles or not all(role.isprintable() and len(role) <= ROLE_CHARS for role in roles):
        raise ValueError
    return roles
