"""The ladder page in a real browser: what is shown is what is true, and nothing else gets in."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from typing import Any

import httpx
import pytest
from api_server import Address, serving
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # it has no types
from chromium import chromium, visiting
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser, Locator, Page, Route, WebSocketRoute, expect
from test_api_stream import commands, run

from oms import Order, OrderManagement, Side
from oms.api import Settings, create_app
from oms.api.page import PATHS
from strategies import sides

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


def rows(page: Page, side: str) -> list[tuple[str, str]]:
    """Price and amount of every level that is shown."""
    columns = (page.locator(f"#levels-{side} .{name}").all_inner_texts() for name in ("price", "amount"))
    return list(zip(*columns, strict=True))


def shows(page: Page, side: str, *levels: tuple[str, str]) -> None:
    """Wait until these are the levels."""
    expect(page.locator(f"#levels-{side} .price")).to_have_text([price for price, _ in levels])
    expect(page.locator(f"#levels-{side} .amount")).to_have_text([amount for _, amount in levels])


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


# ---------------------------------------------------------------------- what is served


def test_the_page_may_load_nothing_but_its_own_files_and_ask_nobody_else() -> None:
    client = TestClient(create_app(settings=Settings(api_key=KEY)))
    for path in PATHS:
        served = client.get(path)
        assert served.status_code == 200
        policy = served.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
        assert "unsafe" not in policy
        assert served.headers["x-content-type-options"] == "nosniff"
        assert (
            re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", served.text) is None
        )
        assert set(re.findall(r"https?://[^\s\"']+", served.text)) <= {"http://www.w3.org/2000/svg"}
    html = client.get("/").text
    assert (
        re.search(
            r"<style|<script(?! type=\"module\" src=\"page/main.js\"></script>)|\son\w+=|\sstyle=", html
        )
        is None
    )
    assert {f"/{path}" for path in re.findall(r"page/[\w.]+", html)} <= PATHS
    assert client.get("/page/__init__.py").status_code == 401


# ---------------------------------------------------------------------- a session at the ladder


def test_the_worked_example_is_added_quoted_and_traded(page: Page, om: OrderManagement) -> None:
    shows(page, "BUY", ("20", "20"), ("21", "10"))
    expect(page.locator("#state")).to_have_text("Live")
    expect(page.locator("#empty-SELL")).to_be_visible()
    add(page, "SELL", "1,500", "19")
    expect(page.locator("#order .outcome")).to_have_text(re.compile(r"^Order \d+ rests: SELL 1,500 at 19.$"))
    shows(page, "SELL", ("19", "1,500"))
    expect(page.locator("#spread")).to_have_text("1")
    dialog = review(page, "22")
    expect(dialog.locator("dd")).to_have_text(["442", "20.0909", "21", "2 (45.45 bp)"])
    assert om.calculate_price("JPM", Side.BUY, 22) == 442  # nothing was traded yet
    dialog.get_by_role("button", name="Buy for 442").click()
    expect(dialog).to_be_hidden()
    shows(page, "BUY", ("21", "8"))
    expect(page.locator("#trade .outcome")).to_contain_text("Bought 22 for 442")
    expect(page.locator("#trades tr").first).to_contain_text("442")
    assert om.get_order(4).amount == 8


def test_what_others_do_moves_the_ladder_and_the_quote(page: Page, address: Address) -> None:
    page.fill("#trade-amount", "22")
    expect(page.locator("#quote dd").first).to_have_text("442")
    order = {"order_id": 9, "symbol": "JPM", "side": "BUY", "amount": 5, "price": 18}
    assert httpx.post(f"{address.http}/orders", json=order).status_code == 201
    shows(page, "BUY", ("18", "5"), ("20", "20"), ("21", "10"))
    expect(page.locator("#quote dd").first).to_have_text(str(5 * 18 + 17 * 20))
    expect(page.locator("#levels-BUY .taken")).to_have_count(2)
    assert httpx.delete(f"{address.http}/orders/9").status_code == 200
    shows(page, "BUY", ("20", "20"), ("21", "10"))


crowded = st.one_of(
    st.tuples(
        st.just("add_order"), st.integers(1, 30), st.just("JPM"), sides, st.integers(1, 9), st.integers(1, 6)
    ),
    st.tuples(st.just("place_trade"), st.just("JPM"), sides, st.integers(1, 15)),
    commands,
)
"""Commands that most often meet at one symbol, and at few prices."""


@given(st.lists(crowded, min_size=8, max_size=30))
@settings(max_examples=25, deadline=None)
def test_the_ladder_is_the_depth_of_the_book(
    browser: Browser, address: Address, om: OrderManagement, ladder: Page, moves: list[Any]
) -> None:
    om.remove_orders()
    run(om, moves)
    om.add_order(10**6, "JPM", Side.SELL, 1, 1)  # the last of them, whatever they were
    expect(ladder.locator("#sequence")).to_have_text(f"#{om.last_sequence:,}")
    for side in Side:
        depth = [(f"{level.price:,}", f"{level.amount:,}") for level in om.depth("JPM", side)]
        assert rows(ladder, side) == depth[:12]


@pytest.fixture(scope="module")
def ladder(browser: Browser, address: Address) -> Iterator[Page]:
    with visiting(browser, address.http, "/#/JPM") as page:
        yield page


def test_a_level_shows_its_orders_and_each_can_be_removed(page: Page, om: OrderManagement) -> None:
    om.add_order(2, "JPM", Side.BUY, 7, 20)
    shows(page, "BUY", ("20", "27"), ("21", "10"))
    expect(page.locator("#orders th")).to_have_text(["1", "2", "4"])
    page.get_by_role("button", name="20", exact=True).click()
    expect(page.locator("#orders-title")).to_have_text("Orders at BUY 20")
    expect(page.locator("#orders th")).to_have_text(["1", "2"])
    page.get_by_role("button", name="Remove order 2").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    shows(page, "BUY", ("20", "20"), ("21", "10"))
    expect(page.locator("#orders-outcome")).to_have_text("Order 2 was removed: 7 were left of it.")
    expect(page.locator("#orders-title")).to_be_focused()
    assert 2 not in om


def test_more_levels_and_more_orders_are_shown_when_asked_for(page: Page, om: OrderManagement) -> None:
    om.add_orders(Order(100 + n, "JPM", Side.SELL, 1 + n, 1 + n) for n in range(30))
    expect(page.locator("#levels-SELL tr")).to_have_count(12)
    page.get_by_role("button", name="18 more price levels").click()
    expect(page.locator("#levels-SELL tr")).to_have_count(30)
    expect(page.locator("#more-SELL")).to_be_hidden()
    expect(page.locator("#orders tr")).to_have_count(12)
    page.get_by_role("button", name="20 more rest").click()
    expect(page.locator("#orders tr")).to_have_count(32)


def test_a_symbol_is_chosen_by_the_address_and_a_new_one_by_adding_to_it(
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


def test_until_a_book_is_here_none_is_shown_rather_than_that_of_another_symbol(page: Page) -> None:
    page.route_web_socket(re.compile("symbol=IBM"), lambda _silent: None)
    page.reload()
    shows(page, "BUY", ("20", "20"), ("21", "10"))
    page.fill("#trade-amount", "22")
    expect(page.locator("#quote")).to_be_visible()
    page.goto(page.url.replace("JPM", "IBM"))
    expect(page.locator("#symbol")).to_have_text("IBM")
    expect(page.locator("#quote-problem")).to_have_text("Nothing rests on the BUY side.")
    for rows in ("#levels-BUY tr", "#orders tr", "#trades tr", "#quote:visible"):
        expect(page.locator(rows)).to_have_count(0)
    expect(page.locator("#best-BUY")).to_have_text("\N{EN DASH}")


def test_without_orders_the_page_says_so_and_wakes_with_the_first(
    browser: Browser, address: Address, om: OrderManagement
) -> None:
    om.remove_orders()
    with visiting(browser, address.http) as page:
        expect(page.locator("#nothing")).to_be_visible()
        add(page, "BUY", "3", "7", symbol="JPM")
        shows(page, "BUY", ("7", "3"))


# ---------------------------------------------------------------------- refusals


def test_a_price_that_moved_is_not_paid(page: Page, om: OrderManagement) -> None:
    dialog = review(page, "22")
    om.remove_order(1)
    om.add_order(3, "JPM", Side.BUY, 50, 22)
    dialog.get_by_role("button", name="Buy for 442").click()
    expect(dialog.get_by_role("alert")).to_have_text(
        "The price has moved from 442 to 474. Nothing was traded."
    )
    dialog.get_by_role("button", name="Close").click()
    expect(page.locator("#quote dd").first).to_have_text("474")
    assert om.available_amount("JPM", Side.BUY) == 60


def test_a_refusal_is_said_in_words_beside_its_form(page: Page) -> None:
    add(page, "BUY", "1", "1", id="4")
    problem = page.locator("#order-problem")
    expect(problem).to_have_text("Order id 4 was used before. Take another.")
    expect(page.locator("#order-id")).to_be_focused()
    add(page, "BUY", "0", "1", id="5")
    expect(problem).to_have_text("Amount must be an int in 1..9007199254740991.")
    expect(page.locator("#order-amount")).to_have_attribute("aria-invalid", "true")
    add(page, "BUY", "1.5", "1", id="5")
    expect(problem).to_have_text("Amount must be a whole number, such as 1,200.")
    page.fill("#trade-amount", "31")
    expect(page.locator("#quote-problem")).to_have_text("Only 30 of 31 can be traded on the BUY side.")
    choose(page, "trade", "SELL")
    expect(page.locator("#quote-problem")).to_have_text("Nothing rests on the SELL side.")
    page.get_by_role("button", name="Review the trade").click()
    expect(page.locator("#trade-problem")).to_have_text("Nothing rests on the SELL side.")


def test_an_id_that_the_page_proposed_is_free_in_the_end(page: Page, om: OrderManagement) -> None:
    om.add_order(6_000, "JPM", Side.BUY, 1, 50)
    same = {"order_id": 6_001, "symbol": "JPM", "side": "SELL", "amount": 3, "price": 19}
    origin = page.evaluate("location.origin")
    httpx.post(f"{origin}/orders", json=same)
    httpx.delete(f"{origin}/orders/6001")
    om.add_orders(Order(order_id, "IBM", Side.SELL, 1, 1) for order_id in (6_002, 6_004, 6_005))
    page.reload()
    expect(page.locator("#order-id")).to_have_value("6001")
    add(page, "SELL", "3", "19")
    shows(page, "SELL", ("19", "3"))
    assert [order.order_id for order in om.orders("JPM", Side.SELL)] == [6_008]


# ---------------------------------------------------------------------- lost connections


def test_a_trade_whose_answer_is_lost_is_asked_for_again_and_made_once(
    page: Page, om: OrderManagement
) -> None:
    keys = []

    def lose_the_first_answer(route: Route) -> None:
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) == 1:
            route.fetch()
            route.abort()
        else:
            route.continue_()

    page.route("**/trades", lose_the_first_answer)
    review(page, "22").get_by_role("button", name="Buy for 442").click()
    expect(page.locator("#trade .outcome")).to_contain_text("Bought 22 for 442")
    shows(page, "BUY", ("21", "8"))
    assert om.available_amount("JPM", Side.BUY) == 8
    assert len(keys) == 2
    assert len(set(keys)) == 1


def test_a_removal_whose_answer_is_lost_is_asked_for_again_and_is_no_error(
    page: Page, om: OrderManagement
) -> None:
    lost: list[str] = []

    def lose_the_first_answer(route: Route) -> None:
        if route.request.method == "DELETE" and not lost:
            lost.append(route.fetch().text())
            route.abort()
        else:
            route.continue_()

    page.route("**/orders/*", lose_the_first_answer)
    page.get_by_role("button", name="Remove order 4").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.locator("#orders-outcome")).to_have_text("Order 4 was removed: 10 were left of it.")
    assert lost
    assert 4 not in om


def test_while_nobody_answers_the_trade_stays_open_and_is_made_once_in_the_end(
    page: Page, om: OrderManagement
) -> None:
    def lose_every_answer(route: Route) -> None:
        route.fetch()
        route.abort()

    page.route("**/trades", lose_every_answer)
    dialog = review(page, "22")
    dialog.get_by_role("button", name="Buy for 442").click()
    expect(dialog.get_by_role("alert")).to_contain_text("Trying again never does it twice.")
    page.unroute("**/trades")
    dialog.get_by_role("button", name="Try again").click()
    expect(page.locator("#trade .outcome")).to_contain_text("Bought 22 for 442")
    assert om.available_amount("JPM", Side.BUY) == 8


def test_an_order_whose_answers_are_lost_is_not_added_twice_under_another_id(
    page: Page, om: OrderManagement
) -> None:
    def lose_every_answer(route: Route) -> None:
        route.fetch()
        route.abort()

    om.add_order(5_000, "JPM", Side.BUY, 1, 50)
    expect(page.locator("#order-id")).to_have_value("5001")
    page.route("**/orders", lose_every_answer)
    add(page, "SELL", "3", "19")
    expect(page.locator("#order-problem")).to_contain_text("The server does not answer.")
    shows(page, "SELL", ("19", "3"))
    page.unroute("**/orders")
    page.get_by_role("button", name="Add the order").click()
    expect(page.locator("#order .outcome")).to_contain_text("was added before; nothing new rests.")
    assert om.available_amount("JPM", Side.SELL) == 3


def test_a_change_that_got_lost_is_noticed_by_its_number_and_made_good(
    browser: Browser, address: Address, om: OrderManagement
) -> None:
    lost: list[str | bytes] = []

    def lose_one(reader: WebSocketRoute) -> None:
        def pass_on(message: str | bytes) -> None:
            if not lost and "OrderRemoved" in str(message):
                lost.append(message)
            else:
                reader.send(message)

        reader.connect_to_server().on_message(pass_on)

    with visiting(browser, address.http) as page:
        page.route_web_socket("**/stream*", lose_one)
        page.goto(f"{address.http}/?#/JPM")
        shows(page, "BUY", ("20", "20"), ("21", "10"))
        om.remove_order(1)
        om.amend_order(4, amount=9)
        shows(page, "BUY", ("21", "9"))
        expect(page.locator("#state")).to_have_text("Live")
    assert lost


def test_the_ladder_comes_back_whole_after_the_server_was_away(browser: Browser) -> None:
    om = OrderManagement()
    om.add_orders([Order(1, "JPM", Side.BUY, 20, 20), Order(4, "JPM", Side.BUY, 10, 21)])
    with ExitStack() as visit:
        with serving(create_app(om, Settings())) as address:
            page = visit.enter_context(visiting(browser, address.http, "/#/JPM"))
            shows(page, "BUY", ("20", "20"), ("21", "10"))
        expect(page.locator("#state")).to_have_text("Reconnecting")
        expect(page.locator("#stale")).to_have_text("What is shown is stale.")
        shows(page, "BUY", ("20", "20"), ("21", "10"))
        om.place_trade("JPM", Side.BUY, 25)
        om.add_order(5, "JPM", Side.SELL, 6, 19)
        with serving(create_app(om, Settings()), address.port):
            expect(page.locator("#state")).to_have_text("Live")
            shows(page, "BUY", ("21", "5"))
            shows(page, "SELL", ("19", "6"))
            expect(page.locator("#stale")).to_be_empty()
            visit.close()


# ---------------------------------------------------------------------- keys


def test_a_wrong_key_stays_outside_and_the_right_one_opens(browser: Browser) -> None:
    om = OrderManagement()
    om.add_order(1, "JPM", Side.BUY, 20, 20)
    guarded = create_app(om, Settings(api_key=KEY, checks_host=True))
    with serving(guarded) as address, visiting(browser, address.http, "/#/JPM") as page:
        field = page.get_by_label("API key")
        expect(field).to_be_focused()
        expect(page.locator("#content")).to_be_hidden()
        for wrong in ("nonsense-of-some-length", "schlüssel", ""):
            field.fill(wrong)
            field.press("Enter")
            expect(page.locator("#key-problem")).to_have_text("The API key is missing or wrong.")
        field.fill(KEY)
        field.press("Enter")
        shows(page, "BUY", ("20", "20"))
        expect(page.locator("#state")).to_have_text("Live")
        assert page.evaluate("document.cookie + localStorage.length + sessionStorage.length") == "00"
        add(page, "SELL", "3", "19")
        shows(page, "SELL", ("19", "3"))
        review(page, "5").get_by_role("button", name="Buy for 100").click()
        shows(page, "BUY", ("20", "15"))
        page.context.clear_cookies()
        page.fill("#trade-amount", "1")
        expect(field).to_be_visible()


# ---------------------------------------------------------------------- hostile names, numbers of any size

HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "</title><script>alert(1)</script>",
    "javascript:alert(1)",
    "'\"&amp;&#x3c;",
    "../a/b?c=d#e%20%",
    "__proto__",
    "constructor",
    "#/JPM",
    " ",
    "two\nlines",
    "\u202eMPJ",
    "\U0001f4c8\u0000",
    "trade-amount",
    "W" * 300,
]


def test_a_symbol_is_text_whatever_it_says(page: Page, om: OrderManagement) -> None:
    om.add_orders(Order(100 + n, symbol, Side.SELL, 3, 9) for n, symbol in enumerate(HOSTILE))
    page.reload()
    expect(page.locator("#symbols a")).to_have_count(len(HOSTILE) + 1)
    for link, symbol in zip(page.locator("#symbols a").all(), om.symbols(), strict=True):
        assert link.text_content() == symbol
        if symbol == "JPM":
            continue
        link.click()
        shows(page, "SELL", ("9", "3"))
        assert page.locator("#symbol").text_content() == symbol
        dialog = review(page, "2", "SELL")
        assert dialog.locator(".symbol").text_content() == symbol
        dialog.get_by_role("button", name="Sell for 18").click()
        shows(page, "SELL", ("9", "1"))
    assert page.locator("img, script, iframe, object").count() == 2  # the icon and the page's own script


def test_no_digit_of_a_large_number_is_lost(page: Page, om: OrderManagement) -> None:
    om.add_order(HUGE, "JPM", Side.SELL, HUGE, HUGE - 1)
    om.add_order(HUGE - 1, "JPM", Side.SELL, HUGE - 2, HUGE - 1)
    shows(page, "SELL", (f"{HUGE - 1:,}", f"{2 * HUGE - 2:,}"))
    choose(page, "trade", "SELL")
    page.fill("#trade-amount", f"{HUGE + 5:,}")
    expect(page.locator("#quote dd").first).to_have_text(f"{(HUGE + 5) * (HUGE - 1):,}")
    expect(page.locator("#quote dd").nth(1)).to_have_text(f"{HUGE - 1:,}.0000")
    page.get_by_role("button", name="Review the trade").click()
    expect(page.locator("#trade-problem")).to_contain_text("cannot be bound to its price")
    om.place_trade("JPM", Side.SELL, HUGE)
    expect(page.locator("#trades tr").first).to_contain_text(f"{HUGE * (HUGE - 1):,}")
    page.get_by_role("button", name=f"Remove order {HUGE}").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    shows(page, "SELL")


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(2**53, 2**70)
    | st.floats(-(2**53), 2**53)  # beyond, the way back from the browser confuses them with integers
    | st.text()
    | st.sampled_from(["#1", "=1", '"', "\\", '\\"', "1:", '"1":2', "-0"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def marked(value: Any) -> Any:
    """The same with every integer as {"int": its digits}."""
    match value:
        case bool() | None | str():
            return value
        case int():
            return {"int": str(value)}
        case float():
            return value
        case list():
            return [marked(each) for each in value]
        case _:
            return {"pairs": [[name, marked(each)] for name, each in sorted(value.items())]}


READ_BOTH_WAYS = """async (texts) => {
  const { read, readByMarks } = await import("/page/exact.js");
  const order = (a, b) => { const [x, y] = [[...a[0]], [...b[0]]].map((s) => s.map((c) => c.codePointAt(0)));
    for (let i = 0; i < Math.min(x.length, y.length); i++) if (x[i] !== y[i]) return x[i] - y[i];
    return x.length - y.length; };
  const marked = (value) =>
    typeof value === "bigint" ? { int: String(value) }
    : Array.isArray(value) ? value.map(marked)
    : value && typeof value === "object"
      ? { pairs: Object.entries(value).map(([name, each]) => [name, marked(each)]).sort(order) }
      : value;
  return texts.map((text) => [marked(read(text)), marked(readByMarks(text))]);
}"""


@given(st.lists(values, max_size=20), st.booleans())
@settings(max_examples=25, deadline=None)
def test_json_is_read_exactly_with_and_without_help_from_the_browser(
    ladder: Page, written: list[Any], ascii_only: bool
) -> None:
    texts = [json.dumps(value, ensure_ascii=ascii_only) for value in written]
    for value, (native, fallback) in zip(written, ladder.evaluate(READ_BOTH_WAYS, texts), strict=True):
        assert native == marked(value)
        assert fallback == marked(value)


NUMBERS = """async (pairs) => {
  const { asked, divided, grouped } = await import("/page/exact.js");
  return pairs.map(([dividend, divisor, places]) => [
    grouped(BigInt(dividend)), divided(BigInt(dividend), BigInt(divisor), places),
    String(asked(grouped(BigInt(dividend)))), String(asked(dividend)),
  ]);
}"""


@given(st.lists(st.tuples(st.integers(0, 2**130), st.integers(1, 2**130), st.integers(0, 6)), max_size=20))
@settings(max_examples=25, deadline=None)
def test_numbers_are_shown_in_groups_and_quotients_rounded_exactly(
    ladder: Page, asked: list[tuple[int, int, int]]
) -> None:
    given_ = [[str(dividend), str(divisor), places] for dividend, divisor, places in asked]
    for (dividend, divisor, places), found in zip(asked, ladder.evaluate(NUMBERS, given_), strict=True):
        scaled = Fraction(dividend * 10**places, divisor) + Fraction(1, 2)
        whole, fraction = divmod(scaled.__floor__(), 10**places)
        quotient = f"{whole:,}.{fraction:0{places}}" if places else f"{whole:,}"
        assert found == [f"{dividend:,}", quotient, str(dividend), str(dividend)]


# ---------------------------------------------------------------------- for everybody


def test_the_keyboard_alone_adds_trades_and_removes(page: Page, om: OrderManagement) -> None:
    shows(page, "BUY", ("20", "20"), ("21", "10"))

    def tab_to(selector: str) -> None:
        for _ in range(60):
            if page.evaluate("selector => document.activeElement.matches(selector)", selector):
                return
            page.keyboard.press("Tab")
        raise AssertionError(f"the Tab key never comes to {selector}")

    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # the link that skips to the trade form
    expect(page.locator("#trade-amount")).to_be_focused()
    expect(page).to_have_url(re.compile("#/JPM$"))
    page.keyboard.type("22")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    tab_to("#confirm-yes")
    page.keyboard.press("Enter")
    shows(page, "BUY", ("21", "8"))
    expect(page.locator("#trade-amount")).to_be_focused()
    tab_to("#order input[value=BUY]")
    page.keyboard.press("ArrowRight")
    for field, text in (("#order-amount", "5"), ("#order-price", "19")):
        tab_to(field)
        page.keyboard.type(text)
    page.keyboard.press("Enter")
    shows(page, "SELL", ("19", "5"))
    tab_to("#levels-SELL .choose")
    page.keyboard.press("Space")
    expect(page.locator("#orders-title")).to_have_text("Orders at SELL 19")
    tab_to("#orders button")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    shows(page, "SELL", ("19", "5"))
    page.keyboard.press("Enter")
    tab_to("#confirm-yes")
    page.keyboard.press("Enter")
    shows(page, "SELL")
    assert [order.order_id for order in om.orders()] == [4]


@contextmanager
def looking(browser: Browser, address: Address, scheme: str, size: dict[str, int]) -> Iterator[Page]:
    with visiting(
        browser, address.http, "/#/JPM", color_scheme=scheme, viewport=size, bypass_csp=True
    ) as page:
        shows(page, "BUY", ("20", "20"), ("21", "10"))
        yield page


def serious_faults(page: Page) -> list[tuple[str, str]]:
    found = Axe().run(page).response["violations"]
    return [
        (fault["id"], node["html"])
        for fault in found
        for node in fault["nodes"]
        if fault["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_nothing_keeps_anybody_from_reading_or_using_it(
    browser: Browser, address: Address, om: OrderManagement, scheme: str, size: dict[str, int]
) -> None:
    om.add_order(5, "JPM", Side.SELL, 5, 19)
    om.place_trade("JPM", Side.SELL, 2)
    with looking(browser, address, scheme, size) as page:
        page.fill("#trade-amount", "22")
        expect(page.locator("#levels-BUY .taken")).to_have_count(2)
        page.locator("#levels-SELL .choose").click()
        add(page, "BUY", "1", "1", id="4")
        expect(page.locator("#order-problem")).not_to_be_empty()
        assert serious_faults(page) == []
        review(page, "22")
        assert serious_faults(page) == []


def test_a_locked_page_and_a_stale_one_can_be_read_as_well(browser: Browser, om: OrderManagement) -> None:
    with ExitStack() as visit:
        with serving(create_app(om, Settings(api_key=KEY))) as address:
            page = visit.enter_context(visiting(browser, address.http, bypass_csp=True, color_scheme="dark"))
            page.get_by_label("API key").fill("not the key")
            page.get_by_role("button", name="Open").click()
            expect(page.locator("#key-problem")).not_to_be_empty()
            assert serious_faults(page) == []
            page.get_by_label("API key").fill(KEY)
            page.get_by_role("button", name="Open").click()
            shows(page, "BUY", ("20", "20"), ("21", "10"))
        expect(page.locator("#stale")).not_to_be_empty()
        assert serious_faults(page) == []
        page.emulate_media(color_scheme="light")
        assert serious_faults(page) == []
        visit.close()


def test_two_clicks_add_one_order(page: Page, om: OrderManagement) -> None:
    shows(page, "BUY", ("20", "20"), ("21", "10"))
    choose(page, "order", "SELL")
    page.fill("#order-amount", "3")
    page.fill("#order-price", "19")
    page.get_by_role("button", name="Add the order").dblclick()
    shows(page, "SELL", ("19", "3"))
    expect(page.locator("#order-amount")).to_have_value("")
    page.get_by_role("button", name="Add the order").click()
    expect(page.locator("#order-problem")).to_contain_text("Amount must be")
    assert om.available_amount("JPM", Side.SELL) == 3


def test_a_phone_is_wide_enough(browser: Browser, address: Address, om: OrderManagement) -> None:
    om.add_orders([Order(HUGE, "W" * 200, Side.SELL, HUGE, HUGE), Order(6, "W" * 200, Side.BUY, 1, 1)])
    om.place_trade("W" * 200, Side.SELL, HUGE - 1)
    with visiting(browser, address.http, f"/#/{'W' * 200}", viewport=PHONE) as page:
        shows(page, "SELL", (f"{HUGE:,}", "1"))
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        review(page, "1")
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_nothing_moves_for_those_who_want_it_still(
    browser: Browser, address: Address, om: OrderManagement, motion: str
) -> None:
    with visiting(browser, address.http, "/#/JPM", reduced_motion=motion) as page:
        shows(page, "BUY", ("20", "20"), ("21", "10"))
        page.evaluate("() => { Element.prototype.animate = () => { window.moved = true; }; }")
        om.amend_order(4, amount=3)
        shows(page, "BUY", ("20", "20"), ("21", "3"))
        assert page.evaluate("window.moved === true") is (motion == "no-preference")
