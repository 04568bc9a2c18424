"""The traders of a simulated market, one at a time against a book."""

from __future__ import annotations

import pytest

from oms import Event, MatchingEngine, Side, TimeInForce
from oms.engine_events import EngineEvent
from oms.simulation import Agent, FundamentalValue, InformedTrader, MarketMaker, NoiseTrader

NOW = 1_000_000_000_000


class StillValue(FundamentalValue):
    """A value of 100 that becomes a different value at one step."""

    def __init__(self, later: int, step: int) -> None:
        super().__init__(1, 100)
        self.later = later
        self.step = step

    def at(self, step: int) -> int:
        return self.later if step >= self.step else 100


@pytest.fixture
def engine() -> MatchingEngine:
    """Return an engine with 500 lots at each of ten prices around 100."""
    engine = MatchingEngine()
    for distance in range(1, 6):
        engine.submit(f"ask-{distance}", "XYZ", Side.SELL, 500, 100 + distance, owner="others")
        engine.submit(f"bid-{distance}", "XYZ", Side.BUY, 500, 100 - distance, owner="others")
    return engine


def follow(engine: MatchingEngine, agent: Agent) -> list[EngineEvent]:
    """Publish the engine's events to an agent, and return the list that collects them."""
    events: list[EngineEvent] = []

    def publish(event: Event) -> None:
        assert isinstance(event, EngineEvent)
        events.append(event)
        agent.on_event(event)

    engine.subscribe(publish)
    return events


def act(engine: MatchingEngine, agent: Agent, steps: int) -> list[EngineEvent]:
    events = follow(engine, agent)
    for step in range(1, steps + 1):
        agent.act(engine, step, NOW + step)
    return events


# ------------------------------------------------------------------ noise traders


def test_a_noise_trader_submits_both_kinds_of_orders_on_both_sides(engine: MatchingEngine) -> None:
    trader = NoiseTrader("noise", "XYZ", seed=1)
    events = act(engine, trader, 8_000)
    orders = [event.orders[0] for event in events]
    assert 150 < len(orders) < 250
    kinds = {(order.side, order.price is None) for order in orders}
    assert len(kinds) == 4
    assert {order.amount for order in orders} == set(range(1, trader.largest + 1))
    assert {order.owner for order in orders} == {"noise"}


def test_a_limit_order_of_a_noise_trader_rests_near_the_best_price_and_expires(
    engine: MatchingEngine,
) -> None:
    trader = NoiseTrader("noise", "XYZ", seed=1)
    trader.every = 1
    for step in range(1, 50):
        best = {side: engine.best_price("XYZ", side.opposite) for side in Side}
        trader.act(engine, step, NOW)
        resting = engine.orders(owner="noise")
        for open_order in resting:
            order, price = open_order.order, best[open_order.order.side]
            assert order.price is not None
            assert price is not None
            assert 0 <= order.side.sign * (price - order.price) < trader.distance
            assert (order.time_in_force, order.expires) == (TimeInForce.GTD, NOW + trader.patience)
        engine.cancel_all(owner="noise")


def test_a_noise_trader_with_a_large_position_trades_back(engine: MatchingEngine) -> None:
    trader = NoiseTrader("noise", "XYZ", seed=1)
    for position, side in ((10 * trader.largest, Side.SELL), (-10 * trader.largest, Side.BUY)):
        trader.position = position
        events = act(engine, trader, 1_000)
        assert {event.orders[0].side for event in events} == {side}


def test_a_noise_trader_submits_no_limit_order_to_an_empty_book() -> None:
    engine = MatchingEngine()
    events = act(engine, NoiseTrader("noise", "XYZ", seed=1), 1_000)
    assert events == []
    assert len(engine) == 0


# ------------------------------------------------------------------ informed traders


@pytest.mark.parametrize(("later", "side"), [(110, Side.BUY), (90, Side.SELL)])
def test_an_informed_trader_trades_toward_the_future_value(
    engine: MatchingEngine, later: int, side: Side
) -> None:
    value = StillValue(later, step=1_000)
    trader = InformedTrader("informed", "XYZ", 1, value)
    assert act(engine, trader, 1_000 - trader.lead - 1) == []
    for step in range(1_000 - trader.lead, 5_000):
        trader.act(engine, step, NOW)
    assert engine.best_price("XYZ", side) is None, "every price was wrong"
    assert engine.best_price("XYZ", side.opposite) == 100 - side.sign


