"""The cookies of a login: their attributes, which requests they count for, and how the others are refused."""

from typing import Any

import pytest
from aiohttp import web
from msgspec.structs import replace
from multidict import CIMultiDict

from model.errors import ParleyError
from server.access.addresses import Headers
from server.auth.access_tokens import sign_pair
from server.auth.cookies import (
    MARK,
    access_cookies,
    clear_cookies,
    cookie_names,
    counts_cookie,
    read_cookies,
    refresh_cookies,
    set_cookies,
)
from server.auth.csrf import check_unsafe, sends_login
from server.auth.keys import ServerKeys
from tests.support.accounts import NOW, account, login

KEYS = ServerKeys("a secret of at least thirty-two characters")
OTHER = ServerKeys("another secret of at least thirty-two characters")
ANN = account("ann")
LOGIN = login(ANN, by_cookie=True)
PAIR = sign_pair(KEYS, ANN, LOGIN, (), NOW)
OWN = "https://chat.example"
DAYS_30 = 30 * 86_400


@pytest.mark.parametrize(
    ("public_url", "name", "path", "secure"),
    [
        ("https://chat.example", "__Host-parley", "/", True),
        ("https://example.org/chat", "__Secure-parley", "/chat", True),
        ("http://localhost:8080", "parley", "/", False),
        ("http://localhost/chat", "parley", "/chat", False),
        ("", "parley", "/", False),
    ],
)
def test_the_prefix_and_path_of_cookies_follow_from_the_public_url(
    public_url: str, name: str, path: str, secure: bool
) -> None:
    response = web.Response()
    set_cookies(response, PAIR, LOGIN, public_url)
    assert list(response.cookies) == [name, f"{name}-refresh", f"{name}-csrf"]
    for key, cookie in response.cookies.items():
        assert (cookie["path"], bool(cookie["secure"]), cookie["samesite"], cookie["domain"]) == (
            path,
            secure,
            "Lax",
            "",
        )
        assert bool(cookie["httponly"]) == (not key.endswith("csrf"))
        assert int(cookie["max-age"]) == DAYS_30
        assert MARK in key.encode()
    clear_cookies(response, public_url)
    assert {int(cookie["max-age"]) for cookie in response.cookies.values()} == {0}
    assert all(bool(cookie["secure"]) == secure for cookie in response.cookies.values())
    assert cookie_names(public_url).origin == ("" if not public_url else "/".join(public_url.split("/")[:3]))


def test_cookies_are_found_among_others() -> None:
    headers = ["a=1; parley=one;parley-csrf=x", "parley2=no; parley = two ; xparley=no; parley", "__Host-parley=no"]
    assert access_cookies(headers, "") == ["one", "two"]
    assert refresh_cookies(headers, "") == []
    assert access_cookies([*headers, "__Host-parley-csrf=y"], OWN) == ["no"]
    assert len(read_cookies(["; ".join(["parley=x"] * 1000)], "parley")) == 4


def values_of(headers: dict[str, str] | list[tuple[str, str]]) -> Headers:
    given = CIMultiDict(headers)
    return lambda name: given.getall(name, [])


def test_a_header_that_is_sent_twice_counts_only_if_each_value_does() -> None:
    for name, first, second in (
        ("Origin", OWN, "https://evil.example"),
        ("Origin", OWN, OWN),
        ("Sec-Fetch-Site", "none", "cross-site"),
    ):
        assert not counts_cookie("GET", values_of([(name, first), (name, second)]), OWN)


@pytest.mark.parametrize(
    ("method", "headers", "counts"),
    [
        ("GET", {}, True),
        ("GET", {"origin": OWN}, True),
        ("GET", {"Origin": "https://evil.example"}, False),
        ("GET", {"Origin": "null"}, False),
        ("GET", {"Sec-Fetch-Site": "same-origin"}, True),
        ("GET", {"Sec-Fetch-Site": "none"}, True),
        ("GET", {"Sec-Fetch-Site": "same-site"}, False),
        ("GET", {"Sec-Fetch-Site": "cross-site"}, False),
        ("GET", {"Authorization": "Bearer x"}, False),
        ("GET", {"Authorization": "Basic eDp5"}, True),  # of a proxy
        ("POST", {}, False),
        ("POST", {"Origin": OWN}, True),
        ("POST", {"Origin": OWN, "Sec-Fetch-Site": "same-origin"}, True),
        ("DELETE", {"Origin": "http://chat.example"}, False),
    ],
)
def test_a_cookie_counts_only_for_pages_of_this_server(method: str, headers: dict[str, str], counts: bool) -> None:
    assert counts_cookie(method, values_of(headers), OWN) is counts


