"""What names and message texts may hold. Every dialect and every door checks them here."""

from __future__ import annotations

import re
import unicodedata

from model.errors import ParleyError
from model.limits import EMOJI_CHARS, MENTIONS, NAME_CHARS

# Control characters other than tab and newline, NUL among them, C1 controls and lone surrogates (not UTF-8).
_FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
# Characters of a printable category that show nothing: fillers, joiners, variation selectors. Unicode TR 36, 2.5.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\u2065\ufff0-\ufff8\U000e0000-\U000e0fff]"
)
# Overrides and isolates of the direction of writing, and separators of lines. Unicode TR 36, 3.2.
_TURNING = re.compile("[\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
# Letters of other alphabets that look like those of the reserved names (Unicode TS 39, confusables), after folding.
_LOOK_ALIKES = str.maketrans("ѕꜱуүυγʏтτᴛеєεᴇмμᴍѵνᴠгʀрρᴘаαᴀӏʟ", "ssyyyyyttteeeemmmvvvrrpppaaall")
# ``@ann``, or ``@[ann lee]`` for names with spaces; not the second half of an address such as ann@example.org.
_MENTION = re.compile(rf"(?<![\w@])@(?:\[([^\]\n]{{1,{NAME_CHARS}}})\]|(\w(?:[\w.-]{{0,{NAME_CHARS - 2}}}\w)?))")
# Direct rooms have names that nobody can ask for.
DIRECT_PREFIX = "@"
_DOTS = frozenset({".", ".."})
_RESERVED = frozenset({"system", "server", "parley"})


def check_content(content: str, max_chars: int) -> str:
    """The text of a message, unchanged.

    Raises:
        ParleyError: ``too_large`` above ``max_chars`` characters, ``empty`` when it is only white space, ``bad_field``
            when it holds a control character other than newline and tab.
    """
    if len(content) > max_chars:
        raise ParleyError("too_large", f"a message has at most {max_chars} characters", field="content")
    if content.isprintable():  # the common case in one fast pass; white space other than " " is not printable
        if content.strip(" "):
            return content if content.isascii() else _seen(content)
    else:
        if _FORBIDDEN.search(content):
            raise ParleyError("bad_field", "content holds a control character", field="content")
        if not content.isspace():
            return content if content.isascii() else _seen(content)
    raise ParleyError("empty", field="content")


def _seen(content: str) -> str:
    """``content``, when at least one of its characters can be seen; most often that is the first.

    Raises:
        ParleyError: ``empty``.
    """
    if any(map(_is_seen, content)):
        return content
    raise ParleyError("empty", field="content")


def _is_seen(char: str) -> bool:
    return not (char.isspace() or unicodedata.category(char) in _CATEGORIES or _INVISIBLE.match(char))


def check_name(name: str, field: str) -> str:
    """A room's or a user's name, trimmed and in NFC.

    Raises:
        ParleyError: ``bad_field`` naming ``field``: not 1 to 64 characters, or one that is a control, invisible,
            a bidi override or a space other than U+0020.
    """
    if name.isascii() and name.isprintable() and 0 < len(name) <= NAME_CHARS and name[0] != " " != name[-1]:
        return name
    clean = unicodedata.normalize("NFC", name).strip(" ")
    if not clean:
        raise ParleyError("bad_field", f"{field} is empty", field=field)
    if len(clean) > NAME_CHARS:
        raise ParleyError("bad_field", f"{field} has more than {NAME_CHARS} characters", field=field)
    for char in clean:
        category = unicodedata.category(char)
        if category in _CATEGORIES or (category == "Zs" and char != " ") or _INVISIBLE.match(char):
            raise ParleyError("bad_field", f"{field} holds U+{ord(char):04X}, which cannot be seen", field=field)
    return clean


def check_user_name(name: str, field: str) -> str:
    """As :func:`check_name`, and nobody may look like the server itself.

    Raises:
        ParleyError: ``bad_field`` as in :func:`check_name`; ``reserved_name`` for SYSTEM and its like, in any case,
            width or punctuation.
    """
    clean = check_name(name, field)
    folded = "".join(c for c in unicodedata.normalize("NFKC", clean).casefold().translate(_LOOK_ALIKES) if c.isalnum())
    if folded in _RESERVED:
        raise ParleyError("reserved_name", f"the name {clean!r} is reserved", field=field)
    return clean


def check_room_name(name: str, field: str) -> str:
    """As :func:`check_name`, for a room that is to be made or entered by its name.

    Raises:
        ParleyError: ``bad_field`` as in :func:`check_name`; ``reserved_name`` for the names of direct rooms, and for
            those that no address can hold (RFC 3986, 5.2.4).
    """
    clean = check_name(name, field)
    if not may_be_made(clean):
        raise ParleyError("reserved_name", f"no name begins with {DIRECT_PREFIX}, or is . or ..", field=field)
    return clean


def may_be_made(name: str) -> bool:
    """Whether somebody may make a room of this name, by joining too."""
    return not name.startswith(DIRECT_PREFIX) and name not in _DOTS


def check_text(text: str, field: str, max_chars: int) -> str:
    """A title, topic or reason: trimmed, perhaps empty, at most ``max_chars`` characters, and nothing in it that turns
    the direction of what stands behind it or that is no text at all.

    Raises:
        ParleyError: ``bad_field`` naming ``field``.
    """
    clean = unicodedata.normalize("NFC", text).strip()
    if len(clean) > max_chars:
        raise ParleyError("bad_field", f"{field} has more than {max_chars} characters", field=field)
    if _FORBIDDEN.search(clean) or _TURNING.search(clean):
        raise ParleyError("bad_field", f"{field} holds a control character", field=field)
    return clean


def check_emoji(emoji: str) -> str:
    """A reaction: one visible run of characters without white space, such as an emoji or ``:name:``.

    Raises:
        ParleyError: ``bad_field`` naming ``emoji``.
    """
    clean = unicodedata.normalize("NFC", emoji)
    wrong = any(char.isspace() for char in clean) or _FORBIDDEN.search(clean) or _TURNING.search(clean)
    if wrong or len(clean) > EMOJI_CHARS or not any(map(_is_seen, clean)):
        raise ParleyError("bad_field", f"emoji: 1 to {EMOJI_CHARS} visible characters, no spaces", field="emoji")
    return clean


def fold_name(name: str) -> str:
    """A name as names are compared: NFKC and case folding, so that ``@ANN`` is about ann."""
    return unicodedata.normalize("NFKC", name).casefold()


def find_mentions(content: str) -> tuple[str, ...]:
    """The names that a text mentions, folded, each once and in order, at most `model.limits.MENTIONS`."""
    if "@" not in content:
        return ()
    names = dict.fromkeys(fold_name((quoted or plain).strip()) for quoted, plain in _MENTION.findall(content))
    names.pop("", None)
    return tuple(names)[:MENTIONS]
