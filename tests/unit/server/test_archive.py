"""The file of an export: what it looks like, and which files are refused."""

import gzip
import io
import json
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.account import Account, AddedUser, ApiKey, InviteLink, Login
from model.audit import AuditEntry
from model.room import Invitation, Member, NetworkSanction, RoomRecord, User
from model.safety import Report
from server.transfer import archive
from server.transfer.archive import (
    FORMAT,
    VERSION,
    ArchiveError,
    ArchiveReader,
    ArchiveWriter,
    CorruptFile,
    ForeignFile,
    Header,
    NewerFile,
    TruncatedFile,
)
from storage.ports.transfer import (
    BATCH_RECORDS,
    KINDS,
    Added,
    Alias,
    Audit,
    Block,
    Key,
    Link,
    Record,
    Room,
    Sanction,
    Secret,
    StoredAccount,
    StoredLogin,
    StoredMember,
    StoredMessage,
    StoredNotice,
    StoredReport,
    Work,
    in_batches,
)

AT = "2026-11-21T08:30:02.000001Z"
HEADER = Header(FORMAT, VERSION, "0.2.0", AT, "memory", True)
HASH = bytes(range(32))
ANN = User("u_7", "ann")
# One record of every kind, with another value than the default in every field.
RECORDS: Sequence[Record] = (
    Secret(HASH, 5),
    StoredAccount(
        Account("a_1", "carol", "caro1", "Carol", "$argon2id$x", 1, "admin", 2, 3, "C@e.example", b"\xff\0n", True, 4),
        (HASH, HASH[::-1]),
    ),
    StoredLogin(Login("l_1", "a_1", 1, 2, 9, True, "Firefox \u65e5", "192.0.2.7", 3)),
    Alias("g_1", "a_1", 7),
    Key(ApiKey("k_1", HASH, "pk_abc", "b_1", "news", "a_1", "moderate", 1, 9, 5)),
    Added(AddedUser("u_7", "ann", 1, 2)),
    Room(RoomRecord(7, "plans", AT, "private", "The Plans", "topic\n2", "$argon2id$y", 30, 90, None, "read")),
    Room(RoomRecord(8, "plans", AT, deleted_at=AT)),
    Sanction(7, NetworkSanction("192.0.2.7", "g_1", 8, 9)),
    StoredMember(7, Member(ANN, "owner", 1, 2, 3, 4, 5, "loud", Invitation(User("u_8", "bob"), 6), "organizer")),
    StoredMember(7, Member(User("u_8", "bob"))),
    StoredMessage(7, 100, 100, "ann", "u_7", 'a "quoted" \\ \u2028 \U0001f332\ttext\n', AT),
    StoredMessage(
        7, 101, 109, "gus", "g_1", "", AT, "m1", AT, AT, 100, ("bob", "ann lee"), {"\U0001f44d": ["u_7", "u_8"]}, AT,
        "u_7", "a_1", -(2**63),
    ),
    Link(InviteLink("i_1", HASH, 7, "u_7", 1, 9, 5, 4)),
    Link(InviteLink("i_2", HASH[::-1], None, "u_7", 1, 9, 5, 4)),
    Block("u_7", "g_1", 3),
    StoredReport(
        Report("p_1", 7, "plans", 100, ANN, "spam", User("u_8", "bob"), "text", AT, 4, "resolved", "u_9", "a note", 5)
    ),
    StoredNotice("account", "u_9", 1, 9, 2, 8, "a reason"),
    StoredNotice("name", "00ff", 2, 9),
    Work("rename", "a_1", ("a_1", "g_1"), "Carol", True, 6),
    Audit(AuditEntry(2**62, 1, "ban", "refused", ANN, User("u_8", "bob"), "192.0.2.7", "plans", "3600 s")),
    Audit(AuditEntry(1, 2, "reload", "ok", User("operator", ""))),
)  # fmt: skip


def packed(records: Sequence[Record], header: Header = HEADER) -> bytes:
    writer = ArchiveWriter(header)
    return b"".join([writer.write([one]) for one in records]) + writer.end()


def lines_of(data: bytes) -> list[bytes]:
    return gzip.decompress(data).splitlines(keepends=True)


def read(data: bytes) -> list[Record]:
    return [record for record, _ in ArchiveReader(io.BytesIO(data))]


def edited(lines: Sequence[bytes]) -> bytes:
    """Return a file of other lines, with the checksum that they have."""
    *body, end = lines
    sums = {**json.loads(end), "sha256": sha256(b"".join(body)).hexdigest()}
    return gzip.compress(b"".join(body) + json.dumps(sums).encode() + b"\n")


LINES = lines_of(packed(RECORDS))


def test_every_kind_comes_back_as_it_was() -> None:
    assert {type(one) for one in RECORDS} == {*KINDS}
    assert read(packed(RECORDS)) == list(RECORDS)
    assert read(packed(())) == []


