"""Emoji, and the invisible characters used with them: joiners and variation selectors."""

import regex

# Unicode TS 51, 1.4.9: an emoji, its modifiers, and further emoji joined to it. Flags may be tag sequences.
_SELECTED = r"(?:\p{Emoji_Modifier}|[\ufe0e\ufe0f]|[\U000e0020-\U000e007e]+\U000e007f)"
_ELEMENT = rf"(?:\p{{RI}}\p{{RI}}|[\p{{Emoji}}--[0-9#*]]{_SELECTED}?)"
_SEQUENCE = rf"{_ELEMENT}(?:\u200d{_ELEMENT})*|[0-9#*]\ufe0f?\u20e3"
# Where the letters of a script join, or do not: RFC 5892, A.1 and A.2; and a ZWJ before a virama, as in Bengali.
_JOINS = (
    r"(?<=\p{ccc=9})[\u200c\u200d]|(?<=\p{L})\u200d(?=\p{ccc=9})"
    r"|(?<=[\p{jt=L}\p{jt=D}]\p{jt=T}{0,8})\u200c(?=\p{jt=T}{0,8}[\p{jt=R}\p{jt=D}])"
)
_SIGNS = regex.compile(rf"(?V1)({_SEQUENCE})|({_JOINS})|[\u200c\u200d\ufe0e\ufe0f]")
_REPEATED = regex.compile(r"([\u200c\u200d\ufe0e\ufe0f])\1+")
_ANY_SIGN = regex.compile(r"[\u200c\u200d\ufe0e\ufe0f]")
# An emoji selector has an effect on a character that is text by default, a text selector on one that is an emoji by
# default; not on digits.
_IDLE = regex.compile(r"(?<!(?V1)[\p{Emoji}--[\p{Emoji_Presentation}0-9#*]])\ufe0f(?!\u20e3)|(?<=[0-9#*])\ufe0e")

_IGNORED = regex.compile(r"(?V1)[\p{Default_Ignorable_Code_Point}--[\u200d\U000e0020-\U000e007f]]+")
_LOOSE = regex.compile(
    r"(\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f)|[\U000e0020-\U000e007f]"
    r"|(?<![\p{Extended_Pictographic}\p{Emoji_Modifier}\p{RI}\U000e007f])\u200d|\u200d(?!\p{Extended_Pictographic})"
)
_TEXT_BY_DEFAULT = regex.compile(
    r"(?V1)([\p{Emoji}--[\p{Emoji_Presentation}0-9#*]])(?!\p{Emoji_Modifier})|([0-9#*])(?=\u20e3)"
)


def keep_visible_signs(text: str) -> str:
    """Return ``text`` without joiners and selectors (U+200C, U+200D, U+FE0E, U+FE0F) that do not change its look."""
    if _ANY_SIGN.search(text) is None:
        return text
    text = _SIGNS.sub(r"\1\2", _REPEATED.sub(r"\1", text))
    return _IDLE.sub("", text)


def qualify(text: str) -> str:
    """Return ``text`` with fully qualified emoji (Unicode TS 51, ED-18) and without other invisible characters.

    Texts that look the same become the same, whichever keyboard produced them.
    """
    if text.isascii():
        return text
    text = _LOOSE.sub(lambda match: match[1] or "", _IGNORED.sub("", text))
    return _TEXT_BY_DEFAULT.sub(lambda match: f"{match[0]}\ufe0f", text)
