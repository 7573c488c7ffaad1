"""The emoji that the page offers: the English table of emojibase-data, cut down to what the page needs."""

import json
from collections.abc import Mapping
from typing import Any

# What phones and desktops of the last years can draw. A newer emoji would be offered as an empty box.
NEWEST_EMOJI = 15.1
COMPONENTS = 2  # the group of skin tones and hair, which are no emoji by themselves
TONES = "🏻🏼🏽🏾🏿"
VARIATION = "\ufe0f"


def compact(package: Mapping[str, bytes]) -> str:
    """Return `emoji.json`: for each group its name and its emoji, each with label, short codes, search words and
    whether it has skin tones. `package` has the files of the npm package by their paths."""
    emoji = json.loads(package["en/data.json"])
    github = json.loads(package["en/shortcodes/github.json"])  # what people type elsewhere
    own = json.loads(package["en/shortcodes/emojibase.json"])  # for those that GitHub lacks
    names = json.loads(package["meta/groups.json"])["groups"]
    groups: dict[int, list[list[Any]]] = {}
    for each in sorted(emoji, key=lambda each: each.get("order", 0)):
        if each.get("group", COMPONENTS) == COMPONENTS or each["version"] > NEWEST_EMOJI:
            continue
        codes = [*_codes(github, each)]
        codes += [code for code in _codes(own, each) if code not in codes]
        known = set(" ".join([each["label"], *codes]).replace("_", " ").split())
        tags = sorted({word for tag in each.get("tags", []) for word in tag.split()} - known)
        row = [each["emoji"], each["label"], " ".join(codes), " ".join(tags)]
        groups.setdefault(each["group"], []).append([*row, 1] if _has_tones(each) else row)
    table = [[names[str(number)], rows] for number, rows in sorted(groups.items())]
    return json.dumps(table, ensure_ascii=False, separators=(",", ":")) + "\n"


def _codes(table: dict[str, Any], emoji: dict[str, Any]) -> list[str]:
    found = table.get(emoji["hexcode"], [])
    return [found] if isinstance(found, str) else found


def _has_tones(emoji: dict[str, Any]) -> bool:
    """Say whether the page can derive the skin tones: each person in the emoji gets the same one."""
    made = {skin["tone"]: skin["emoji"] for skin in emoji.get("skins", []) if isinstance(skin["tone"], int)}
    people = [char for char in emoji["emoji"] if _takes_tone(char, emoji)]
    return len(made) == len(TONES) and all(
        _toned(emoji["emoji"], tone, people) == made[number + 1] for number, tone in enumerate(TONES)
    )


def _takes_tone(char: str, emoji: dict[str, Any]) -> bool:
    return any(char + tone in skin["emoji"] for skin in emoji.get("skins", []) for tone in TONES)


def _toned(text: str, tone: str, people: list[str]) -> str:
    for char in set(people):
        text = text.replace(char + VARIATION, char).replace(char, char + tone)
    return text
