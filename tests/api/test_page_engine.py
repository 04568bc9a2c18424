"""The page of a matching engine in a real browser: open orders, fills, and the order form."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser, Page, Route, expect

from oms import Instrument, MatchingEngine, Side
from oms.api import Settings, create_app
from oms.contract import id_as_json, id_as_path, id_from_json
from oms.submission import OpenOrder, OrderId, PostOnly, Submission, TimeInForce
from support import engine_page, ladder_page
from support.api_server import Address, serving
from support.chromium import visiting
from support.engine_api import BOB, OPERATOR
from support.engine_machine import submissions
from support.engine_page import cells, confirm, lists, sign_in, submit
from support.ladder_page import DESK, HUGE, rows, serious_faults, shows, tab_to
from support.sessions import noon

pytestmark = pytest.mark.long

browser = ladder_page.browser
engine = engine_page.engine
open_address = engine_page.open_address
keyed_address = engine_page.keyed_address
symbol = engine_page.symbol
page = engine_page.page
owners_page = engine_page.owners_page


def test_an_owner_submits_an_order_follows_its_fills_and_cancels_it(
    owners_page: Page, engine: MatchingEngine, symbol: str
) -> None:
    page = owners_page
    engine.submit("bob-1", symbol, Side.SELL, 4, 101, owner="Bob")
    shows(page, "BUY", ("101", "4"))
    submit(page, "BUY", amount="1,010", price="101", order_id="mine")
    expect(page.locator("#order .outcome")).to_have_text("Order mine: bought 4 for 404, 1,006 open.")
    lists(page, "orders", ["mine", "BUY", "101", "4", "1,006", "Partly filled", "GTC"])
    lists(page, "fills", ["mine", "BUY", "Taker", "4", "101", "404"])
    shows(page, "SELL", ("101", "1,006"))
    assert engine.order("mine").order == Submission("mine", symbol, Side.BUY, 1_010, 101, owner="Ann")
    engine.submit("bob-2", symbol, Side.SELL, 6, 100, owner="Bob")
    lists(page, "orders", ["mine", "BUY", "101", "10", "1,000", "Partly filled", "GTC"])
    lists(
        page,
        "fills",
        ["mine", "BUY", "Maker", "6", "101", "606"],
        ["mine", "BUY", "Taker", "4", "101", "404"],
    )
    assert "Bob" not in page.content()
    assert "bob-" not in page.content()
    page.get_by_role("button", name="Cancel order mine").click()
    confirm(page, "Cancel the order")
    expect(page.locator("#orders-outcome")).to_have_text(
        "Canceled order mine with its remaining amount of 1,000."
    )
    expect(page.locator("#orders-title")).to_be_focused()
    lists(page, "orders")
    shows(page, "SELL")
    assert "mine" not in engine


def test_an_owner_sees_and_cancels_only_their_own_orders(
    owners_page: Page, engine: MatchingEngine, symbol: str
) -> None:
    page = owners_page
    for number, owner in enumerate(["Ann", "Bob", "Ann", None]):
        engine.submit(number, symbol, Side.BUY, 5, 90 + number, owner=owner)
    engine.submit(9, "OTHER", Side.BUY, 5, 90, owner="Ann")
    shows(page, "SELL", ("93", "5"), ("92", "5"), ("91", "5"), ("90", "5"))
    expect(page.locator("#levels-SELL .orders")).to_have_text(["", "1", "", "1"])
    expect(page.locator("#orders-title")).to_have_text("Your open orders")
    expect(page.locator("#orders th")).to_have_text(["2", "0"])
    expect(page.locator("#owner")).to_have_text("Orders of Ann")
    expect(page.get_by_role("textbox", name="Owner")).to_be_hidden()
    page.get_by_role("button", name="Cancel all").click()
    expect(page.locator("#confirm-facts dd")).to_have_text(["2", "Ann"])
    confirm(page, "Cancel all")
    expect(page.locator("#orders-outcome")).to_have_text("Canceled 2 orders.")
    lists(page, "orders")
    assert [order.order.order_id for order in engine.orders()] == [1, 3, 9]
    page.get_by_role("button", name="Sign out").click()
    sign_in(page, BOB)
    expect(page.locator("#orders th")).to_have_text(["1"])
    expect(page.locator("#owner")).to_have_text("Orders of Bob")
    page.get_by_role("button", name="Sign out").click()
    sign_in(page, OPERATOR)
    expect(page.locator("#orders th")).to_have_text(["3", "1"])
    expect(page.get_by_role("textbox", name="Owner")).to_be_visible()


def test_without_keys_the_page_names_the_owners_of_all_orders_and_can_act_for_each(
    page: Page, engine: MatchingEngine, symbol: str
) -> None:
    engine.submit("a", symbol, Side.SELL, 3, 100, owner="Ann")
    submit(page, "BUY", amount="2", price="100", order_id="b", owner="Bob")
    expect(page.locator("#orders-title")).to_have_text("Open orders of all owners")
    lists(page, "orders", ["a", "Ann", "SELL", "100", "2", "1", "Partly filled", "GTC"])
    lists(
        page,
        "fills",
        ["b", "Bob", "BUY", "Taker", "2", "100", "200"],
        ["a", "Ann", "SELL", "Maker", "2", "100", "200"],
    )
    expect(page.locator("#trades tr td").first).to_have_text("BUY")
    submit(page, "BUY", amount="2", price="90", order_id="c", owner="")
    lists(
        page,
        "orders",
        ["c", "\N{EN DASH}", "BUY", "90", "0", "2", "Open", "GTC"],
        ["a", "Ann", "SELL", "100", "2", "1", "Partly filled", "GTC"],
    )
    engine.submit("g", symbol, Side.BUY, 1, 80, time_in_force=TimeInForce.GTD, expires=noon())
    expect(page.locator("#orders tr").first.locator("small")).to_have_text("until 2026-10-26 07:00:00 UTC")
    page.get_by_role("button", name="Cancel order a").click()
    expect(page.locator("#confirm-facts dd")).to_have_text([symbol, "Ann", "SELL", "100", "1"])
    page.get_by_role("button", name="Keep it").click()
    assert "a" in engine


def test_each_order_type_submits_its_terms(page: Page, engine: MatchingEngine, symbol: str) -> None:
    for kind, numbers, expected in (
        ("limit", {"price": "90"}, {"price": 90}),
        ("post-only", {"price": "91"}, {"price": 91, "post_only": PostOnly.REJECT}),
        ("iceberg", {"price": "92", "display": "2"}, {"price": 92, "display": 2}),
        ("stop", {"stop_price": "110"}, {"stop_price": 110}),
        ("stop-limit", {"stop_price": "111", "price": "112"}, {"stop_price": 111, "price": 112}),
    ):
        submit(page, "BUY", kind, amount="7", order_id=kind, **numbers)
        expect(page.locator("#order .outcome")).to_have_text(f"Order {kind}: 7 open.")
        terms: dict[str, Any] = {"price": None, **expected}
        assert engine.order(kind).order == Submission(kind, symbol, Side.BUY, 7, **terms)
    lists(
        page,
        "orders",
        ["stop-limit", "\N{EN DASH}", "BUY", "112", "0", "7", "Waits for 111", "GTC"],
        ["stop", "\N{EN DASH}", "BUY", "Market", "0", "7", "Waits for 110", "GTC"],
        ["iceberg", "\N{EN DASH}", "BUY", "92", "0", "7", "Open", "GTCshows 2"],
        ["post-only", "\N{EN DASH}", "BUY", "91", "0", "7", "Open", "GTCpost-only"],
        ["limit", "\N{EN DASH}", "BUY", "90", "0", "7", "Open", "GTC"],
    )
    shows(page, "SELL", ("92", "2"), ("91", "7"), ("90", "7"))
    expect(page.locator("#levels-SELL .orders")).to_have_text(["1", "1", "1"])
    submit(page, "SELL", "fok", amount="50", price="90", order_id="x")
    expect(page.locator("#order-problem")).to_have_text(
        "Order x: 50 canceled, because the whole amount was not available."
    )
    submit(page, "SELL", "ioc", amount="9", price="92", order_id="y")
    expect(page.locator("#order .outcome")).to_have_text(
        "Order y: sold 7 for 644, 2 canceled, because nothing more was available."
    )
    submit(page, "SELL", "market", amount="3", order_id="z")
    expect(page.locator("#order .outcome")).to_have_text("Order z: sold 3 for 273.")
    submit(page, "SELL", "post-only", amount="3", price="91", order_id="p")
    expect(page.locator("#order-problem")).to_contain_text("because the order would have traded at once")
    page.select_option("#order-type", "market")
    for hidden in ("Price", "Stop price", "Visible amount"):
        expect(page.get_by_label(hidden, exact=True)).to_be_hidden()
    assert engine.orders(symbol, Side.SELL) == ()


def test_a_problem_is_shown_at_its_field(page: Page, engine: MatchingEngine, symbol: str) -> None:
    engine.submit("a", symbol, Side.SELL, 3, 100)
    for kind, numbers, field, message in (
        ("limit", {"amount": "1.5", "price": "1"}, "amount", "Amount must be a whole number, such as 1,200."),
        (
            "limit",
            {"amount": "0", "price": "1"},
            "amount",
            "Amount must be an int in 1..9223372036854775807.",
        ),
        ("stop", {"amount": "1", "stop_price": "x"}, "stop_price", "Stop price must be a whole number"),
        (
            "iceberg",
            {"amount": "1", "price": "1", "display": ""},
            "display",
            "Visible amount must be a whole number",
        ),
        ("limit", {"amount": "1", "price": "1", "order_id": ""}, "order_id", "Order id must be"),
        ("limit", {"amount": "1", "price": "1", "order_id": "a"}, "order_id", "Order id a has been used"),
    ):
        submit(page, "BUY", kind, **numbers)
        expect(page.locator("#order-problem")).to_contain_text(message)
        expect(page.locator(f"#order [name={field}]")).to_be_focused()
        expect(page.locator(f"#order [name={field}]")).to_have_attribute("aria-invalid", "true")
    assert len(engine) == 1


def test_an_order_without_a_response_is_sent_again_with_the_same_key(
    page: Page, engine: MatchingEngine, symbol: str
) -> None:
    keys: list[str | None] = []
    lost = 5  # the first submission is sent four times, and the second one is lost once

    def lose(route: Route) -> None:
        keys.append(route.request.headers.get("idempotency-key"))
        if len(keys) <= lost:
            route.fetch()  # the server submits the order
            route.abort()
        else:
            route.continue_()

    page.route("**/submissions", lose)
    submit(page, "BUY", amount="5", price="90", order_id="once")
    expect(page.locator("#order-problem")).to_contain_text("The order may have been submitted.")
    page.get_by_role("button", name="Submit the order").click()
    expect(page.locator("#order .outcome")).to_have_text("Order once: 5 open.")
    assert len(set(keys)) == 1
    assert len(keys) == lost + 1
    submit(page, "BUY", amount="5", price="90", order_id="twice")
    expect(page.locator("#order .outcome")).to_have_text("Order twice: 5 open.")
    assert keys[-1] != keys[0]
    page.route("**/instruments?*", lambda route: route.abort())
    submit(page, "BUY", amount="5", price="90", order_id="unsent")
    expect(page.locator("#order-problem")).to_have_text("The server does not respond.")
    assert [order.order.order_id for order in engine.orders(symbol)] == ["once", "twice"]


def test_the_numbers_are_decimals_of_the_instrument_or_ticks_and_lots(
    page: Page, engine: MatchingEngine, symbol: str
) -> None:
    engine.set_instrument(symbol, Instrument("0.01", "0.5", currency="USD"))
    engine.submit("a", symbol, Side.SELL, 7, 10_050)
    page.reload()
    submit(page, "BUY", amount="2.5", price="101", order_id="b")
    expect(page.locator("#order .outcome")).to_have_text("Order b: bought 2.5 for 251.25 USD.")
    lists(page, "orders", ["a", "\N{EN DASH}", "SELL", "100.50", "2.5", "1.0", "Partly filled", "GTC"])
    expect(page.locator("#fills tr").first.locator("td:visible")).to_have_text(
        ["\N{EN DASH}", "BUY", "Taker", "2.5", "100.50", "251.25"]
    )
    expect(page.locator("#fills-total")).to_have_text("Total (USD)")
    page.get_by_role("button", name="100.50", exact=True).click()
    expect(page.get_by_label("Price (USD)", exact=True)).to_have_value("100.50")
    page.fill("#order-amount", "1.5")
    page.get_by_role("button", name="Show ticks and lots").click()
    lists(page, "orders", ["a", "\N{EN DASH}", "SELL", "10,050", "5", "2", "Partly filled", "GTC"])
    expect(page.locator("#fills tr td").nth(5)).to_have_text("50,250")
    expect(page.get_by_label("Price (ticks)", exact=True)).to_have_value("10,050")
    expect(page.get_by_label("Amount (lots)", exact=True)).to_have_value("3")


@given(steps=st.lists(submissions(), min_size=4, max_size=10))
@settings(max_examples=8)
def test_the_page_shows_the_state_of_the_engine(
    browser: Browser, open_address: Address, engine: MatchingEngine, model_page: Page, steps: list[Submission]
) -> None:
    engine.cancel_all()
    fills: list[list[str]] = []

    def record(event: Any) -> None:
        for _, side, amount, price, taker, taker_owner, maker, maker_owner in (
            fill for fill in event.fills() if fill.symbol == "JPM"
        ):
            for order, owner, own, role in (
                (maker, maker_owner, side.opposite, "Maker"),
                (taker, taker_owner, side, "Taker"),
            ):
                names = [str(order), owner or "\N{EN DASH}", own, role]
                fills.insert(0, [*names, f"{amount:,}", f"{price:,}", f"{amount * price:,}"])

    unsubscribe = engine.subscribe(record)
    for number, step in enumerate(steps):  # the examples use the same ids
        engine.submit(**step._replace(order_id=number)._asdict())
    engine.submit("end", "JPM", Side.BUY, 1, 1)  # a known last change, which rests or trades
    unsubscribe()
    expect(model_page.locator("#sequence")).to_have_text(f"#{engine.last_sequence:,}")
    for side in Side:
        depth = [(f"{level.price:,}", f"{level.amount:,}") for level in engine.depth("JPM", side)]
        assert rows(model_page, side) == depth[:12]
    shown = [row[:6] for row in cells(model_page, "orders")]  # a triggered order stays where it was
    assert sorted(shown) == sorted(row_of(order) for order in engine.orders("JPM"))
    newest = min(12, len(fills))
    assert cells(model_page, "fills")[:newest] == fills[:newest]


@pytest.fixture(scope="module")
def model_page(browser: Browser, open_address: Address) -> Any:
    with visiting(browser, open_address.http, "/#/JPM") as page:
        yield page


def row_of(order: OpenOrder) -> list[str]:
    terms, filled, remaining, _, price = order
    shown = "Market" if price is None else f"{price:,}"
    owner = terms.owner or "\N{EN DASH}"
    return [str(terms.order_id), owner, terms.side, shown, f"{filled:,}", f"{remaining:,}"]


def test_after_a_reload_the_page_shows_the_fills_of_earlier_trades_as_far_as_the_service_has_them(
    browser: Browser,
) -> None:
    engine = MatchingEngine()
    settings = (Settings(), Settings(recent_changes=23))
    apps = [create_app(engine, each) for each in settings]
    for number in range(30):
        engine.submit(f"maker-{number}", "JPM", Side.SELL, 1, 100, owner="Ann")
        engine.submit(f"taker-{number}", "JPM", Side.BUY, 1, 100, owner="Ann")
    for app, trades in zip(apps, (30, 23), strict=True):
        with serving(app) as address, visiting(browser, address.http, "/#/JPM") as page:
            page.get_by_role("button", name=f"Show {2 * trades - 12} more fills").click()
            expect(page.locator("#fills tr")).to_have_count(2 * trades)
            names = [
                f"{role}-{number}" for number in range(29, 29 - trades, -1) for role in ("taker", "maker")
            ]
            assert page.locator("#fills th").all_inner_texts() == names


# ---------------------------------------------------------------------- ids and owners

HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "</title><script>alert(1)</script>",
    "'\"&amp;&#x3c;",
    "../a/b?c=d#e%20%",
    "__proto__",
    "constructor",
    " ",
    "two\nlines",
    "\u202eMPJ",
    "\U0001f4c8\u0000",
    "order-amount",
    "-",
    "W" * 300,
]
IDS: list[OrderId] = [
    *HOSTILE,
    *(7, "7", -7, 2**60, "1152921504606846976", 2**255, -(2**60), "9007199254740991", '"7"', '""', ".", ".."),
]


def test_ids_and_owners_are_shown_as_text_and_each_order_can_be_canceled(
    page: Page, engine: MatchingEngine, symbol: str
) -> None:
    for price, order_id in enumerate(HOSTILE, 90):
        engine.submit(order_id, symbol, Side.BUY, 5, price, owner=order_id)
        engine.submit("taker", symbol, Side.SELL, 1, 90, owner=order_id)
    page.get_by_role("button", name="Show 1 more orders").click()
    hostile = list(reversed(HOSTILE))
    expect(page.locator("#orders tr")).to_have_count(len(HOSTILE))
    assert [row[:2] for row in cells(page, "orders")] == [[each, each] for each in hostile]
    page.get_by_role("button", name="Show 14 more fills").click()
    expect(page.locator("#fills tr")).to_have_count(2 * len(HOSTILE))
    assert [row[1] for row in cells(page, "fills")][::2] == hostile
    assert page.locator("img, script, iframe, object").count() == 2  # the icon and the page's own script
    page.locator("#orders button[aria-label^=Cancel]").first.click()
    facts = page.locator("#confirm-facts dd").nth(1)
    assert facts.text_content() == hostile[0]
    confirm(page, "Cancel the order")
    expect(page.locator("#orders tr")).to_have_count(len(HOSTILE) - 1)


READ_IDS = """async (texts) => {
  const [{ read, write }, { idText, idInBody, orderPath }] =
    await Promise.all([import("/page/exact.js"), import("/page/ids.js")]);
  return texts.map((text) => {
    const id = idText(read(text).order_id);
    return [id, orderPath(id), write({ order_id: idInBody(id) })];
  });
}"""


def test_every_id_in_a_response_has_the_path_and_the_body_of_the_same_order(page: Page) -> None:
    texts = [json.dumps({"order_id": id_as_json(order_id)}) for order_id in IDS]
    for order_id, (shown, path, body) in zip(IDS, page.evaluate(READ_IDS, texts), strict=True):
        assert unquote(path) == unquote(f"orders/{id_as_path(order_id)}")
        assert shown == unquote(id_as_path(order_id))
        read = id_from_json(json.loads(body)["order_id"])
        assert (type(read), read) == (type(order_id), order_id)


# ---------------------------------------------------------------------- accessibility and width


def test_a_visitor_can_submit_and_cancel_with_the_keyboard_alone(
    owners_page: Page, engine: MatchingEngine, symbol: str
) -> None:
    page = owners_page
    page.reload()
    expect(page.locator("#state")).to_have_text("Live")

    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # the link that skips to the order form
    expect(page.locator("#order-amount")).to_be_focused()
    page.keyboard.type("5")
    tab_to(page, "#order-price")
    page.keyboard.type("90")
    page.keyboard.press("Enter")
    expect(page.locator("#orders tr")).to_have_count(1)
    expect(page.locator("#order-amount")).to_be_focused()
    tab_to(page, "#orders button[aria-label^=Cancel]")
    page.keyboard.press("Enter")
    tab_to(page, "#confirm-yes")
    page.keyboard.press("Enter")
    expect(page.locator("#orders-outcome")).not_to_be_empty()
    assert engine.orders(symbol) == ()


FITS = """width => document.documentElement.scrollWidth <= width &&
    [...document.querySelectorAll(".list, .list th, .list td")].every((each) =>
        each.offsetParent === null || each.scrollWidth <= each.clientWidth + 1)"""


def test_the_page_fits_its_window_and_has_no_serious_accessibility_fault(
    browser: Browser, open_address: Address, engine: MatchingEngine, symbol: str
) -> None:
    engine.submit("W" * 100, symbol, Side.SELL, HUGE, HUGE, owner="W" * 100)
    engine.submit("buyer", symbol, Side.BUY, HUGE - 1, HUGE, owner="Ann")
    engine.submit("web-1", symbol, Side.BUY, 1_000, 90, owner="Ann", display=10)
    with visiting(browser, open_address.http, f"/#/{symbol}", viewport=DESK, bypass_csp=True) as page:
        submit(page, "BUY", "iceberg", amount="5", price="x", display="2")
        expect(page.locator("#order-problem")).not_to_be_empty()
        expect(page.locator("#fills tr")).to_have_count(2)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            assert serious_faults(page) == []
        for width in (DESK["width"], 390):
            page.set_viewport_size({"width": width, "height": 844})
            page.wait_for_function(FITS, arg=width)  # the lists change their style after the resize event
        assert serious_faults(page) == []
        page.get_by_role("button", name="Cancel all").click()
        expect(page.get_by_role("dialog")).to_be_visible()
        assert serious_faults(page) == []
