"""The page amends resting orders, trades within a limit price, and marks the user's own orders."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from oms import Instrument, MatchingEngine, Order, OrderManagement, Side
from support import engine_page, ladder_page
from support.api_server import Address
from support.chromium import visiting
from support.engine_page import lists
from support.ladder_page import DESK, HUGE, add, choose, review, serious_faults, shows

pytestmark = pytest.mark.long

browser = ladder_page.browser
om = ladder_page.om
address = ladder_page.address
worked_example = ladder_page.worked_example
page = ladder_page.page
engine = engine_page.engine
open_address = engine_page.open_address
keyed_address = engine_page.keyed_address
symbol = engine_page.symbol
owners_page = engine_page.owners_page


@pytest.fixture
def engines_page(browser: Browser, open_address: Address, symbol: str) -> Iterator[Page]:
    with visiting(browser, open_address.http, f"/#/{symbol}") as page:
        expect(page.locator("#state")).to_have_text("Live")
        yield page


def amend(page: Page, order_id: object, amount: str | None = None, price: str | None = None) -> Locator:
    """Open the dialog of an order, fill in the fields, and press the button."""
    page.get_by_role("button", name=f"Amend order {order_id}", exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    for name, text in (("amount", amount), ("price", price)):
        if text is not None:
            page.fill(f"#amend-{name}", text)
    dialog.get_by_role("button", name="Amend the order").click()
    return dialog


# ---------------------------------------------------------------------- amendments of books


def test_a_visitor_amends_the_amount_and_the_price_of_an_order(page: Page, om: OrderManagement) -> None:
    page.get_by_role("button", name="Amend order 4").click()
    expect(page.locator("#amend-amount")).to_have_value("10")
    expect(page.locator("#amend-price")).to_have_value("21")
    expect(page.locator("#amend-amount")).to_be_focused()
    page.keyboard.type("1,250")
    page.keyboard.press("Enter")
    shows(page, "BUY", ("20", "20"), ("21", "1,250"))
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.locator("#orders-outcome")).to_have_text("Amended order 4: ask of 1,250 at 21.")
    expect(page.locator("#orders-title")).to_be_focused()
    expect(amend(page, 4, price="19")).to_be_hidden()
    shows(page, "BUY", ("19", "1,250"), ("20", "20"))
    expect(amend(page, 1, amount=f"{HUGE:,}", price=f"{HUGE:,}")).to_be_hidden()
    shows(page, "BUY", ("19", "1,250"), (f"{HUGE:,}", f"{HUGE:,}"))
    assert [om.get_order(1), om.get_order(4)] == [
        Order(1, "JPM", Side.BUY, HUGE, HUGE),
        Order(4, "JPM", Side.BUY, 1_250, 19),
    ]


def test_a_visitor_amends_in_decimals(page: Page, om: OrderManagement) -> None:
    om.set_instrument("XYZ", Instrument("0.01", "0.5", currency="USD"))
    om.add_order(6, "XYZ", Side.SELL, 3, 2_004)
    page.goto(page.url.replace("JPM", "XYZ"))
    dialog = amend(page, 6, amount="2.25")
    expect(dialog.get_by_role("alert")).to_have_text("2.25 is between the lots 2.0 and 2.5.")
    expect(page.get_by_label("New price (USD)")).to_have_value("20.04")
    page.fill("#amend-amount", "2.5")
    page.fill("#amend-price", "20.1")
    dialog.get_by_role("button", name="Amend the order").click()
    expect(page.locator("#orders-outcome")).to_have_text("Amended order 6: bid of 2.5 at 20.10.")
    assert om.get_order(6) == Order(6, "XYZ", Side.SELL, 5, 2_010)


def test_the_dialog_sends_only_what_the_user_has_changed(page: Page) -> None:
    bodies: list[str | None] = []

    def record(route: Route) -> None:
        if route.request.method == "PATCH":
            bodies.append(route.request.post_data)
        route.continue_()

    page.route("**/orders/*", record)
    dialog = amend(page, 4)
    expect(dialog.get_by_role("alert")).to_have_text("Change the amount or the price.")
    page.fill("#amend-price", "22")
    dialog.get_by_role("button", name="Amend the order").click()
    expect(dialog).to_be_hidden()
    expect(amend(page, 4, amount="9")).to_be_hidden()
    assert bodies == ['{"price":22}', '{"amount":9}']


@pytest.mark.parametrize(
    ("field", "text", "problem"),
    [
        ("amount", "", "Amount must be a whole number, such as 1,200."),
        ("amount", "0", "Amount must be an int in 1..9223372036854775807."),
        ("price", "1.5", "Price must be a whole number, such as 1,200."),
        ("price", f"{2**63}", "Price must be an int in 1..9223372036854775807."),
    ],
)
def test_a_problem_is_shown_at_its_field_and_changes_nothing(
    page: Page, om: OrderManagement, field: str, text: str, problem: str
) -> None:
    dialog = amend(page, 4, **{field: text})
    expect(dialog.get_by_role("alert")).to_have_text(problem)
    expect(page.locator(f"#amend-{field}")).to_be_focused()
    expect(page.locator(f"#amend-{field}")).to_have_attribute("aria-invalid", "true")
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_be_hidden()
    assert om.get_order(4) == Order(4, "JPM", Side.BUY, 10, 21)


def test_an_order_that_has_changed_meanwhile_is_amended_only_after_another_look(
    page: Page, om: OrderManagement
) -> None:
    page.get_by_role("button", name="Amend order 4").click()
    om.place_trade("JPM", Side.BUY, 23)
    shows(page, "BUY", ("21", "7"))
    page.fill("#amend-amount", "12")
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Amend the order").click()
    expect(dialog.get_by_role("alert")).to_have_text(
        "The order has changed to 7 at 21. Check your numbers, and then try again."
    )
    assert om.get_order(4).amount == 7
    dialog.get_by_role("button", name="Amend the order").click()
    shows(page, "BUY", ("21", "12"))
    page.get_by_role("button", name="Amend order 4").click()
    om.remove_order(4)
    shows(page, "BUY")
    page.fill("#amend-amount", "3")
    dialog.get_by_role("button", name="Amend the order").click()
    expect(dialog.get_by_role("alert")).to_contain_text("The order is no longer open.")


def test_an_amendment_whose_responses_are_lost_is_made_once(page: Page, om: OrderManagement) -> None:
    keys = []

    def lose(route: Route) -> None:
        if route.request.method != "PATCH":
            return route.continue_()
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) < 5:
            route.fetch()
            return route.abort()
        return route.continue_()

    page.route("**/orders/*", lose)
    dialog = amend(page, 4, amount="12")
    expect(dialog.get_by_role("alert")).to_contain_text("The order may have been amended.")
    sequence = om.last_sequence
    dialog.get_by_role("button", name="Amend the order").click()
    expect(page.locator("#orders-outcome")).to_have_text("Amended order 4: ask of 12 at 21.")
    assert len(keys) == 5
    assert len(set(keys)) == 1
    assert om.last_sequence == sequence


# ---------------------------------------------------------------------- amendments of an engine


def test_an_owner_amends_an_order_which_may_trade(
    owners_page: Page, engine: MatchingEngine, symbol: str
) -> None:
    page = owners_page
    engine.submit("a", symbol, Side.SELL, 3, 101)
    engine.submit("b", symbol, Side.BUY, 5, 99, owner="Ann")
    engine.submit("c", symbol, Side.BUY, 7, stop_price=120, owner="Ann")
    expect(amend(page, "b", price="101")).to_be_hidden()
    expect(page.locator("#orders-outcome")).to_have_text("Amended order b: bought 3 for 303, 2 open.")
    page.get_by_role("button", name="Amend order c").click()
    expect(page.locator("#amend-price")).to_be_hidden()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(amend(page, "c", amount="8")).to_be_hidden()
    lists(
        page,
        "orders",
        ["c", "BUY", "Market", "0", "8", "Waits for 120", "GTC"],
        ["b", "BUY", "101", "3", "2", "Partly filled", "GTC"],
    )


def test_an_engine_rejects_an_amendment_in_words(
    engines_page: Page, engine: MatchingEngine, symbol: str
) -> None:
    engine.submit("../a b", symbol, Side.BUY, 5, 99, display=2)
    dialog = amend(engines_page, "../a b", amount="0")
    expect(dialog.get_by_role("alert")).to_have_text("Amount must be an int in 1..9223372036854775807.")
    engines_page.fill("#amend-amount", "4")
    dialog.get_by_role("button", name="Amend the order").click()
    expect(engines_page.locator("#orders-outcome")).to_have_text("Amended order ../a b: 4 open.")
    assert engine.order("../a b").remaining == 4


# ---------------------------------------------------------------------- trades with a limit price


def test_a_trade_with_a_limit_price_fills_no_worse_order(page: Page, om: OrderManagement) -> None:
    page.fill("#trade-amount", "22")
    page.fill("#trade-limit", "20")
    expect(page.locator("#quote-problem")).to_have_text(
        "Only 20 of 22 are available in the asks within the limit price."
    )
    page.get_by_role("button", name="Review the trade").click()
    expect(page.locator("#trade-problem")).to_have_text(
        "Only 20 of 22 are available in the asks within the limit price."
    )
    page.fill("#trade-limit", "21")
    dialog = review(page, "22")
    expect(dialog.locator("dd")).to_have_text(["442", "20.0909", "21", "2 (45.45 bp)", "21"])
    om.amend_order(4, price=22)
    om.amend_order(1, price=19)  # cheaper in total, but not within the limit
    dialog.get_by_role("button", name="Buy for 442").click()
    expect(dialog.get_by_role("alert")).to_have_text("Only 20 of 22 are available in the asks.")
    dialog.get_by_role("button", name="Close").click()
    page.fill("#trade-limit", "22")
    review(page, "22").get_by_role("button", name="Buy for 424").click()
    expect(page.locator("#trade .outcome")).to_contain_text("Bought 22 for 424")
    expect(page.locator("#trade-limit")).to_have_value("")


def test_the_limit_price_has_the_units_of_the_symbol(page: Page, om: OrderManagement) -> None:
    om.set_instrument("XYZ", Instrument("0.01", "0.5", currency="USD"))
    om.add_order(6, "XYZ", Side.SELL, 3, 2_004)
    page.goto(page.url.replace("JPM", "XYZ"))
    choose(page, "trade", "SELL")
    limit = page.get_by_label("Limit price (USD)", exact=True)
    limit.fill("20.045")
    page.fill("#trade-amount", "1")
    expect(page.locator("#quote-problem")).to_have_text("20.045 is between the ticks 20.04 and 20.05.")
    page.get_by_role("button", name="Review the trade").click()
    expect(page.locator("#trade-problem")).to_have_text("20.045 is between the ticks 20.04 and 20.05.")
    expect(limit).to_be_focused()
    limit.fill("20.04")
    expect(page.locator("#quote dd").first).to_have_text("20.04 USD")
    page.get_by_role("button", name="Show ticks and lots").click()
    expect(page.get_by_label("Limit price (ticks)")).to_have_value("2,004")
    limit = page.locator("#trade-limit")
    for text, problem in (
        ("0", "Limit price must be at least 1."),
        ("x", "Limit price must be a whole number, such as 1,200."),
    ):
        limit.fill(text)
        page.get_by_role("button", name="Review the trade").click()
        expect(page.locator("#trade-problem")).to_have_text(problem)


# ---------------------------------------------------------------------- own orders


def test_a_visitor_sees_which_orders_were_added_in_this_tab(
    page: Page, browser: Browser, address: Address, om: OrderManagement
) -> None:
    own = page.get_by_role("button", name="Only own")
    own.click()
    expect(page.locator("#no-orders")).to_have_text("None of these orders was added in this browser tab.")
    add(page, "SELL", "5", "19", id=str(HUGE))
    expect(page.locator("#orders th")).to_have_text([str(HUGE)])
    expect(own).to_have_attribute("aria-pressed", "true")
    page.locator("#levels-BUY .choose").first.click()
    expect(page.locator("#orders tr")).to_have_count(0)
    own.click()
    expect(page.locator("#orders th")).to_have_text(["1"])
    page.get_by_role("button", name="Show all").click()
    expect(page.locator("#orders small")).to_have_text(["own"])
    page.reload()
    expect(page.locator("#orders small")).to_have_text(["own"])
    with visiting(browser, address.http, "/#/JPM") as another:
        expect(another.locator("#orders th")).to_have_count(3)
        expect(another.locator("#orders small")).to_have_count(0)
    om.remove_order(HUGE)
    page.get_by_role("button", name="Only own").click()
    expect(page.locator("#orders tr")).to_have_count(0)


# ---------------------------------------------------------------------- accessibility and width


@pytest.mark.parametrize("width", [360, 390, 1280])
def test_the_dialog_fits_and_has_no_serious_accessibility_fault(
    browser: Browser, address: Address, om: OrderManagement, width: int
) -> None:
    om.add_order(HUGE, "JPM", Side.SELL, HUGE, HUGE)
    size = {"width": width, "height": DESK["height"]}
    with visiting(browser, address.http, "/#/JPM", viewport=size, bypass_csp=True) as page:
        dialog = amend(page, HUGE, amount="x")
        expect(dialog.get_by_role("alert")).not_to_be_empty()
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            assert serious_faults(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        expect(page.get_by_role("button", name=re.compile("^Amend order 9"))).to_be_visible()


def test_the_page_links_to_the_documentation_of_the_api(page: Page) -> None:
    page.get_by_role("link", name="API").click()
    expect(page).to_have_url(re.compile("/docs$"))
