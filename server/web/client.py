"""The browser client as it is served: the page, and its files under an address that names their content.

So browsers may keep the files for good, and a page never runs modules of two versions. When the server starts, what a
browser does not need is left out: comments and indentation, which are a third of the bytes that would travel. The
modules and the style sheets that the page needs at first are joined, each kind into one file.
"""

import hashlib
import json
import posixpath
import re
from functools import cache
from pathlib import Path

from server.http.files import ServedFile
from server.web.bundle import Bundle
from server.web.squeeze import squeezed
from utils.confusables import NOTICE, prototypes

ROOT = Path(__file__).resolve().parent.parent
STATIC = ROOT / "static"
CLIENT = ROOT / "client.html"
WORKER = ROOT / "service-worker.js"

# The page itself is asked for again each time; it names the files of its version.
FRESH = {"Cache-Control": "no-cache"}
FOR_GOOD = {"Cache-Control": "public, max-age=31536000, immutable"}
# The page runs only its own modules and talks only to its own server, so markup in a message can do nothing.
PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    ),
    "Referrer-Policy": "no-referrer",
    **FRESH,
}
# The policy of a worker is that of its script: it asks this server alone.
WORKER_HEADERS = {"Content-Security-Policy": "default-src 'none'; connect-src 'self'", **FRESH}
# What is served, by the ending of its name; not types of modules (`.d.ts`), for example.
MEDIA = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
}
# The module with which the page begins, and what those that it imports are joined into.
FIRST = "main.js"
JOINED = "first.js"
# Loads the others.
LOADER = "net/ondemand.js"
JOINED_SHEETS = "css/first.css"
# What characters look like, by which the page tells names apart.
LOOKALIKES = "lookalikes.json"
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_INDENTATION = re.compile(r"\s*\n\s*")
_PAGE_COMMENT = re.compile(r"^[ \t]*<!--.*?-->[ \t]*\n", re.MULTILINE | re.DOTALL)
_SHEET = re.compile(r'[ \t]*<link rel="stylesheet" href="static/([^"]+)">\n')


class BrowserClient:
    """The page and its files.

    Attributes:
        tree: hash of all files, the name of their folder below ``/static/``.
        modules: the text of each module as it was written, but squeezed, by its path in that folder.
        joined: the modules that are in one file.
        files: what is served, by path.
        page: ``client.html``, with the addresses of the files in it.
        worker: ``service-worker.js``.
    """

    def __init__(self, static: Path = STATIC, client: Path = CLIENT) -> None:
        contents = {
            path.relative_to(static).as_posix(): path.read_bytes()
            for path in sorted(static.rglob("*"))
            if path.suffix in MEDIA
        }
        for path, content in contents.items():
            if not path.startswith("vendor/"):  # those are small already, and their licenses want their notices kept
                contents[path] = shortened(path, content)
        contents[LOOKALIKES] = lookalikes()
        html = _PAGE_COMMENT.sub("", client.read_text())
        self.modules = {path: content.decode() for path, content in contents.items() if path.endswith(".js")}
        bundle = Bundle(self.modules, FIRST, JOINED, LOADER)
        self.joined = bundle.joined
        contents |= {path: text.encode() for path, text in {JOINED: bundle.text, **bundle.stubs}.items()}
        contents[JOINED_SHEETS] = b"".join(contents[path] for path in _SHEET.findall(html))
        digest = hashlib.sha256()
        for path, content in sorted(contents.items()):
            digest.update(b"%d %s %d %s" % (len(path), path.encode(), len(content), content))
        self.tree = digest.hexdigest()[:16]
        self.files = {
            path: ServedFile(content, MEDIA[posixpath.splitext(path)[1]], FOR_GOOD)
            for path, content in contents.items()
        }
        self.page = ServedFile(self._page(html).encode(), "text/html; charset=utf-8", PAGE_HEADERS)
        self.worker = ServedFile(shortened(WORKER.name, WORKER.read_bytes()), MEDIA[WORKER.suffix], WORKER_HEADERS)

    def _page(self, html: str) -> str:
        """Complete the page: the joined files, and the addresses of all."""
        sheet = f'    <link rel="stylesheet" href="static/{JOINED_SHEETS}">\n'
        first, *rest = _SHEET.split(html)[::2]
        html = first + sheet * bool(rest) + "".join(rest)
        script = f'<script type="module" src="static/{FIRST}">'
        preload = f'<link rel="modulepreload" href="static/{JOINED}">\n    '
        html = html.replace(script, preload + script)
        return re.sub(r'\b(href|src)="static/', rf'\1="static/{self.tree}/', html)


@cache
def installed() -> BrowserClient:
    """Return the client next to this code, as it was when the process first asked: read and joined once."""
    return BrowserClient()


def shortened(path: str, content: bytes) -> bytes:
    """Return a module or a style sheet without comments and indentation; other files as they are."""
    if path.endswith(".js"):
        return squeezed(content.decode()).encode()
    if path.endswith(".css"):
        return _INDENTATION.sub("\n", _COMMENT.sub("", content.decode())).lstrip().encode()
    return content


def lookalikes() -> bytes:
    """Return the table of Unicode TS 39 as JSON: what characters look like, and then these."""
    alike: dict[str, str] = {}
    for code, looks in prototypes().items():
        alike[looks] = alike.get(looks, "") + chr(code)
    return json.dumps({"notice": NOTICE, "alike": alike}, ensure_ascii=False).encode()
