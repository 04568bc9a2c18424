"""The depth chart and the cost curve show the exact state of the stream."""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import accumulate, pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser, Page, expect

from oms import Instrument, MatchingEngine, Order, OrderManagement, Side
from oms.models import PriceLevel
from support import engine_page, ladder_page
from support.api_server import Address
from support.book_commands import commands, run
from support.chromium import visiting
from support.ladder_page import DESK, HUGE, choose, serious_faults, shows

pytestmark = pytest.mark.long

browser = ladder_page.browser
om = ladder_page.om
address = ladder_page.address
worked_example = ladder_page.worked_example
page = ladder_page.page
ladder = ladder_page.ladder
engine = engine_page.engine
open_address = engine_page.open_address


def summaries(page: Page) -> list[str]:
    return page.locator("#depth-summary p").all_inner_texts()


# ---------------------------------------------------------------------- the numbers

positive = st.integers(1, 30) | st.integers(2**53, HUGE)

SUMS = """async ([levels, amounts]) => {
  const { costOf, sumsOf } = await import("/page/cost.js");
  const sums = sumsOf(levels.map(([price, amount]) => ({ price: BigInt(price), amount: BigInt(amount) })));
  return [
    sums.map(({ price, amount, total }) => [price, amount, total].map(String)),
    amounts.map((amount) => costOf(sums, BigInt(amount)))
      .map((cost) => cost && [cost.total, cost.worst].map(String)),
  ];
}"""


@given(
    levels=st.lists(st.tuples(positive, positive), min_size=1, max_size=12, unique_by=lambda level: level[0]),
    side=st.sampled_from(Side),
    shares=st.lists(st.fractions(0, 1, max_denominator=99), min_size=1, max_size=8),
)
@settings(max_examples=25)
def test_the_cost_of_an_amount_is_that_of_the_library(
    ladder: Page, levels: list[tuple[int, int]], side: Side, shares: list[Fraction]
) -> None:
    levels.sort(reverse=side is Side.SELL)
    om = OrderManagement()
    om.add_orders(Order(n, "JPM", side, amount, price) for n, (price, amount) in enumerate(levels))
    available = om.available_amount("JPM", side)
    amounts = [1, available, *(max(1, int(share * available)) for share in shares)]
    texts = (
        [[str(price), str(amount)] for price, amount in levels],
        [str(n) for n in [*amounts, available + 1]],
    )
    sums, costs = ladder.evaluate(SUMS, texts)
    curve = om.price_curve("JPM", side)
    assert [[int(text) for text in row] for row in sums] == [
        list(row)
        for row in zip(curve["price"], curve["cumulative_amount"], curve["cumulative_price"], strict=True)
    ]
    assert costs.pop() is None
    quotes = [om.quote("JPM", side, amount) for amount in amounts]
    assert costs == [[str(quote.total_price), str(quote.worst_price)] for quote in quotes]


AXIS = """async ([least, most, count, numbers]) => {
  const { Axis, axisAround } = await import("/page/axis.js");
  const axis = new Axis(BigInt(least), BigInt(most));
  const around = axisAround(BigInt(least), BigInt(most));
  return [
    axis.marks(count).map(String),
    numbers.map(([dividend, divisor]) => axis.at(BigInt(dividend), BigInt(divisor))),
    [around.least, around.most].map(String),
  ];
}"""
whole = st.integers(0, 200) | st.integers(0, 2**130)


