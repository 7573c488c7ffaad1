"""Rules for names and message texts. Every dialect and endpoint checks them here, length first."""

import re
import string
from collections.abc import Iterable

import regex

from model.emoji import keep_visible_signs, qualify
from model.errors import ParleyError
from model.limits import EMOJI_CHARS, MENTIONS, NAME_CHARS
from model.lookalikes import is_reserved
from utils.clock import microseconds
from utils.unicode import BLANKS, MARKS, casefold, category, is_stream_safe, normalize

# Control characters other than tab and newline, NUL among them, C1 controls and lone surrogates (not UTF-8).
_FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
# Direction overrides and isolates, and line separators. Unicode TR 36, 3.2.
_TURNING = re.compile("[\u2028\u2029\u202a-\u202e\u2066-\u2069]")
# Characters that are invisible or blank: fillers, joiners, selectors, format characters and blanks. Unassigned code
# points count as visible: readers may have a newer Unicode, and others see a box.
_UNSEEN = (
    r"\p{White_Space}\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Z}\p{Default_Ignorable_Code_Point}"
    rf"\ufdd0-\ufdef{BLANKS}"
)
_SEEN = regex.compile(f"[^{_UNSEEN}]")
# A mark alone is drawn on what stands before the name.
_SEEN_ALONE = regex.compile(rf"[^\p{{M}}{_UNSEEN}]")
# Refused in names: invisible characters except spaces, joiners, selectors and the tags of a flag.
_NOT_IN_NAMES = regex.compile(
    rf"(?V1)(?:\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f)(*SKIP)(*FAIL)"
    rf"|[\p{{Cn}}[{_UNSEEN}]--[\ \u200c\u200d\ufe0e\ufe0f]]"
)
_SPACES = regex.compile(r"\p{Zs}+")
_IGNORED = regex.compile(r"\p{Default_Ignorable_Code_Point}+")
_RUN = re.compile("  +")
_WHY = {
    "Cc": "a control character",
    "Cs": "an unpaired surrogate",
    "Co": "a private-use character",
    "Cn": "an unassigned code point",
}
# A character in NFC may be up to four characters in another form; a longer text is too long in any form.
_FORMS = 4
# ``@ann``, or ``@[ann lee]`` for names with spaces and punctuation, in which ``\\]`` is ``]`` and ``\\\\`` is ``\\``;
# not the second half of an address such as ann@example.org. Letters, digits and their marks, and joining characters.
_LONG = _FORMS * NAME_CHARS
_PART = rf"[\p{{L}}\p{{N}}\p{{M}}_\u200c\u200d]{{1,{_LONG}}}+"
_PLAIN_MENTION = regex.compile(rf"@(?=[\p{{L}}\p{{N}}_])({_PART}(?:[.-]{{1,{NAME_CHARS}}}+{_PART}){{0,{NAME_CHARS}}}+)")
# Placeholders for ``\\`` and ``\]`` while searching for mentions: no message contains them.
_BACKSLASH, _BRACKET = "\x00", "\x01"
_IN_ADDRESS = frozenset(string.ascii_letters + string.digits + "._%+-")
# Maximum number of @ signs examined in one text, and of those that may begin a mention: a text may be all @ signs.
_SIGNS = 1000
_TRIES = 4 * MENTIONS
# More than 50 ordinary names need; folding turns one character into up to 18 (U+FDFA).
_FOLDED_CHARS = 4096
# Names of direct rooms begin with this and cannot be requested by clients.
DIRECT_PREFIX = "@"
_DOTS = frozenset({".", ".."})


def check_content(content: str, max_chars: int) -> str:
    """Return the text of a message, unchanged except that CRLF and CR become newlines.

    Raises:
        ParleyError: ``too_large`` if that has more than ``max_chars`` characters; ``empty`` without a visible one;
            ``bad_field`` for a control character other than newline and tab, and for too many combining marks in a row.
    """
    if len(content) > max_chars and len(content := _unix_lines(content)) > max_chars:
        raise ParleyError("too_large", f"a message can have at most {max_chars} characters", field="content")
    if content.isprintable():  # the common case in one fast pass; white space other than " " is not printable
        if content.strip(" "):
            return content if content.isascii() else _seen(content)
    else:
        content = _unix_lines(content)
        if _FORBIDDEN.search(content):
            raise ParleyError("bad_field", "content contains a control character", field="content")
        if not content.isspace():
            return content if content.isascii() else _seen(content)
    raise ParleyError("empty", field="content")


