"""The screenshots of the web pages in the docs, for a desktop and for a phone.

Each run shows the same books at the same times: the services run in this process, and their clock counts
events. The images need Chromium. Its fonts depend on the computer.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from itertools import count
from random import Random
from threading import Thread
from time import sleep
from typing import Any, Literal, NamedTuple

from browser import find_chromium
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from oms import Instrument, MatchingEngine, OrderManagement, Side, TimeInForce
from oms.api import ApiKey, Settings, create_app
from oms.api.server import listen, new_server

_NINE = 1_792_994_400 * 10**9  # 2026-10-26 06:00 UTC, in nanoseconds
_DATE = "Mon, 26 Oct 2026 06:00:00 GMT"
_SECONDS = 7  # between two events
_DOLLARS = {"JPM": Instrument("0.01", "1", currency="USD")}
_ANN = "ann-key-of-the-picture"
_ANN_KEY = ApiKey.of(_ANN, name="ann", owner="Ann")
_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--force-color-profile=srgb",
    "--font-render-hinting=none",
    "--disable-lcd-text",
    "--num-raster-threads=1",
]

# ------------------------------------------------------------------ the services


def clock() -> Callable[[], int]:
    """Return a clock that shows a later time at each call, the same times in each run."""
    numbers = count()
    return lambda: _NINE + _SECONDS * 10**9 * next(numbers)


def fill_books(om: OrderManagement) -> None:
    """Add orders of JPM, and place a few trades."""
    random = Random(7).random
    for order_id in range(1, 61):
        side, sign = ((Side.BUY, 1), (Side.SELL, -1))[order_id % 2]
        price = 2_005 + sign * (1 + int(random() * 9))
        om.add_order(order_id, "JPM", side, 10 * (1 + int(random() * 12)), price)
    om.add_order(100, "IBM", Side.BUY, 50, 9_012)
    for side, amount in ((Side.BUY, 35), (Side.SELL, 120), (Side.BUY, 60)):
        om.place_trade("JPM", side, amount)


def fill_engine(engine: MatchingEngine) -> None:
    """Submit orders of two owners, some of which trade."""
    random = Random(7).random
    for number in range(60):
        side, sign = ((Side.SELL, 1), (Side.BUY, -1))[number % 2]
        price = 2_005 + sign * (2 + int(random() * 7))
        engine.submit(f"bob-{number}", "JPM", side, 10 * (1 + int(random() * 12)), price, owner="Bob")
    engine.submit("bob-60", "IBM", Side.SELL, 50, 9_012, owner="Bob")
    engine.submit("ann-1", "JPM", Side.BUY, 75, 2_004, owner="Ann")
    engine.submit("bob-61", "JPM", Side.SELL, 30, 2_004, owner="Bob")
    engine.submit("ann-2", "JPM", Side.SELL, 400, 2_011, display=50, owner="Ann")
    engine.submit("ann-3", "JPM", Side.SELL, 45, stop_price=1_990, owner="Ann")
    engine.submit("ann-4", "JPM", Side.BUY, 60, 2_007, time_in_force=TimeInForce.IOC, owner="Ann")


@contextmanager
def served(om: OrderManagement | MatchingEngine, settings: Settings) -> Generator[str]:
    """Serve books or an engine in a thread, and yield the address."""
    with listen("127.0.0.1", 0) as listening:
        server = new_server(create_app(om, settings))
        thread = Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            while not server.started and thread.is_alive():
                sleep(0.001)
            yield "http://{}:{}".format(*listening.getsockname())
        finally:
            server.should_exit = True
            thread.join()


# ------------------------------------------------------------------ what the pages show


def price_a_trade(tab: Page, address: str) -> None:
    """Show the cost of a trade on the page of the books."""
    tab.goto(f"{address}/#/JPM")
    tab.locator("#trade-amount").fill("500")
    expect(tab.locator("#quote")).to_be_visible()
    _wait_for_charts(tab)


def fill_in_an_order(tab: Page, address: str) -> None:
    """Show the orders and the fills of Ann on the page of the engine."""
    tab.goto(f"{address}/#/JPM")
    tab.get_by_label("API key").fill(_ANN)
    tab.get_by_role("button", name="Sign in").click()
    expect(tab.locator("#fills tr").first).to_be_visible()
    tab.locator("#order-id").fill("ann-5")
    tab.locator("#order-amount").fill("120")
    tab.get_by_role("button", name="20.02", exact=True).click()
    _wait_for_charts(tab)


def _wait_for_charts(tab: Page) -> None:
    """Wait for the amount in the cost curve, and return to the top."""
    expect(tab.locator("#cost-plot .dot")).to_have_count(1)
    tab.evaluate("scrollTo(0, 0)")


def try_an_endpoint(tab: Page, address: str) -> None:
    """Show a request and its response on the page /docs."""
    tab.route("**/price?*", lambda route: _answer(route, address))
    tab.goto(f"{address}/docs")
    section = tab.locator("#get-price")
    section.get_by_text("Try it").click()
    section.get_by_role("button", name="Send").click()
    expect(section.locator(".response pre")).to_have_count(4)
    tab.evaluate(
        """(address) => {
      const request = document.querySelector("[data-part=request] pre");
      request.textContent = request.textContent.replace(address, "http://localhost:8080");
    }""",
        address,
    )
    section.evaluate("(section) => section.scrollIntoView()")


def _answer(route: Route, address: str) -> None:
    """Send the response of the service, at the time of the picture."""
    response = route.fetch()
    route.fulfill(response=response, headers={**response.headers, "date": _DATE})


# ------------------------------------------------------------------ the screenshots


class Shot(NamedTuple):
    """One screenshot: its name, what the page shows, and the size and the colors of the screen."""

    name: str
    show: Callable[[Page, str], None]
    width: int
    height: int
    scheme: Literal["light", "dark"] = "light"


_SHOTS_OF_BOOKS = (
    Shot("page_light", price_a_trade, 1120, 880),
    Shot("page_dark", price_a_trade, 1120, 880, "dark"),
    Shot("page_phone", price_a_trade, 390, 1150),
    Shot("docs_page", try_an_endpoint, 1000, 900),
    Shot("docs_page_phone", try_an_endpoint, 390, 1100, "dark"),
)
_SHOTS_OF_ENGINE = (
    Shot("engine_page_light", fill_in_an_order, 1120, 1140),
    Shot("engine_page_dark", fill_in_an_order, 1120, 1140, "dark"),
    Shot("engine_page_phone", fill_in_an_order, 390, 1150, "dark"),
)
NAMES = tuple(shot.name for shot in (*_SHOTS_OF_BOOKS, *_SHOTS_OF_ENGINE))


def pages() -> dict[str, Image.Image]:
    """Return screenshots of the web pages by name, or an empty dict without Chromium."""
    executable = find_chromium()
    if executable is None:
        print("chromium is not installed: the pictures of the page stay as they are", file=sys.stderr)
        return {}
    images: dict[str, Image.Image] = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=_FLAGS)
        try:
            om = OrderManagement(instruments=_DOLLARS, clock=clock())
            with served(om, Settings()) as address:
                fill_books(om)
                images |= {shot.name: _picture(browser, address, shot) for shot in _SHOTS_OF_BOOKS}
            engine = MatchingEngine(instruments=_DOLLARS, clock=clock())
            with served(engine, Settings(keys=(_ANN_KEY,))) as address:
                fill_engine(engine)
                images |= {shot.name: _picture(browser, address, shot) for shot in _SHOTS_OF_ENGINE}
        finally:
            browser.close()
    return images


def _picture(browser: Browser, address: str, shot: Shot) -> Image.Image:
    screen: dict[str, Any] = {"viewport": {"width": shot.width, "height": shot.height}}
    context = browser.new_context(
        color_scheme=shot.scheme, reduced_motion="reduce", locale="en-US", timezone_id="UTC", **screen
    )
    try:
        tab = context.new_page()
        shot.show(tab, address)
        tab.mouse.move(0, 0)  # no element below the pointer
        tab.evaluate("document.activeElement.blur()")  # no blinking cursor
        return Image.open(io.BytesIO(tab.screenshot(animations="disabled")))
    finally:
        context.close()