@given(st.tuples(whole, whole).filter(lambda ends: ends[0] != ends[1]), st.integers(1, 6), st.data())
@settings(max_examples=25)
def test_an_axis_has_exact_positions_and_round_marks(
    ladder: Page, ends: tuple[int, int], count: int, data: st.DataObject
) -> None:
    least, most = sorted(ends)
    divisors = data.draw(st.lists(st.integers(1, 2**70), max_size=8))
    shares = [data.draw(st.fractions(0, 1, max_denominator=99)) for _ in divisors]
    numbers = [
        (int((least + (most - least) * share) * divisor) + 1, divisor)
        for share, divisor in zip(shares, divisors, strict=True)
    ]
    texts = [str(least), str(most), count, [[str(each) for each in number] for number in numbers]]
    marks, positions, around = ladder.evaluate(AXIS, texts)
    marks = [int(mark) for mark in marks]
    assert len(marks) <= count
    assert all(least <= mark <= most for mark in marks)
    if len(marks) > 1:
        (step,) = {later - earlier for earlier, later in pairwise(marks)}
        assert str(step).rstrip("0") in {"1", "2", "5"}
        assert all(mark % step == 0 for mark in marks)
    for (dividend, divisor), position in zip(numbers, positions, strict=True):
        exact = (Fraction(dividend, divisor) - least) / (most - least)
        assert abs(Fraction(position) - exact) <= Fraction(1, 900_000)
    assert 0 <= int(around[0]) <= least < most < int(around[1])


IN_CHART = """async (prices) => {
  const { levelsInChart } = await import("/page/chart_levels.js");
  return levelsInChart(prices.map((price) => ({ price: BigInt(price) }))).map(({ price }) => String(price));
}"""


