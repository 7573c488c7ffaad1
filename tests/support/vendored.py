"""The libraries of the browser client: `python3 dev.py vendor` copies them from npm packages into the repository.

To add one, or to take a newer version, change `LIBRARIES` and run the command. `npm view NAME@VERSION dist.integrity`
prints the hash. A test compares the copies with this table. Needs only Python's standard library.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from tests.support.emoji import compact as compact_emoji
from tests.support.npm import Package, fetch, files_of
from tests.support.programs import ROOT, SetupError, say

FOLDER = ROOT / "server" / "static" / "vendor"
NOTE = "vendor.json"
# Names a file that is not copied; a browser's developer tools would ask for it.
_SOURCE_MAP = re.compile(rb"^//[#@] sourceMappingURL=.*\n?", re.MULTILINE)


@dataclass(frozen=True)
class Library:
    """A library in `FOLDER`.

    Attributes:
        name: of its folder.
        files: what to copy, by its path in the package: the path below the library's folder. The types of a module
            (`.d.ts`), which only `dev.py types` reads, are copied with it.
        made: files that are made of the package's files, by their paths below the library's folder.
    """

    name: str
    package: Package
    files: Mapping[str, str]
    made: Mapping[str, Callable[[Mapping[str, bytes]], str]] = field(default_factory=dict)


def same(*paths: str) -> dict[str, str]:
    """Return `Library.files` of files that keep their paths."""
    return {path: path for path in paths}


# The icons of Lucide that the page uses: in the first view of a room, and elsewhere.
FIRST_ICONS = """
    arrow-down arrow-left bell-off check circle-alert clock compass ellipsis hash lock megaphone menu message-circle
    pencil pin plus reply search send-horizontal smile user-plus users volume-x x
"""
MORE_ICONS = """
    arrow-right at-sign ban bot calendar chevron-right copy crown door-open download eye flag info keyboard link log-in
    log-out mail pin-off settings shield smile-plus trash-2 undo-2 user user-x volume-2
"""


def icons(names: str, inside: Mapping[str, bytes]) -> str:
    """Return a module with the shapes of these icons as templates of lit-html."""
    lines = ["// Icons of Lucide; see LICENSE. Made of its SVG files.\n"]
    lines += ['import { svg } from "../lit-html/lit-html.js";\n\nexport const ICONS = {\n']
    for name in names.split():
        shapes = re.findall(r"<(?!svg)\w[^>]*>", inside[f"icons/{name}.svg"].decode())
        lines.append(f'  "{name}": svg`{"".join(shapes).replace(" />", "/>")}`,\n')
    return "".join([*lines, "};\n"])


LIBRARIES = (
    Library(
        "lit-html",
        Package(
            "lit-html",
            "3.3.0",  # from 3.3.1 on, `repeat` leaves a comment for each element that it removes: lit/lit#5298
            "sha512-RHoswrFAxY2d8Cf2mm4OZ1DgzCoBKUKSPvA1fhtSELxUERq2aQQ2h05pO9j81gS1o7RIRJ+CePLogfyahwmynw==",
        ),
        same(
            "LICENSE",
            "lit-html.js",
            "async-directive.js",
            "directive.js",
            "directive-helpers.js",
            *(f"directives/{name}.js" for name in ("cache", "class-map", "guard", "keyed", "live", "ref", "repeat")),
        ),
    ),
    Library(
        "lucide",
        Package(
            "lucide-static",
            "1.62.0",
            "sha512-WBZA/m2PvkFpMGHDtsBck5P2A9G4ehLlYu4GwwICcmEm1BvYVgj00lCDxKRWLlbMlOibLaiwdQ88G5pHkSWgwA==",
        ),
        same("LICENSE"),
        {"icons.js": partial(icons, FIRST_ICONS), "more-icons.js": partial(icons, MORE_ICONS)},
    ),
    Library(
        "emoji",
        Package(
            "emojibase-data",
            "17.0.0",
            "sha512-Yvgb5AWoHViHV/gq1qr5ZAarcBip+B27/ZLRsUJkbgAEaLlZ/fof9g882LTpmEpyhBNEC0m2SEmItljHsTygjA==",
        ),
        same("LICENSE"),
        {"emoji.json": compact_emoji},
    ),
    Library(
        "uqr",
        Package(
            "uqr",
            "0.1.3",
            "sha512-0rjE8iEJe4YmT9TOhwsZtqCMRLc5DXZUI2UEYUUg63ikBkqqE5EYWaI0etFe/5KUcmcYwLih2RND1kq+hrUJXA==",
        ),
        {"LICENSE": "LICENSE", "dist/index.mjs": "uqr.js"},
    ),
)


def copy_all() -> None:
    """Copy all libraries, and remove what no library has. Raises SetupError; then nothing has changed."""
    contents = {library.name: select(library, fetch(library.package)) for library in LIBRARIES}
    if FOLDER.exists():
        shutil.rmtree(FOLDER)
    for name, files in contents.items():
        for path, content in files.items():
            target = FOLDER / name / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        say(f"copied {name}: {len(files)} files")


def select(library: Library, archive: bytes) -> dict[str, bytes]:
    """Return the files to write, and `NOTE`, by their paths in the library's folder. Raises SetupError."""
    wanted = dict(library.files)
    for path, target in library.files.items():
        if target.endswith(".js"):
            wanted[re.sub(r"js$", "ts", re.sub(r"(\.m?js)$", r".d\1", path))] = f"{target.removesuffix('.js')}.d.ts"
    inside = dict(files_of(archive))
    files = {target: _SOURCE_MAP.sub(b"", inside[path]) for path, target in wanted.items() if path in inside}
    missing = sorted(set(library.files) - set(inside))
    if missing:
        raise SetupError(f"{library.package.name} {library.package.version} has no {', '.join(missing)}")
    files |= {path: make(inside).encode() for path, make in library.made.items()}
    about = json.loads(inside["package.json"])
    note = {
        "name": library.package.name,
        "version": library.package.version,
        "license": about["license"],
        "integrity": library.package.integrity,
        "files": {path: hashlib.sha256(content).hexdigest() for path, content in sorted(files.items())},
    }
    return {**files, NOTE: f"{json.dumps(note, indent=2)}\n".encode()}
