"""The format of an export: JSON Lines in gzip, with a header, and at the end the counts and a checksum.

docs/export.md describes it. Both ends are streams: neither holds more than a batch.
"""

import gzip
import io
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import IO

import msgspec
from msgspec import Struct

from model.limits import NAME_CHARS
from storage.ports.transfer import KINDS, AnyRecord, Record, Room, StoredMember, StoredMessage, kind_of
from utils.encoding import to_json

VERSION = 1
FORMAT = "parley-export"
# The longest line: a message of a million characters, all of them escaped, with its reactions.
LINE_BYTES = 32 << 20
_GZIP = b"\x1f\x8b"
# Speed counts more than size: level 6 takes three times as long, for files that are 15 % smaller (measured).
_LEVEL = 1
_WINDOW = zlib.MAX_WBITS | 16  # in gzip
_PLACES = {kind: place for place, kind in enumerate(KINDS)}


class ArchiveError(Exception):
    """The file cannot be imported. The text is a sentence for an operator."""


class ForeignFile(ArchiveError):
    """It is no export of Parley."""


class NewerFile(ArchiveError):
    """A newer Parley has written it."""


class TruncatedFile(ArchiveError):
    """It ends too early."""


class CorruptFile(ArchiveError):
    """It was damaged or edited."""


class Header(Struct, frozen=True):
    """The first line.

    Attributes:
        program: the version of Parley that has written it.
        at: when, RFC 3339.
        source: ``memory`` or ``postgresql``.
        sessions: whether it includes the secret of the servers and the logins.
    """

    format: str
    version: int
    program: str = ""
    at: str = ""
    source: str = ""
    sessions: bool = False


class End(Struct, frozen=True, tag_field="kind", tag="end"):
    """The last line.

    Attributes:
        counts: how many records of each kind there are.
        sha256: of all lines before this one, with their line ends.
    """

    counts: dict[str, int]
    sha256: str


class ArchiveWriter:
    """Makes the bytes of an export.

    Attributes:
        counts: the records so far, by kind.
    """

    def __init__(self, header: Header) -> None:
        self._squeezed = zlib.compressobj(_LEVEL, zlib.DEFLATED, _WINDOW)
        self._hash = sha256()
        self.counts: Counter[str] = Counter()
        self._start = self._take(header)

    def _take(self, line: Struct) -> bytes:
        text = to_json(line) + b"\n"
        self._hash.update(text)
        return self._squeezed.compress(text)

    def write(self, records: Iterable[Record]) -> bytes:
        """Return the next bytes of the file, which may be none."""
        parts = [self._start]
        self._start = b""
        for record in records:
            parts.append(self._take(record))
            self.counts[kind_of(record)] += 1
        return b"".join(parts)

    def end(self) -> bytes:
        """Return the last bytes of the file."""
        return self.write(()) + self._take(End(dict(self.counts), self._hash.hexdigest())) + self._squeezed.flush()


class ArchiveReader:
    """Reads and checks an export.

    Attributes:
        header: the first line.
        counts: the records so far, by kind.

    Raises:
        ArchiveError: it is no export that this version can read.
    """

    def __init__(self, file: IO[bytes]) -> None:
        start = file.read(len(_GZIP))
        if not start:
            raise TruncatedFile("the export is empty")
        if start != _GZIP:
            raise ForeignFile("this is not an export of Parley: it is not compressed by gzip")
        self._lines = gzip.GzipFile(fileobj=_Again(start, file), mode="rb")
        self._hash = sha256()
        self._number = 0
        self.counts: Counter[str] = Counter()
        self.header = self._read_header()

    def _read_header(self) -> Header:
        line = self._line()
        try:
            header = msgspec.json.decode(line, type=Header)
        except (msgspec.DecodeError, RecursionError):
            header = Header("", 0)
        if header.format != FORMAT:
            raise ForeignFile("this is not an export of Parley: its first line is another one")
        if header.version > VERSION:
            raise NewerFile(
                f"a newer Parley has written this export: it has version {header.version}, this one reads {VERSION}"
            )
        self._hash.update(line)
        return header

    def _line(self) -> bytes:
        """Return the next line.

        Raises:
            TruncatedFile, CorruptFile: there is none, or the compressed data is damaged.
        """
        self._number += 1
        try:
            line = self._lines.readline(LINE_BYTES + 1)
        except EOFError:
            raise self._truncated() from None
        except (gzip.BadGzipFile, zlib.error) as error:
            raise CorruptFile(f"the export is damaged at line {self._number}: {error}") from None
        if len(line) > LINE_BYTES:
            raise CorruptFile(f"line {self._number} of the export has more than {LINE_BYTES} bytes")
        if not line.endswith(b"\n"):
            raise self._truncated()
        return line

    def _truncated(self) -> TruncatedFile:
        return TruncatedFile(f"the export is truncated: it ends in line {self._number}, before its last one")

    def __iter__(self) -> Iterator[tuple[Record, int]]:
        """Yield each record with the bytes of its line, and check the whole at the end.

        Raises:
            ArchiveError: the file is truncated or damaged; or has records in a wrong order, or of rooms that are not in
                it.
        """
        decode = msgspec.json.Decoder(AnyRecord | End).decode
        rooms: set[int] = set()
        place = 0
        while True:
            line = self._line()
            try:
                record = decode(line)
            except (msgspec.DecodeError, RecursionError, ValueError) as error:
                raise CorruptFile(f"line {self._number} of the export is wrong: {error}") from None
            if isinstance(record, End):
                break
            self._hash.update(line)
            if (at := _PLACES[type(record)]) < place:
                raise CorruptFile(f"line {self._number} of the export is not in its place: {kind_of(record)}")
            place = at
            if isinstance(record, (StoredMember, StoredMessage)) and record.room_id not in rooms:
                raise CorruptFile(f"line {self._number} of the export is about a room that is not in it")
            if not _is_sound(record):
                raise CorruptFile(f"line {self._number} of the export has an id or a name that is out of bounds")
            if isinstance(record, Room):
                rooms.add(record.room.room_id)
            self.counts[kind_of(record)] += 1
            yield record, len(line)
        self._check(record)

    def _check(self, end: End) -> None:
        if end.sha256 != self._hash.hexdigest() or end.counts != dict(self.counts):
            raise CorruptFile("the export is damaged: its checksum is another one")
        try:
            more = self._lines.read(1)
        except (gzip.BadGzipFile, zlib.error, EOFError) as error:
            raise CorruptFile(f"the export is damaged at its end: {error}") from None
        if more:
            raise CorruptFile("the export goes on after its last line")


def _is_sound(record: Record) -> bool:
    """Whether the ids of a record are what servers and clients can work with, whoever has written the file."""
    if isinstance(record, StoredMessage):
        return 0 < record.seq <= record.version < 2**53
    if isinstance(record, Room):
        return 0 < record.room.room_id < 2**63 and 0 < len(record.room.name) <= NAME_CHARS
    return True


class _Again(io.RawIOBase):
    """A file whose first bytes were read already."""

    def __init__(self, start: bytes, file: IO[bytes]) -> None:
        self._start = start
        self._file = file

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if self._start:
            taken, self._start = self._start, b""
            return taken
        return self._file.read(size)
