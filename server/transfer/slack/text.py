"""Write Slack's marks in the Markdown of Parley's page."""

import html
import re
from collections.abc import Callable

from server.transfer.slack.emoji import emoji_of

# Code, in which nothing but references and escapes means anything.
_CODE = re.compile(r"```(.+?)```|`([^`\n]+)`", re.DOTALL)
# <@U12>, <#C12|general>, <!here>, <https://example.com|text>
_REFERENCE = re.compile(r"<([^<>\n]{1,8000})>")
_BOLD = re.compile(r"(?<![\w*])\*(?![\s*])([^*\n]+?)(?<!\s)\*(?![\w*])")
_STRUCK = re.compile(r"(?<![\w~])~(?![\s~])([^~\n]+?)(?<!\s)~(?![\w~])")
_EMOJI = re.compile(r"(?<![\w:]):([a-z0-9_+'-]{1,60}(?:::skin-tone-[2-6])?):(?!\w)")
_QUOTE = re.compile(r"^&gt;&gt;&gt; ?(.*)\Z", re.DOTALL | re.MULTILINE)
# The addresses that can be those of a link with a text.
_LINKED = re.compile(r"(?:https?://|mailto:|tel:)[^\s<>()\[\]]+")
_SPECIAL = re.compile(r"([\\\[\]])")
# Names that need no brackets after an @ or #.
_PLAIN = re.compile(r"\w+(?:[.-]+\w+)*")


class Words:
    """Writes texts.

    Args:
        user: returns the name of the user with an id.
        room: returns the name of the room with an id; None for an unknown one.
    """

    def __init__(self, user: Callable[[str], str], room: Callable[[str], str | None]) -> None:
        self._user = user
        self._room = room

    def markdown(self, text: str) -> str:
        """Return Slack's text in Markdown."""
        parts: list[str] = []
        end = 0
        text = _QUOTE.sub(lambda match: "\n".join(f"&gt; {line}" for line in match[1].split("\n")), text)
        for code in _CODE.finditer(text):
            parts += self._prose(text[end : code.start()]), self._code(code, text)
            end = code.end()
        parts.append(self._prose(text[end:]))
        return "".join(parts)

    def _code(self, code: "re.Match[str]", text: str) -> str:
        inner = html.unescape(_REFERENCE.sub(self._as_typed, code[1] or code[2]))
        if code[2] is not None:
            return f"`{inner}`"
        # A fence has a line of its own.
        before = "" if code.start() == 0 or text[code.start() - 1] == "\n" else "\n"
        after = "" if code.end() == len(text) or text[code.end()] == "\n" else "\n"
        inner = inner.strip("\n")
        return f"{before}```\n{inner}\n```{after}"

    def _as_typed(self, match: "re.Match[str]") -> str:
        if match[1].startswith("@"):
            return f"@{self._user(match[1][1:].partition('|')[0])}"
        return match[1].rpartition("|")[2]

    def _prose(self, text: str) -> str:
        """Write what is no code. References are put aside: what looks like a mark in an address is none."""
        aside: list[str] = []

        def put_aside(match: "re.Match[str]") -> str:
            aside.append(self._reference(match[1]))
            return f"\x00{len(aside) - 1}\x00"

        text = _REFERENCE.sub(put_aside, text.replace("\x00", ""))
        text = _STRUCK.sub(r"~~\1~~", _BOLD.sub(r"**\1**", text))
        text = _EMOJI.sub(lambda match: emoji_of(match[1]) or match[0], text)
        text = html.unescape(text) if "&" in text else text
        return re.sub("\x00(\\d+)\x00", lambda match: aside[int(match[1])], text)

    def _reference(self, inner: str) -> str:
        target, _, label = inner.partition("|")
        label = html.unescape(label)
        match target[:1]:
            case "@":
                return named("@", self._user(target[1:]))
            case "#":
                return named("#", self._room(target[1:]) or label or target[1:])
            case "!":
                word = target[1:].partition("^")[0]
                return label or f"@{word}"
        address = html.unescape(target)
        if not label or label == address or address.partition(":")[2].removeprefix("//").rstrip("/") == label:
            return address.removeprefix("mailto:")
        if _LINKED.fullmatch(address) is None:
            return f"{label} ({address})"
        text = _SPECIAL.sub(r"\\\1", label)
        return f"[{text}]({address})"


def named(mark: str, name: str) -> str:
    """Return a mention of a user (``@``), or the name of a room (``#``)."""
    if _PLAIN.fullmatch(name):
        return f"{mark}{name}"
    quoted = name.replace("\\", "\\\\").replace("]", "\\]")
    return f"{mark}[{quoted}]"