def _unix_lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _seen(content: str) -> str:
    """Return ``content`` if at least one of its characters is visible; usually that is the first.

    Raises:
        ParleyError: ``empty``; ``bad_field`` for too many marks.
    """
    _check_marks(content, "content")
    if _SEEN.search(content) is None:
        raise ParleyError("empty", field="content")
    return content


def _check_marks(text: str, field: str) -> None:
    """Refuse text that is not stream-safe, before any work that such text would make slow.

    Raises:
        ParleyError: ``bad_field``.
    """
    if not is_stream_safe(text):
        raise ParleyError("bad_field", f"{field} has more than {MARKS} combining marks in a row", field=field)


def _check_before_normalizing(text: str, field: str, most: int) -> None:
    """Refuse text that is too long in any normalization form, or not stream-safe.

    Raises:
        ParleyError: ``bad_field``.
    """
    if len(text) > _FORMS * most:
        raise ParleyError("bad_field", f"{field} has more than {most} characters", field=field)
    _check_marks(text, field)


def check_name(name: str, field: str) -> str:
    """Return a room's or user's name, trimmed and in NFC, with each run of spaces as one U+0020.

    Joiners and selectors (U+200C, U+200D, U+FE0E, U+FE0F) are kept where they change how the name looks.

    Raises:
        ParleyError: ``bad_field`` naming ``field``: not 1 to 64 characters; an unassigned, private-use, control, bidi
            override or other invisible character; too many marks in a row.
    """
    if name.isascii() and name.isprintable() and 0 < len(name) <= NAME_CHARS and name[0] != " " != name[-1]:
        return name if "  " not in name else _RUN.sub(" ", name)
    clean = check_title(name, field, NAME_CHARS)
    if not clean:
        raise ParleyError("bad_field", f"{field} is empty", field=field)
    return clean


def check_user_name(name: str, field: str) -> str:
    """Like :func:`check_name`, and refuse names that look like the server's own.

    Raises:
        ParleyError: ``bad_field`` as in :func:`check_name`; ``reserved_name`` for SYSTEM and similar names, in any
            script, case, width or punctuation, with digits for letters or followed by a number.
    """
    clean = check_name(name, field)
    if is_reserved(clean):
        raise ParleyError("reserved_name", f"the name {clean!r} is reserved", field=field)
    return clean


def check_room_name(name: str, field: str) -> str:
    """Like :func:`check_name`, for a room that is created or entered by its name.

    Raises:
        ParleyError: ``bad_field`` as in :func:`check_name`; ``reserved_name`` for the names of direct rooms, and for
            names that cannot be in an address (RFC 3986, 5.2.4).
    """
    clean = check_name(name, field)
    if not may_be_made(clean):
        raise ParleyError("reserved_name", f"a room name cannot begin with {DIRECT_PREFIX}, or be . or ..", field=field)
    return clean


def may_be_made(name: str) -> bool:
    """Return whether a room with this name may be created, also by joining."""
    return not name.startswith(DIRECT_PREFIX) and name not in _DOTS


def check_title(title: str, field: str, max_chars: int) -> str:
    """Return a room's title: like :func:`check_name`, but may be empty.

    Raises:
        ParleyError: ``bad_field`` naming ``field``.
    """
    _check_before_normalizing(title, field, max_chars)
    clean = _RUN.sub(" ", _SPACES.sub(" ", normalize("NFC", title))).strip(" ")
    if len(clean) <= 2 * max_chars:  # each character may be followed by one that has no effect
        clean = _RUN.sub(" ", keep_visible_signs(clean)).strip(" ")
    if len(clean) > max_chars:
        raise ParleyError("bad_field", f"{field} has more than {max_chars} characters", field=field)
    if (wrong := _NOT_IN_NAMES.search(clean)) is not None:
        why = _WHY.get(category(wrong[0]), "an invisible character")
        raise ParleyError("bad_field", f"{field} contains U+{ord(wrong[0]):04X}, {why}", field=field)
    if clean and _SEEN_ALONE.search(clean) is None:
        raise ParleyError("bad_field", f"{field} has no visible character but marks", field=field)
    return clean


