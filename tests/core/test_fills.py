"""The fills of events, for each symbol and each owner."""

from __future__ import annotations

from oms import Event, MatchingEngine, OrderManagement, Side
from oms.fills import fills_of

BUY, SELL = Side


def test_both_parties_of_a_fill_are_listed_with_their_signs_and_roles() -> None:
    engine = MatchingEngine()
    events: list[Event] = []
    engine.subscribe(events.append)
    engine.submit(1, "JPM", BUY, 5, 100, owner="Ann")
    engine.submit(2, "JPM", BUY, 5, 99)
    engine.submit(3, "JPM", SELL, 7, 99, owner="Bob")
    fills, last_prices, traded = fills_of(events)
    assert {symbol: dict(owners) for symbol, owners in fills.items()} == {
        "JPM": {
            "Bob": [(-5, 100, True), (-2, 99, True)],
            "Ann": [(5, 100, False)],
            None: [(2, 99, False)],
        }
    }
    assert last_prices == {"JPM": 99}
    assert [event.sequence for event in traded] == [3]


def test_a_trade_of_an_order_management_is_one_of_the_owner_none_as_the_taker() -> None:
    om = OrderManagement()
    events: list[Event] = []
    om.subscribe(events.append)
    om.add_order(1, "JPM", SELL, 5, 100)
    om.add_order(2, "JPM", SELL, 5, 99)
    om.place_trade("JPM", SELL, 7)
    om.remove_order(2)
    fills, last_prices, traded = fills_of(events)
    assert {symbol: dict(owners) for symbol, owners in fills.items()} == {
        "JPM": {None: [(-5, 100, True), (-2, 99, True)]}
    }
    assert last_prices == {"JPM": 99}
    assert [event.sequence for event in traded] == [3]


def test_triggered_stop_orders_trade_in_the_same_event() -> None:
    engine = MatchingEngine()
    events: list[Event] = []
    engine.submit("ask", "JPM", SELL, 5, 100, owner="Ann")
    engine.submit("ask-2", "JPM", SELL, 5, 101, owner="Ann")
    engine.submit("stop", "JPM", BUY, 4, stop_price=100, owner="Cid")
    engine.subscribe(events.append)
    engine.submit("bid", "JPM", BUY, 2, 100, owner="Bob")
    fills, last_prices, traded = fills_of(events)
    assert fills["JPM"]["Cid"] == [(3, 100, True), (1, 101, True)]
    assert last_prices == {"JPM": 101}
    assert traded == events
