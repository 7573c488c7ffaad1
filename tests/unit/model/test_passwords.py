"""Passwords of accounts have one form, a least and a largest size, and are not the first that an attacker tries."""

import pytest

from model.errors import ParleyError
from model.passwords import check_password, is_long, prepare_password
from utils.common_passwords import common_passwords

COMMON = frozenset({"password", "trustno1"})


def check(password: str, username: str = "annabella", email: str | None = None) -> str:
    return check_password(password, common=COMMON, username=username, email=email)


@pytest.mark.parametrize(
    ("password", "prepared"),
    [
        ("correct horse", "correct horse"),
        ("a\u0308bcdefgh", "äbcdefgh"),
        ("no\u00a0break space", "no break space"),
        ("ＦＵＬＬwidth", "ＦＵＬＬwidth"),  # not folded: RFC 8265 section 4.2.2
        ("12345 78 🙂", "12345 78 🙂"),
        ("ж" * 512, "ж" * 512),
        ("x" * 1024, "x" * 1024),
    ],
)
def test_a_password_has_one_form(password: str, prepared: str) -> None:
    assert check(password) == prepared
    assert prepare_password(password) == prepared


@pytest.mark.parametrize(
    "password",
    [
        "",
        "seven 7",
        "a\u0308" * 7,  # seven characters once composed
        "x" * 1025,
        "ж" * 513,
        "with\tabulator",
        "with\0 nothing",
        "lone \ud800 surrogate",
        "marks" + "\u0308" * 31 + " in a row",
        "Password",
        "TRUSTNO1",
        "annabella",
        "AnnaBella2024",
        "annabellaAnnabella",
        "123annabella",
        "annabella.b@example.org",
        "Annabella.b",
    ],
)
def test_a_password_is_refused_by_name(password: str) -> None:
    with pytest.raises(ParleyError) as refused:
        check(password, email="annabella.b@example.org")
    assert (refused.value.code, refused.value.field) == ("bad_field", "password")
    assert password not in refused.value.message or not password


def test_a_password_that_no_account_has_stays_as_it_is() -> None:
    assert prepare_password("with\tabulator") == "with\tabulator"
    assert prepare_password("") == ""


def test_bytes_are_counted_before_anything_else() -> None:
    assert is_long("x" * 1025)
    assert is_long("ж" * 513)
    assert is_long("\ud800" * 342)
    assert not is_long("ж" * 512)


def test_the_shipped_list_has_common_passwords() -> None:
    common = common_passwords()
    assert {"password", "12345678", "iloveyou", "trustno1"} <= common
    assert len(common) > 25_000