def in_chart(levels: tuple[PriceLevel, ...]) -> tuple[PriceLevel, ...]:
    """Return the levels that the charts show."""
    levels = levels[:50]
    if len(levels) < 3:
        return levels
    farthest = 10 * abs(levels[len(levels) // 2].price - levels[0].price)
    return tuple(level for level in levels if abs(level.price - levels[0].price) <= farthest)


@given(prices=st.sets(st.integers(1, 300) | positive, max_size=70), falling=st.booleans())
@example(prices={10, 11, 20}, falling=False)
@example(prices={10, 11, 21}, falling=False)
@settings(max_examples=25)
def test_a_chart_shows_the_best_levels_that_are_not_far_from_the_others(
    ladder: Page, prices: set[int], falling: bool
) -> None:
    levels = tuple(PriceLevel(price, 1, 1) for price in sorted(prices, reverse=falling))
    shown = ladder.evaluate(IN_CHART, [str(level.price) for level in levels])
    assert shown == [str(level.price) for level in in_chart(levels)]


# ---------------------------------------------------------------------- the page


def test_the_charts_follow_each_change_of_the_book(page: Page, om: OrderManagement) -> None:
    depth, cost = page.locator("#depth-summary"), page.locator("#cost-summary")
    expect(depth).to_have_text("Bids: noneAsks: 30 from 20 to 21")
    expect(cost).to_have_text("Buying all 30 costs 610, on average 20.3333.")
    om.add_order(5, "JPM", Side.SELL, 5, 19)
    expect(depth).to_have_text("Bids: 5 from 19 to 19Asks: 30 from 20 to 21")
    om.place_trade("JPM", Side.BUY, 22)
    expect(depth).to_have_text("Bids: 5 from 19 to 19Asks: 8 from 21 to 21")
    expect(cost).to_have_text("Buying all 8 costs 168, on average 21.0000.")
    om.remove_orders()
    expect(depth).to_have_text("Bids: noneAsks: none")
    expect(cost).to_have_text("There are no asks.")
    expect(page.locator(".plot path")).to_have_count(0)


def test_the_cost_curve_marks_the_amount_in_the_form_at_its_exact_cost(
    page: Page, om: OrderManagement
) -> None:
    om.add_order(7, "JPM", Side.SELL, HUGE, HUGE - 3)
    cost, dot = page.locator("#cost-summary"), page.locator("#cost-plot .dot")
    expect(dot).to_have_count(0)
    page.fill("#trade-amount", "22")
    expect(cost).to_have_text("Buying 22 costs 442, on average 20.0909.")
    expect(dot).to_have_count(1)
    page.fill("#trade-amount", "31")
    expect(cost).to_have_text("Only 30 of 31 are in the asks.")
    expect(dot).to_have_count(0)
    choose(page, "trade", "SELL")
    total = f"{31 * (HUGE - 3):,}"
    expect(cost).to_have_text(f"Selling 31 brings {total}, on average {HUGE - 3:,}.0000.")
    page.locator("#cost-form label[data-side=BUY]").click()
    expect(cost).to_have_text("Buying all 30 costs 610, on average 20.3333.")  # the form is about selling
    page.fill("#trade-amount", "")
    page.locator("#cost-form label[data-side=SELL]").click()
    expect(cost).to_contain_text(f"Selling all {HUGE:,} brings {HUGE * (HUGE - 3):,}")


def test_the_charts_show_decimals_with_their_units_or_ticks_and_lots(page: Page, om: OrderManagement) -> None:
    om.set_instrument("XYZ", Instrument("0.01", "0.5", currency="USD"))
    om.add_orders([Order(11, "XYZ", Side.BUY, 20, 20), Order(12, "XYZ", Side.BUY, 10, 21)])
    page.goto(page.url.replace("JPM", "XYZ"))
    page.fill("#trade-amount", "11")
    expect(page.locator("#cost-summary")).to_have_text("Buying 11.0 costs 2.21 USD, on average 0.2009.")
    expect(page.locator("#depth-BUY")).to_have_text("Asks: 15.0 from 0.20 to 0.21")
    assert page.locator(".axis").all_inner_texts() == [
        "Sum of the amounts",
        "Price (USD)",
        "Average price (USD)",
        "Amount",
    ]
    page.locator("#cost-form").get_by_text("Total").click()
    expect(page.locator("#cost-y")).to_have_text("Total (USD)")
    page.get_by_role("button", name="Show ticks and lots").click()
    expect(page.locator("#cost-summary")).to_have_text("Buying 22 costs 442, on average 20.0909.")
    expect(page.locator("#depth-BUY")).to_have_text("Asks: 30 from 20 to 21")
    assert page.locator(".axis").all_inner_texts() == [
        "Sum of the amounts (lots)",
        "Price (ticks)",
        "Total",
        "Amount (lots)",
    ]


def test_a_far_order_is_left_out_of_the_charts_but_not_of_the_cost(page: Page, om: OrderManagement) -> None:
    om.add_order(5, "JPM", Side.BUY, 1, HUGE)
    expect(page.locator("#depth-BUY")).to_have_text(
        "Asks: 30 from 20 to 21. 1 more level is outside the chart"
    )
    expect(page.locator("#cost-summary")).to_contain_text(f"Buying all 31 costs {610 + HUGE:,}")
    expect(page.locator("#cost-plot .line")).to_have_count(1)


def test_another_symbol_starts_with_empty_charts(page: Page) -> None:
    expect(page.locator("#depth-plot .line")).to_have_count(1)
    page.route_web_socket("**/stream?symbol=IBM", lambda _silent: None)
    page.goto(page.url.replace("JPM", "IBM"))
    expect(page.locator("#symbol")).to_have_text("IBM")
    assert summaries(page) == ["", ""]
    expect(page.locator(".plot path")).to_have_count(0)


@given(st.lists(commands, min_size=8, max_size=30))
@settings(max_examples=15)
def test_the_tables_of_the_charts_show_the_depth_and_the_curve_of_the_book(
    browser: Browser, address: Address, om: OrderManagement, ladder: Page, changes: list[Any]
) -> None:
    om.remove_orders()
    run(om, changes)
    om.add_order(10**6, "JPM", Side.SELL, 1, 1)  # a known last change
    expect(ladder.locator("#sequence")).to_have_text(f"#{om.last_sequence:,}")
    ladder.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    expected = []
    for side, name in ((Side.SELL, "Bids"), (Side.BUY, "Asks")):
        levels = in_chart(om.depth("JPM", side))
        amounts = accumulate(level.amount for level in levels)
        expected += [
            [name, f"{level.price:,}", f"{sum_:,}"] for level, sum_ in zip(levels, amounts, strict=True)
        ]
    expect(ladder.locator("#depth-table tbody tr")).to_have_count(len(expected))
    assert table(ladder, "depth") == expected
    curve, shown = om.price_curve("JPM", Side.BUY), len(in_chart(om.depth("JPM", Side.BUY)))
    columns = (curve[name] for name in ("price", "cumulative_amount", "cumulative_price"))
    costs = [[f"{number:,}" for number in row] for row in zip(*columns, strict=True)]
    assert [row[:3] for row in table(ladder, "cost")] == costs[:shown]


def table(page: Page, name: str) -> list[list[str]]:
    script = "rows => rows.map((row) => [...row.cells].map((cell) => cell.textContent))"
    texts: list[list[str]] = page.locator(f"#{name}-table tbody tr").evaluate_all(script)
    return texts


COUNT = """() => {
  window.frames_ = 0;
  window.drawings = 0;
  const count = () => { window.frames_ += 1; requestAnimationFrame(count); };
  requestAnimationFrame(count);
  const observer = new MutationObserver((changes) => {
    window.drawings += changes.filter(({ target }) => target.tagName === "svg").length;
  });
  observer.observe(document.getElementById("depth-plot"), { childList: true, subtree: true });
}"""


def test_many_changes_at_once_are_drawn_at_most_once_per_frame(page: Page, om: OrderManagement) -> None:
    expect(page.locator("#depth-plot .line")).to_have_count(1)
    page.evaluate(COUNT)
    for number in range(300):
        om.add_order(1_000 + number, "JPM", Side.SELL, 1, 1 + number % 19)
    expect(page.locator("#depth-SELL")).to_have_text("Bids: 300 from 19 to 1")
    drawings, frames = page.evaluate("[window.drawings, window.frames_]")
    assert 0 < drawings <= frames + 1


def test_the_charts_of_an_engine_show_the_visible_amounts(
    browser: Browser, open_address: Address, engine: MatchingEngine
) -> None:
    engine.submit("a", "JPM", Side.SELL, 30, 101, display=10)
    engine.submit("b", "JPM", Side.BUY, 5, 99)
    with visiting(browser, open_address.http, "/#/JPM") as page:
        expect(page.locator("#depth-summary")).to_have_text("Bids: 5 from 99 to 99Asks: 10 from 101 to 101")
        expect(page.locator("#cost-caption")).to_contain_text("Hidden amounts are not included.")
        page.fill("#order-amount", "3")
        expect(page.locator("#cost-summary")).to_have_text("Buying 3 costs 303, on average 101.0000.")
        choose(page, "order", "SELL")
        expect(page.locator("#cost-summary")).to_have_text("Selling 3 brings 297, on average 99.0000.")
        engine.cancel("b")
        expect(page.locator("#cost-summary")).to_have_text("There are no bids.")


@pytest.mark.parametrize("width", [390, 1280, 1800])
def test_the_charts_fit_and_have_no_serious_accessibility_fault(
    browser: Browser, address: Address, om: OrderManagement, width: int
) -> None:
    om.add_orders(Order(HUGE - n, "JPM", Side.SELL, HUGE - n, 19 - n) for n in range(9))
    size = {"width": width, "height": DESK["height"]}
    with visiting(browser, address.http, "/#/JPM", viewport=size, bypass_csp=True) as page:
        shows(page, "BUY", ("20", "20"), ("21", "10"))
        page.locator("#cost-form").get_by_text("Sell to bids").click()
        for name in ("Depth as a table", "Cost as a table"):
            page.get_by_text(name).click()
        expect(page.locator("#cost-table tbody tr")).to_have_count(9)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            assert serious_faults(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        depth = page.get_by_role("img", name="Depth")
        expect(depth).to_have_accessible_description(re.compile("^Bids: .* Asks: 30 from 20 to 21$"))
        cost = page.get_by_role("img", name="Cost")
        expect(cost).to_have_accessible_description(re.compile("^Selling all "))