@pytest.mark.parametrize(
    ("headers", "counts"), [({}, False), ({"Origin": OWN}, True), ({"Origin": "https://chat.example.evil"}, False)]
)
def test_an_upgrade_by_cookie_needs_the_own_origin(headers: dict[str, str], counts: bool) -> None:
    assert counts_cookie("GET", values_of(headers), OWN, upgrades=True) is counts


# --- requests without Authorization -----------------------------------------------------------------------------------


def cookies(access: str = PAIR.access, refresh: str = PAIR.refresh, csrf: str = PAIR.csrf) -> list[str]:
    given = {"access": access, "refresh": refresh, "csrf": csrf}
    names = cookie_names(OWN)
    return ["; ".join(f"{getattr(names, kind)}={value}" for kind, value in given.items() if value)]


def refusal(**changed: Any) -> str:
    given: dict[str, Any] = {
        "origin": OWN,
        "own_origin": OWN,
        "media": "application/json",
        "cookies": cookies(),
        "token": PAIR.csrf,
        **changed,
    }
    try:
        check_unsafe(KEYS, OWN, **given)
    except ParleyError as error:
        return error.code
    return ""


def test_a_page_of_this_server_may_change_something() -> None:
    assert refusal() == ""
    assert refusal(media="Application/JSON; charset=utf-8") == ""
    assert refusal(cookies=cookies(access="")) == "", "the access token has expired in the browser"


@pytest.mark.parametrize(
    "origin", ["", "null", "https://evil.example", "http://chat.example", f"{OWN}, {OWN}", OWN + "."]
)
@pytest.mark.parametrize("held", [[], cookies()])
def test_every_other_origin_is_refused(origin: str, held: list[str]) -> None:
    """Also without a login: a page could sign its visitor in to an account of its own."""
    assert refusal(origin=origin, cookies=held) == "forbidden"


@pytest.mark.parametrize("media", [None, "", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
@pytest.mark.parametrize("held", [[], cookies()])
def test_what_a_form_can_send_is_refused(media: str | None, held: list[str]) -> None:
    assert refusal(media=media, cookies=held) == "unsupported"


@pytest.mark.parametrize(
    "token",
    [None, "", "wrong", PAIR.csrf[:-1], PAIR.csrf + "x", "\ud800", "ä"],
    ids=["none", "empty", "wrong", "short", "long", "surrogate", "not ASCII"],  # the same in each process of the tests
)
def test_a_login_needs_its_csrf_token(token: str | None) -> None:
    assert refusal(token=token) == "csrf"
    assert refusal(token=token, cookies=cookies(access="")) == "csrf"
    assert refusal(token=token, cookies=[]) == "", "there is nothing to protect"


def test_the_csrf_token_must_be_that_of_the_login_and_that_of_the_cookie() -> None:
    """A cookie can be planted by a neighbouring host, and another user's token can be known."""
    other = sign_pair(KEYS, ANN, login(ANN), (), NOW)
    assert refusal(cookies=cookies(csrf=other.csrf), token=other.csrf) == "csrf"
    assert refusal(cookies=cookies(csrf=other.csrf)) == "csrf"


def test_cookies_of_another_server_on_this_host_are_ignored() -> None:
    foreign = sign_pair(OTHER, ANN, LOGIN, (), NOW)
    theirs = cookies(foreign.access, foreign.refresh, foreign.csrf)
    assert sends_login(theirs, OWN)
    assert refusal(cookies=theirs, token=None) == ""
    assert refusal(cookies=theirs + cookies(), token=None) == "csrf"
    assert refusal(cookies=theirs + cookies()) == ""
    assert refusal(cookies=["__Host-parley=\x80\xff; __Host-parley-refresh=rt_x"], token=None) == ""


def test_a_browser_that_lost_the_csrf_token_is_signed_out() -> None:
    """It can sign in anew, as its page offers; the cookies that are left do nothing."""
    left = cookies(csrf="")
    assert access_cookies(left, OWN) == refresh_cookies(left, OWN) == []
    assert not sends_login(left, OWN)
    assert refusal(cookies=left, token=None) == ""
    assert refusal(cookies=left, token=None, origin="https://evil.example") == "forbidden"


def test_which_requests_send_a_login() -> None:
    assert sends_login(cookies(), OWN)
    assert sends_login(cookies(access=""), OWN)
    assert not sends_login(cookies(access="", refresh=""), OWN)
    assert not sends_login(cookies(), "")
    assert not sends_login([], OWN)


def test_a_login_that_is_almost_over_has_cookies_as_short() -> None:
    response = web.Response()
    set_cookies(response, PAIR, replace(LOGIN, ends_at=NOW + 5_000_000), "")
    assert {int(cookie["max-age"]) for cookie in response.cookies.values()} == {5}
