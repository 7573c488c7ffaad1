"""Names that look the same, and names that look like the server's own."""

from __future__ import annotations

import regex

from utils.confusables import prototypes
from utils.unicode import casefold, normalize

_UNSEEN = regex.compile(r"\p{Default_Ignorable_Code_Point}+")
# What the table of TS 39 leaves out: letters in circles, in squares and of flags, and small capitals.
_BOXED = {start + i: chr(0x61 + i) for start in (0x1F150, 0x1F170, 0x1F1E6) for i in range(26)}
_SMALL_CAPITALS = str.maketrans("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ", "abcdefghijklmnoprstuvwyz")
_ALSO = _BOXED | _SMALL_CAPITALS

_NO_LETTERS = regex.compile(r"[^\p{L}\p{N}]+")
_NUMBER = regex.compile(r"\p{N}+$")
_DIGITS = str.maketrans("3457", "east")
_SIGNS = str.maketrans("$@!|", "sall")
# The same for ASCII, where nothing is to be looked up: in lower case; then with what looks like a letter as that.
_ASCII = bytes(range(128)).lower().ljust(256)
_NO_ASCII_LETTERS = bytes(code for code in range(128) if not chr(code).isalnum())
_LOOKS = bytes.maketrans(b"013457i", b"oleastl")
_LOOK_SIGNS = bytes.maketrans(b"$@!|", b"sall")
_ASCII_RESERVED = frozenset({b"system", b"systern", b"server", b"parley"})


def skeleton(name: str) -> str:
    """The look-alike key: names that are hard to tell apart have the same one. Never shown to anybody.

    It is the skeleton of UTS 39 of the name without case and width, in which also i, I, l, 1 and | are one.
    """
    text = _UNSEEN.sub("", normalize("NFKC", name))
    return _looks(casefold(_looks(text))).replace("i", "l")


def _looks(text: str) -> str:
    decomposed = normalize("NFD", text).translate(_ALSO)
    return normalize("NFD", decomposed.translate(prototypes()))


def is_reserved(name: str) -> bool:
    """Whether a name looks like the server's own: in any script, case, width or punctuation, with digits in place of
    letters, or with a number behind it.
    """
    if name.isascii():
        lower = name.encode().translate(_ASCII)
        return any(
            letters.translate(None, _NO_ASCII_LETTERS).rstrip(b"0123456789").translate(_LOOKS) in _ASCII_RESERVED
            for letters in (lower, lower.translate(_LOOK_SIGNS))
        )
    return any(_letters(case(name)) in _RESERVED for case in _CASES)


def _signs_as_letters(name: str) -> str:
    return name.translate(_SIGNS)


def _letters(name: str) -> str:
    """How its letters look, without the number behind them."""
    letters = normalize("NFC", normalize("NFKC", name).translate(_ALSO))
    letters = _NUMBER.sub("", _NO_LETTERS.sub("", letters))
    return _NO_LETTERS.sub("", normalize("NFC", skeleton(letters).translate(_DIGITS)))


# Some letters look like one of a reserved word in one case alone: a Greek upsilon is a Y, or a u.
_CASES = (str, str.lower, str.upper, _signs_as_letters)
_RESERVED = frozenset(map(_letters, ("system", "server", "parley")))
