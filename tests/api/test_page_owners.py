"""The page of an engine lists the orders and fills of the owner that the operator chooses."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from oms import MatchingEngine, Side
from support import engine_page, ladder_page
from support.api_server import Address
from support.chromium import visiting
from support.engine_page import confirm
from support.ladder_page import serious_faults

pytestmark = pytest.mark.long

browser = ladder_page.browser
engine = engine_page.engine
open_address = engine_page.open_address
keyed_address = engine_page.keyed_address
symbol = engine_page.symbol
page = engine_page.page
owners_page = engine_page.owners_page

HOSTILE = '"</option><b>é'


def submit_orders(engine: MatchingEngine, symbol: str) -> None:
    """Submit one order without an owner, two of Ann, and one of an owner with a hostile name."""
    engine.submit("x", symbol, Side.BUY, 5, 97)
    engine.submit("ann-1", symbol, Side.BUY, 5, 98, owner="Ann")
    engine.submit("ann-2", symbol, Side.BUY, 5, 99, owner="Ann")
    engine.submit("h", symbol, Side.SELL, 1, 99, owner=HOSTILE)
    engine.submit("h-2", symbol, Side.SELL, 1, 120, owner=HOSTILE)


def test_the_operator_sees_the_orders_and_fills_of_one_owner(
    page: Page, engine: MatchingEngine, symbol: str
) -> None:
    expect(page.locator("#owner-choice")).to_be_hidden()
    submit_orders(engine, symbol)
    ids, fills = page.locator("#orders th"), page.locator("#fills th")
    expect(ids).to_have_text(["h-2", "ann-2", "ann-1", "x"])
    expect(page.locator("#owner-filter option")).to_have_text(["All owners", HOSTILE, "Ann"])
    choice = page.get_by_label("Orders and fills of")
    choice.select_option("Ann")
    expect(ids).to_have_text(["ann-2", "ann-1"])
    expect(fills).to_have_text(["ann-2"])
    choice.select_option(HOSTILE)
    expect(ids).to_have_text(["h-2"])
    expect(fills).to_have_text(["h"])
    engine.submit("ann-3", symbol, Side.BUY, 5, 96, owner="Ann")
    choice.select_option("Ann")
    expect(ids).to_have_text(["ann-3", "ann-2", "ann-1"])
    choice.select_option("All owners")
    expect(ids).to_have_count(5)


def test_only_the_orders_of_the_chosen_owner_are_canceled(
    page: Page, engine: MatchingEngine, symbol: str
) -> None:
    submit_orders(engine, symbol)
    page.get_by_label("Orders and fills of").select_option("Ann")
    page.get_by_role("button", name="Cancel all").click()
    expect(page.locator("#confirm-facts dd")).to_have_text(["2", "Ann"])
    confirm(page, "Cancel all")
    expect(page.locator("#orders-outcome")).to_have_text("Canceled 2 orders.")
    expect(page.locator("#orders tr")).to_have_count(0)
    expect(page.locator("#cancel-all")).to_be_hidden()
    assert [order.order.order_id for order in engine.orders(symbol)] == ["x", "h-2"]
    expect(page.get_by_label("Orders and fills of")).to_have_value('"Ann"')
    page.get_by_label("Orders and fills of").select_option("All owners")
    expect(page.locator("#orders th")).to_have_text(["h-2", "x"])


def test_another_symbol_starts_with_all_owners(page: Page, engine: MatchingEngine, symbol: str) -> None:
    submit_orders(engine, symbol)
    page.get_by_label("Orders and fills of").select_option("Ann")
    engine.submit("other", f"{symbol}-2", Side.BUY, 5, 97, owner="Bob")
    page.goto(f"{page.url}-2")
    expect(page.locator("#orders th")).to_have_text(["other"])
    expect(page.locator("#owner-filter option")).to_have_text(["All owners", "Bob"])


def test_an_owner_has_no_choice(owners_page: Page, engine: MatchingEngine, symbol: str) -> None:
    submit_orders(engine, symbol)
    expect(owners_page.locator("#orders th")).to_have_text(["ann-2", "ann-1"])
    expect(owners_page.locator("#owner-choice")).to_be_hidden()


def test_the_choice_of_an_owner_has_no_serious_accessibility_fault_on_a_phone(
    browser: Browser, open_address: Address, engine: MatchingEngine, symbol: str
) -> None:
    engine.submit("w", symbol, Side.BUY, 5, 97, owner="W" * 100)
    size = {"width": 390, "height": 844}
    with visiting(browser, open_address.http, f"/#/{symbol}", viewport=size, bypass_csp=True) as page:
        expect(page.locator("#owner-choice")).to_be_visible()
        assert serious_faults(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