def test_an_informed_trader_leaves_prices_within_the_margin_alone(engine: MatchingEngine) -> None:
    trader = InformedTrader("informed", "XYZ", 1, StillValue(104, step=0))
    act(engine, trader, 5_000)
    assert engine.best_price("XYZ", Side.BUY) == 104 - trader.margin + 1
    assert engine.orders(owner="informed") == ()


# ------------------------------------------------------------------ market makers


@pytest.fixture
def maker() -> MarketMaker:
    return MarketMaker("maker", "XYZ", 1, 1_000)


def quotes(engine: MatchingEngine) -> dict[Side, tuple[int, int | None]]:
    """Return the amount and the price of each quote of the market maker."""
    orders = engine.orders(owner="maker")
    return {order.order.side: (order.remaining, order.price) for order in orders}


def test_a_market_maker_quotes_both_sides_and_leaves_good_quotes_alone(maker: MarketMaker) -> None:
    engine = MatchingEngine()
    events = act(engine, maker, 3)
    assert quotes(engine) == {Side.BUY: (40, 996), Side.SELL: (40, 1_004)}
    assert len(events) == 2


@pytest.mark.parametrize("side", Side)
def test_a_market_maker_moves_and_refills_its_quotes_after_a_trade(maker: MarketMaker, side: Side) -> None:
    engine = MatchingEngine()
    act(engine, maker, 1)
    engine.submit("taker", "XYZ", side, 16, owner="others")
    maker.act(engine, 2, NOW)
    # 16 lots move the estimate by 16 * 3 / 16 = 3 ticks, in the direction of the taker.
    middle = 1_000 + side.sign * 3
    assert quotes(engine) == {Side.BUY: (40, middle - 4), Side.SELL: (40, middle + 4)}


@pytest.mark.parametrize("sign", [1, -1])
def test_a_market_maker_quotes_lower_if_it_has_bought_and_higher_if_it_has_sold(
    maker: MarketMaker, sign: int
) -> None:
    engine = MatchingEngine()
    maker.position = sign * 100
    maker.act(engine, 1, NOW)
    middle = 1_000 - sign * 2
    assert quotes(engine) == {Side.BUY: (40, middle - 4), Side.SELL: (40, middle + 4)}


@pytest.mark.parametrize("sign", [1, -1])
def test_a_market_maker_does_not_quote_beyond_its_limit(maker: MarketMaker, sign: int) -> None:
    engine = MatchingEngine()
    maker.act(engine, 1, NOW)
    maker.position = sign * (maker.limit - 5)
    maker.act(engine, 2, NOW)
    side = Side.BUY if sign == 1 else Side.SELL
    assert quotes(engine)[side][0] == 5
    maker.position = sign * maker.limit
    maker.act(engine, 3, NOW)
    assert quotes(engine).keys() == {side.opposite}
    maker.act(engine, 4, NOW)
    assert quotes(engine).keys() == {side.opposite}


def test_a_quote_that_would_trade_slides_and_returns_when_the_other_order_leaves(maker: MarketMaker) -> None:
    engine = MatchingEngine()
    engine.submit("stale", "XYZ", Side.SELL, 10, 990)
    maker.act(engine, 1, NOW)
    assert quotes(engine)[Side.BUY] == (40, 989)
    engine.cancel("stale")
    maker.act(engine, 2, NOW)
    assert quotes(engine)[Side.BUY] == (40, 996)


def test_the_quotes_of_a_market_maker_are_at_least_one_tick(maker: MarketMaker) -> None:
    engine = MatchingEngine()
    poor = MarketMaker("maker", "XYZ", 1, 1)
    poor.act(engine, 1, NOW)
    assert quotes(engine) == {Side.BUY: (40, 1), Side.SELL: (40, 5)}
    follow(engine, poor)
    engine.submit("taker", "XYZ", Side.SELL, 40, owner="others")
    poor.act(engine, 2, NOW)
    assert quotes(engine) == {Side.BUY: (40, 1), Side.SELL: (40, 5)}
