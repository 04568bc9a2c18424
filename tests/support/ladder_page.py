"""Fixtures for the ladder page on its own server, and functions that read the page and use its forms.

A test file imports each fixture that it needs by assignment, for example `page = ladder_page.page`. It must
also import the fixtures on which that fixture depends.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # the package has no types
from playwright.sync_api import Browser, Locator, Page, expect

from oms import OrderManagement, Side
from oms.api import Settings, create_app
from support.api_server import Address, serving
from support.chromium import chromium, visiting

KEY = "a-key-of-sixteen-letters-or-more"
HUGE = 2**63 - 1
PHONE = {"width": 360, "height": 740}
DESK = {"width": 1280, "height": 800}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def om() -> OrderManagement:
    return OrderManagement()


@pytest.fixture(scope="module")
def address(om: OrderManagement) -> Iterator[Address]:
    with serving(create_app(om, Settings(checks_host=True))) as address:
        yield address


@pytest.fixture(autouse=True)
def worked_example(om: OrderManagement) -> None:
    om.remove_orders()
    om.add_order(1, "JPM", Side.BUY, 20, 20)
    om.add_order(4, "JPM", Side.BUY, 10, 21)


@pytest.fixture
def page(browser: Browser, address: Address) -> Iterator[Page]:
    with visiting(browser, address.http, "/#/JPM") as page:
        yield page


@pytest.fixture(scope="module")
def ladder(browser: Browser, address: Address) -> Iterator[Page]:
    with visiting(browser, address.http, "/#/JPM") as page:
        yield page


def serious_faults(page: Page) -> list[tuple[str, str]]:
    """Return the serious accessibility faults of a page that was opened with `bypass_csp`."""
    violations = Axe().run(page).response["violations"]
    return [
        (fault["id"], node["html"])
        for fault in violations
        for node in fault["nodes"]
        if fault["impact"] in ("serious", "critical")
    ]


def rows(page: Page, side: str) -> list[tuple[str, str]]:
    """Return the price and the amount of every displayed level."""
    columns = (page.locator(f"#levels-{side} .{name}").all_inner_texts() for name in ("price", "amount"))
    return list(zip(*columns, strict=True))


def shows(page: Page, side: str, *levels: tuple[str, str]) -> None:
    """Wait until the page displays exactly these levels."""
    expect(page.locator(f"#levels-{side} .price")).to_have_text([price for price, _ in levels])
    expect(page.locator(f"#levels-{side} .amount")).to_have_text([amount for _, amount in levels])


def tab_to(page: Page, selector: str) -> None:
    """Press the Tab key until the element has the focus."""
    for _ in range(60):
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"the Tab key never reaches {selector}")


def choose(page: Page, form: str, side: str) -> None:
    page.locator(f"#{form} label[data-side={side}]").click()


def add(page: Page, side: str, amount: str, price: str, **others: str) -> None:
    choose(page, "order", side)
    for name, text in {"amount": amount, "price": price, **others}.items():
        page.fill(f"#order-{name}", text)
    page.get_by_role("button", name="Add the order").click()


def review(page: Page, amount: str, side: str = "BUY") -> Locator:
    choose(page, "trade", side)
    page.fill("#trade-amount", amount)
    page.get_by_role("button", name="Review the trade").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    return dialog
