"""What becomes of Slack's export, and which archives are refused."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chat.handlers.manage import direct_name
from server.transfer.archive import ArchiveError
from server.transfer.slack.people import read_ids
from server.transfer.slack.text import Words
from server.transfer.slack.workspace import Workspace
from storage.ports.transfer import Added, Record, Room, StoredMember, StoredMessage
from tests.support.slack import JOINED, Files, pack, workspace

NOW = 2_000_000_000_000_000


def read(path: Path, **ids: str) -> tuple[list[Record], Workspace]:
    made = Workspace(path, ids, most=4000, now_us=NOW)
    try:
        counts = made.check()
        records = [record for record, _ in made.records()]
    finally:
        made.close()
    assert counts.total() == len(records)
    return records, made


@pytest.mark.parametrize("root", ["", "export of 2023/"])
def test_a_workspace_becomes_rooms_members_and_messages(tmp_path: Path, root: str) -> None:
    records, made = read(pack(tmp_path / "slack.zip", workspace(), root=root), U0BOB="42", U0CY="a_5Vw0")
    rooms = {one.room.name: one.room for one in records if isinstance(one, Room)}
    direct = direct_name("u_U0ANN", "u_42")
    assert {name: room.kind for name, room in rooms.items()} == {
        "general": "public",
        "x" * 64: "public",
        "secret": "private",
        "mpdm-ann--bob--cy-1": "private",
        direct: "direct",
        "D2": "private",
    }
    assert (rooms["general"].topic, rooms["secret"].topic) == ("all & any: https://example.com", "hush")
    assert (rooms["D2"].title, rooms["mpdm-ann--bob--cy-1"].title) == ("notes of Bob", "Ann Lee, Bob, cy")
    assert {room.guests for room in rooms.values()} == {"no"}

    def of(name: str, kind: type[Any]) -> list[Any]:
        return [one for one in records if isinstance(one, kind) and one.room_id == rooms[name].room_id]

    members = {one.member.user.id: one.member for one in of("general", StoredMember)}
    assert {user_id: row.role for user_id, row in members.items()} == {"u_U0ANN": "owner", "u_42": "member"}
    first, answer, fixed, bot, look, gone, afar = of("general", StoredMessage)
    assert {row.read_seq for row in members.values()} == {afar.seq}
    assert (first.sender, first.sender_id, first.seq) == ("Ann Lee", "u_U0ANN", (JOINED + 1) * 1_000_000 + 1)
    assert first.content == (
        f"hi @Bob, see #{'x' * 64} and [the page](https://example.com/a?b=1&c=2) \U0001f389 **now** <b>"
    )
    assert first.mentions == ("bob",)
    assert first.reactions == {"\U0001f44d\U0001f3fc": ["u_42", "u_U0ANN"], ":partyparrot:": ["u_42"]}
    assert (first.pinned_by, first.pinned_at[:19]) == ("u_U0ANN", "2023-11-14T22:14:20")
    assert (answer.reply_to, first.reply_to) == (first.seq, None)
    assert (fixed.edited_at, fixed.content) == ("2023-11-14T22:13:24.000004Z", "fixed")
    assert (bot.sender, bot.sender_id, bot.content) == ("CI", "b_B1", "[Build](https://ci.example)\npassed")
    assert look.content == "look\n[a.png](https://x.slack.com/files/F1)"
    assert (gone.content, gone.deleted_at) == ("", gone.at)
    assert (afar.sender, afar.sender_id) == ("Far Away", "u_U0FAR")
    whole, rest = of("secret", StoredMessage)
    assert max(len(whole.content), len(rest.content)) <= 4000
    assert whole.content + rest.content == ("psst " + "word " * 1000)
    assert {one.member.user.id for one in of("secret", StoredMember)} == {"u_42", "a_5Vw0"}
    assert {one.user.user_id for one in records if isinstance(one, Added)} == {"u_U0ANN", "u_42"}
    assert made.people.placed == 2
    assert made.lost == {
        "messages of the kind channel_join": 1,
        "reactions with an emoji of the workspace, which the page does not show": 1,
        "files, of which only the name and the address are taken over": 1,
        "messages of more than 4,000 characters, which become several": 1,
        "names of rooms, which had to be changed": 1,
        "archived channels, which become open ones": 1,
        "rooms without an owner, as who made them is no member": 1,
    }


@pytest.mark.parametrize(
    ("slack", "markdown"),
    [
        ("*bold* _it_ ~gone~ a*b*c 2 * 3", "**bold** _it_ ~~gone~~ a*b*c 2 * 3"),
        ("<@U2> <@U9> <!here> <!subteam^S1|@devs> <#C9|old>", "@[Ann B\\] x] @U9 @here @devs #old"),
        ("<https://e.com> <http://e.com|e.com> <mailto:a@b.c|a@b.c>", "https://e.com http://e.com a@b.c"),
        ("<https://e.com/(a|a [b]>", "a [b] (https://e.com/(a)"),
        ("<https://e.com/*a*|*x*>", "[*x*](https://e.com/*a*)"),
        ("x ```a &lt; *b* <https://e.com>``` y", "x \n```\na < *b* https://e.com\n```\n y"),
        ("`*c* <@U1> &amp;amp;`", "`*c* @bob &amp;`"),
        ("&gt; one\n&gt;&gt;&gt;two\nthree", "> one\n> two\n> three"),
        (":flag-de: :simple_smile: 12:30:45 :no_such:", "\U0001f1e9\U0001f1ea \U0001f642 12:30:45 :no_such:"),
        ("\x000\x00 <@U1>", "0 @bob"),
    ],
)
def test_marks_become_markdown(slack: str, markdown: str) -> None:
    names = {"U1": "bob", "U2": "Ann B] x"}
    assert Words(lambda user: names.get(user, user), lambda room: None).markdown(slack) == markdown


def test_ids_of_the_application_are_read_by_id_and_address(tmp_path: Path) -> None:
    csv = tmp_path / "ids.csv"
    csv.write_text('U0BOB, 42\n\nAnn@Example.COM,"7, second"\n')
    assert read_ids(csv) == {"U0BOB": "42", "ann@example.com": "7, second"}
    for wrong in ("U0BOB\n", "U0BOB,\n", "U0BOB,1\nU0BOB,2\n", "a,b,c\n"):
        csv.write_text(wrong)
        with pytest.raises(ArchiveError, match=r"ids\.csv, line "):
            read_ids(csv)


def without(name: str) -> Callable[[Files], None]:
    return lambda files: files.pop(name)


def with_file(name: str, content: Any) -> Callable[[Files], None]:
    return lambda files: files.__setitem__(name, content)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without("users.json"), "this is not the export of Slack: users.json and channels.json are not in it"),
        (with_file("../../etc/passwd.json", []), r"not safe: it has a file with the path \.\./\.\./etc"),
        (with_file("/etc/passwd.json", []), "not safe: it has a file with the path /etc"),
        (with_file("general\\..\\x.json", []), "not safe: it has a file with the path"),
        (with_file("big.bin", b"\0" * (90 << 20)), "not safe: its .* bytes would unpack to"),
        (with_file("general/2023-11-16.json", b"[" + b" " * (65 << 20) + b"]"), "67,108,864 are the limit"),
        (with_file("general/2023-11-16.json", b"[{]"), "general/2023-11-16.json is not what Slack writes: "),
        (with_file("general/2023-11-16.json", b"[" * 100_000), "is not what Slack writes: "),
        (with_file("general/2023-11-16.json", {"ts": 1}), "is not what Slack writes: Expected `array`"),
        (with_file("general/2023-11-16.json", [{"ts": "yesterday"}]), "has a message with the time 'yesterday'"),
        (with_file("general/2023-11-16.json", [{"ts": "99999999999.0"}]), "has a message with the time "),
        (with_file("channels.json", b"\xff"), "channels.json is not what Slack writes: "),
        (with_file("users.json", [{"id": "U1"}, {"id": "U1"}]), "U1 and U1 would have the same id, u_U1"),
        (with_file("users.json", [{"id": "a\u202eb"}]), "which cannot be one here"),
    ],
)
def test_an_archive_that_is_not_safe_or_not_slack_s_is_refused(
    tmp_path: Path, change: Callable[[Files], None], said: str
) -> None:
    files = workspace()
    change(files)
    with pytest.raises(ArchiveError, match=said):
        read(pack(tmp_path / "slack.zip", files))


def test_damaged_archives_are_refused(tmp_path: Path) -> None:
    path = pack(tmp_path / "slack.zip", workspace())
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        at = archive.getinfo("general/2023-11-14.json").header_offset
    for data in (b"", b"PK", whole[:-30], whole[: len(whole) // 2], whole[: at + 80] + b"x" + whole[at + 81 :]):
        path.write_bytes(data)
        with pytest.raises(ArchiveError):
            read(path)
    doubled = io.BytesIO(whole)
    with zipfile.ZipFile(doubled, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("users.json", "[]")
    path.write_bytes(doubled.getvalue())
    with pytest.raises(ArchiveError, match=r"two files with the path users\.json"):
        read(path)
