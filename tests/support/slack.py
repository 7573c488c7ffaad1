"""An export of Slack, as Slack writes it, for tests to change and pack."""

import json
import zipfile
from pathlib import Path
from typing import Any

Files = dict[str, Any]
JOINED = 1_700_000_000
# The times of messages.
TS = [f"{JOINED + number}.0{number:05d}" for number in range(20)]


def workspace() -> Files:
    """Return the files of a small workspace, with something of everything."""
    ann, bob, cy, bot = "U0ANN", "U0BOB", "U0CY", "U0BOT"
    users = [
        {"id": ann, "name": "ann", "profile": {"display_name": "Ann Lee", "email": "Ann@Example.com"}, "is_bot": False},
        {"id": bob, "name": "bob", "profile": {"display_name": "", "real_name": "Bob"}, "team_id": "T1"},
        {"id": cy, "name": "cy", "deleted": True, "profile": {"display_name": "cy", "image_24": "https://x"}},
        {"id": bot, "name": "news", "is_bot": True, "profile": {"display_name": "News"}},
    ]
    general = {
        **{"id": "C0GEN", "name": "general", "created": JOINED, "creator": ann, "is_general": True},
        **{"members": [ann, bob], "purpose": {"value": "talk"}},
        "topic": {"value": "all &amp; any: <https://example.com|x>", "creator": ann},
        "pins": [{"id": TS[1], "type": "C", "created": JOINED + 60, "user": ann, "owner": bob}],
    }
    long = {"id": "C0LNG", "name": "x" * 80, "created": JOINED, "creator": cy, "is_archived": True, "members": [bob]}
    group = {
        **{"id": "G0SEC", "name": "secret", "created": JOINED, "creator": bob, "members": [bob, cy]},
        "purpose": {"value": "hush"},
    }
    build = {"fallback": "f", "title": "Build", "title_link": "https://ci.example", "text": "passed", "ts": 1}
    messages = [
        {"subtype": "channel_join", "user": bob, "text": "<@U0BOB> has joined", "ts": TS[0]},
        {
            **{"user": ann, "ts": TS[1], "thread_ts": TS[1], "reply_count": 1, "blocks": [{"type": "rich_text"}]},
            "text": "hi <@U0BOB>, see <#C0LNG|old> and <https://example.com/a?b=1&amp;c=2|the page>"
            " :tada: *now* &lt;b&gt;",
            "reactions": [
                {"name": "+1::skin-tone-3", "users": [bob, ann], "count": 2},
                {"name": "partyparrot", "users": [bob], "count": 1},
            ],
        },
        {"user": bob, "text": "an answer", "ts": TS[2], "thread_ts": TS[1], "parent_user_id": ann},
        {"user": bob, "text": "fixed", "ts": TS[3], "edited": {"user": bob, "ts": TS[4]}},
        {"subtype": "bot_message", "bot_id": "B1", "username": "CI", "text": "", "ts": TS[5], "attachments": [build]},
        {
            **{"user": ann, "text": "look", "ts": TS[6]},
            "files": [{"id": "F1", "name": "a.png", "permalink": "https://x.slack.com/files/F1"}],
        },
        {"subtype": "tombstone", "user": "USLACKBOT", "text": "This message was deleted.", "ts": TS[7]},
        {"user": "U0FAR", "user_profile": {"real_name": "Far Away"}, "text": "from afar", "ts": TS[8]},
    ]
    mpim = {"id": "G9", "name": "mpdm-ann--bob--cy-1", "created": JOINED, "creator": ann, "members": [ann, bob, cy]}
    return {
        "users.json": users,
        "channels.json": [general, long],
        "groups.json": [group],
        "dms.json": [
            {"id": "D1", "created": JOINED, "members": [ann, bob]},
            {"id": "D2", "created": JOINED, "members": [bob]},
        ],
        "mpims.json": [mpim],
        "integration_logs.json": [],
        "general/2023-11-14.json": messages[:4],
        "general/2023-11-15.json": messages[4:],
        "secret/2023-11-15.json": [{"user": bob, "text": "psst " + "word " * 1000, "ts": TS[9]}],
        "D1/2023-11-15.json": [{"user": ann, "text": "just us", "ts": TS[10]}],
        "D2/2023-11-15.json": [{"user": bob, "text": "to do", "ts": TS[11]}],
        "mpdm-ann--bob--cy-1/2023-11-15.json": [{"user": cy, "text": "we three", "ts": TS[12]}],
    }


def pack(path: Path, files: Files, *, root: str = "") -> Path:
    """Write a zip file. A value that is bytes is written as it is."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(root + name, content if isinstance(content, bytes) else json.dumps(content))
    return path
