"""The page in a real browser shows the state of the books."""

from __future__ import annotations

import re
from typing import Any

import httpx
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser, Page, expect

from oms import Order, OrderManagement, Side
from oms.api import Settings, create_app
from oms.api.page import PATHS
from support import ladder_page
from support.api_server import Address
from support.book_commands import commands, run
from support.chromium import visiting
from support.ladder_page import KEY, add, review, rows, shows
from support.sessions import noon
from support.strategies import sides

browser = ladder_page.browser
om = ladder_page.om
address = ladder_page.address
worked_example = ladder_page.worked_example
page = ladder_page.page
ladder = ladder_page.ladder


def test_the_page_can_load_only_its_own_files_and_connect_only_to_its_own_server() -> None:
    client = TestClient(create_app(settings=Settings(api_key=KEY)))
    for path in PATHS:
        response = client.get(path)
        assert response.status_code == 200
        policy = response.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
        assert "unsafe" not in policy
        assert response.headers["x-content-type-options"] == "nosniff"
        assert (
            re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", response.text) is None
        )
        assert set(re.findall(r"https?://[^\s\"']+", response.text)) <= {"http://www.w3.org/2000/svg"}
    html = client.get("/").text
    assert (
        re.search(
            r"<style|<script(?! type=\"module\" src=\"page/main.js\"></script>)|\son\w+=|\sstyle=", html
        )
        is None
    )
    assert {f"/{path}" for path in re.findall(r"page/[\w.]+", html)} <= PATHS
    assert client.get("/page/__init__.py").status_code == 401


def test_the_trades_have_their_local_time_of_day_and_their_exact_time_as_a_title(
    page: Page, om: OrderManagement
) -> None:
    try:
        om.clock = lambda: noon() + 7
        om.place_trade("JPM", Side.BUY, 1)
        time = page.locator("#trades tr").first.locator("time")
        expect(time).to_have_attribute("title", "2026-10-26T07:00:00.000000007Z")
        local = page.evaluate("() => new Date(1792998000000).toTimeString().slice(0, 8)")
        expect(time).to_have_text(local)
        om.clock = None
        om.place_trade("JPM", Side.BUY, 1)
        expect(page.locator("#trades tr")).to_have_count(2)
        expect(page.locator("#trades tr").first.locator("time")).to_have_count(0)
        page.reload()
        expect(page.locator("#trades tr time")).to_have_text([local])
    finally:
        om.clock = None


def test_a_visitor_adds_an_order_reviews_a_quote_and_trades(page: Page, om: OrderManagement) -> None:
    shows(page, "BUY", ("20", "20"), ("21", "10"))
    expect(page.locator("#state")).to_have_text("Live")
    expect(page.locator("#empty-SELL")).to_be_visible()
    add(page, "SELL", "1,500", "19")
    expect(page.locator("#order .outcome")).to_have_text(
        re.compile(r"^Added order \d+: bid of 1,500 at 19.$")
    )
    shows(page, "SELL", ("19", "1,500"))
    expect(page.locator("#spread")).to_have_text("1")
    dialog = review(page, "22")
    expect(dialog.locator("dd")).to_have_text(["442", "20.0909", "21", "2 (45.45 bp)"])
    assert om.calculate_price("JPM", Side.BUY, 22) == 442  # nothing has been traded yet
    dialog.get_by_role("button", name="Buy for 442").click()
    expect(dialog).to_be_hidden()
    shows(page, "BUY", ("21", "8"))
    expect(page.locator("#trade .outcome")).to_contain_text("Bought 22 for 442")
    expect(page.locator("#trades tr").first).to_contain_text("442")
    assert om.get_order(4).amount == 8


def test_changes_by_other_clients_update_the_ladder_and_the_quote(page: Page, address: Address) -> None:
    page.fill("#trade-amount", "22")
    expect(page.locator("#quote dd").first).to_have_text("442")
    order = {"order_id": 9, "symbol": "JPM", "side": "BUY", "amount": 5, "price": 18}
    assert httpx.post(f"{address.http}/orders", json=order).status_code == 201
    shows(page, "BUY", ("18", "5"), ("20", "20"), ("21", "10"))
    expect(page.locator("#quote dd").first).to_have_text(str(5 * 18 + 17 * 20))
    expect(page.locator("#levels-BUY .filled")).to_have_count(2)
    assert httpx.delete(f"{address.http}/orders/9").status_code == 200
    shows(page, "BUY", ("20", "20"), ("21", "10"))


