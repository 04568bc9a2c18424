"""A headless Chromium for tests, and a recorder for the faults of a page."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from browser import find_chromium
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
_EXPECTED_MESSAGES = ("Failed to load resource:", "WebSocket connection to")
"""The first words of console messages about failed requests and lost connections, which tests cause."""

_REPORT_VIOLATIONS = """addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) =>
    console.error(`policy: ${violatedDirective} ${blockedURI}`));"""

expect.set_options(timeout=20_000)  # enough for a busy machine; a wait ends as soon as its condition is true


@contextmanager
def chromium() -> Generator[Browser]:
    """Start the browser with a new profile. Skip the test if no browser is installed."""
    executable = find_chromium()
    if executable is None:
        pytest.skip("no chromium is installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=_FLAGS)
        try:
            yield browser
        finally:
            browser.close()


class Visit:
    """A page, and the list of its faults: errors, dialogs, and requests to other servers."""

    def __init__(self, page: Page, origin: str) -> None:
        self.page = page
        self.faults: list[str] = []
        self._own = urlsplit(origin).netloc
        page.add_init_script(_REPORT_VIOLATIONS)
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        page.on("dialog", self._dismiss)
        page.on("request", self._on_request)
        page.on("websocket", lambda socket: self._check_origin(socket.url))

    def _on_console(self, message: ConsoleMessage) -> None:
        if not message.text.startswith(_EXPECTED_MESSAGES):
            self.faults.append(f"{message.type}: {message.text}")

    def _dismiss(self, dialog: Dialog) -> None:
        self.faults.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _on_request(self, request: Request) -> None:
        self._check_origin(request.url)

    def _check_origin(self, url: str) -> None:
        if urlsplit(url).netloc != self._own:
            self.faults.append(f"request: {url}")


@contextmanager
def visiting(browser: Browser, origin: str, path: str = "/", **options: Any) -> Generator[Page]:
    """Open the page in a new browser context. When the block ends, check that the page had no faults."""
    context = browser.new_context(**options)
    try:
        visit = Visit(context.new_page(), origin)
        visit.page.goto(origin + path)
        yield visit.page
        assert visit.faults == []
    finally:
        context.close()
