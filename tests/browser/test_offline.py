"""The page without a server: what the service worker keeps, and what it does not; the installed page."""

import asyncio
import os
import signal
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.chat_page import new_room
from tests.browser.conftest import PLAIN, Start
from tests.support.browser import Pages
from tests.support.page import CLIENT, static
from tests.support.process import ROOT
from tests.support.proxies import PATH, ProxyProcess, example
from tests.support.server import ServerProcess

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("service_worker")]


NEWER = ROOT / "tests" / "support" / "newer_main.py"
# Requests of a page whose server is away.
GONE = r"ERR_CONNECTION_REFUSED|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET|Failed to load resource|WebSocket connection"
KEPT = """async () => {
  const kept = {};
  for (const name of await caches.keys()) kept[name] = (await (await caches.open(name)).keys()).map((r) => r.url);
  return kept;
}"""


async def kept(page: Page) -> None:
    """Wait until the browser has kept the page, which it is asked to once a room is shown."""
    await page.wait_for_function("() => navigator.serviceWorker.controller !== null")
    await page.evaluate("navigator.serviceWorker.ready.then(() => true)")


async def version(page: Page) -> str:
    """Return the folder of the files that the page has loaded."""
    return str(await page.evaluate("document.querySelector('script[type=module]').src.match(/static.([0-9a-f]+)/)[1]"))


async def runs(page: Page) -> None:
    """Wait until the page's modules run."""
    await expect(page.locator("body:not([data-view=loading])")).to_have_count(1)


async def test_the_page_opens_without_a_server(own_server: ServerProcess, new_page: Pages) -> None:
    new_page.expect_error(GONE)
    address = f"{own_server.http_url}/client.html?r={new_room()}"
    page = await new_page(f"{address}&u=ann")
    await kept(page)
    own_server.kill()
    await page.reload()
    await runs(page)
    assert page.url == address
    await page.goto(f"{own_server.http_url}/?r=den")
    await runs(page)
    assert page.url == f"{own_server.http_url}/client.html?r=den"


async def test_only_the_page_and_its_files_are_kept(own_server: ServerProcess, new_page: Pages) -> None:
    """Not what anyone wrote, and not who uses the page: signing out leaves nothing of that."""
    page = await new_page(f"{own_server.http_url}/client.html?r=den&u=ann")
    await kept(page)
    await page.reload()
    for path in ("/history?r=den", "/api/server", "/openapi.json", "/health", static("words.js"), static("nothing.js")):
        await page.evaluate("path => fetch(path).then(answer => answer.text())", path)
    new_page.expect_error("404")
    found: dict[str, list[str]] = await page.evaluate(KEPT)
    base = own_server.http_url
    assert list(found) == [f"parley {base}/ {CLIENT.tree}"]
    addresses = {f"{base}/client.html", *(f"{base}{static(path)}" for path in CLIENT.files)}
    assert {f"{base}/client.html", f"{base}{static('main.js')}", f"{base}{static('words.js')}"} <= set(*found.values())
    assert set(*found.values()) <= addresses


async def test_a_newer_version_is_used_at_the_next_load(own_server: ServerProcess, new_page: Pages) -> None:
    """It replaces what was kept. A part that an open page asks for then is not there: it says that it is outdated."""
    new_page.expect_error(f"{GONE}|404")
    base = own_server.http_url
    page = await new_page(f"{base}/client.html?r=den&u=ann")
    await kept(page)
    open_page = await new_page(f"{base}/client.html", same_context_as=page)
    script = f"""async () => {{
      const {{ onDemand }} = await import('{static("net/ondemand.js")}');
      return onDemand(() => import('{static("view/nothing.js")}')).catch((error) => [error.name, error.outdated]);
    }}"""
    assert await open_page.evaluate(script) == ["NotLoaded", False], "it is not there, but the server is the same"
    own_server.kill()
    assert await open_page.evaluate(script) == ["NotLoaded", False]
    own_server.main = NEWER
    await asyncio.to_thread(own_server.start)
    await page.reload()
    await runs(page)
    newer = await version(page)
    assert newer != CLIENT.tree
    await expect_kept(page, f"parley {base}/ {newer}")
    assert await open_page.evaluate(script) == ["NotLoaded", True]
    own_server.kill()
    await page.reload()
    await runs(page)
    assert await version(page) == newer


async def expect_kept(page: Page, *names: str) -> None:
    await page.wait_for_function("async (names) => String(await caches.keys()) === String(names)", arg=list(names))


async def test_a_server_that_does_not_answer_is_not_waited_for(own_server: ServerProcess, new_page: Pages) -> None:
    page = await new_page(f"{own_server.http_url}/client.html?r=den&u=ann")
    await kept(page)
    os.kill(own_server.pid, signal.SIGSTOP)
    await page.reload(wait_until="commit")
    await runs(page)
    os.kill(own_server.pid, signal.SIGCONT)


async def test_the_page_opens_without_a_server_under_a_path(start_server: Start, new_page: Pages) -> None:
    """It governs its own path of the host, and its caches have a name of their own."""
    new_page.expect_error(rf"{GONE}|50[24]")
    server = start_server(PLAIN)
    proxy = ProxyProcess("nginx", example("nginx", below_a_path=True), server.port)
    await asyncio.to_thread(proxy.start)
    base = f"{proxy.http_url}{PATH}"
    page = await new_page(f"{base}/client.html?r=den&u=ann")
    await kept(page)
    await expect_kept(page, f"parley {base}/ {CLIENT.tree}")
    server.kill()
    await page.reload()  # the proxy answers that its server is away
    await runs(page)
    assert page.url == f"{base}/client.html?r=den"
    await asyncio.to_thread(proxy.remove)
    await page.goto(f"{base}/?r=other")
    await runs(page)
    assert page.url == f"{base}/client.html?r=other"


async def test_the_page_can_be_installed(server: ServerProcess, new_page: Pages) -> None:
    page = await new_page(f"{server.http_url}/client.html")
    session = await page.context.new_cdp_session(page)
    told: dict[str, Any] = await session.send("Page.getAppManifest")
    assert (told["url"], told["errors"]) == (f"{server.http_url}{static('manifest.webmanifest')}", [])
    manifest = told["manifest"]
    assert manifest["startUrl"] == f"{server.http_url}/client.html"
    assert manifest["scope"] == f"{server.http_url}/"
    assert (await session.send("Page.getInstallabilityErrors"))["installabilityErrors"] == []
    sizes = await page.evaluate(
        """async (urls) => Promise.all(urls.map(async (url) => {
          const image = new Image();
          image.src = url;
          await image.decode();
          return `${image.naturalWidth}x${image.naturalHeight}`;
        }))""",
        [icon["url"] for icon in manifest["icons"][1:]],
    )
    assert sizes == [icon["sizes"] for icon in manifest["icons"][1:]]
