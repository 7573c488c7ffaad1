"""The rules for names and message content."""

import re
import time
from collections.abc import Callable

import pytest
import unicodedata2
from hypothesis import example, given
from hypothesis import strategies as st

from model.errors import ParleyError
from model.limits import NAME_CHARS
from model.lookalikes import _skeleton, skeleton
from model.text import (
    check_content,
    check_emoji,
    check_name,
    check_text,
    check_title,
    check_user_name,
    find_mentions,
    fold_name,
)
from utils.unicode import MARKS

LIMIT = 100


def refusal(check: Callable[[], str]) -> ParleyError | None:
    """Return the error that a check raises; None if it passes."""
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
    assert error is not None or check_content(content, LIMIT) == re.sub("\r\n?", "\n", content)
    return None if error is None else error.code


# --- names -----------------------------------------------------------------------------------------------------------


@given(st.text(max_size=80))
@example(" a ")
@example("\x1fa")
@example("e\u0301" * 64)
@example("a" * 64 + " ")
@example("a\u00a0 \u3000b")
@example("a \u200d b")
@example("❤\ufe0f\ufe0f")
@example("\u0645\u200c\u200c\u0645")
def test_an_accepted_name_is_clean_and_stable(name: str) -> None:
    if (code := name_error(name)) is not None:
        assert code == "bad_field"
        return
    clean = check_name(name, "room")
    assert clean == unicodedata2.normalize("NFC", clean) == " ".join(clean.split(" "))
    assert 1 <= len(clean) <= NAME_CHARS
    left = {
        unicodedata2.category(char)
        for char in clean
        if char not in "\u200c\u200d" and not 0xE0020 <= ord(char) < 0xE0080
    }
    assert left.isdisjoint({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
    assert not left & {"Zs"} or " " in clean
    assert clean.encode()
    assert check_name(clean, "room") == clean


@given(
    st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=64).filter(lambda t: t.strip())
)
def test_printable_ascii_is_accepted(name: str) -> None:
    assert check_name(name, "room") == re.sub(" +", " ", name.strip())


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
        ("a\u00a0b", "a b"),
        ("\u3000a  b \u2003c\u1680", "a b c"),
        ("Ann ❤\ufe0f", "Ann ❤\ufe0f"),
        ("☀\ufe0f", "☀\ufe0f"),
        ("⌚\ufe0e", "⌚\ufe0e"),
        ("👨\u200d👩\u200d👧", "👨\u200d👩\u200d👧"),
        ("🏳\ufe0f\u200d🌈 Pat", "🏳\ufe0f\u200d🌈 Pat"),
        ("👩🏽\u200d🚀", "👩🏽\u200d🚀"),
        ("1\ufe0f\u20e3", "1\ufe0f\u20e3"),
        ("🏴\U000e0067\U000e0062\U000e007f", "🏴\U000e0067\U000e0062\U000e007f"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("ക്\u200d", "ക്\u200d"),
        ("র\u200d্যাব", "র\u200d্যাব"),
        ("👍\ufe0f", "👍"),
        ("a\u200db\u200cc\ufe0fd\ufe0e", "abcd"),
        ("1\ufe0f2\u200d3", "123"),
        ("😀\u200d", "😀"),
    ],
    ids=ascii,
)
def test_a_visible_name_is_trimmed_and_composed(name: str, clean: str) -> None:
    assert check_name(name, "room") == clean


UNSEEN = {
    "C0": [chr(code) for code in range(0x20)],
    "DEL and C1": [chr(code) for code in range(0x7F, 0xA0)],
    "zero width": list("\u200b\u2060\ufeff\u00ad\u034f\u180e"),
    "bidi": list("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"),
    "fillers": list("\u115f\u1160\u3164\uffa0\u2800\u17b4\u17b5"),
    "variation selectors": ["\ufe00", "\ufe0d", "\U000e0100", "\U000e01ef"],
    "tags": ["\U000e0001", "\U000e0020", "\U000e007f"],
    "separators": list("\u2028\u2029"),
    "unassigned": ["\u0378", "\u0530", "\U000e1000"],
    "noncharacters": ["\ufdd0", "\ufdef", "\ufffe", "\uffff", "\U0010ffff"],
    "blanks": ["\U0001d159", "\U00016fe4", "\U00013441", "\ufffc"],
    "surrogates": ["\ud800", "\udfff"],
    "private use": ["\ue000", "\U000f0000", "\U0010fffd"],
    "annotations": list("\ufff9\ufffa\ufffb"),
    "reserved and ignorable": ["\u2065", "\ufff0", "\U000e0000", "\U000e0080", "\U000e0fff"],
}


