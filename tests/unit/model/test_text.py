"""What names and contents may hold."""

import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from model.errors import ParleyError
from model.limits import NAME_CHARS
from model.text import check_content, check_name, check_user_name

LIMIT = 100


def refusal(check: Callable[[], str]) -> ParleyError | None:
    """What a check raises; None when it passes."""
    try:
        check()
    except ParleyError as error:
        return error
    return None


def name_error(name: str) -> str | None:
    error = refusal(lambda: check_name(name, "room"))
    assert error is None or error.field == "room"
    return None if error is None else error.code


def user_error(name: str) -> str | None:
    error = refusal(lambda: check_user_name(name, "u"))
    assert error is None or error.field == "u"
    return None if error is None else error.code


def content_error(content: str) -> str | None:
    error = refusal(lambda: check_content(content, LIMIT))
    assert error is None or error.code == "empty" or error.field == "content"
    assert error is not None or check_content(content, LIMIT) == content
    return None if error is None else error.code


# --- names -----------------------------------------------------------------------------------------------------------


@given(st.text(max_size=80))
@example(" a ")
@example("\x1fa")
@example("e\u0301" * 64)
@example("a" * 64 + " ")
def test_a_name_that_passes_is_clean_and_passes_again(name: str) -> None:
    if (code := name_error(name)) is not None:
        assert code == "bad_field"
        return
    clean = check_name(name, "room")
    assert clean == unicodedata.normalize("NFC", name).strip(" ")
    assert 1 <= len(clean) <= NAME_CHARS
    assert {unicodedata.category(char) for char in clean}.isdisjoint({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
    assert clean.encode()
    assert check_name(clean, "room") == clean


@given(
    st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=64).filter(lambda t: t.strip())
)
def test_printable_ascii_passes(name: str) -> None:
    assert check_name(name, "room") == name.strip()


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("e\u0301", "é"),
        ("  ann  ", "ann"),
        ("\u212b", "\u00c5"),
        ("e\u0301" * 64, "é" * 64),
        ("日本語", "日本語"),
        ("שלום", "שלום"),
        ("😀🇩🇪", "😀🇩🇪"),
        ("Ελένη Παπαδοπούλου", "Ελένη Παπαδοπούλου"),
        ("नमस्ते", "नमस्ते"),
        ("a b", "a b"),
    ],
    ids=ascii,
)
def test_a_visible_name_is_trimmed_and_composed(name: str, clean: str) -> None:
    assert check_name(name, "room") == clean


UNSEEN = {
    "C0": [chr(code) for code in range(0x20)],
    "DEL and C1": [chr(code) for code in range(0x7F, 0xA0)],
    "zero width": list("\u200b\u200c\u200d\u2060\ufeff\u00ad\u034f\u180e"),
    "bidi": list("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"),
    "fillers": list("\u115f\u1160\u3164\uffa0\u2800\u17b4\u17b5"),
    "variation selectors": ["\ufe00", "\ufe0f", "\U000e0100", "\U000e01ef"],
    "tags": ["\U000e0001", "\U000e0020", "\U000e007f"],
    "separators": list("\u2028\u2029"),
    "odd spaces": list("\u00a0\u1680\u2000\u2003\u200a\u202f\u205f\u3000"),
    "surrogates": ["\ud800", "\udfff"],
    "private use": ["\ue000", "\U000f0000", "\U0010fffd"],
    "annotations": list("\ufff9\ufffa\ufffb"),
    "reserved and ignorable": ["\u2065", "\ufff0", "\U000e0000", "\U000e0080", "\U000e0fff"],
}


@pytest.mark.parametrize("char", [char for chars in UNSEEN.values() for char in chars], ids=ascii)
def test_a_character_that_cannot_be_seen_is_refused_and_named(char: str) -> None:
    with pytest.raises(ParleyError) as refused:
        check_name(f"a{char}b", "room")
    assert (refused.value.code, refused.value.field) == ("bad_field", "room")
    composed = unicodedata.normalize("NFC", char)  # U+2000 is U+2002 by then
    assert f"U+{ord(composed):04X}" in refused.value.message
    assert refused.value.message.isprintable()
    assert user_error(f"a{char}b") == "bad_field"


@pytest.mark.parametrize(
    "name", ["", " ", "\t\n", "\u3000", "x" * 65, "é" * 65, "e\u0301" * 65, "x" * 100_000], ids=range(8)
)
def test_a_name_has_1_to_64_characters(name: str) -> None:
    assert name_error(name) == "bad_field"
    assert name_error("x" * 64) is None


# --- the server's own name -------------------------------------------------------------------------------------------

