"""Pages of a real Chromium, each in its own context or tab, which report every console error."""

import contextlib
import os
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Literal

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Error, Page, async_playwright

from tests.support.chromium import find_chromium

# No sandbox: tests run as root in containers. The rest keeps Chromium from calling home, which closed networks refuse.
ARGUMENTS = (
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--disable-component-update",
    "--disable-sync",
)


@contextlib.asynccontextmanager
async def launched_chromium() -> AsyncIterator[Browser]:
    """Start the Chromium that dev.py found or installed, and close it. Raises ChromiumMissingError, with advice."""
    chromium = find_chromium()
    if chromium.node:
        os.environ["PLAYWRIGHT_NODEJS_PATH"] = chromium.node  # Playwright takes it from nowhere else
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium.executable, args=list(ARGUMENTS), env={**os.environ, **chromium.environment}
        )
        yield browser
        await browser.close()


@dataclass
class Pages:
    """Opens pages for one test: `page = await new_page()`. They are closed and checked at the end of the test.

    A console error or an uncaught exception in any page fails the test, unless `expect_error(pattern)` allows it (for
    example because the test stops the server).
    """

    browser: Browser
    default_timeout: float = 10_000  # milliseconds that a locator or an expectation waits
    service_worker: bool = False  # whether pages get it: it loads every file again, a sixth of the time of a short test
    errors: list[str] = field(default_factory=list)
    _contexts: list[BrowserContext] = field(default_factory=list)
    _expected: list[re.Pattern[str]] = field(default_factory=list)

    async def __call__(self, url: str | None = None, *, same_context_as: Page | None = None, **options: object) -> Page:
        """Open a page, with `url` if given: in a new context (its own cookies and storage, as for another user), or as
        another tab in the context of `same_context_as`. `options` are those of `browser.new_context`.
        """
        if same_context_as is None:
            workers: Literal["allow", "block"] = "allow" if self.service_worker else "block"
            context = await self.browser.new_context(service_workers=workers, **options)  # type: ignore[arg-type] # passed on as it is
            context.set_default_timeout(self.default_timeout)
            self._contexts.append(context)
        else:
            context = same_context_as.context
        page = await context.new_page()
        page.on("console", self._console)
        page.on("pageerror", self._page_error)
        if url is not None:
            await page.goto(url)
        return page

    def expect_error(self, pattern: str) -> None:
        """Allow errors that match the regular expression `pattern` in this test, including earlier ones."""
        self._expected.append(re.compile(pattern))

    async def close(self) -> None:
        """Close every context that this test opened."""
        for context in self._contexts:
            await context.close()
        self._contexts.clear()

    def unexpected(self) -> list[str]:
        """Return the errors seen that no expect_error allows, oldest first."""
        return [error for error in self.errors if not any(pattern.search(error) for pattern in self._expected)]

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            place = message.location
            self.errors.append(f"console: {message.text} ({place.get('url', '')}:{place.get('lineNumber', 0)})")

    def _page_error(self, error: Error) -> None:
        self.errors.append(f"exception: {error.message}\n{error.stack or ''}")
