"""A user is signed in, and visits a page of another origin: in a real browser, it can do nothing in the user's name.

The pages are of another site, whose requests carry no cookie, and of another port of the same host, whose requests do:
for browsers that is the same site.
"""

import json
import time
from urllib.parse import urlsplit

import pytest
from playwright.async_api import BrowserContext, Page, Route

from server.auth.access_tokens import Pair, sign_pair
from server.auth.cookies import cookie_names
from server.auth.keys import ServerKeys
from tests.browser.conftest import PLAIN
from tests.support.accounts import DAY, account, login
from tests.support.browser import Pages
from tests.support.process import free_port
from tests.support.server import ServerProcess
from tests.support.web import Web

ANN = account("ann")
NAMES = cookie_names("")
CONNECT = """([url, protocol]) => new Promise((resolve) => {
  const socket = new WebSocket(url, [protocol]);
  socket.onmessage = (event) => { resolve(JSON.parse(event.data).user.id); socket.close(); };
  socket.onerror = () => resolve('refused');
})"""
FETCH = """([url, options]) => fetch(url, options).then(
  async (reply) => [reply.status, reply.type === 'opaque' ? '' : await reply.text()], (error) => [0, String(error)])"""
# What a form can send is `name=value`; with text/plain, that may be JSON.
FORM = """([url, type, name, value]) => {
  const form = Object.assign(document.createElement('form'), {action: url, method: 'post', enctype: type});
  form.append(Object.assign(document.createElement('input'), {name, value}));
  document.body.append(form);
  form.submit();
}"""
ELSEWHERE = pytest.mark.parametrize("elsewhere", ["another site", "another port"])


def origin_of(elsewhere: str, server: ServerProcess) -> str:
    return "http://other.localhost" if elsewhere == "another site" else f"http://127.0.0.1:{free_port()}"


def tokens() -> Pair:
    now = time.time_ns() // 1000
    made = login(ANN, created_at=now, refreshed_at=now, ends_at=now + DAY, by_cookie=True)
    return sign_pair(ServerKeys(PLAIN["SERVER_SECRET"]), ANN, made, (), now)


async def give_cookies(context: BrowserContext, server: ServerProcess, pair: Pair) -> None:
    """Put the cookies of a login into a browser, as the server sets them."""
    host = urlsplit(server.http_url).hostname
    for name, value in ((NAMES.access, pair.access), (NAMES.refresh, pair.refresh), (NAMES.csrf, pair.csrf)):
        await context.add_cookies(
            [
                {
                    "name": name,
                    "value": value,
                    "domain": host,
                    "path": "/",
                    "httpOnly": name != NAMES.csrf,
                    "sameSite": "Lax",
                }
            ]
        )


async def page_of(new_page: Pages, origin: str, beside: Page | None = None) -> Page:
    """Return an empty page of an origin."""
    allowed = ["local-network-access"]  # what Chromium itself would ask the user for
    page = await (new_page(permissions=allowed) if beside is None else new_page(same_context_as=beside))

    async def empty(route: Route) -> None:
        await route.fulfill(content_type="text/html", body="<!doctype html><link rel=icon href=data:,><body>")

    await page.route(f"{origin}/empty", empty)
    await page.goto(f"{origin}/empty")
    return page


async def signed_in(new_page: Pages, server: ServerProcess) -> tuple[Page, Pair]:
    """Return a page of the server in a browser that is signed in."""
    page, pair = await page_of(new_page, server.http_url), tokens()
    await give_cookies(page.context, server, pair)
    return page, pair


async def rooms(server: ServerProcess) -> list[str]:
    return [room["room"] for room in (await Web(server.port).json("/api/rooms"))["rooms"]]