WORDS = ["system", "server", "parley"]
FULL_WIDTH = {ord(c): ord(c) + 0xFEE0 for c in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"}
BOLD = {ord(c): 0x1D41A + i for i, c in enumerate("abcdefghijklmnopqrstuvwxyz")}


@given(st.sampled_from(WORDS), st.lists(st.booleans(), min_size=6, max_size=6), st.sampled_from([{}, FULL_WIDTH, BOLD]))
def test_a_reserved_word_is_in_any_case_and_width(word: str, upper: list[bool], width: dict[int, int]) -> None:
    spelled = "".join(char.upper() if up else char for char, up in zip(word, upper, strict=False))
    assert user_error(spelled.translate(width)) == "reserved_name"


@given(
    st.sampled_from(WORDS), st.lists(st.text(" .-_*!#@~'\"|/()[]«»·†★\u0335\u0489", max_size=2), min_size=7, max_size=7)
)
def test_a_reserved_word_is_in_any_punctuation(word: str, between: list[str]) -> None:
    spelled = between[0] + "".join(char + gap for char, gap in zip(word, between[1:], strict=False))
    assert user_error(spelled) == "reserved_name"


@pytest.mark.parametrize("name", ["ſystem", "ⓈⓎⓈⓉⒺⓂ", "🅂🅈🅂🅃🄴🄼", "ᔆYSTEM", "𝓼𝔂𝓼𝓽𝓮𝓶", "SYSTEM\u0335"], ids=ascii)
def test_a_reserved_word_in_fancy_letters(name: str) -> None:
    assert user_error(name) == (
        "reserved_name" if "system" in unicodedata.normalize("NFKC", name).casefold() or name.startswith("ſ") else None
    )


@pytest.mark.parametrize("name", ["SYSTЕМ", "ЅYSTEM", "SУSTEM", "SYSTΕM", "ꜱʏꜱᴛᴇᴍ", "sеrver", "Pаrley"], ids=ascii)
def test_a_reserved_word_in_letters_of_other_alphabets(name: str) -> None:
    assert user_error(name) == "reserved_name"


@pytest.mark.parametrize(
    "name", ["systematic", "my system", "serverina", "parley fan", "sys", "tem", "systém", "система"]
)
def test_a_name_that_only_holds_such_a_word_is_fine(name: str) -> None:
    assert user_error(name) is None


@pytest.mark.parametrize("name", ["SYSTEM", "server"])
def test_a_room_may_be_called_so(name: str) -> None:
    assert name_error(name) is None


# --- contents --------------------------------------------------------------------------------------------------------


HIDDEN = {"Cf", "Co", "Zl", "Zp"}
FILLERS = {
    chr(code)
    for code in (0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2065, 0x2800, 0x3164, 0xFFA0, *range(0xFFF0, 0xFFF9))
} | {chr(code) for code in [*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0000, 0xE1000)]}


@given(st.text(max_size=LIMIT))
@example("\n\t x")
@example("\r\n")
@example("a\x00")
@example("\ud800")
@example("\u2028x")
@example("\U000e01f0")
def test_a_content_passes_unchanged_or_is_refused_for_what_it_holds(content: str) -> None:
    control = any(unicodedata.category(char) in ("Cc", "Cs") and char not in "\n\t" for char in content)
    unseen = all(char.isspace() or unicodedata.category(char) in HIDDEN or char in FILLERS for char in content)
    expected = "bad_field" if control else "empty" if unseen else None
    assert content_error(content) == expected


@pytest.mark.parametrize("content", ["\u200b", "\u2800", "\u3164 \u200d", "\ufe0f\n\u2060"], ids=ascii)
def test_what_cannot_be_seen_is_empty(content: str) -> None:
    assert content_error(content) == "empty"
    assert content_error(f"{content}x") is None


@pytest.mark.parametrize("content", ["", " ", "\n", "\t \n", "\u3000", "\u00a0\u2003"], ids=ascii)
def test_white_space_is_empty(content: str) -> None:
    assert content_error(content) == "empty"


@pytest.mark.parametrize(
    "char", [chr(code) for code in [*range(0x20), *range(0x7F, 0xA0)] if chr(code) not in "\n\t"], ids=ascii
)
def test_a_control_character_is_refused(char: str) -> None:
    assert content_error(f"a{char}b") == "bad_field"


def test_a_content_is_bounded_in_characters() -> None:
    assert content_error("😀" * LIMIT) is None
    assert content_error("😀" * (LIMIT + 1)) == "too_large"
    assert content_error(" " * (LIMIT + 1)) == "too_large"
