"""Cutting text into the words that a search finds: in one place, so that every backend gives the same answers."""

from __future__ import annotations

import re
import unicodedata

# Scripts written without spaces: a run of them is cut into overlapping pairs (bigrams), as Lucene's CJK analyser does.
_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
_RUNS = re.compile(f"[{_CJK}]+|[^\\W_{_CJK}]+")
_IS_CJK = re.compile(f"[{_CJK}]")
# Longer runs are noise (base64, keys); a btree or GIN key has a size limit, so the cut keeps the index safe.
WORD_CHARS = 64
# ASCII letters in lower case and digits as they are, everything else a blank: three times as fast as the expressions.
_ASCII = bytes(ord(chr(c).lower()) if chr(c).isalnum() else 32 for c in range(128)).ljust(256)


def holds_words(text: str, words: frozenset[str]) -> bool:
    """Whether ``cut_words(text)`` has all these words; told without cutting where one is no part of the text at all."""
    folded = text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()
    return all(word in folded for word in words) and words.issubset(cut_words(text))


def cut_words(text: str) -> list[str]:
    """The distinct words of ``text``, folded for comparison (NFKC, case folding), in no particular order.

    A search finds a message when it holds every word of the query, so ``cut_words(query)`` must be a subset of
    ``cut_words(content)``. CJK runs give their bigrams, and single characters stand for themselves.
    """
    words: set[str] = set()
    if text.isascii():
        words.update(text.encode().translate(_ASCII).decode().split())
        return list(words) if len(text) <= WORD_CHARS else list({word[:WORD_CHARS] for word in words})
    text = unicodedata.normalize("NFKC", text)
    for run in _RUNS.findall(text.casefold()):
        if _IS_CJK.match(run):
            words.update(run)
            words.update(run[i : i + 2] for i in range(len(run) - 1))
        else:
            words.add(run[:WORD_CHARS])
    return list(words)
