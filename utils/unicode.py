"""Unicode from one version of the character tables: Python 3.11 to 3.14 each have a different one.

Normalization comes from `unicodedata2`, which is linear in runs of combining marks (CPython 3.11's is quadratic,
python/cpython issue 149079). Properties come from `regex`. Both are pinned, because stored data depends on them.
"""

from collections.abc import Callable
from typing import Final, Literal

import regex
import unicodedata2

# Most combining marks in a row: what Unicode calls stream-safe text (UAX 15, section 13).
MARKS: Final = 30
# For a set in `regex`: characters that show nothing though no property says so: the blanks of some scripts (Braille,
# musical and Egyptian signs, Khitan) and the object replacement character. Unicode TR 36, 2.5.
BLANKS: Final = r"\u2800\ufffc\U0001d159\U00016fe4\U00013441\U00013442"

_MARKS = regex.compile(rf"\p{{M}}{{{MARKS + 1}}}")
# Capitals of Unicode 15 to 18, which `casefold` of Python 3.11 does not fold and later versions do.
_NEW_CAPITALS: dict[int, int] = {
    0x1C89: 0x1C8A,
    0xA7CB: 0x264,
    0xA7CC: 0xA7CD,
    0xA7CE: 0xA7CF,
    0xA7D2: 0xA7D3,
    0xA7D4: 0xA7D5,
    0xA7DA: 0xA7DB,
    0xA7DC: 0x19B,
    0xA7DD: 0x277,
    0xA7E2: 0x27C,
    0xAB6C: 0xAB4B,
    0xAB6D: 0xAB4C,
    **{code: code + 1 for code in (0x1DF40, 0x1DF48, 0x1DF4A, 0x1DF4D, 0x1DF51, *range(0x1DF68, 0x1DF6F, 2))},
    **{code: code + 1 for code in range(0x1DF72, 0x1DF7F, 2)},
    **{code: code + 0x20 for code in range(0x10D50, 0x10D66)},  # Garay
    **{code: code + 0x1B for code in range(0x16EA0, 0x16EB9)},  # Beria Erfe
}
_NEW_CAPITAL = frozenset(map(chr, _NEW_CAPITALS))


# ``text`` in a normalization form.
normalize: Callable[[Literal["NFC", "NFD", "NFKC", "NFKD"], str], str] = unicodedata2.normalize
# The general category of a character, such as ``Lu``.
category: Callable[[str], str] = unicodedata2.category
# The grapheme clusters of a text (UAX 29), which readers see as its characters.
clusters: Callable[[str], list[str]] = regex.compile(r"\X").findall


def casefold(text: str) -> str:
    """Like `str.casefold`, with the same result under every Python version."""
    folded = text.casefold()
    return folded if _NEW_CAPITAL.isdisjoint(folded) else folded.translate(_NEW_CAPITALS)


def is_stream_safe(text: str) -> bool:
    """Return whether at most `MARKS` combining marks follow each other."""
    return text.isascii() or _MARKS.search(text) is None