async def test_the_servers_own_page_acts_for_the_user(new_page: Pages, server: ServerProcess, room: str) -> None:
    page, pair = await signed_in(new_page, server)
    chat = f"{server.ws_url}/chat"
    assert await page.evaluate(CONNECT, [chat, "parley.v1"]) == ANN.account_id
    body = json.dumps({"name": room})
    headers = {"Content-Type": "application/json"}
    url = f"{server.http_url}/api/rooms"
    new_page.expect_error("403|415")
    for given, status, code in (
        (headers, 403, "csrf"),
        ({**headers, "X-CSRF-Token": "x" * 32}, 403, "csrf"),
        ({"Content-Type": "text/plain", "X-CSRF-Token": pair.csrf}, 415, "unsupported"),
    ):
        got, text = await page.evaluate(FETCH, [url, {"method": "POST", "headers": given, "body": body}])
        assert (got, json.loads(text)["error"]["code"]) == (status, code)
    assert room not in await rooms(server)
    script = "document.cookie.split('; ').find((one) => one.startsWith('parley-csrf=')).slice(12)"
    token = await page.evaluate(script)
    assert token == pair.csrf
    assert pair.access not in await page.evaluate("document.cookie")
    given = {**headers, "X-CSRF-Token": token}
    assert (await page.evaluate(FETCH, [url, {"method": "POST", "headers": given, "body": body}]))[0] == 201
    assert room in await rooms(server)


@ELSEWHERE
@pytest.mark.parametrize("media", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_a_form_of_another_page_changes_nothing(
    new_page: Pages, server: ServerProcess, room: str, elsewhere: str, media: str
) -> None:
    page, _ = await signed_in(new_page, server)
    evil = await page_of(new_page, origin_of(elsewhere, server), page)
    new_page.expect_error("401|403")
    async with evil.expect_response("**/api/rooms") as answered:
        await evil.evaluate(FORM, [f"{server.http_url}/api/rooms", media, f'{{"name":"{room}","x":"', '"}'])
    assert (await answered.value).status == (401 if elsewhere == "another site" else 403)
    assert room not in await rooms(server)


@ELSEWHERE
async def test_a_script_of_another_page_changes_nothing(
    new_page: Pages, server: ServerProcess, room: str, elsewhere: str
) -> None:
    """Not even with the CSRF token, which it cannot know: such a request needs a preflight, which is not answered."""
    page, pair = await signed_in(new_page, server)
    evil = await page_of(new_page, origin_of(elsewhere, server), page)
    new_page.expect_error("401|403|405|CORS|ERR_FAILED")
    url, body = f"{server.http_url}/api/rooms", json.dumps({"name": room})
    with_token = {"Content-Type": "application/json", "X-CSRF-Token": pair.csrf}
    for options in (
        {"mode": "no-cors", "headers": {"Content-Type": "text/plain"}},
        {"mode": "cors", "headers": with_token},
    ):
        sent = {"method": "POST", "credentials": "include", "body": body, **options}
        assert (await evil.evaluate(FETCH, [url, sent]))[0] == 0
    assert room not in await rooms(server)


@ELSEWHERE
async def test_another_page_connects_as_a_guest(new_page: Pages, server: ServerProcess, elsewhere: str) -> None:
    """Pages of all origins may connect by default, but the cookie does not count for them."""
    page, _ = await signed_in(new_page, server)
    evil = await page_of(new_page, origin_of(elsewhere, server), page)
    user_id = await evil.evaluate(CONNECT, [f"{server.ws_url}/chat", "parley.v1"])
    assert user_id.startswith("g_")


@ELSEWHERE
async def test_another_page_reads_nothing_of_the_user(
    new_page: Pages, server: ServerProcess, room: str, elsewhere: str
) -> None:
    page, pair = await signed_in(new_page, server)
    own = Web(server.port, token=pair.access)
    await own.create(room, private=True)
    await own.say(room, "a secret")
    url = f"{server.http_url}/api/rooms/{room}/messages"
    assert "a secret" in (await page.evaluate(FETCH, [url, {}]))[1]
    evil = await page_of(new_page, origin_of(elsewhere, server), page)
    new_page.expect_error("404|CORS|ERR_FAILED")
    for credentials in ("include", "omit"):
        assert "a secret" not in (await evil.evaluate(FETCH, [url, {"credentials": credentials}]))[1]


@ELSEWHERE
async def test_another_page_cannot_sign_its_visitor_in(new_page: Pages, server: ServerProcess, elsewhere: str) -> None:
    """What the visitor then writes would be the attacker's to read (login CSRF)."""
    evil = await page_of(new_page, origin_of(elsewhere, server))
    new_page.expect_error("403")
    credentials = '{"username":"mallory","password":"correct horse","cookie":true,"x":"'
    async with evil.expect_response("**/api/login") as answered:
        await evil.evaluate(FORM, [f"{server.http_url}/api/login", "text/plain", credentials, '"}'])
    assert (await answered.value).status == 403
    assert await evil.context.cookies(server.http_url) == []