@pytest.mark.parametrize("char", [char for chars in UNSEEN.values() for char in chars], ids=ascii)
def test_an_invisible_character_is_refused_and_named(char: str) -> None:
    with pytest.raises(ParleyError) as refused:
        check_name(f"a{char}b", "room")
    assert (refused.value.code, refused.value.field) == ("bad_field", "room")
    assert f"U+{ord(char):04X}, " in refused.value.message
    assert refused.value.message.isprintable()
    assert user_error(f"a{char}b") == "bad_field"


@pytest.mark.parametrize("marks", ["\u0301", "\u0301\u0302\u0303", "\u20dd", "\u0301 \u20dd", "\u093e"], ids=ascii)
def test_a_name_of_nothing_but_marks_is_refused(marks: str) -> None:
    """It would look empty, or cover what stands before it."""
    assert name_error(marks) == user_error(marks) == "bad_field"
    assert check_name(f"e{marks}", "room")


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
def test_a_reserved_word_is_found_in_any_case_and_width(word: str, upper: list[bool], width: dict[int, int]) -> None:
    spelled = "".join(char.upper() if up else char for char, up in zip(word, upper, strict=False))
    assert user_error(spelled.translate(width)) == "reserved_name"


@given(
    st.sampled_from(WORDS), st.lists(st.text(" .-_*!#@~'\"|/()[]«»·†★\u0335\u0489", max_size=2), min_size=7, max_size=7)
)
def test_a_reserved_word_is_found_despite_punctuation(word: str, between: list[str]) -> None:
    spelled = between[0] + "".join(char + gap for char, gap in zip(word, between[1:], strict=False))
    assert user_error(spelled) == "reserved_name"


@pytest.mark.parametrize(
    "name", ["ſystem", "ⓈⓎⓈⓉⒺⓂ", "🅂🅈🅂🅃🄴🄼", "🆂🆈🆂🆃🅴🅼", "🅢🅨🅢🅣🅔🅜", "🇸🇾🇸🇹🇪🇲", "𝓼𝔂𝓼𝓽𝓮𝓶", "SYSTEM\u0335"], ids=ascii
)
def test_a_reserved_word_is_found_in_fancy_letters(name: str) -> None:
    assert user_error(name) == "reserved_name"


@pytest.mark.parametrize(
    "name",
    [
        "SYSTЕМ",
        "ЅYSTEM",
        "SУSTEM",
        "SYSTΕM",
        "ꜱʏꜱᴛᴇᴍ",
        "sеrver",
        "Pаrley",
        "ꓢꓬꓢꓔꓰꓟ",
        "ᏚᎩᏚᎢᎬᎷ",
        "ՏУՏТЕМ",
        "SYSꓔEM",
        "pɑrley",
        "sυstem",
    ],
    ids=ascii,
)
def test_a_reserved_word_is_found_in_letters_of_other_alphabets(name: str) -> None:
    assert user_error(name) == "reserved_name"


@pytest.mark.parametrize(
    "name",
    [
        "5YSTEM",
        "SY5T3M",
        "P4RL3Y",
        "$erver",
        "par|ey",
        "SYSTEM1",
        "server 2",
        "Parley #42",
        "systern",
        "𝟝ystem",
        "server ٤",
    ],
)
def test_a_reserved_word_is_found_with_digits_and_signs(name: str) -> None:
    assert user_error(name) == "reserved_name"


@pytest.mark.parametrize(
    "name", ["systematic", "1", "42", "7 $", "my system", "serverina", "parley fan", "sys", "tem", "systém", "система"]
)
def test_a_name_that_merely_contains_a_reserved_word_is_accepted(name: str) -> None:
    assert user_error(name) is None


@pytest.mark.parametrize("name", ["SYSTEM", "server"])
def test_a_room_may_have_a_reserved_name(name: str) -> None:
    assert name_error(name) is None


# --- contents --------------------------------------------------------------------------------------------------------


HIDDEN = {"Cf", "Co", "Zl", "Zp"}
BLANKS = {"\u2800", "\ufffc", "\U0001d159", "\U00016fe4", "\U00013441", "\U00013442"}
FILLERS = (
    BLANKS
    | {
        chr(code)
        for code in (0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2065, 0x2800, 0x3164, 0xFFA0, *range(0xFFF0, 0xFFF9))
    }
    | {chr(code) for code in [*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0000, 0xE1000)]}
)


