"""The browser client as it is served: the page, and its files under an address that names their content.

So browsers may keep the files for good, and a page never runs modules of two versions. What a browser does not need is
left out when the server starts: comments, which are a quarter of the bytes that would travel.
"""

import hashlib
import posixpath
import re
from pathlib import Path

from server.http.files import ServedFile

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
# Comments that have lines of their own. A test compares what is left with what TypeScript's compiler makes of each
# module: there must be no such line in a template. Minifiers that are Python packages take nested templates for code.
_COMMENT = re.compile(r"^[ \t]*(?://[^\n]*|/\*(?:[^*]|\*(?!/))*\*/[ \t]*)\n", re.MULTILINE)
_PAGE_COMMENT = re.compile(r"^[ \t]*<!--.*?-->[ \t]*\n", re.MULTILINE | re.DOTALL)
# A static import, or an export from another module; vendored modules have several in a line.
_IMPORT = re.compile(r"""(?:^|[;}\n])\s*(?:import|export)\b\s*(?:[\w$*{}\s,]+?\bfrom\s*)?["'](\.[^"']+)["']""")


class BrowserClient:
    """The page and its files.

    Attributes:
        tree: hash of all files, the name of their folder below ``/static/``.
        files: by their paths in that folder.
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
                contents[path] = without_comments(path, content)
        digest = hashlib.sha256()
        for path, content in contents.items():
            digest.update(b"%d %s %d %s" % (len(path), path.encode(), len(content), content))
        self.tree = digest.hexdigest()[:16]
        self.files = {
            path: ServedFile(content, MEDIA[posixpath.splitext(path)[1]], FOR_GOOD)
            for path, content in contents.items()
        }
        self.page = ServedFile(self._page(client.read_text()).encode(), "text/html; charset=utf-8", PAGE_HEADERS)
        worker = without_comments(WORKER.name, WORKER.read_bytes())
        self.worker = ServedFile(worker, MEDIA[WORKER.suffix], WORKER_HEADERS)

    def _page(self, html: str) -> str:
        """Complete the page: without the preloads the browser finds a module only in the one that imports it."""
        first = '<script type="module" src="static/main.js">'
        preloads = "".join(f'<link rel="modulepreload" href="static/{path}">\n    ' for path in self.modules("main.js"))
        html = _PAGE_COMMENT.sub("", html).replace(first, preloads + first)
        return re.sub(r'\b(href|src)="static/', rf'\1="static/{self.tree}/', html)

    def modules(self, first: str) -> list[str]:
        """Return the modules that are loaded before ``first`` runs, other than itself: the nearest ones first."""
        found = [first]
        for path in found:
            text = self.files[path].content.decode()
            names = (
                posixpath.normpath(posixpath.join(posixpath.dirname(path), name)) for name in _IMPORT.findall(text)
            )
            found += [name for name in dict.fromkeys(names) if name in self.files and name not in found]
        return found[1:]


def without_comments(path: str, content: bytes) -> bytes:
    """Return a module or a style sheet without the comments that have lines of their own; other files as they are."""
    return _COMMENT.sub("", content.decode()).encode() if path.endswith((".js", ".css")) else content
