"""The files of the browser client: what is left of them, the name of their folder, and their codings."""

from pathlib import Path

import pytest

from server.http.files import choose_coding
from server.web.client import BrowserClient

ALL = ("br", "gzip", "identity")


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ([], "identity"),
        ([""], "identity"),
        (["gzip"], "gzip"),
        (["br, gzip"], "br"),
        (["gzip", "br"], "br"),
        (["GZIP ; Q=0.3"], "gzip"),
        (["gzip;q=1.0, br;q=0.999"], "gzip"),
        (["gzip;q=0, br;q=0"], "identity"),
        (["br;q=0, *"], "gzip"),
        (["*"], "br"),
        (["*;q=0.1, identity;q=0.2"], "identity"),
        (["identity, gzip;q=0.5"], "identity"),
        (["identity;q=0, gzip;q=0.5"], "gzip"),
        (["identity;q=0"], "gzip"),
        (["*;q=0"], "gzip"),
        (["deflate, zstd"], "identity"),
        (["gzip;q=2, br;q=x, gzip;level=9"], "identity"),
        (["gzipped, xbr"], "identity"),
        ([",;, ;q=1,,gzip,"], "gzip"),
    ],
)
def test_the_coding_is_the_best_that_is_accepted(accepted: list[str], coding: str) -> None:
    assert choose_coding(accepted, ALL) == coding


def test_a_file_without_codings_is_sent_as_it_is() -> None:
    for accepted in ("gzip", "identity;q=0", "*;q=0"):
        assert choose_coding([accepted], ["identity"]) == "identity"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "static" / "part").mkdir(parents=True)
    (tmp_path / "static" / "main.js").write_text('import { b } from "./part/b.js";\nimport "./part/c.js";\n')
    (tmp_path / "static" / "net").mkdir()
    (tmp_path / "static" / "net" / "ondemand.js").write_text("export function importPart() {}\n")
    (tmp_path / "static" / "part" / "b.js").write_text(
        '/** @typedef {import("../types.js").A} A */\nexport const b = 1;\n'
    )
    (tmp_path / "static" / "part" / "c.js").write_text(
        'import "../net/ondemand.js";\nimport {\n  d,\n} from "../d.js";\nimport("../later.js");\n'
    )
    (tmp_path / "static" / "d.js").write_text('let a;import{b as c}from"./part/b.js";import"./e.js";export{a as d};\n')
    (tmp_path / "static" / "css").mkdir()
    for name in "xyz":
        (tmp_path / "static" / "css" / f"{name}.css").write_text(f"/* c */\n.{name} {{ }}\n")
    for name in ("e.js", "later.js", "types.js", "types.d.ts", "LICENSE"):
        (tmp_path / "static" / name).write_text("")
    (tmp_path / "client.html").write_text(
        '<link rel="icon" href="static/icon.svg">\n<!-- a\n b -->\n'
        '<link rel="stylesheet" href="static/css/y.css">\n<link rel="stylesheet" href="static/css/x.css">\n'
        '<script type="module" src="static/main.js"></script>\n'
    )
    return tmp_path


def client_of(folder: Path) -> BrowserClient:
    return BrowserClient(folder / "static", folder / "client.html")


def test_the_page_has_one_file_of_what_is_imported_and_one_of_its_style_sheets(folder: Path) -> None:
    client = client_of(folder)
    at = f"static/{client.tree}"
    assert [line.strip() for line in client.page.content.decode().splitlines()] == [
        f'<link rel="icon" href="{at}/icon.svg">',
        f'<link rel="stylesheet" href="{at}/css/first.css">',
        f'<link rel="modulepreload" href="{at}/first.js">',
        f'<script type="module" src="{at}/main.js"></script>',
    ]
    assert client.files["css/first.css"].content == b".y { }\n.x { }\n"
    joined = [path for path, file in client.files.items() if file.content.startswith(b"import{$modules}")]
    assert sorted(joined) == ["d.js", "e.js", "main.js", "net/ondemand.js", "part/b.js", "part/c.js"]


def test_only_files_of_known_types_are_served(folder: Path) -> None:
    names = {"main.js", "net/ondemand.js", "part/b.js", "part/c.js", "d.js", "e.js", "later.js", "types.js", "first.js"}
    sheets = {"css/first.css", "css/x.css", "css/y.css", "css/z.css"}
    assert set(client_of(folder).files) == names | sheets | {"lookalikes.json"}


def test_the_folder_is_named_for_the_content_of_all_files(folder: Path) -> None:
    first = client_of(folder).tree
    assert client_of(folder).tree == first
    (folder / "static" / "LICENSE").write_text("new")
    (folder / "static" / "e.js").write_text("// new\n")
    assert client_of(folder).tree == first, "nothing that is served has changed"
    (folder / "static" / "e.js").write_text("new()\n")
    second = client_of(folder).tree
    (folder / "static" / "css" / "z.css").rename(folder / "static" / "css" / "w.css")
    assert len({first, second, client_of(folder).tree}) == 3
