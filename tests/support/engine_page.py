"""Fixtures for the page of a matching engine, and functions that use its form.

A test file imports each fixture that it needs by assignment, for example `page = engine_page.page`. It must
also import the fixtures on which that fixture depends.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from oms import MatchingEngine
from oms.api import Settings, create_app
from support.api_server import Address, serving
from support.chromium import visiting
from support.engine_api import ANN, KEYS

_numbers = count(1)


@pytest.fixture(scope="module")
def engine() -> MatchingEngine:
    return MatchingEngine()


@pytest.fixture(scope="module")
def open_address(engine: MatchingEngine) -> Iterator[Address]:
    """Serve the engine without keys."""
    with serving(create_app(engine, Settings())) as address:
        yield address


@pytest.fixture(scope="module")
def keyed_address(engine: MatchingEngine) -> Iterator[Address]:
    """Serve the same engine with the keys of the operator and of two owners."""
    with serving(create_app(engine, KEYS)) as address:
        yield address


@pytest.fixture
def symbol(engine: MatchingEngine) -> str:
    """Return a symbol without orders and trades, after all open orders were canceled."""
    engine.cancel_all()
    return f"SYM{next(_numbers)}"


@pytest.fixture
def page(browser: Browser, open_address: Address, symbol: str) -> Iterator[Page]:
    """Open the page of a service without keys."""
    with visiting(browser, open_address.http, f"/#/{symbol}") as page:
        expect(page.locator("#state")).to_have_text("Live")
        yield page


@pytest.fixture
def owners_page(browser: Browser, keyed_address: Address, symbol: str) -> Iterator[Page]:
    """Open the page, and sign in with the key of the owner Ann."""
    with visiting(browser, keyed_address.http, f"/#/{symbol}") as page:
        sign_in(page, ANN)
        yield page


def sign_in(page: Page, key: str) -> None:
    """Sign in, and wait until the page is live."""
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#state")).to_have_text("Live")


def submit(page: Page, side: str, kind: str = "limit", **numbers: str) -> None:
    """Fill in the order form and submit it. `kind` is the order type."""
    page.locator(f"#order label[data-side={side}]").click()
    page.select_option("#order-type", kind)
    for name, text in numbers.items():
        page.fill(f"#order [name={name}]", text)
    page.get_by_role("button", name="Submit the order").click()


def cells(page: Page, list_id: str) -> list[list[str]]:
    """Return the visible cells of a list: `orders` without the buttons, or `fills` without the times."""
    script = """rows => rows.map(row => [...row.children]
        .filter(cell => !cell.hidden && !cell.querySelector("button"))
        .map(cell => (cell.querySelector("bdi") ?? cell).textContent))"""
    texts: list[list[str]] = page.locator(f"#{list_id} tr").evaluate_all(script)
    return texts


def lists(page: Page, list_id: str, *rows: list[str]) -> None:
    """Wait until a list has exactly these visible cells."""
    expect(page.locator(f"#{list_id} tr")).to_have_count(len(rows))
    for row, texts in zip(page.locator(f"#{list_id} tr").all(), rows, strict=True):
        expect(row.locator("th:visible, td:visible:not(:has(button))")).to_have_text(texts)


def confirm(page: Page, label: str) -> Locator:
    """Press the button of the dialog, and return the dialog, which closes."""
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    dialog.get_by_role("button", name=label).click()
    expect(dialog).to_be_hidden()
    return dialog