def is_noncharacter(char: str) -> bool:
    return 0xFDD0 <= ord(char) < 0xFDF0


@given(st.text(max_size=LIMIT))
@example("\n\t x")
@example("\r\n")
@example("a\x00")
@example("\ud800")
@example("\u2028x")
@example("\U000e01f0")
def test_content_is_accepted_unchanged_or_refused(content: str) -> None:
    control = any(unicodedata2.category(char) in ("Cc", "Cs") and char not in "\n\t\r" for char in content)
    unseen = all(
        char.isspace() or unicodedata2.category(char) in HIDDEN or char in FILLERS or is_noncharacter(char)
        for char in content
    )
    expected = "bad_field" if control else "empty" if unseen else None
    assert content_error(content) == expected


@pytest.mark.parametrize(
    "content",
    [
        "\u200b",
        "\u2800",
        "\u3164 \u200d",
        "\ufe0f\n\u2060",
        "\ufffc",
        "\ufffa",
        "\ufdd0",
        "\U0001d159",
        "\U00016fe4",
        "\U00013441",
    ],
    ids=ascii,
)
def test_invisible_content_is_empty(content: str) -> None:
    assert content_error(content) == "empty"
    assert content_error(f"{content}x") is None


@pytest.mark.parametrize("content", ["", " ", "\n", "\t \n", "\u3000", "\u00a0\u2003"], ids=ascii)
def test_white_space_alone_is_empty(content: str) -> None:
    assert content_error(content) == "empty"


@pytest.mark.parametrize(
    "char", [chr(code) for code in [*range(0x20), *range(0x7F, 0xA0)] if chr(code) not in "\n\t\r"], ids=ascii
)
def test_a_control_character_is_refused(char: str) -> None:
    assert content_error(f"a{char}b") == "bad_field"


def test_content_is_bounded_in_characters() -> None:
    assert content_error("😀" * LIMIT) is None
    assert content_error("😀" * (LIMIT + 1)) == "too_large"
    assert content_error(" " * (LIMIT + 1)) == "too_large"
    assert content_error("x" + "\r\n" * (LIMIT - 1)) is None  # counted as it is delivered
    assert content_error("x" + "\r\n" * LIMIT) == "too_large"


@pytest.mark.parametrize("content", ["a\r\nb", "a\rb", "\r\n\r\na\r", "日本\r\n語"], ids=ascii)
def test_line_ends_become_newlines(content: str) -> None:
    assert check_content(content, LIMIT) == re.sub("\r\n?", "\n", content)
    assert check_text(content, "topic", LIMIT) == re.sub("\r\n?", "\n", content).strip()
    assert content_error("\r\n\r") == "empty"


# --- limits before work ----------------------------------------------------------------------------------------------

MARKED = "a" + "\u0345" * 16_000 + "\u0334" * 16_000
CHECKS: dict[str, Callable[[str], str]] = {
    "content": lambda text: check_content(text, 4_000),
    "long content": lambda text: check_content(text, 1_000_000),
    "name": lambda text: check_name(text, "room"),
    "user": lambda text: check_user_name(text, "u"),
    "title": lambda text: check_title(text, "title", 64),
    "topic": lambda text: check_text(text, "topic", 500),
    "emoji": check_emoji,
}


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
@pytest.mark.parametrize(
    "text", [MARKED, MARKED[:200], "x" * 32_000, "\ufdfa" * 32_000, "\u200d" * 32_000, "😀\u200d" * 16_000]
)
def test_a_long_text_is_accepted_or_refused_quickly(check: Callable[[str], str], text: str) -> None:
    start = time.thread_time()
    refusal(lambda: check(text))
    assert time.thread_time() - start < 0.02


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test_consecutive_marks_are_bounded(check: Callable[[str], str]) -> None:
    """Thirty are stream-safe text (UAX 15): no writing needs so many."""
    error = refusal(lambda: check("a" + "\u0334" * (MARKS + 1)))
    assert error is not None
    assert error.code == "bad_field"
    assert "marks" in error.message
    assert refusal(lambda: check("a" + "\u0334" * MARKS)) is None


