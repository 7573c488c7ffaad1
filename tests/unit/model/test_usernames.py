"""Usernames have one form, and one look; e-mail addresses are plain."""

import pytest

from model.account import fold_email, guess_key, look_hash
from model.emails import check_email
from model.errors import ParleyError
from model.lookalikes import skeleton
from model.principals import kind_of, shown_id
from model.text import check_user_name
from model.usernames import asked_username, check_official, check_username


@pytest.mark.parametrize(
    ("text", "username"),
    [
        ("Ann", "ann"),
        ("ＡＮＮ", "ann"),
        ("A\u0308NN", "änn"),
        ("ann.lee-2_x", "ann.lee-2_x"),
        ("Анна", "анна"),
        ("x" * 64, "x" * 64),
    ],
)
def test_a_username_is_stored_in_one_form(text: str, username: str) -> None:
    found = check_username(text)
    assert found.username == username
    assert check_username(username) == found


@pytest.mark.parametrize("one", ["paypal", "PayPaI", "pаypаl", "ｐａｙｐａｌ"])
def test_usernames_that_look_the_same_have_the_same_look(one: str) -> None:
    assert check_username(one).look == check_username("paypal").look


@pytest.mark.parametrize("mark", ["\u0332", "\u0489", "\u20dd", "\u064e", "\U00013440", "\U0001107f"])
def test_marks_that_do_not_compose_with_their_letter_do_not_count(mark: str) -> None:
    assert skeleton(f"bob{mark}") == skeleton(f"bo{mark}b") == skeleton("bob")


def test_marks_that_belong_to_their_letter_make_another_username() -> None:
    assert len({check_username(text).look for text in ("zoe", "zoé", "zoë", "หม่อม", "หมอม")}) == 5


@pytest.mark.parametrize(
    "text",
    [
        *(f"boss{blank}" for blank in "\u2800\ufffc\U0001d159\U00016fe4\U00013441\U00013442\u3164\u180e\ue000\u0378"),
        *("", "x" * 65, "a b", "ſ", "a\u200bb", "a\u202eb", "a\0b", "\ud800", "a\nb", ".", "..", "ann@example.org"),
        *("g_x", "A_x", "u_1", "b_x", "w_x", "ann" + "\u0301" * 60, "a\u00a0b", "ann\u2028"),
    ],
)
def test_other_usernames_are_refused(text: str) -> None:
    with pytest.raises(ParleyError) as refused:
        check_username(text, "name")
    assert (refused.value.code, refused.value.field) == ("bad_field", "name")


@pytest.mark.parametrize("text", ["system", "Sеrver", "PARLEY1", "s-y-s-t-e-m"])
def test_names_of_the_server_are_refused(text: str) -> None:
    with pytest.raises(ParleyError) as refused:
        check_username(text)
    assert refused.value.code == "reserved_name"


@pytest.mark.parametrize("text", ["ann@example.org", "a.b+c@x", "O'Neil@sub.example.co", "a" * 64 + "@x.y"])
def test_an_email_address_is_kept_as_it_is(text: str) -> None:
    assert check_email(text) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "ann", "@x", "a@", "a@b@c", "a b@c", '"a"@b', "a,b@c", "a@b\r\nBcc: c@d", "a@b\0", "ü@b", "a@ü"),
        *("a..b@c", ".a@c", "a@c.", "a@-c", "a@[127.0.0.1]", "a" * 65 + "@x", "a@" + "x." * 130 + "y", "a <b@c>"),
    ],
)
def test_other_email_addresses_are_refused(text: str) -> None:
    with pytest.raises(ParleyError) as refused:
        check_email(text)
    assert (refused.value.code, refused.value.field) == ("bad_field", "email")


def test_what_stands_for_a_name_differs_for_other_names() -> None:
    assert fold_email("Ann@Example.ORG") == "ann@example.org"
    assert len({look_hash("ann"), look_hash("bob")}) == 2
    assert len(look_hash("ann")) == 8
    assert len({guess_key("login", "ann"), guess_key("reset", "ann"), guess_key("login", "\ud800")}) == 3


def test_ids_tell_what_principals_are() -> None:
    marks = {"g_1": "guest", "w_1": "claimed", "b_1": "bot", "a_1": "", "u_1": ""}
    assert {principal: kind_of(principal) for principal in marks} == marks
    assert shown_id("u_7", "u_") == "7"
    for hidden in ("a_7", "b_7", "g_7", "w_7", "u_7"):
        assert shown_id(f"u_{hidden}", "u_") == f"u_{hidden}"


OFFICIAL = [
    *(
        "admin",
        "Admin",
        "ADMIN1",
        "4dm1n",
        "a.d.m.i.n",
        "аdmin",
        "ａｄｍｉｎ",
        "admin_",
        "Administrator",
        "adm1nistrat0r",
    ),
    *("moderator", "MODERATOR 2", "operator", "r00t", "root", "guest", "Guest 7", "gu3st"),
]


@pytest.mark.parametrize("name", OFFICIAL, ids=ascii)
def test_names_of_users_with_a_task_cannot_be_chosen(name: str) -> None:
    """But an account that has one can sign in."""
    with pytest.raises(ParleyError) as refused:
        check_official(name, "name")
    assert (refused.value.code, refused.value.field) == ("reserved_name", "name")
    if " " not in name:
        assert asked_username(name)


@pytest.mark.parametrize(
    "name", ["adam", "administration", "ann admin", "groot", "guests", "mod", "roots", "1", "東京"]
)
def test_names_that_only_have_such_words_in_them_can_be_chosen(name: str) -> None:
    assert check_official(name, "name") == name


@pytest.mark.parametrize(
    "name", ["deleted user", "Deleted  User", "DELETED-USER", "deletedus3r", "dеlеtеd usеr"], ids=ascii
)
def test_no_one_is_called_like_a_deleted_user(name: str) -> None:
    with pytest.raises(ParleyError) as refused:
        check_user_name(name, "name")
    assert refused.value.code == "reserved_name"
