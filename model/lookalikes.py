"""Names that look the same, and names that look like the server's own."""

import regex

from model.limits import NAME_CHARS
from utils.confusables import prototypes
from utils.unicode import BLANKS, casefold, normalize

# Removed before names are compared: what shows nothing, and marks that enclose a letter, or that belong to no script
# and do not compose with it, such as a line below (U+0332): they are easily overlooked.
_UNSEEN = regex.compile(rf"[\p{{Default_Ignorable_Code_Point}}\p{{Script=Inherited}}\p{{Me}}{BLANKS}]+")
# In these scripts, marks compose with their letter, or are easily overlooked.
_COMPOSING = regex.compile(r"[\p{Latin}\p{Greek}\p{Cyrillic}\p{Common}\p{M}]*+")
_MARKS = regex.compile(r"\p{M}+")
# Missing in the table of TS 39: letters in circles and squares, regional indicators, and small capitals.
_BOXED = {start + i: chr(0x61 + i) for start in (0x1F150, 0x1F170, 0x1F1E6) for i in range(26)}
_SMALL_CAPITALS = str.maketrans("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ", "abcdefghijklmnoprstuvwyz")
_ALSO = _BOXED | _SMALL_CAPITALS

# Characters of a name that are compared: NFKC turns one into up to 18 (U+FDFA).
_LOOKED_AT = NAME_CHARS + NAME_CHARS // 2
_NO_LETTERS = regex.compile(r"[^\p{L}\p{N}]+")
# Letters that look like punctuation, such as U+02BC.
_SIGN_LIKE = "".join(
    chr(code) for code, looks in prototypes().items() if chr(code).isalnum() and not _NO_LETTERS.sub("", looks)
)
_SHOWS_NO_LETTER = regex.compile(rf"[^\p{{L}}\p{{N}}{''.join(map(chr, _BOXED))}]+|[{_SIGN_LIKE}]+")
# Each letter looks like at least one, so a longer name cannot look like a reserved word.
_MOST_LETTERS = 12
_LETTER = rf"[\p{{L}}--[{_SIGN_LIKE}]]"
_TOO_MANY_LETTERS = regex.compile(rf"(?V1)(?:[^{_LETTER}]*+{_LETTER}){{{_MOST_LETTERS + 1}}}")
_NUMBER = regex.compile(r"\p{N}+$")
_DIGITS = str.maketrans("3457", "east")
_SIGNS = str.maketrans("$@!|", "sall")
# The same for ASCII, without look-ups: lower case, then signs and digits replaced by the letters they look like.
_ASCII = bytes(range(128)).lower().ljust(256)
_NO_ASCII_LETTERS = bytes(code for code in range(128) if not chr(code).isalnum())
_LOOKS = bytes.maketrans(b"013457i", b"oleastl")
_LOOK_SIGNS = bytes.maketrans(b"$@!|", b"sall")
_ASCII_RESERVED = frozenset({b"system", b"systern", b"server", b"parley", b"deleteduser"})


def skeleton(name: str) -> str:
    """Return the look-alike key: names that are hard to tell apart have the same one. Never shown to users.

    It is the UTS 39 skeleton of the name without case and width, in which i, I, l, 1 and | are also the same.
    """
    if name.isascii():
        return name[:_LOOKED_AT].translate(_ASCII_SKELETONS)  # 7 us less for each user who joins
    return _skeleton(name)


def _skeleton(name: str) -> str:
    text = _UNSEEN.sub("", normalize("NFKC", name))[:_LOOKED_AT]
    if _COMPOSING.fullmatch(text):
        text = _MARKS.sub("", text)
    return _looks(casefold(_looks(text))).replace("i", "l")


def _looks(text: str) -> str:
    decomposed = normalize("NFD", text).translate(_ALSO)
    return normalize("NFD", decomposed.translate(prototypes()))


def is_reserved(name: str) -> bool:
    """Return whether a name looks like the server's own, or that of deleted users: in any script, case, width or
    punctuation, with digits for letters, or followed by a number.
    """
    if name.isascii():
        lower = name.encode().translate(_ASCII)
        return any(
            letters.translate(None, _NO_ASCII_LETTERS).rstrip(b"0123456789").translate(_LOOKS) in _ASCII_RESERVED
            for letters in {lower, lower.translate(_LOOK_SIGNS)}
        )
    text = normalize("NFKC", name)
    if _TOO_MANY_LETTERS.match(text):
        return False
    return any(len(each) <= _MOST_LETTERS and _look(each) in _RESERVED for each in _readings(text))


def is_official(name: str) -> bool:
    """Return whether a name looks like that of a user with a task, such as ``admin``, in the ways of `is_reserved`."""
    return any(_look(each) in _OFFICIAL for each in _readings(normalize("NFKC", name)))


def _readings(text: str) -> set[str]:
    """Return the letters that NFKC text may be read as.

    Some letters look like one of a reserved word only in one case: a Greek upsilon is a Y, or a u.
    """
    letters = _letters(text)
    return {letters, letters.lower(), letters.upper(), _letters(text.translate(_SIGNS))}


def _letters(text: str) -> str:
    """Return the characters of NFKC text that show letters, without a number at the end."""
    return _NUMBER.sub("", _SHOWS_NO_LETTER.sub("", text))


def _look(letters: str) -> str:
    looks = skeleton(_NUMBER.sub("", normalize("NFC", letters.translate(_ALSO))))
    return _NO_LETTERS.sub("", normalize("NFC", looks.translate(_DIGITS)))


_ASCII_SKELETONS = {code: _skeleton(chr(code)) for code in range(128)}
_RESERVED = frozenset(map(_look, ("system", "server", "parley", "deleteduser")))
_OFFICIAL = frozenset(map(_look, ("admin", "administrator", "moderator", "operator", "root", "guest")))
