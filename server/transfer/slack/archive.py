"""The zip file of Slack's export, of which nothing is ever written to a file, and that is not trusted."""

import re
import zipfile
import zlib
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from server.transfer.archive import ArchiveError, CorruptFile, ForeignFile
from server.transfer.slack.shapes import Conversation, SlackMessage, SlackUser

T = TypeVar("T")

# A workspace of 500 channels has 550,000 files of days after three years. A million of them take 600 MB to list.
FILES = 1_000_000
# The largest file, which is read at once: that of a day with 50,000 messages has some 50 MB.
FILE_BYTES = 64 << 20
# All files together may be this much larger than the archive. JSON of Slack is compressed to a tenth.
RATIO = 200
_ALWAYS_BYTES = 16 << 20
_CONVERSATIONS = ("channels.json", "groups.json", "mpims.json", "dms.json")
_DAY = re.compile(r"(\d{4}-\d\d-\d\d)\.json")
_NAME_CHARS = 60


class SlackArchive:
    """The files of an export.

    Raises:
        ArchiveError: it is no such export, or not a safe one.
        OSError: it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError) as error:
            raise ForeignFile(f"this is not the export of Slack: it is no zip file ({error})") from None
        try:
            files = _checked(self._zip.infolist(), path.stat().st_size)
            root = _root(files)
            self._files = {name.removeprefix(root): info for name, info in files.items() if name.startswith(root)}
            self._days: dict[str, list[str]] = {}
            for name in self._files:
                folder, _, file = name.rpartition("/")
                if folder and _DAY.fullmatch(file):
                    self._days.setdefault(folder, []).append(name)
        except BaseException:
            self._zip.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._zip.close()

    def users(self) -> list[SlackUser]:
        """Return the users."""
        return self._read("users.json", list[SlackUser])

    def conversations(self) -> list[tuple[str, Conversation]]:
        """Return all conversations, each with the name of the file that lists it."""
        return [
            (name, one)
            for name in _CONVERSATIONS
            if name in self._files
            for one in self._read(name, list[Conversation])
        ]

    def days(self, conversation: Conversation) -> list[str]:
        """Return the files of a conversation, by day. Slack names the folder by the name, or else by the id."""
        for folder in (conversation.name, conversation.id):
            if folder and folder in self._days:
                return sorted(self._days[folder])
        return []

    def messages(self, day: str) -> list[SlackMessage]:
        """Return the messages of a day.

        Raises:
            CorruptFile: the file is damaged, too large, or not what Slack writes.
        """
        return self._read(day, list[SlackMessage])

    def _read(self, name: str, kind: type[T]) -> T:
        info = self._files[name]
        try:
            with self._zip.open(info) as file:
                data = file.read(FILE_BYTES + 1)
                if len(data) <= FILE_BYTES and file.read(1):
                    raise CorruptFile(f"{_shown(name)} in the archive is damaged: it goes on after its end")
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            raise CorruptFile(f"{_shown(name)} in the archive is damaged: {error}") from None
        try:
            return msgspec.json.decode(data, type=kind, strict=False)
        except (msgspec.DecodeError, RecursionError, ValueError) as error:
            raise CorruptFile(f"{_shown(name)} is not what Slack writes: {error}") from None


def _checked(infos: list[zipfile.ZipInfo], size: int) -> dict[str, zipfile.ZipInfo]:
    """Return the files by name.

    Raises:
        ArchiveError: some would be a danger to whoever unpacks them, or are too large.
    """
    if len(infos) > FILES:
        raise ArchiveError(f"the archive has {len(infos):,} files; {FILES:,} are the limit")
    found: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        name = info.filename
        if name.startswith("/") or "\\" in info.orig_filename or "\0" in info.orig_filename or ".." in name.split("/"):
            raise ArchiveError(f"the archive is not safe: it has a file with the path {_shown(info.orig_filename)}")
        if name in found:
            raise ArchiveError(f"the archive is not safe: it has two files with the path {_shown(name)}")
        if info.flag_bits & 1:
            raise ArchiveError(f"the archive is encrypted: {_shown(name)}")
        if name.endswith(".json") and info.file_size > FILE_BYTES:
            raise ArchiveError(f"{_shown(name)} has {info.file_size:,} bytes; {FILE_BYTES:,} are the limit")
        found[name] = info
    packed, unpacked = (sum(getattr(one, of) for one in infos) for of in ("compress_size", "file_size"))
    if packed > size:
        raise ArchiveError("the archive is not safe: its files overlap")
    if unpacked > _ALWAYS_BYTES + RATIO * size:
        raise ArchiveError(f"the archive is not safe: its {size:,} bytes would unpack to {unpacked:,}")
    return found


def _root(files: dict[str, Any]) -> str:
    """Return the folder of the archive with the export in it: who has packed it again has often added one."""
    for name in sorted(files, key=len):
        root, _, file = name.rpartition("/")
        if file == "users.json" and root.count("/") == 0 and root != "__MACOSX":
            if not any(f"{root}/{one}".lstrip("/") in files for one in _CONVERSATIONS):
                break
            return f"{root}/" if root else ""
    raise ForeignFile("this is not the export of Slack: users.json and channels.json are not in it")


def _shown(name: str) -> str:
    """Return a path for a terminal."""
    shown = name if len(name) <= _NAME_CHARS else f"{name[:_NAME_CHARS]}..."
    return shown.encode("unicode_escape").decode()
