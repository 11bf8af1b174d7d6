"""The system's Chromium, driven by Playwright: pages that notice what goes wrong in them."""

import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from waiting import PATIENCE

expect.set_options(timeout=1000 * PATIENCE)
NAMES = ("chromium", "chromium-browser")


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    """Chromium without a window; the test is skipped, and says so, where there is none."""
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip(
            "NOTICE: Chromium is not installed: the page was not tested in a browser (tests/install-chromium)"
        )
    async with async_playwright() as playwright:
        found = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield found
        await found.close()


async def has_rung(page: Page, title: str) -> None:
    """Return when the page's phone shows its first notification and this title."""
    screen = re.compile(rf"\b1 notifications?.*{re.escape(title)}", re.DOTALL)
    await expect(page.locator(".glass svg")).to_have_text(screen)


class Watched:
    """A page that collects what must not happen in it: errors on its console, and requests to any other host."""

    def __init__(self, page: Page, base: str) -> None:
        self.page, self.base = page, base
        self.faults: list[str] = []
        page.on(
            "console", lambda line: self._note(line.type in ("error", "warning"), f"console: {line.text}")
        )
        page.on("pageerror", lambda error: self._note(True, f"error: {error}"))
        page.on(
            "request", lambda request: self._note(not self._is_own(request.url), f"request: {request.url}")
        )

    def _is_own(self, url: str) -> bool:
        return url.startswith((self.base, "blob:" + self.base))

    def _note(self, is_fault: bool, text: str) -> None:
        if is_fault:
            self.faults.append(text)


@asynccontextmanager
async def opened(
    browser: Browser, base: str, path: str = "/", expected: str = "(?!)", **options: Any
) -> AsyncIterator[Page]:
    """A page at an address, in a context of its own. Fails afterwards if anything went wrong in it, or if it asked another host.

    `expected` is a pattern of faults that the test provokes itself.
    """
    context = await browser.new_context(**{"viewport": {"width": 1280, "height": 800}} | options)
    context.set_default_timeout(1000 * PATIENCE)
    page = await context.new_page()
    watched = Watched(page, base)
    await page.goto(base + path)
    await page.locator(".glass svg").wait_for()
    yield page
    await context.close()
    assert [fault for fault in watched.faults if not re.search(expected, fault)] == []
