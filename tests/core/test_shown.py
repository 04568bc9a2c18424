"""Books, quotes, and trades in decimals, as a terminal and a notebook show them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from oms import Instrument, InvalidArgumentError, Order, OrderManagement, Side
from oms.ladder import as_fields, as_html
from support.html import Page

BUY, SELL = Side
DOLLARS = Instrument("0.01", "0.5", currency="USD")


def books() -> OrderManagement:
    om = OrderManagement(instruments={"JPM": DOLLARS})
    om.add_orders(
        [
            Order(1, "JPM", BUY, 2000, 200_005),
            Order(4, "JPM", BUY, 3, 200_100),
            Order(2, "JPM", SELL, 15, 199_900),
        ]
    )
    om.add_order(3, "IBM", BUY, 7, 1234)
    return om


def test_a_ladder_is_in_the_decimals_of_its_symbol_and_without_an_instrument_in_ticks() -> None:
    ibm = [
        ["book", "price (ticks)", "orders", "amount (lots)", ""],
        ["BUY (asks)", "1,234", "1", "7", ""],
        ["spread", "none", "", "", ""],
    ]
    assert Page(as_html(books())).rows == [
        *ibm,
        ["book", "price (USD)", "orders", "amount", ""],
        ["BUY (asks)", "2,001.00", "1", "1.5", ""],
        ["BUY (asks)", "2,000.05", "1", "1,000.0", ""],
        ["spread", "1.05", "", "", ""],
        ["SELL (bids)", "1,999.00", "1", "7.5", ""],
    ]
    assert Page(books()._repr_html_()).rows == Page(as_html(books())).rows
    assert Page(as_html(books(), ticks=True)).rows[3:] == [
        ["book", "price (ticks)", "orders", "amount (lots)", ""],
        ["BUY (asks)", "200,100", "1", "3", ""],
        ["BUY (asks)", "200,005", "1", "2,000", ""],
        ["spread", "105", "", "", ""],
        ["SELL (bids)", "199,900", "1", "15", ""],
    ]


def test_the_best_prices_of_a_symbol_with_an_instrument_are_decimals_for_rich() -> None:
    best = {"IBM": {"BUY": 1234}, "JPM": {"BUY": Decimal("2000.05"), "SELL": Decimal("1999.00")}}
    assert dict(books().__rich_repr__())["best_prices"] == best
    best["JPM"] = {"BUY": 200_005, "SELL": 199_900}
    assert dict(as_fields(books(), ticks=True))["best_prices"] == best


def test_a_quote_is_shown_in_decimals() -> None:
    om = books()
    quote = om.quote("JPM", BUY, 2005, allow_partial=True)
    shown = om.in_decimals(quote)
    assert repr(shown) == (
        "<Quote: BUY JPM, requested 1,002.5, amount 1,001.5, total price 2,003,051.50 USD, "
        "average price 2,000.0514, shortfall 1.0, best price 2,000.05, worst price 2,001.00, price levels 2, "
        "slippage 1.425 USD, slippage (bps) 0.01>"
    )
    assert (shown.value, shown.instrument) == (quote, DOLLARS)
    page = Page(shown._repr_html_())
    assert page.text.startswith("Quote: BUY JPM")
    assert ["total price", "2,003,051.50 USD"] in page.rows
    assert page.rows[-3:] == [
        ["", "amount", "price (USD)"],
        ["order 1", "1,000.0", "2,000.05"],
        ["order 4", "1.5", "2,001.00"],
    ]


def test_a_trade_is_shown_in_decimals_and_its_omitted_fills_are_counted() -> None:
    om = OrderManagement(instruments={"JPM": DOLLARS})
    om.add_orders(Order(n, "JPM", BUY, 1, 2000 + n) for n in range(1000))
    shown = om.in_decimals(om.place_trade("JPM", BUY, 1000))
    assert repr(shown) == "<Trade 1: BUY JPM, amount 500.0, total price 12,497.50 USD, average price 24.9950>"
    page = Page(shown._repr_html_())
    assert page.text.endswith("990 more fills are not shown.")
    assert len(page.rows) == 3 + 1 + 10 + 1


def test_without_an_instrument_a_trade_is_shown_in_ticks_and_lots() -> None:
    om = books()
    text = "<Trade 1: BUY IBM, amount 7, total price 8,638, average price 1,234.00>"
    assert repr(om.in_decimals(om.place_trade("IBM", BUY, 7))) == text


@pytest.mark.parametrize("symbol", ["<script>alert('1')</script>&\"</td>", "x" * 10_000])
def test_a_symbol_with_html_or_many_characters_is_shown_as_harmless_short_text(symbol: str) -> None:
    om = OrderManagement(instruments={symbol: Instrument("0.01", currency=symbol)})
    om.add_order(1, symbol, BUY, 20, 20)
    for html in (as_html(om), om.in_decimals(om.quote(symbol, BUY, 1))._repr_html_()):
        assert "script" not in Page(html).tags
        assert len(Page(html).text) < 1000
    assert len(repr(om.in_decimals(om.quote(symbol, BUY, 1)))) < 1000


@pytest.mark.parametrize("value", [None, 5, Order(1, "JPM", BUY, 1, 1), (1, "JPM")])
def test_only_a_quote_or_a_trade_can_be_shown_in_decimals(value: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="value must be a Quote or a Trade, not"):
        books().in_decimals(value)
