import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.words import WORD_CHARS, cut_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", set()),
        (" .,-_!?… 😀", set()),
        ("The quick, quick FOX!", {"the", "quick", "fox"}),
        ("snake_case and kebab-case", {"snake", "case", "and", "kebab"}),
        ("Straße ＦＵＬＬ ﬁne", {"strasse", "full", "fine"}),
        ("Öl e\u0301t\u00e9", {"öl", "été"}),
        ("a1b2 3.14", {"a1b2", "3", "14"}),
        ("東京都", {"東", "京", "都", "東京", "京都"}),
        ("hello東京world", {"hello", "東", "京", "東京", "world"}),
        ("서울", {"서", "울", "서울"}),
        ("ｶﾀｶﾅ", {"カ", "タ", "ナ", "カタ", "タカ", "カナ"}),
        ("привет мир", {"привет", "мир"}),
        ("x" * 500, {"x" * WORD_CHARS}),
    ],
)
def test_words(text: str, words: set[str]) -> None:
    assert set(cut_words(text)) == words


@given(st.text())
def test_words_are_distinct_bounded_and_folded(text: str) -> None:
    words = cut_words(text)
    assert len(words) == len(set(words))
    assert all(0 < len(word) <= WORD_CHARS for word in words)
    assert all("\x00" not in word for word in words)


@given(st.text("abc ABC é東京", max_size=30), st.text("abc ABC é東京", max_size=30))
def test_whoever_searches_a_word_of_a_text_finds_it(before: str, after: str) -> None:
    """A search finds a message that holds every word of it: so does each word of the message itself, in any case."""
    text = f"{before} needle {after}"
    words = set(cut_words(text))
    assert set(cut_words("NEEDLE")) <= words
    assert set(cut_words(before)) <= words
    assert set(cut_words(after.upper())) <= words


@given(st.text(max_size=20))
def test_composed_and_decomposed_letters_are_the_same_words(text: str) -> None:
    assert set(cut_words(unicodedata.normalize("NFD", text))) == set(cut_words(unicodedata.normalize("NFC", text)))
