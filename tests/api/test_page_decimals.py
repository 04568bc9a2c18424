"""The page shows and reads decimals, exactly, for the symbols that have an instrument."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser, Page, Route, expect

from oms import Instrument, Order, OrderManagement, Side
from oms.size import Size, exact_decimal
from support import ladder_page
from support.api_server import Address
from support.chromium import visiting
from support.ladder_page import DESK, HUGE, PHONE, add, choose, review, serious_faults, shows

pytestmark = pytest.mark.long

browser = ladder_page.browser
om = ladder_page.om
address = ladder_page.address
ladder = ladder_page.ladder

SHARE = Instrument("0.01", "0.001", name="J. P. Morgan", currency="USD")
ID = 8389765612825190229
CHANGED = "The tick size or the lot size of JPM has changed. Check all numbers, and then try again."


@pytest.fixture(autouse=True)
def decimal_example(om: OrderManagement) -> None:
    om.remove_orders()
    om.set_instrument("JPM", SHARE)
    om.add_order(1, "JPM", Side.BUY, 20_000, 2025)
    om.add_order(4, "JPM", Side.BUY, 10_000, 2026)


@pytest.fixture
def page(browser: Browser, address: Address) -> Iterator[Page]:
    with visiting(browser, address.http, "/#/JPM") as page:
        shows(page, "BUY", ("20.25", "20.000"), ("20.26", "10.000"))
        yield page


# ---------------------------------------------------------------------- the numbers on the page


def test_a_visitor_adds_an_order_and_trades_in_decimals(page: Page, om: OrderManagement) -> None:
    add(page, "SELL", "1,500.5", "19.9", id=str(ID))
    expect(page.locator("#order .outcome")).to_have_text(f"Added order {ID}: bid of 1,500.500 at 19.90.")
    shows(page, "SELL", ("19.90", "1,500.500"))
    assert om.get_order(ID) == Order(ID, "JPM", Side.SELL, 1_500_500, 1990)
    expect(page.locator("#spread")).to_have_text("0.35")
    expect(page.locator("#best-BUY")).to_have_text("20.25")
    dialog = review(page, "22")
    expect(dialog.locator("dd")).to_have_text(["445.52 USD", "20.2509", "20.26", "0.02 USD (0.45 bp)"])
    dialog.get_by_role("button", name="Buy for 445.52 USD").click()
    shows(page, "BUY", ("20.26", "8.000"))
    expect(page.locator("#trade .outcome")).to_contain_text("Bought 22.000 for 445.52 USD")
    cells = page.locator("#trades tr").first.locator("td")
    expect(cells).to_have_text(["BUY", "22.000", "20.2509", "445.52"])
    expect(page.locator("#total-name")).to_have_text("Total (USD)")
    page.locator("#levels-SELL .choose").click()
    expect(page.locator("#orders-title")).to_have_text("Bids at 19.90")
    expect(page.locator("#orders td.of-price")).to_have_text(["19.90"])
    page.get_by_role("button", name=f"Remove order {ID}").click()
    expect(page.locator("#confirm-facts dd")).to_have_text(["JPM", "SELL (bid)", "1,500.500", "19.90"])
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.locator("#orders-outcome")).to_have_text(
        f"Removed order {ID} with its remaining amount of 1,500.500."
    )
    assert ID not in om


def test_large_decimals_are_shown_with_all_their_digits(page: Page, om: OrderManagement) -> None:
    om.add_order(HUGE, "JPM", Side.SELL, HUGE, HUGE)
    amount, price = "9,223,372,036,854,775.807", "92,233,720,368,547,758.07"
    assert (SHARE.show_amount(HUGE), SHARE.show_price(HUGE)) == (amount, price)
    shows(page, "SELL", (price, amount))
    dialog = review(page, amount, "SELL")
    money = SHARE.show_money(HUGE * HUGE)
    assert money == "850,705,917,302,346,158,473,969,077,842,325.01249 USD"
    expect(dialog.locator("dd")).to_have_text([money, f"{price}00", price, "0.00 USD (0.00 bp)"])
    dialog.get_by_role("button", name="Sell for").click()
    expect(page.locator("#trade .outcome")).to_contain_text(f"Sold {amount} for {money}")
    add(page, "SELL", amount, price, id=str(HUGE - 1))
    shows(page, "SELL", (price, amount))
    assert om.get_order(HUGE - 1) == Order(HUGE - 1, "JPM", Side.SELL, HUGE, HUGE)


def test_the_messages_of_the_server_are_shown_in_decimals(page: Page, om: OrderManagement) -> None:
    page.fill("#trade-amount", "30.001")
    expect(page.locator("#quote-problem")).to_have_text("Only 30.000 of 30.001 are available in the asks.")
    dialog = review(page, "22")
    om.amend_order(1, price=2030)
    dialog.get_by_role("button", name="Buy for").click()
    expect(dialog.get_by_role("alert")).to_have_text(
        "The total has changed from 445.52 USD to 446.20 USD. Nothing was traded."
    )


@pytest.mark.parametrize(
    ("amount", "price", "problem"),
    [
        ("1", "20.255", "20.255 is between the ticks 20.25 and 20.26."),
        ("1", "0.001", "0.001 is between the ticks 0.00 and 0.01."),
        ("1", "0", "Price must be at least 0.01."),
        ("1", "92,233,720,368,547,758.08", "Price must be at most 92,233,720,368,547,758.07."),
        ("1", "1e3", "Price must be a number, such as 1.00."),
        ("1", "20,25", "Price must be a number, such as 1.00."),
        ("1", "-1", "Price must be a number, such as 1.00."),
        ("1", "", "Price must be a number, such as 1.00."),
        ("1.0005", "20.25", "1.0005 is between the lots 1.000 and 1.001."),
        ("0.000", "20.25", "Amount must be at least 0.001."),
        ("9223372036854775.808", "20.25", "Amount must be at most 9,223,372,036,854,775.807."),
        ("x", "20.25", "Amount must be a number, such as 0.100."),
    ],
)
def test_the_order_form_says_why_a_number_is_not_an_amount_or_a_price(
    ladder: Page, om: OrderManagement, amount: str, price: str, problem: str
) -> None:
    expect(ladder.locator("#units")).to_be_visible()
    add(ladder, "SELL", amount, price)
    expect(ladder.locator("#order-problem")).to_have_text(problem)
    field = "price" if amount == "1" else "amount"
    expect(ladder.locator(f"#order-{field}")).to_have_attribute("aria-invalid", "true")
    expect(ladder.locator(f"#order-{field}")).to_be_focused()
    assert len(om) == 2


def test_the_trade_form_says_between_which_lots_an_amount_is(page: Page) -> None:
    page.fill("#trade-amount", "1.0005")
    expect(page.locator("#quote-problem")).to_have_text("1.0005 is between the lots 1.000 and 1.001.")
    page.get_by_role("button", name="Review the trade").click()
    expect(page.locator("#trade-problem")).to_have_text("1.0005 is between the lots 1.000 and 1.001.")
    page.fill("#trade-amount", "1.")
    expect(page.locator("#quote-problem")).to_be_empty()
    page.get_by_role("button", name="Review the trade").click()
    expect(page.locator("#trade-problem")).to_have_text("Amount must be a number, such as 0.100.")


# ---------------------------------------------------------------------- the choice of the units


def test_a_click_shows_ticks_and_lots_and_the_page_remembers_the_choice(
    page: Page, om: OrderManagement
) -> None:
    description = page.locator("#units-description")
    expect(description).to_have_text("J. P. Morgan: 1 tick = 0.01 USD, 1 lot = 0.001")
    page.fill("#trade-amount", "22")
    page.fill("#order-amount", "1.5")
    page.fill("#order-price", "20.255")
    page.get_by_role("button", name="Show ticks and lots").click()
    shows(page, "BUY", ("2,025", "20,000"), ("2,026", "10,000"))
    expect(page.locator("#trade-amount")).to_have_value("22,000")
    expect(page.locator("#order-amount")).to_have_value("1,500")
    expect(page.locator("#order-price")).to_have_value("20.255")  # not a price, so it stays as it is
    expect(page.locator("#quote dd").first).to_have_text("44,552,000")
    expect(page.get_by_label("Price (ticks)", exact=True)).to_be_visible()
    expect(page.locator("#order-price")).to_have_attribute("inputmode", "numeric")
    page.reload()
    shows(page, "BUY", ("2,025", "20,000"), ("2,026", "10,000"))
    add(page, "SELL", "1500", "1990")
    shows(page, "SELL", ("1,990", "1,500"))
    page.fill("#trade-amount", "22,000")
    page.get_by_role("button", name="Show decimals").click()
    shows(page, "SELL", ("19.90", "1.500"))
    expect(page.locator("#trade-amount")).to_have_value("22.000")
    expect(page.locator("#quote dd").first).to_have_text("445.52 USD")
    expect(page.get_by_label("Price (USD)", exact=True)).to_be_visible()
    expect(page.locator("#order-price")).to_have_attribute("inputmode", "decimal")


def test_a_symbol_without_an_instrument_has_ticks_and_lots(page: Page, om: OrderManagement) -> None:
    om.add_order(7, "IBM", Side.BUY, 3_000, 9_012)
    page.goto(page.url.replace("JPM", "IBM"))
    shows(page, "BUY", ("9,012", "3,000"))
    expect(page.locator("#units")).to_be_hidden()
    expect(page.locator("#total-name")).to_have_text("Total")
    add(page, "BUY", "1.5", "9012")
    expect(page.locator("#order-problem")).to_have_text("Amount must be a whole number, such as 1,200.")
    page.go_back()
    shows(page, "BUY", ("20.25", "20.000"), ("20.26", "10.000"))
    expect(page.locator("#units")).to_be_visible()


def test_a_new_order_is_in_the_units_of_its_own_symbol(page: Page, om: OrderManagement) -> None:
    om.set_instrument("BTC", Instrument("0.5", "0.00000001", currency="USDT"))
    page.fill("#order-symbol", "BTC")
    expect(page.get_by_label("Price (USDT)", exact=True)).to_be_visible()
    add(page, "BUY", "0.00000003", "100000.5", symbol="BTC", id=str(ID + 5))
    shows(page, "BUY", ("100,000.5", "0.00000003"))
    assert om.get_order(ID + 5) == Order(ID + 5, "BTC", Side.BUY, 3, 200_001)
    add(page, "BUY", "3", "100", symbol="IBM")
    expect(page.locator("#symbol")).to_have_text("IBM")
    shows(page, "BUY", ("100", "3"))


# ---------------------------------------------------------------------- an instrument that changes


def test_the_page_follows_a_conversion_of_the_orders(page: Page, om: OrderManagement) -> None:
    page.fill("#trade-amount", "22")
    expect(page.locator("#quote dd").first).to_have_text("445.52 USD")
    om.convert_orders("JPM", Instrument("0.001", "0.0001", currency="EUR"))
    shows(page, "BUY", ("20.250", "20.0000"), ("20.260", "10.0000"))
    expect(page.locator("#quote dd").first).to_have_text("445.520 EUR")
    add(page, "SELL", "1.5", "19.905")
    shows(page, "SELL", ("19.905", "1.5000"))
    assert om.best_price("JPM", Side.SELL) == 19_905


def test_a_trade_that_was_reviewed_before_a_conversion_is_not_placed(page: Page, om: OrderManagement) -> None:
    dialog = review(page, "22")
    om.convert_orders("JPM", Instrument("0.01", "0.0001", currency="USD"))
    dialog.get_by_role("button", name="Buy for").click()
    expect(dialog.get_by_role("alert")).to_have_text(CHANGED)
    dialog.get_by_role("button", name="Close").click()
    assert om.available_amount("JPM", Side.BUY) == 300_000


def test_a_number_that_was_typed_before_a_change_is_not_sent(page: Page, om: OrderManagement) -> None:
    page.fill("#trade-amount", "22")
    page.fill("#order-amount", "1")
    page.fill("#order-price", "19")
    choose(page, "order", "SELL")
    stale = page.evaluate("async () => await (await fetch('instruments?symbol=JPM')).text()")

    def respond(route: Route) -> None:
        route.fulfill(body=stale, content_type="application/json")

    for button, problem in (("Add the order", "#order-problem"), ("Review the trade", "#trade-problem")):
        page.route("**/instruments*", respond)  # the page does not notice the change in the meantime
        om.convert_orders("JPM", Instrument("0.001" if button.startswith("Add") else "0.01", "0.001"))
        page.wait_for_timeout(300)
        page.unroute("**/instruments*")
        page.get_by_role("button", name=button).click()
        expect(page.locator(problem)).to_have_text(CHANGED)
        stale = page.evaluate("async () => await (await fetch('instruments?symbol=JPM')).text()")
    assert len(om) == 2
    page.get_by_role("button", name="Add the order").click()
    shows(page, "SELL", ("19.00", "1.000"))


# ---------------------------------------------------------------------- exact arithmetic

sizes = st.tuples(st.integers(1, 10**6), st.integers(0, 9)).map(lambda pair: f"{exact_decimal(*pair):f}")
numbers = st.integers(0, 2**70) | st.integers(0, 2000)


@st.composite
def instruments(draw: st.DrawFn) -> Instrument:
    tick = draw(sizes)
    more = draw(st.none() | st.integers(0, 3))
    places = None if more is None else Size("tick_size", tick).decimals + more
    currency = draw(st.none() | st.just("USD"))
    return Instrument(tick, draw(sizes), currency=currency, price_decimals=places)


SHOWN = """async (requests) => {
  const { Decimals } = await import("/page/decimals.js");
  return requests.map(([fields, number, divisor]) => {
    const units = new Decimals(fields);
    const [value, lots] = [BigInt(number), BigInt(divisor)];
    const texts = [units.price(value), units.amount(value), units.money(value), units.average(value, lots)];
    return [...texts, String(units.readPrice(texts[0]).number), String(units.readAmount(texts[1]).number)];
  });
}"""


def fields_of(instrument: Instrument) -> dict[str, Any]:
    names = ("tick_size", "lot_size", "name", "currency", "price_decimals")
    return {name: getattr(instrument, name) for name in names}


@given(st.lists(st.tuples(instruments(), numbers, st.integers(1, 2**70)), max_size=20))
@settings(max_examples=25)
def test_the_page_shows_the_same_decimals_as_the_library(
    ladder: Page, requests: list[tuple[Instrument, int, int]]
) -> None:
    arguments = [[fields_of(each), str(number), str(lots)] for each, number, lots in requests]
    for (instrument, number, lots), shown in zip(requests, ladder.evaluate(SHOWN, arguments), strict=True):
        price, amount, money, average, ticks, read_lots = shown
        assert price == instrument.show_price(number)
        assert amount == instrument.show_amount(number)
        assert money == instrument.show_money(number)
        places = len(instrument.show_price(0).partition(".")[2]) + 2
        exact = Fraction(instrument.tick) * number / lots
        assert Fraction(average.replace(",", "")) == Fraction(
            (exact * 10**places + Fraction(1, 2)).__floor__(), 10**places
        )
        assert ticks == ("undefined" if number == 0 or number > HUGE else str(number))
        assert read_lots == ("undefined" if number == 0 else str(number))


READ = """async (requests) => {
  const { Decimals } = await import("/page/decimals.js");
  return requests.map(([fields, text]) => {
    const { number, problem } = new Decimals(fields).readAmount(text);
    return number === undefined ? problem : String(number);
  });
}"""
typed = st.tuples(st.integers(0, 10**12), st.integers(0, 12), st.booleans()).map(
    lambda each: (
        f"{exact_decimal(each[0], each[1]):,f}" if each[2] else f"{exact_decimal(each[0], each[1]):f}"
    )
)


@given(st.lists(st.tuples(instruments(), typed), max_size=20))
@settings(max_examples=25)
def test_a_typed_number_is_a_whole_number_of_lots_or_the_page_names_the_lots_around_it(
    ladder: Page, requests: list[tuple[Instrument, str]]
) -> None:
    arguments = [[fields_of(instrument), text] for instrument, text in requests]
    for (instrument, text), result in zip(requests, ladder.evaluate(READ, arguments), strict=True):
        lots = Fraction(text.replace(",", "")) / Fraction(instrument.lot)
        below = lots.__floor__()
        if lots.denominator > 1:
            around = f"{instrument.show_amount(below)} and {instrument.show_amount(below + 1)}"
            assert result == f"{text} is between the lots {around}."
        elif lots == 0:
            assert result == f"Amount must be at least {instrument.show_amount(1)}."
        else:
            assert result == str(below)


# ---------------------------------------------------------------------- everybody can use it


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_a_page_with_decimals_has_no_serious_accessibility_fault(
    browser: Browser, address: Address, om: OrderManagement, scheme: str, size: dict[str, int]
) -> None:
    om.add_order(ID, "JPM", Side.SELL, 5_000, 1990)
    om.place_trade("JPM", Side.SELL, 2_000)
    options: dict[str, Any] = {"color_scheme": scheme, "viewport": size, "bypass_csp": True}
    with visiting(browser, address.http, "/#/JPM", **options) as page:
        shows(page, "SELL", ("19.90", "3.000"))
        page.fill("#trade-amount", "22")
        expect(page.locator("#quote dd").first).to_have_text("445.52 USD")
        add(page, "BUY", "1", "20.255")
        expect(page.locator("#order-problem")).not_to_be_empty()
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
        assert serious_faults(page) == []
        page.get_by_role("button", name="Show ticks and lots").focus()
        page.keyboard.press("Enter")
        shows(page, "SELL", ("1,990", "3,000"))
        expect(page.get_by_role("button", name="Show decimals")).to_be_focused()
        assert serious_faults(page) == []


def test_hostile_texts_of_an_instrument_are_shown_as_text(page: Page, om: OrderManagement) -> None:
    text = "<img src=x onerror=alert(1)>"
    om.set_instrument("JPM", Instrument("0.01", "0.001", name=text, currency=text))
    page.reload()
    expect(page.locator("#units-description")).to_have_text(f"{text}: 1 tick = 0.01 <img src…, 1 lot = 0.001")
    page.fill("#trade-amount", "22")
    expect(page.locator("#quote dd").first).to_have_text(re.compile(r"^445\.52.<img src…$"))
    assert page.locator("img").count() == 1
