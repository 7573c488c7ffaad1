"""The libraries of the browser client: what was copied, and how it is copied."""

import base64
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from tests.support import npm, vendored
from tests.support.npm import Package
from tests.support.programs import SetupError
from tests.support.vendored import FOLDER, LIBRARIES, NOTE, Library, same


def archive_of(files: dict[str, str]) -> bytes:
    """Return the archive of an npm package."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for path, content in files.items():
            member = tarfile.TarInfo(f"package/{path}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content.encode()))
    return packed.getvalue()


def integrity_of(archive: bytes) -> str:
    return "sha512-" + base64.b64encode(hashlib.sha512(archive).digest()).decode()


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.name)
def test_a_copy_is_what_its_note_and_the_table_say(library: Library) -> None:
    """Nobody has edited it, and the table has not changed since."""
    folder = FOLDER / library.name
    note = json.loads((folder / NOTE).read_text())
    package = library.package
    assert (note["name"], note["version"], note["integrity"]) == (package.name, package.version, package.integrity)
    assert note["license"]
    assert any("licen" in path.lower() for path in note["files"])
    paths = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {NOTE}
    assert {path: hashlib.sha256((folder / path).read_bytes()).hexdigest() for path in paths} == note["files"]
    assert {path for path in paths if not path.endswith(".d.ts")} == {*library.files.values(), *library.made}


def test_every_copy_is_in_the_table() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {library.name for library in LIBRARIES}


ABOUT = json.dumps({"name": "thing", "license": "MIT"})
FILES = {"package.json": ABOUT, "LICENSE": "MIT", "dist/thing.js": "export {};\n//# sourceMappingURL=thing.js.map\n"}


def copied(files: dict[str, str], *, wanted: dict[str, str], monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Run `dev.py vendor` with one library, whose package has these files."""
    archive = archive_of(files)
    library = Library("thing", Package("thing", "1.0.0", integrity_of(archive)), wanted)
    monkeypatch.setattr(vendored, "LIBRARIES", (library,))
    monkeypatch.setattr(vendored, "FOLDER", folder)
    monkeypatch.setattr(vendored, "fetch", lambda package: archive)
    vendored.copy_all()


def test_modules_are_copied_with_their_types_and_without_source_maps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "vendor"
    (folder / "older").mkdir(parents=True)
    files = {**FILES, "dist/thing.d.ts": "export {};\n", "dist/other.js": ""}
    wanted = {**same("LICENSE"), "dist/thing.js": "thing.js"}
    copied(files, wanted=wanted, monkeypatch=monkeypatch, folder=folder)
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert names == {f"thing/{name}" for name in ("LICENSE", "thing.js", "thing.d.ts", NOTE)}
    assert (folder / "thing" / "thing.js").read_text() == "export {};\n"
    assert json.loads((folder / "thing" / NOTE).read_text())["license"] == "MIT"
    assert not (folder / "older").exists(), "libraries that are not in the table are removed"


def test_a_package_without_a_wanted_file_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "vendor"
    folder.mkdir()
    (folder / "kept").write_text("")
    with pytest.raises(SetupError, match="has no lib"):
        copied(FILES, wanted=same("LICENSE", "lib.js"), monkeypatch=monkeypatch, folder=folder)
    assert (folder / "kept").exists()


@pytest.mark.parametrize("program", ["/usr/bin/npm", None])
def test_a_package_with_another_hash_is_refused(monkeypatch: pytest.MonkeyPatch, program: str | None) -> None:
    """However it was fetched."""
    archive = archive_of(FILES)
    monkeypatch.setattr("shutil.which", lambda name: program)
    monkeypatch.setattr(npm, "_by_npm", lambda npm, package: archive)
    monkeypatch.setattr(npm, "_by_https", lambda package: archive)
    assert npm.fetch(Package("thing", "1.0.0", integrity_of(archive))) == archive
    with pytest.raises(SetupError, match="another hash"):
        npm.fetch(Package("thing", "1.0.0", integrity_of(archive + b" ")))


def test_unpacking_stays_in_its_folder(tmp_path: Path) -> None:
    archive = archive_of({"a/b.txt": "b", "../../out.txt": "no"})
    npm.unpack(archive, tmp_path / "made")
    npm.unpack(archive, tmp_path / "made")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["b.txt"]
