"""The words of a feed, ask and bid, and the side of the library that each is."""

from __future__ import annotations

from oms import OrderManagement
from oms.feeds import ASK, BID, Level, Top


def test_asks_serve_buy_trades_and_bids_serve_sell_trades() -> None:
    om = OrderManagement()
    om.add_order(1, "X", ASK, 3, 101)
    om.add_order(2, "X", BID, 5, 99)
    asks, bids = om.quote("X", ASK, 1), om.quote("X", BID, 1)
    assert (asks.side.name, asks.best_price, bids.side.name, bids.best_price) == ("BUY", 101, "SELL", 99)


def test_the_top_of_a_book_has_none_for_an_empty_side() -> None:
    top = Top(buy=Level(price=101, amount=3), sell=None)
    assert top == ((101, 3), None)
