import sys
import time
import unicodedata

import pytest
import regex
import unicodedata2
from hypothesis import given
from hypothesis import strategies as st

from utils.unicode import MARKS, casefold, category, clusters, is_stream_safe, normalize


@given(st.text())
def test_normalization_agrees_with_the_standard_library_on_shared_characters(text: str) -> None:
    if all(unicodedata.category(char) != "Cn" for char in text):
        assert normalize("NFC", text) == unicodedata.normalize("NFC", text)
        assert normalize("NFKC", text) == unicodedata.normalize("NFKC", text)


def test_normalization_is_linear_in_runs_of_marks() -> None:
    """CPython 3.11 takes 2.6 s for this one."""
    start = time.thread_time()
    normalize("NFKC", "a" + "\u0345" * 16_000 + "\u0334" * 16_000)
    assert time.thread_time() - start < 0.25


def test_every_capital_is_lowercased_under_every_python() -> None:
    """Including those that this Python does not know yet: `utils.unicode` lists the capitals since Unicode 14."""
    for code in range(0x80, sys.maxunicode + 1):
        char = chr(code)
        if unicodedata2.category(char) == "Lu":
            small = unicodedata2.name(char).replace("CAPITAL", "SMALL")
            try:
                letter = unicodedata2.lookup(small)
            except KeyError:
                continue
            if letter != char and regex.fullmatch(f"(?i){char}", letter):
                assert casefold(char) == casefold(letter), small


def test_both_packages_know_the_same_characters() -> None:
    every = "".join(map(chr, range(sys.maxunicode + 1)))
    assert regex.findall(r"\p{Cn}", every) == [char for char in every if category(char) == "Cn"]


@pytest.mark.parametrize("base", ["a", "", "か"])
def test_consecutive_marks_are_counted(base: str) -> None:
    assert is_stream_safe(base + "\u0301" * MARKS + "b" + "\u0334" * MARKS)
    assert not is_stream_safe("x" + base + "\u0301" * MARKS + "\u0334b")
    assert not is_stream_safe(base + "\u0e31" * (MARKS + 1))


@pytest.mark.parametrize(
    ("text", "found"),
    [("e\u0301a", ["e\u0301", "a"]), ("ดี", ["ดี"]), ("👨‍👩‍👧🇩🇪x", ["👨‍👩‍👧", "🇩🇪", "x"]), ("", [])],
)
def test_texts_are_split_into_grapheme_clusters(text: str, found: list[str]) -> None:
    assert clusters(text) == found
