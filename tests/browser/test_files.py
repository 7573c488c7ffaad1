"""The files of the page, as they are served: that they are what was written, and what loading them costs."""

import gzip
import json
import re
import subprocess
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Page, Response, expect

from server.web.client import CLIENT as PAGE
from server.web.client import FIRST, JOINED, JOINED_SHEETS, STATIC
from tests.browser.chat_page import ChatPage, Enter
from tests.browser.test_offline import kept
from tests.browser.test_parts import background_parts
from tests.support.browser import Pages
from tests.support.chromium import find_node
from tests.support.page import CLIENT, static
from tests.support.process import ROOT
from tests.support.proxy import Network
from tests.support.server import ServerProcess
from tests.support.typescript import ensure

# What the first view may cost, compressed: everything that is loaded until a message is visible.
FIRST_VIEW_BYTES = 90_000
# Requests of a page that the browser has loaded before: for the page, for who uses it, and for the connection.
WARM_REQUESTS = 3


class Listening(Network):
    """A network that knows the paths of the requests that passed."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.requests: list[str] = []

    def loses_answer_of(self, piece: bytes) -> bool:
        """Look at a piece on its way to the server: browsers send a request in one."""
        if request := re.match(rb"[A-Z]+ (\S+) HTTP/1.1\r\n", piece):
            self.requests.append(request[1].decode())
        return super().loses_answer_of(piece)


def told() -> dict[str, dict[str, object]]:
    """Return what TypeScript's compiler says about each module."""
    texts = {path: [(STATIC / path).read_text(), text] for path, text in CLIENT.modules.items()}
    done = subprocess.run(
        [find_node(), ROOT / "tests" / "support" / "modules.cjs", ensure().parent],
        input=json.dumps(texts), stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    answer: dict[str, dict[str, object]] = json.loads(done.stdout)
    return answer


@pytest.mark.slow
def test_squeezed_modules_are_the_written_ones() -> None:
    """But for comments and space."""
    assert [path for path, facts in told().items() if not facts["same"]] == []


@pytest.mark.slow
def test_what_the_first_module_imports_is_joined_and_nothing_else() -> None:
    facts = told()
    found = [FIRST]
    for path in found:
        for name in facts[path]["imports"]:  # type: ignore[attr-defined] # a list
            module = (STATIC / path).parent.joinpath(name).resolve().relative_to(STATIC).as_posix()
            if module not in found:
                found.append(module)
    assert {*CLIENT.joined, FIRST} == set(found)


async def test_served_style_sheets_are_the_written_ones_without_comments(
    server: ServerProcess, new_page: Pages
) -> None:
    page = await new_page(f"{server.http_url}/client.html")
    sheets = {path.relative_to(STATIC).as_posix(): path.read_text() for path in STATIC.rglob("*.css")}
    assert sheets
    for path, written in sheets.items():
        assert await rules(page, written) == await rules(page, CLIENT.files[path].content.decode()) != [], path
    linked = re.findall(r'<link rel="stylesheet" href="static/([^"]+)">', PAGE.read_text())
    joined = CLIENT.files[JOINED_SHEETS].content.decode()
    assert await rules(page, joined) == await rules(page, "".join(sheets[path] for path in linked))


async def rules(page: Page, text: str) -> list[str]:
    return await page.evaluate(  # type: ignore[no-any-return] # strings
        """(text) => {
          const sheet = new CSSStyleSheet();
          sheet.replaceSync(text);
          return [...sheet.cssRules].map((rule) => rule.cssText.replace(/\\s+/g, " "));
        }""",
        text,
    )


NOTE_FIRST_MESSAGE = """new MutationObserver((_, observer) => {
  if (!document.querySelector(".msg")) return;
  window.firstMessageAt = performance.now();
  observer.disconnect();
}).observe(document, { childList: true, subtree: true });"""
LOADED_UNTIL_THEN = """performance.getEntriesByType("resource")
  .filter((entry) => entry.startTime < window.firstMessageAt).map((entry) => entry.name)"""


async def test_the_first_view_is_small_and_comes_from_this_server(
    server: ServerProcess, new_page: Pages, enter: Enter, room: str
) -> None:
    ben = await enter("ben")
    await ben.say("hello")
    await ben.delivered("hello")
    page = await new_page()
    await page.add_init_script(NOTE_FIRST_MESSAGE)
    loaded: list[Response] = []
    page.on("response", lambda response: loaded.append(response))
    await page.goto(f"{server.http_url}/client.html?r={room}&u=ann")
    ann = ChatPage(page)
    await expect(ann.message("hello")).to_be_visible()
    counted = {page.url, *await page.evaluate(LOADED_UNTIL_THEN)}
    sizes = {}
    for response in loaded:
        body = await response.body()
        coded = "content-encoding" in await response.all_headers()  # by gzip, whatever this browser prefers
        sizes[response.url] = len(gzip.compress(body)) if coded else len(body)
    assert {urlsplit(url).netloc for url in sizes} == {urlsplit(server.http_url).netloc}
    sizes = {url: size for url, size in sizes.items() if url in counted or url == loaded[0].url}
    assert not [url for url in sizes if "/view/" in url], "parts that are loaded later"
    assert {loaded[0].url, *(f"{server.http_url}{static(path)}" for path in (JOINED, JOINED_SHEETS))} <= sizes.keys()
    assert sum(sizes.values()) < FIRST_VIEW_BYTES, "\n".join(f"{size} {url}" for url, size in sizes.items())


@pytest.mark.usefixtures("service_worker")
async def test_a_warm_load_asks_for_the_page_and_connects(server: ServerProcess, new_page: Pages, room: str) -> None:
    """Checking for a newer service worker comes after the load."""
    async with Listening(server.http_url) as network:
        page = await new_page(f"{network.url}/client.html?r={room}&u=ann")
        ann = ChatPage(page)
        await ann.connected()
        await ann.say("hello")
        await ann.delivered("hello")
        assert static("main.js") in network.requests
        await kept(page)
        for _ in range(2):
            await background_parts(page)  # cut off by a reload, they would ask whether the page is outdated
            network.requests.clear()
            await page.reload()
            await ann.connected()
            await ann.delivered("hello")
            requests = [path for path in network.requests if path != "/service-worker.js"]
            assert len(requests) <= WARM_REQUESTS, requests
            assert not [path for path in requests if path.startswith("/static/")]
        await page.close()  # or it would try to connect, once the network is gone