def check_text(text: str, field: str, max_chars: int) -> str:
    """Return a topic or reason: trimmed, possibly empty, at most ``max_chars`` characters, CRLF and CR as newlines.

    Refuses direction overrides and control characters.

    Raises:
        ParleyError: ``bad_field`` naming ``field``.
    """
    _check_before_normalizing(text, field, max_chars)
    clean = normalize("NFC", _unix_lines(text)).strip()
    if len(clean) > max_chars:
        raise ParleyError("bad_field", f"{field} has more than {max_chars} characters", field=field)
    if _FORBIDDEN.search(clean) or _TURNING.search(clean):
        raise ParleyError("bad_field", f"{field} contains a control character", field=field)
    return clean


def check_emoji(emoji: str) -> str:
    """Return a reaction: one visible run of characters without white space, such as an emoji or ``:name:``.

    Reactions that look the same become the same: emoji are fully qualified, other invisible characters removed.

    Raises:
        ParleyError: ``bad_field`` naming ``emoji``.
    """
    _check_before_normalizing(emoji, "emoji", EMOJI_CHARS)
    clean = qualify(normalize("NFC", emoji))
    wrong = any(char.isspace() for char in clean) or _FORBIDDEN.search(clean) or _TURNING.search(emoji)
    if wrong or len(clean) > EMOJI_CHARS or _SEEN.search(clean) is None:
        raise ParleyError(
            "bad_field", f"emoji must be 1 to {EMOJI_CHARS} visible characters without spaces", field="emoji"
        )
    return clean


def fold_name(name: str) -> str:
    """Return the key by which names are compared, so that ``@ANN`` mentions ann.

    NFKC and case folding, with each run of spaces as one and without invisible characters.
    """
    folded = name.lower() if name.isascii() else casefold(normalize("NFKC", _IGNORED.sub("", name)))
    return _RUN.sub(" ", folded) if "  " in folded else folded


def find_mentions(content: str) -> tuple[str, ...]:
    """Return the names that a checked text mentions, folded, each once, in order, at most `model.limits.MENTIONS`."""
    if "@" not in content:
        return ()
    if "\\" in content:
        content = content.replace("\\\\", _BACKSLASH).replace("\\]", _BRACKET)
    found: dict[str, None] = {}
    at, tries = -1, _TRIES
    for _ in range(_SIGNS):
        at = content.find("@", at + 1)
        if at < 0 or not tries:
            break
        if at and content[at - 1] in _IN_ADDRESS:
            continue
        tries -= 1
        name, end = _mention(content, at)
        if name:
            found[name] = None
            at = end - 1
    return _folded(found)


def _folded(found: Iterable[str]) -> tuple[str, ...]:
    names: dict[str, None] = {}
    chars = 0
    for name in found:
        name = normalize("NFC", name).strip()
        if 0 < len(name) <= NAME_CHARS and (folded := fold_name(name)):
            names[folded] = None
            chars += len(folded)
            if len(names) == MENTIONS or chars > _FOLDED_CHARS:
                break
    return tuple(names)


def _mention(content: str, at: int) -> tuple[str, int]:
    """Return the name after the ``@`` at an index, and the index after the name; "" if there is none."""
    if content.startswith("[", at + 1):
        start = at + 2
        end = content.find("]", start, start + _LONG + 1)
        if end < 0 or content.find("\n", start, end) >= 0:
            return "", at
        return content[start:end].replace(_BRACKET, "]").replace(_BACKSLASH, "\\"), end + 1
    match = _PLAIN_MENTION.match(content, at)
    return (match[1], match.end()) if match else ("", at)


def check_time(text: str, field: str) -> int:
    """Return a time in RFC 3339 as Unix microseconds, 0 for one before 1970.

    Raises:
        ParleyError: ``bad_field`` naming ``field``.
    """
    try:
        return max(0, microseconds(text))
    except (TypeError, ValueError, OverflowError):  # the first for a time without an offset
        raise ParleyError("bad_field", f"{field} must be a time such as 2026-11-21T08:31:11Z", field=field) from None