# --- mentions and keys -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ("@हिन्दी", ["हिन्दी"]),
        ("@zoe\u0308", ["zoë"]),
        ("@कि और @क", ["कि", "क"]),
        ("@กิน", ["กิน"]),
        ("你好@ann", ["ann"]),
        ("请问@ann，在吗", ["ann"]),
        ("привет@ann 안녕@bob ค@eve", ["ann", "bob", "eve"]),
        ("ann@example.org a.b_c%d+e-@x 1@y é@z", ["z"]),
        ("@ANN @ａｎｎ @[ann]", ["ann"]),
        ("@[x\\]y] @[a\\\\] @[c\\d]", ["x]y", "a\\", "c\\d"]),
        ("@[zoe\u0308  lee] @[ zoë\u00a0lee ]", ["zoë lee"]),
        ("@[❤\ufe0f Ann]", ["❤ ann"]),
        ("@می\u200cخواهم", ["میخواهم"]),
        ("@john.citizen. (@ann's) @a--b @_x_", ["john.citizen", "ann", "a--b", "_x_"]),
        ("@" + "a" * 65 + " @[" + "b" * 65 + "] @" + "c" * 64, ["c" * 64]),
        ("@" + "e\u0301" * 64, ["é" * 64]),
        ("@[a\nb] @[] @[ ] @ @. @\u0301a", []),
    ],
    ids=ascii,
)
def test_mentions_are_found(content: str, names: list[str]) -> None:
    assert find_mentions(content) == tuple(names)


@pytest.mark.parametrize("unit", ["@", "@a", "@[", "@[\\", "@[\\]", "@a.", "@" + "a" * 300, "@a\u0301", "@a-.", "@[a]"])
def test_mentions_are_found_in_bounded_time(unit: str) -> None:
    text = (unit * (32_000 // len(unit)))[:32_000]
    start = time.thread_time()
    find_mentions(text)
    assert time.thread_time() - start < 0.05


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Zoë", "zoe\u0308"),
        ("ANN", "ａｎｎ"),
        ("❤\ufe0f", "❤"),
        ("a\u00a0b", "A b"),
        ("می\u200cخواهم", "میخواهم"),
        ("ﬁ", "FI"),
    ],
)
def test_equivalent_names_have_one_identity(one: str, other: str) -> None:
    assert fold_name(one) == fold_name(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ann", "аnn"),
        ("Ian", "lan"),
        ("PAYPAL", "раураl"),
        ("modern", "rnodern"),
        ("bob0", "ЬobO"),
        ("Ann", "ＡＮＮ"),
        ("🅐nn", "ann"),
    ],
)
def test_names_that_look_alike_have_one_skeleton(one: str, other: str) -> None:
    assert skeleton(one) == skeleton(other)


@given(st.text(st.characters(max_codepoint=0x7F), max_size=100))
def test_an_ascii_name_has_the_look_that_any_other_way_finds(name: str) -> None:
    assert skeleton(name) == _skeleton(name)


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=64))
def test_a_skeleton_ignores_case(name: str) -> None:
    assert skeleton(name) == skeleton(name.lower()) == skeleton(name.upper())


# --- reactions -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ("❤", "❤\ufe0f"),
        ("❤\ufe0e", "❤\ufe0f"),
        ("👍\ufe0f", "👍"),
        ("👍\u200d", "👍"),
        ("1\u20e3", "1\ufe0f\u20e3"),
        ("🏳\u200d🌈", "🏳\ufe0f\u200d🌈"),
        ("👁\u200d🗨", "👁\ufe0f\u200d🗨\ufe0f"),
        ("🧑\u200d⚕", "🧑\u200d⚕\ufe0f"),
        ("❤\u200d🔥", "❤\ufe0f\u200d🔥"),
        ("☝🏽", "☝🏽"),
        ("☝", "☝\ufe0f"),
        ("👨\u200d👩\u200d👧", "👨\u200d👩\u200d👧"),
        ("🇩🇪", "🇩🇪"),
        ("🏴\U000e0067\U000e0062\U000e007f", "🏴\U000e0067\U000e0062\U000e007f"),
        ("ok\u200b", "ok"),
        (":ok\u00ad:", ":ok:"),
        ("e\u0301", "é"),
    ],
    ids=ascii,
)
def test_reactions_that_look_alike_are_one(sent: str, told: str) -> None:
    assert check_emoji(sent) == told
    assert check_emoji(told) == told


@pytest.mark.parametrize("emoji", ["", "\ufe0f", "\u200d", "a b", "x" * 33, "\U000e0067", "a\n", "\u202ea"], ids=ascii)
def test_invalid_reactions_are_refused(emoji: str) -> None:
    error = refusal(lambda: check_emoji(emoji))
    assert error is not None
    assert (error.code, error.field) == ("bad_field", "emoji")
