"""The cost of checking one text: the worst characters cost about as much as any others."""

import re
import time
from collections.abc import Callable
from contextlib import suppress

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from model.errors import ParleyError
from model.limits import MENTIONS, NAME_CHARS
from model.lookalikes import skeleton
from model.text import check_user_name, find_mentions, fold_name


def seconds_each(function: Callable[[str], object], texts: list[str]) -> float:
    """Return the least CPU time per text of several runs, as other processes add noise."""

    def once() -> float:
        start = time.process_time()
        for text in texts:
            with suppress(ParleyError):
                function(text)
        return (time.process_time() - start) / len(texts)

    return min(once() for _ in range(5))


# The characters that normalization, the table of look-alikes or the rules for joiners spend most on.
_COSTLY = (
    *("\ufdfa", "\ufdfb", "\u3300", "\u2057", "\u24a8", "\u2177", "\u0390", "\u1e9b\u0323", "\u0e33", "\uac01"),
    *("\u1100\u1161\u11a8", "\u0958\u0959", "a" + "\u0301" * 30, "\u0915" + "\u093c" * 30, "\u02bc", "\u02bcs"),
    *("\u043em", "\u200d\ufe0e", "\ufe0f\u200c", "\u0628\u200c", "\u263a\ufe0f", "\U0001f468\u200d", "\ufdfa\u200d"),
    *("\U0001f1f8\U0001f1fe", "1\ufe0f\u20e3", "\u2003", "a\u2003", "\U0001f3f4\U000e0067\U000e007f"),
)


@pytest.mark.parametrize("unit", _COSTLY, ids=ascii)
def test_every_name_is_checked_cheaply(unit: str) -> None:
    names = [(unit * size)[:size] for size in (64, 128, 256)]
    for name in names:
        assert seconds_each(lambda name: check_user_name(name, "u"), [name] * 10) < 0.0004
    assert seconds_each(fold_name, names[:1] * 10) < 0.0004
    assert seconds_each(skeleton, names[:1] * 10) < 0.0004


@pytest.mark.parametrize(
    "name",
    ["ʼsʼyʼsʼtʼeʼmʼ", "ʼ" * 50 + "SYSTEM", "ѕystеmʼ4", "…" * 40 + "ѕerver", "sуstem" + "\u00b2" * 50, "🅂🅈🅂🅃🄴🄼"],
    ids=ascii,
)
def test_ignorable_characters_cannot_hide_a_reserved_name(name: str) -> None:
    with pytest.raises(ParleyError, match="reserved"):
        check_user_name(name, "u")


@pytest.mark.parametrize("name", ["\ufdfa" * 64, "ѕystemѕystem", "\u3300" * 64, "ʼs" * 32], ids=ascii)
def test_names_unlike_reserved_ones_are_accepted(name: str) -> None:
    assert check_user_name(name, "u") == name


@pytest.mark.parametrize(
    "unit",
    [
        *("@", "@a", "@é", "@[", "@[x\\", "@[\\]", "@[\\\\", "@[a]", "@a\u0301", "@a-.", "@[\n", "@[\ufdfa]"),
        *("@" + "\ufdfa" * 64 + " ", "@[" + "\u3300" * 64 + "]"),
    ],
    ids=ascii,
)
def test_a_message_full_of_mentions_costs_no_more_than_any_other(unit: str) -> None:
    texts = [(str(number) + " " + unit * 4000)[:4000] for number in range(20)]
    assert seconds_each(find_mentions, texts) < 0.001


def _mentions_by_pattern(content: str) -> tuple[str, ...]:
    """Do what `find_mentions` does with one pattern, which scans the same brackets repeatedly."""
    part = r"[\p{L}\p{N}\p{M}_\u200c\u200d]+"
    quoted = r"\[((?:[^\]\n\\]|\\[\]\\]|\\(?![\]\\])){1,256}+)\]"
    found = regex.findall(rf"(?<![A-Za-z0-9._%+-])@(?:{quoted}|(?=[\p{{L}}\p{{N}}_])({part}(?:[.-]+{part})*))", content)
    names = [plain or re.sub(r"\\([\]\\])", r"\1", escaped).strip() for escaped, plain in found]
    return tuple(dict.fromkeys(fold_name(name) for name in names if 0 < len(name) <= NAME_CHARS))[:MENTIONS]


@given(
    st.lists(
        st.sampled_from(["@", "@[", "[", "]", "\\", "a", " ", "\n", ".", "é", "x" * 60, "\\\\" * 100]), max_size=40
    )
)
def test_mentions_are_the_matches_of_the_pattern(pieces: list[str]) -> None:
    content = "".join(pieces)
    assert find_mentions(content) == _mentions_by_pattern(content)
