"""The accessibility of the page: keyboard, phones, colors, and reduced motion."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from playwright.sync_api import Browser, Page, expect

from oms import Order, OrderManagement, Side
from oms.api import Settings, create_app
from support import ladder_page
from support.api_server import Address, serving
from support.chromium import visiting
from support.ladder_page import DESK, HUGE, KEY, PHONE, add, review, serious_faults, shows, tab_to

pytestmark = pytest.mark.long

browser = ladder_page.browser
om = ladder_page.om
address = ladder_page.address
worked_example = ladder_page.worked_example
page = ladder_page.page


def test_a_visitor_can_trade_add_and_remove_with_the_keyboard_alone(page: Page, om: OrderManagement) -> None:
    shows(page, "BUY", ("20", "20"), ("21", "10"))

    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # the link that skips to the trade form
    expect(page.locator("#trade-amount")).to_be_focused()
    expect(page).to_have_url(re.compile("#/JPM$"))
    page.keyboard.type("22")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    tab_to(page, "#confirm-yes")
    page.keyboard.press("Enter")
    shows(page, "BUY", ("21", "8"))
    expect(page.locator("#trade-amount")).to_be_focused()
    tab_to(page, "#order input[value=BUY]")
    page.keyboard.press("ArrowRight")
    for field, text in (("#order-amount", "5"), ("#order-price", "19")):
        tab_to(page, field)
        page.keyboard.type(text)
    page.keyboard.press("Enter")
    shows(page, "SELL", ("19", "5"))
    tab_to(page, "#levels-SELL .choose")
    page.keyboard.press("Space")
    expect(page.locator("#orders-title")).to_have_text("Bids at 19")
    tab_to(page, "#orders button[aria-label^=Remove]")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    shows(page, "SELL", ("19", "5"))
    page.keyboard.press("Enter")
    tab_to(page, "#confirm-yes")
    page.keyboard.press("Enter")
    shows(page, "SELL")
    assert [order.order_id for order in om.orders()] == [4]


@contextmanager
def visit_in(browser: Browser, address: Address, scheme: str, size: dict[str, int]) -> Iterator[Page]:
    with visiting(
        browser, address.http, "/#/JPM", color_scheme=scheme, viewport=size, bypass_csp=True
    ) as page:
        shows(page, "BUY", ("20", "20"), ("21", "10"))
        yield page


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_the_page_has_no_serious_accessibility_fault(
    browser: Browser, address: Address, om: OrderManagement, scheme: str, size: dict[str, int]
) -> None:
    om.add_order(5, "JPM", Side.SELL, 5, 19)
    om.place_trade("JPM", Side.SELL, 2)
    with visit_in(browser, address, scheme, size) as page:
        page.fill("#trade-amount", "22")
        expect(page.locator("#levels-BUY .filled")).to_have_count(2)
        page.locator("#levels-SELL .choose").click()
        add(page, "BUY", "1", "1", id="4")
        expect(page.locator("#order-problem")).not_to_be_empty()
        assert serious_faults(page) == []
        review(page, "22")
        assert serious_faults(page) == []


def test_a_locked_or_stale_page_has_no_serious_accessibility_fault(
    browser: Browser, om: OrderManagement
) -> None:
    with ExitStack() as visit:
        with serving(create_app(om, Settings(api_key=KEY))) as address:
            page = visit.enter_context(visiting(browser, address.http, bypass_csp=True, color_scheme="dark"))
            page.get_by_label("API key").fill("not the key")
            page.get_by_role("button", name="Sign in").click()
            expect(page.locator("#key-problem")).not_to_be_empty()
            assert serious_faults(page) == []
            page.get_by_label("API key").fill(KEY)
            page.get_by_role("button", name="Sign in").click()
            shows(page, "BUY", ("20", "20"), ("21", "10"))
        expect(page.locator("#stale")).not_to_be_empty()
        assert serious_faults(page) == []
        page.emulate_media(color_scheme="light")
        assert serious_faults(page) == []
        visit.close()


def test_the_page_fits_on_a_phone(browser: Browser, address: Address, om: OrderManagement) -> None:
    om.add_orders([Order(HUGE, "W" * 200, Side.SELL, HUGE, HUGE), Order(6, "W" * 200, Side.BUY, 1, 1)])
    om.place_trade("W" * 200, Side.SELL, HUGE - 1)
    with visiting(browser, address.http, f"/#/{'W' * 200}", viewport=PHONE) as page:
        shows(page, "SELL", (f"{HUGE:,}", "1"))
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        review(page, "1")
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_nothing_moves_for_visitors_who_prefer_reduced_motion(
    browser: Browser, address: Address, om: OrderManagement, motion: str
) -> None:
    with visiting(browser, address.http, "/#/JPM", reduced_motion=motion) as page:
        shows(page, "BUY", ("20", "20"), ("21", "10"))
        page.evaluate("() => { Element.prototype.animate = () => { window.moved = true; }; }")
        om.amend_order(4, amount=3)
        shows(page, "BUY", ("20", "20"), ("21", "3"))
        assert page.evaluate("window.moved === true") is (motion == "no-preference")