frequent_matches = st.one_of(
    st.tuples(
        st.just("add_order"), st.integers(1, 30), st.just("JPM"), sides, st.integers(1, 9), st.integers(1, 6)
    ),
    st.tuples(st.just("place_trade"), st.just("JPM"), sides, st.integers(1, 15)),
    commands,
)
"""Commands that mostly concern one symbol and a few prices."""


@given(st.lists(frequent_matches, min_size=8, max_size=30))
@settings(max_examples=25)
def test_the_ladder_shows_the_depth_of_the_book(
    browser: Browser, address: Address, om: OrderManagement, ladder: Page, changes: list[Any]
) -> None:
    om.remove_orders()
    run(om, changes)
    om.add_order(10**6, "JPM", Side.SELL, 1, 1)  # a known last change
    expect(ladder.locator("#sequence")).to_have_text(f"#{om.last_sequence:,}")
    for side in Side:
        depth = [(f"{level.price:,}", f"{level.amount:,}") for level in om.depth("JPM", side)]
        assert rows(ladder, side) == depth[:12]


def test_a_click_on_a_level_lists_its_orders_and_each_can_be_removed(page: Page, om: OrderManagement) -> None:
    om.add_order(2, "JPM", Side.BUY, 7, 20)
    shows(page, "BUY", ("20", "27"), ("21", "10"))
    expect(page.locator("#orders th")).to_have_text(["1", "2", "4"])
    page.get_by_role("button", name="20", exact=True).click()
    expect(page.locator("#orders-title")).to_have_text("Asks at 20")
    expect(page.locator("#orders th")).to_have_text(["1", "2"])
    page.get_by_role("button", name="Remove order 2").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    shows(page, "BUY", ("20", "20"), ("21", "10"))
    expect(page.locator("#orders-outcome")).to_have_text("Removed order 2 with its remaining amount of 7.")
    expect(page.locator("#orders-title")).to_be_focused()
    assert 2 not in om


def test_a_click_shows_more_levels_or_more_orders(page: Page, om: OrderManagement) -> None:
    om.add_orders(Order(100 + n, "JPM", Side.SELL, 1 + n, 1 + n) for n in range(30))
    expect(page.locator("#levels-SELL tr")).to_have_count(12)
    page.get_by_role("button", name="18 more price levels").click()
    expect(page.locator("#levels-SELL tr")).to_have_count(30)
    expect(page.locator("#more-SELL")).to_be_hidden()
    expect(page.locator("#orders tr")).to_have_count(12)
    page.get_by_role("button", name="Show 20 more orders").click()
    expect(page.locator("#orders tr")).to_have_count(32)


def test_the_address_selects_the_symbol_and_a_new_order_selects_its_symbol(
    page: Page, om: OrderManagement
) -> None:
    om.add_order(7, "IBM", Side.SELL, 3, 90)
    page.goto(page.url.replace("JPM", "IBM"))
    expect(page.locator("#symbol")).to_have_text("IBM")
    shows(page, "SELL", ("90", "3"))
    shows(page, "BUY")
    expect(page).to_have_title("IBM · oms")
    page.go_back()
    shows(page, "BUY", ("20", "20"), ("21", "10"))
    add(page, "SELL", "4", "5", symbol="NEW")
    expect(page).to_have_url(re.compile("#/NEW$"))
    shows(page, "SELL", ("5", "4"))
    expect(page.get_by_role("link", name="NEW")).to_have_attribute("aria-current", "page")


def test_the_page_shows_no_book_until_that_of_the_chosen_symbol_has_arrived(page: Page) -> None:
    page.route_web_socket(re.compile("symbol=IBM"), lambda _silent: None)
    page.reload()
    shows(page, "BUY", ("20", "20"), ("21", "10"))
    page.fill("#trade-amount", "22")
    expect(page.locator("#quote")).to_be_visible()
    page.goto(page.url.replace("JPM", "IBM"))
    expect(page.locator("#symbol")).to_have_text("IBM")
    expect(page.locator("#quote-problem")).to_have_text("There are no asks.")
    for part in ("#levels-BUY tr", "#orders tr", "#trades tr", "#quote:visible"):
        expect(page.locator(part)).to_have_count(0)
    expect(page.locator("#best-BUY")).to_have_text("\N{EN DASH}")


def test_a_page_without_orders_shows_a_hint_until_the_first_order_is_added(
    browser: Browser, address: Address, om: OrderManagement
) -> None:
    om.remove_orders()
    with visiting(browser, address.http) as page:
        expect(page.locator("#no-orders-at-all")).to_be_visible()
        add(page, "BUY", "3", "7", symbol="JPM")
        shows(page, "BUY", ("7", "3"))
