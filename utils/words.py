"""Splits text into the words that a search finds, in one place, so that every backend gives the same answers."""

import re
from collections.abc import Sequence
from itertools import islice
from operator import add

import regex

from utils.unicode import casefold, clusters, normalize

# Increase it whenever `cut_words` returns different words for the same text, so that stored messages are re-indexed.
# This includes new versions of the packages used by `utils.unicode`, unless the words are shown to be the same.
WORDS_VERSION = 2

# Longest word. Longer runs are noise (base64, keys); a btree or GIN key has a size limit, so the cut keeps the index
# safe.
WORD_CHARS = 64
# Most words of one text: more than 4,000 characters of a script with spaces can have, or a page of Chinese.
WORDS = 2000
# Characters of a folded text that are searched for words. Splitting that many blocks the event loop for 1 to 2 ms.
TEXT_CHARS = 8192

# Blocks of the scripts written without spaces, Thai to Ahom, then CJK and Yi: a run of them is split into overlapping
# pairs (bigrams), as Lucene's CJK analyser does. Blocks, because they never change; and `re`, which is three times as
# fast with them as `regex`.
_UNSPACED = (
    "\u0e00-\u109f\u1780-\u17ff\u1950-\u1aaf\u1b00-\u1b7f\ua980-\ua9ff\uaa60-\uaadf\U000116d0-\U0001174f"
    "\u1100-\u11ff\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3031-\u303c\u3040-\u31bf\u31f0-\u31ff\u3400-\u4dbf"
    "\u4e00-\ua4cf\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\U0001aff0-\U0001b16f\U00020000-\U0003ffff"
)
# A zero-width space marks a possible line break, between words, but few users type it in scripts without spaces.
_BREAK = "\u200b"
_IS_UNSPACED = re.compile(f"[{_UNSPACED}]")
_ALL_UNSPACED = re.compile(f"[{_UNSPACED}{_BREAK}]*")
_WORDS = regex.compile(r"[\p{L}\p{N}][\p{L}\p{N}\p{Mn}\p{Mc}]*")
_RUNS = regex.compile(rf"[\p{{L}}\p{{N}}][\p{{L}}\p{{N}}\p{{Mn}}\p{{Mc}}{_BREAK}]*")
_PARTS = regex.compile(rf"[{_UNSPACED}][{_UNSPACED}\p{{M}}{_BREAK}]*|[^{_UNSPACED}{_BREAK}]+")
_MARK = regex.compile(r"\p{M}")
# Ignored in words: invisible characters (Default_Ignorable_Code_Point, except the space above), and the points that
# Hebrew and Arabic are mostly written without.
_LEFT_OUT = re.compile(
    "[\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200c-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    "\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7"
    "\u0610-\u061a\u0640\u064b-\u0652\u0656-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed"
    "\u0897-\u089f\u08ca-\u08e1\u08e3-\u08ff]+"
)
_STRETCH = 64
# Text is normalized in pieces until there is enough: one character may become 18 (U+FDFA).
_PIECE = 256
# ASCII letters in lower case and digits as they are, everything else a blank: three times as fast as the expressions.
_ASCII = bytes(ord(chr(c).lower()) if chr(c).isalnum() else 32 for c in range(128)).ljust(256)


def fold_text(text: str) -> str:
    """Return ``text`` as words are compared: NFKC, case folding, without invisible characters and optional points.

    At most `TEXT_CHARS` characters of it.
    """
    if text.isascii():
        return text[:TEXT_CHARS].lower()
    if len(text) > _PIECE:
        pieces: list[str] = []
        size = 0
        for start in range(0, len(text), _PIECE):
            pieces.append(normalize("NFKC", text[start : start + _PIECE]))
            size += len(pieces[-1])
            if size >= TEXT_CHARS:
                break
        text = "".join(pieces)
    folded = _LEFT_OUT.sub("", casefold(normalize("NFKC", text[:TEXT_CHARS])))
    return normalize("NFC", folded)[:TEXT_CHARS]


def holds_words(text: str, words: frozenset[str]) -> bool:
    """Return whether ``cut_words(text)`` has all these words, without splitting a text that does not contain one."""
    folded = fold_text(text)
    whole = folded if folded.isascii() else folded.replace(_BREAK, "")
    return all(word in whole for word in words) and words.issubset(_cut(folded))


def cut_words(text: str) -> list[str]:
    """Return the distinct words of ``text``, folded for comparison, in the order of the text; at most `WORDS` of them.

    A search finds a message that contains every word of the query, so ``cut_words(query)`` must be a subset of
    ``cut_words(content)``. Runs of a script without spaces give their characters (grapheme clusters) and each pair of
    neighbours.
    """
    return _cut(fold_text(text))


def _cut(folded: str) -> list[str]:
    if folded.isascii():
        words = dict.fromkeys(folded.encode().translate(_ASCII).decode().split())
        if len(folded) > WORD_CHARS:
            words = dict.fromkeys(word[:WORD_CHARS] for word in words)
        return list(islice(words, WORDS))
    if _IS_UNSPACED.search(folded) is None:
        return list(islice(dict.fromkeys(word[:WORD_CHARS] for word in _WORDS.findall(folded)), WORDS))
    found: list[str] = []
    with_marks, with_breaks = _MARK.search(folded) is not None, _BREAK in folded
    for run in _RUNS.findall(folded):
        for part in (run,) if _ALL_UNSPACED.fullmatch(run) else _PARTS.findall(run):
            if _IS_UNSPACED.match(part) is None:
                found.append(part[:WORD_CHARS])
                continue
            units: Sequence[str] = part.replace(_BREAK, "") if with_breaks else part
            if with_marks:
                units = [unit[: WORD_CHARS // 2] for unit in clusters("".join(units))]
            for start in range(0, len(units), _STRETCH):  # so that words are in the order of the text
                stretch = units[start : start + _STRETCH + 1]
                found += stretch
                found += map(add, stretch, stretch[1:])
    return list(islice(dict.fromkeys(found), WORDS))


# --- version 1 -----------------------------------------------------------------------------------------------------

_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
_RUNS_V1 = re.compile(f"[{_CJK}]+|[^\\W_{_CJK}]+")
_IS_CJK = re.compile(f"[{_CJK}]")


def cut_words_v1(text: str) -> list[str]:
    """Return the words of `WORDS_VERSION` 1, to search messages that are still indexed that way."""
    words: set[str] = set()
    if text.isascii():
        return list({word[:WORD_CHARS] for word in text.encode().translate(_ASCII).decode().split()})
    for run in _RUNS_V1.findall(normalize("NFKC", text).casefold()):
        if _IS_CJK.match(run):
            words.update(run)
            words.update(run[i : i + 2] for i in range(len(run) - 1))
        else:
            words.add(run[:WORD_CHARS])
    return list(words)
