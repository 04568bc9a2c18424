"""How values are displayed in a terminal and in a notebook."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from sortedcontainers import SortedList

import oms
from oms import Order, OrderFill, OrderManagement, Side, Trade
from oms.matching import MatchingEngine
from oms.order_book import OrderBook
from support import strategies as our
from support.html import Page

BUY, SELL = Side

HOSTILE = "<script>alert('1')</script>&\"</td>"


def deep(levels: int = 1000, symbols: int = 1) -> OrderManagement:
    """Return books with the given number of levels per side and one order per level."""
    om = OrderManagement()
    om.add_orders(
        Order(2 * (n * symbols + m) + (side is SELL), f"S{m:04}", side, n + 1, price)
        for m in range(symbols)
        for n in range(levels)
        for side, price in ((BUY, 5000 + n), (SELL, 4990 - n))
    )
    return om


def page_of(value: Any) -> Page:
    return Page(value._repr_html_())


def in_rich(value: object) -> str:
    console = Console(width=100, record=True, file=None, quiet=False, force_terminal=False)
    with console.capture() as capture:
        console.print(value)
    return capture.get()


QUOTE = deep().quote("S0000", BUY, 22)
LONG_QUOTE = deep().quote("S0000", BUY, 400_000)
LONG_TRADE = deep().place_trade("S0000", SELL, 400_000)
EVERYTHING = [deep(), QUOTE, LONG_QUOTE, LONG_TRADE, OrderManagement()]


def test_a_ladder_shows_asks_above_bids_with_the_best_prices_next_to_the_spread() -> None:
    om = OrderManagement()
    om.add_orders(
        [Order(1, "JPM", BUY, 20, 20), Order(4, "JPM", BUY, 1000, 21), Order(2, "JPM", SELL, 15, 17)]
    )
    om.add_orders([Order(3, "JPM", SELL, 30, 16), Order(5, "JPM", SELL, 5, 17)])
    assert page_of(om).rows == [
        ["book", "price (ticks)", "orders", "amount (lots)", ""],
        ["BUY (asks)", "21", "1", "1,000", ""],
        ["BUY (asks)", "20", "1", "20", ""],
        ["spread", "3", "", "", ""],
        ["SELL (bids)", "17", "2", "20", ""],
        ["SELL (bids)", "16", "1", "30", ""],
    ]


def test_the_length_of_a_bar_is_proportional_to_its_share_of_the_largest_displayed_amount() -> None:
    om = OrderManagement()
    om.add_orders([Order(1, "JPM", BUY, 20, 20), Order(2, "JPM", SELL, 5, 17)])
    widths = [re.findall(r"(?<!-)width:([\d.]+)em", style) for style in page_of(om).styles]
    assert [width for (width,) in filter(None, widths)] == ["10.00", "2.50"]


@pytest.mark.parametrize("side", Side)
def test_a_book_with_one_side_has_no_spread(side: Side) -> None:
    om = OrderManagement()
    om.add_order(1, "JPM", side, 20, 20)
    assert ["spread", "none", "", "", ""] in page_of(om).rows
    assert len(page_of(om).rows) == 3


def test_one_order_in_one_book_is_counted_in_the_singular() -> None:
    om = OrderManagement()
    om.add_order(1, "JPM", BUY, 20, 20)
    assert repr(om) == "<OrderManagement: 1 order in 1 book>"
    om.add_orders(Order(n, "JPM", BUY, 20, 20 + n) for n in range(2, 12))
    assert page_of(om).rows[1][0] == "1 more level"


def test_an_order_of_an_engine_that_waits_for_its_stop_price_is_counted() -> None:
    engine = MatchingEngine()
    engine.submit("stop", "JPM", BUY, 5, stop_price=110)
    assert repr(engine) == "<MatchingEngine: 1 order in 0 books>"
    assert page_of(engine).text == "MatchingEngine: 1 order in 0 books"
    engine.submit("bid", "JPM", BUY, 5, 100)
    assert repr(engine) == "<MatchingEngine: 2 orders in 1 book>"
    assert dict(engine.__rich_repr__())["orders"] == len(engine) == 2


def test_an_empty_book_is_displayed_as_zero_orders_in_zero_books() -> None:
    assert page_of(OrderManagement()).text == "OrderManagement: 0 orders in 0 books"


@pytest.mark.parametrize("value", EVERYTHING, ids=lambda value: type(value).__name__)
def test_the_html_contains_no_scripts_no_style_sheets_and_no_external_resources(value: object) -> None:
    page = page_of(value)
    assert page.tags <= {"div", "p", "table", "caption", "tr", "th", "td"}
    assert page.attributes <= {"style"}
    assert not any("url" in style or "color:" in style for style in page.styles)
    assert all(re.search("background:#[0-9a-f]{6}", style) for style in page.styles if "background" in style)


@pytest.mark.parametrize("value", EVERYTHING, ids=lambda value: type(value).__name__)
def test_the_display_has_a_bounded_length_whatever_the_size_of_the_value(value: Any) -> None:
    assert len(value._repr_html_()) < 12_000
    assert len(repr(value)) < 1000
    assert len(in_rich(value)) < 2000


def test_ten_levels_per_side_are_displayed_and_the_others_are_counted() -> None:
    rows = page_of(deep()).rows
    assert rows[1] == ["990 more levels", "", "", "", ""] == rows[-1]
    assert [row[1] for row in rows[2:-1]] == [
        *(str(price) for price in map("{:,}".format, range(5009, 4999, -1))),
        "10",
        *(str(price) for price in map("{:,}".format, range(4990, 4980, -1))),
    ]


def test_three_symbols_are_displayed_and_the_other_books_are_counted() -> None:
    page = page_of(deep(levels=2, symbols=500))
    assert len(page.rows) == 3 * 6
    assert page.text.endswith("Not shown: 994 more books.")


def test_displaying_a_large_book_reads_only_the_displayed_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    om = deep(levels=3000)
    monkeypatch.setattr(OrderBook, "orders", None)
    monkeypatch.setattr(OrderBook, "rows", None)
    monkeypatch.setattr(OrderBook, "amounts", None)
    visits = 0
    islice_of = SortedList.islice

    def counting_islice(self: Any, start: int | None = None, stop: int | None = None) -> Any:
        nonlocal visits
        for each in islice_of(self, start, stop):
            visits += 1
            yield each

    monkeypatch.setattr(SortedList, "islice", counting_islice)
    monkeypatch.setattr(SortedList, "__iter__", None)
    om._repr_html_()
    repr(om)
    list(om.__rich_repr__())
    assert visits == 20


@pytest.mark.parametrize("symbol", [HOSTILE, "x" * 10_000, "日経 \0"])
def test_a_symbol_with_html_or_many_characters_is_displayed_as_harmless_short_text(symbol: str) -> None:
    om = OrderManagement()
    om.add_order(1, symbol, BUY, 20, 20)
    quote = om.quote(symbol, BUY, 1)
    for value in (om, quote, om.place_trade(symbol, BUY, 1)):
        assert "script" not in page_of(value).tags
        assert symbol.replace("\0", "")[:30] in page_of(value).text.replace("\ufffd", "").replace("\0", "")
        assert len(page_of(value).text) < 500
        assert len(repr(value)) < 600
        assert len(in_rich(value)) < 1500


def test_a_quote_is_displayed_with_its_figures_and_its_fills() -> None:
    om = OrderManagement()
    om.add_orders([Order(1, "JPM", BUY, 20, 20), Order(4, "JPM", BUY, 10, 21)])
    page = page_of(om.quote("JPM", BUY, 22))
    assert page.text.startswith("Quote: BUY JPM")
    assert ["total price (ticks x lots)", "442"] in page.rows
    assert ["average price (ticks)", "20.09"] in page.rows
    assert ["slippage (bps)", "45.45"] in page.rows
    assert page.rows[-2:] == [["order 1", "20", "20"], ["order 4", "2", "21"]]
    assert "more fills" not in page.text


def test_a_trade_is_displayed_with_its_figures_and_the_number_of_omitted_fills() -> None:
    page = page_of(LONG_TRADE)
    assert page.text.startswith("Trade 1: SELL S0000")
    assert ["amount (lots)", "400,000"] in page.rows
    assert page.text.endswith(f"{len(LONG_TRADE.fills) - 10:,} more fills are not shown.")


def default_repr(value: Any) -> str:
    fields = ", ".join(f"{name}={field!r}" for name, field in zip(value._fields, value, strict=True))
    return f"{type(value).__name__}({fields})"


@given(st.lists(st.builds(OrderFill, our.order_ids, our.amounts, our.prices), max_size=30), our.sides)
def test_a_repr_equals_that_of_a_named_tuple_but_omits_fills_after_the_tenth(
    fills: list[OrderFill], side: Side
) -> None:
    whole = default_repr(Trade(1, "JPM", side, 5, 100, tuple(fills)))
    text = repr(Trade(1, "JPM", side, 5, 100, tuple(fills)))
    if len(fills) <= 10:
        assert text == whole
    else:
        ten = default_repr(Trade(1, "JPM", side, 5, 100, tuple(fills[:10])))
        assert text == f"{ten[:-2]}, ... {len(fills) - 10} more))"


def test_a_full_repr_evaluates_to_the_same_value_and_a_truncated_repr_is_not_valid_python() -> None:
    text = repr(QUOTE).replace("<Side.BUY: 'BUY'>", "Side.BUY")
    assert eval(text, dict(vars(oms))) == QUOTE  # noqa: S307  # our own text
    with pytest.raises(SyntaxError):
        compile(repr(LONG_QUOTE), "", "eval")


def test_a_long_symbol_is_truncated_and_two_symbols_with_the_same_beginning_stay_separate() -> None:
    om = OrderManagement()
    om.add_order(1, "x" * 100 + "y", BUY, 20, 20)
    om.add_order(2, "x" * 100 + "z", BUY, 20, 21)
    assert f"symbol='{'x' * 60}' ... 41 more," in repr(om.quote("x" * 100 + "y", BUY, 1))
    *_, (_, best_prices) = om.__rich_repr__()
    assert isinstance(best_prices, dict)
    assert list(best_prices.values()) == [{"BUY": 20}, {"BUY": 21}]


def test_an_amount_with_thousands_of_digits_is_displayed_as_its_number_of_bits() -> None:
    om = OrderManagement()
    om.add_order(1, "JPM", BUY, 20, 20)
    quote = om.quote("JPM", BUY, 10**5000, allow_partial=True)
    assert "requested=<an int of 16610 bits>" in repr(quote)
    assert ["requested (lots)", "<an int of 16610 bits>"] in page_of(quote).rows


@given(st.integers(1, 2**256 - 1))
def test_a_total_of_up_to_256_bits_is_displayed_exactly(total: int) -> None:
    trade = Trade(1, "JPM", BUY, 1, total, ())
    assert f"total_price={total}," in repr(trade)
    assert f"{total:,}" in page_of(trade).text


def test_rich_displays_the_same_fields_and_does_not_read_a_symbol_as_markup() -> None:
    om = deep(levels=2, symbols=500)
    om.add_order(10**6, "[red]", BUY, 1, 1)
    assert "orders=2001" in in_rich(om)
    assert "'S0000': {'BUY': 5000, 'SELL': 4990}" in in_rich(om)
    assert "S0003" not in in_rich(om)
    assert "'[red]'" in in_rich(om.quote("[red]", BUY, 1))
    assert "... 884 more" in in_rich(LONG_QUOTE)


def test_displaying_a_book_inside_a_what_if_changes_nothing() -> None:
    om = deep(levels=2)
    before = om.state_hash()
    with om.what_if():
        om.remove_orders("S0000", BUY)
        assert ["spread", "none", "", "", ""] in page_of(om).rows
    assert om.state_hash() == before


def test_a_subclass_is_displayed_with_its_own_name() -> None:
    class Desk(OrderManagement):
        pass

    assert repr(Desk()) == "<Desk: 0 orders in 0 books>"
    assert page_of(Desk()).text.startswith("Desk:")
