"""A headless Chromium of the system's own, and all that a page did in it."""

from __future__ import annotations

import shutil
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, Request, expect, sync_playwright

_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_OF_THE_BROWSER = ("Failed to load resource:", "WebSocket connection to")
"""How it notes each refusal and each lost connection, whatever the page makes of it."""

_TELL_VIOLATIONS = """addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) =>
    console.error(`policy: ${violatedDirective} ${blockedURI}`));"""

expect.set_options(timeout=20_000)  # as long as a busy machine may need; nothing waits without a condition


@contextmanager
def chromium() -> Generator[Browser]:
    """Start the browser, in a profile of its own; skips the test where there is none."""
    executable = shutil.which("chromium")
    if executable is None:
        pytest.skip("no chromium is installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=_FLAGS)
        try:
            yield browser
        finally:
            browser.close()


class Visit:
    """A page, and what it did that no page should."""

    def __init__(self, page: Page, origin: str) -> None:
        self.page = page
        self.faults: list[str] = []
        self._own = urlsplit(origin).netloc
        page.add_init_script(_TELL_VIOLATIONS)
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        page.on("dialog", self._dismiss)
        page.on("request", self._follow)
        page.on("websocket", lambda socket: self._check_origin(socket.url))

    def _hear(self, message: ConsoleMessage) -> None:
        if not message.text.startswith(_OF_THE_BROWSER):
            self.faults.append(f"{message.type}: {message.text}")

    def _dismiss(self, dialog: Dialog) -> None:
        self.faults.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _follow(self, request: Request) -> None:
        self._check_origin(request.url)

    def _check_origin(self, url: str) -> None:
        if urlsplit(url).netloc != self._own:
            self.faults.append(f"request: {url}")


@contextmanager
def visiting(browser: Browser, origin: str, path: str = "/", **looks: Any) -> Generator[Page]:
    """Open the page in a context without a past; once the block is left it must have done nothing wrong."""
    context = browser.new_context(**looks)
    try:
        visit = Visit(context.new_page(), origin)
        visit.page.goto(origin + path)
        yield visit.page
        assert visit.faults == []
    finally:
        context.close()