def test_version_1_is_read_for_ever() -> None:
    """Text that was written by hand. If this fails, raise VERSION, and read both."""
    body = (
        '{"format":"parley-export","version":1,"program":"0.2.0","at":"' + AT + '","source":"memory","sessions":true}\n'
        '{"kind":"room","room":{"room_id":7,"name":"plans","created_at":"' + AT + '","kind":"public","title":"",'
        '"topic":"","password":null,"slow_mode":0,"retention_days":0,"deleted_at":null,"guests":"talk"}}\n'
        '{"kind":"member","room_id":7,"member":{"user":{"id":"u_7","name":"ann"},"role":"owner","joined_at":1,'
        '"seen_at":0,"read_seq":0,"banned_until":0,"muted_until":0,"reason":"","invitation":null,"account_role":""}}\n'
        '{"kind":"message","room_id":7,"seq":100,"version":100,"sender":"ann","sender_id":"u_7","content":"hello",'
        '"at":"' + AT + '"}\n'
    ).encode()
    end = {"kind": "end", "counts": {"room": 1, "member": 1, "message": 1}, "sha256": sha256(body).hexdigest()}
    records = read(gzip.compress(body + json.dumps(end).encode() + b"\n"))
    assert records == [
        Room(RoomRecord(7, "plans", AT, "public")),
        StoredMember(7, Member(ANN, "owner", 1)),
        StoredMessage(7, 100, 100, "ann", "u_7", "hello", AT),
    ]
    assert b"".join(lines_of(packed(records))[:-1]) == body


def test_the_fields_of_version_1() -> None:
    """If this fails, an export of an older version could not be read: raise VERSION, and read both."""
    lines = [json.loads(line) for line in lines_of(packed(RECORDS))[1:-1]]
    names = [[*line] for line in lines]
    inner = [[*value] for line in lines for value in line.values() if type(value) is dict]
    assert sha256(json.dumps([names, inner]).encode()).hexdigest()[:16] == "4fd7bcf10ee2f46b"


@given(
    st.text(), st.text(max_size=5), st.integers(-(2**63), 2**63 - 1), st.dictionaries(st.text(), st.lists(st.text()))
)
def test_any_text_survives(content: str, name: str, number: int, reactions: dict[str, list[str]]) -> None:
    room = Room(RoomRecord(1, name[:64] or "x", AT))
    message = StoredMessage(1, 5, 5, name, name, content, AT, reactions=reactions or None, first_body=number)
    try:
        data = packed([room, message])
    except UnicodeEncodeError:  # a lone surrogate, which no message has
        return
    assert read(data) == [room, message]


@pytest.mark.parametrize(
    ("data", "kind", "said"),
    [
        (b"", TruncatedFile, "the export is empty"),
        (b"PK\3\4", ForeignFile, "it is not compressed by gzip"),
        (gzip.compress(b""), TruncatedFile, "it ends in line 1"),
        (gzip.compress(b"hello\n"), ForeignFile, "its first line is another one"),
        (gzip.compress(b'{"format":"other","version":1}\n'), ForeignFile, "its first line is another one"),
        (gzip.compress(b"[" * 100_000 + b"\n"), ForeignFile, "its first line is another one"),
        (packed(RECORDS, Header(FORMAT, VERSION + 1)), NewerFile, "it has version 2, this one reads 1"),
        (packed(RECORDS)[:-1], CorruptFile, "damaged at its end"),
        (packed(RECORDS) + b"more", CorruptFile, "damaged at its end"),
        (packed(RECORDS) + gzip.compress(b"more\n"), CorruptFile, "goes on after its last line"),
        (gzip.compress(b"".join(LINES[:-1])), TruncatedFile, "it ends in line 24, before its last one"),
        (gzip.compress(b"".join(LINES)[:-9]), TruncatedFile, "it ends in line 24"),
        (gzip.compress(b"".join(LINES).replace(b"spam", b"ham!")), CorruptFile, "its checksum is another one"),
        (edited([one for one in LINES if b"topic" not in one]), CorruptFile, "a room that is not in it"),
        (edited([LINES[0], LINES[-2], *LINES[1:-2], LINES[-1]]), CorruptFile, "line 3 .* is not in its place: secret"),
        (edited([one.replace(b'"seq":100,', b'"seq":0,') for one in LINES]), CorruptFile, "line 13 .* out of bounds"),
        (edited([one.replace(b'"owner"', b'"king"') for one in LINES]), CorruptFile, "line 11 of the export is wrong"),
    ],
    ids=[
        *("empty", "zip", "nothing", "text", "another format", "deep", "newer", "cut by a byte", "longer", "two files"),
        *(
            "no last line",
            "half of the last line",
            "changed",
            "no room",
            "out of order",
            "out of bounds",
            "another value",
        ),
    ],
)
def test_other_files_are_refused_by_name(data: bytes, kind: type[ArchiveError], said: str) -> None:
    with pytest.raises(kind, match=said):
        read(data)


def test_no_cut_or_flipped_byte_goes_unnoticed() -> None:
    whole = packed(RECORDS)
    for at in range(0, len(whole), 7):
        for data in (whole[:at], whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :]):
            if data[:10] == whole[:10] or at > 9 or data == whole[:at]:  # the head of gzip has a time, and flags
                with pytest.raises(ArchiveError):
                    read(data)


def test_a_line_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "LINE_BYTES", 1000)
    with pytest.raises(CorruptFile, match="line 3 of the export has more than 1000 bytes"):
        read(packed([Room(RoomRecord(7, "plans", AT)), StoredMessage(7, 1, 1, "a", "u_a", "x" * 1000, AT)]))


def test_batches_have_one_kind_and_are_bounded() -> None:
    many: list[Any] = (
        [(one, 10) for one in RECORDS] + [(RECORDS[-1], 1)] * (2 * BATCH_RECORDS) + [(RECORDS[-1], 5 << 20)] * 3
    )
    batches = list(in_batches(many))
    assert [record for batch in batches for record in batch] == [record for record, _ in many]
    assert all(len({*map(type, batch)}) == 1 and len(batch) <= BATCH_RECORDS for batch in batches)
    assert [len(batch) for batch in batches[-2:]] == [1, 1]
