"""The emoji behind Slack's names for them."""

import re
from functools import cache
from pathlib import Path

import msgspec

# What the page has: rows of the emoji, its name, the names to type it by, and what to find it by.
_TABLE = Path(__file__).parents[2] / "static/vendor/emoji/emoji.json"
_FLAG = re.compile(r"flag-([a-z]{2})")
_TONE = re.compile(r"(.+)::skin-tone-([2-6])")
# Names that only Slack has.
_OF_SLACK = {
    "simple_smile": "slightly_smiling_face",
    "rolling_on_the_floor_laughing": "rofl",
    "face_palm": "facepalm",
    "white_frowning_face": "frowning_face",
    "heavy_exclamation_mark": "exclamation",
    "the_horns": "metal",
    "hankey": "poop",
    "male-technologist": "man_technologist",
    "female-technologist": "woman_technologist",
}


@cache
def _names() -> dict[str, str]:
    groups: list[tuple[str, list[list[object]]]] = msgspec.json.decode(_TABLE.read_bytes())
    found: dict[str, str] = {}
    for _, rows in groups:
        for emoji, _, names, *_ in rows:
            for name in str(names).split():
                found.setdefault(name, str(emoji))
    return found


def emoji_of(name: str) -> str | None:
    """Return the emoji with a name, such as ``tada`` or ``+1::skin-tone-3``; None for one of the workspace's own."""
    if flag := _FLAG.fullmatch(name):
        return "".join(chr(ord(letter) - ord("a") + 0x1F1E6) for letter in flag[1])
    if toned := _TONE.fullmatch(name):
        base = emoji_of(toned[1])
        # Slack counts Fitzpatrick's types 2 to 6, Unicode has the modifiers U+1F3FB to U+1F3FF for them.
        return base and base.replace("\ufe0f", "") + chr(0x1F3F9 + int(toned[2]))
    names = _names()
    return names.get(_OF_SLACK.get(name, name)) or names.get(name.replace("-", "_"))
