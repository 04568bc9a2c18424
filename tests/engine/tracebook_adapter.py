"""A MatchingEngine behind the interface of the conformance runner of `tracebook-conformance`."""

from __future__ import annotations

from decimal import Decimal

from tracebook.conformance import (
    BookSnapshot,
    BookState,
    ConformanceConfig,
    EngineMetadata,
    Observation,
    Outcome,
    RestingOrder,
    TradeFill,
    canonical_decimal,
)
from tracebook.core.order import NO_OWNER, OrderType, SelfTradePolicy
from tracebook.events import MarketEvent

import oms
from oms import DuplicateOrderError, OmsError, OrderNotFoundError, Side
from oms.matching import MatchingEngine
from oms.submission import Execution, OrderId, SelfTradePrevention, TimeInForce
from support.engine_queue import queue

__all__ = ["TracebookAdapter"]

POLICIES = {
    SelfTradePolicy.NONE: SelfTradePrevention.NONE,
    SelfTradePolicy.CANCEL_RESTING: SelfTradePrevention.CANCEL_OLDEST,
    SelfTradePolicy.CANCEL_INCOMING: SelfTradePrevention.CANCEL_NEWEST,
}
TIMES = {OrderType.IOC: TimeInForce.IOC, OrderType.FOK: TimeInForce.FOK}
LOTS = 12  # decimals of an amount


class TracebookAdapter:
    """A MatchingEngine behind the interface of the conformance runner.

    The runner's ids are unique per symbol. So the id here is the symbol and the runner's id.
    """

    metadata = EngineMetadata("oms", oms.__version__, "Python")

    def __init__(self, config: ConformanceConfig) -> None:
        assert config.matching_algorithm == "fifo"
        self.engine = MatchingEngine(self_trade_prevention=POLICIES[config.self_trade_policy])
        self.tick = config.tick_size
        self.symbols: set[str] = set()

    def apply(self, event: MarketEvent, index: int) -> Observation:
        trades: tuple[TradeFill, ...] = ()
        if event.op in ("new", "clear"):
            self.symbols.add(event.symbol)
        try:
            execution = self.execute(event, f"{event.symbol}/{event.order_id}")
            outcome = Outcome("applied")
            trades = () if execution is None else self.trades(execution)
        except DuplicateOrderError:
            outcome = Outcome("rejected", "DUPLICATE_ORDER_ID")
        except OrderNotFoundError:
            outcome = Outcome("rejected", "ORDER_NOT_ACTIVE")
        except OmsError:
            outcome = Outcome("rejected", "INVALID_REPLACEMENT" if event.op == "replace" else "INVALID_ORDER")
        state = self.snapshot()
        return Observation(index, outcome, trades, state.digest(), state.order_count)

    def execute(self, event: MarketEvent, order_id: str) -> Execution | None:
        amount = 0 if event.quantity is None else int(Decimal(str(event.quantity)).scaleb(LOTS))
        price = None if event.price is None else round(event.price / self.tick)
        match event.op:
            case "new":
                return self.engine.submit(
                    order_id,
                    event.symbol,
                    Side(event.side.name if event.side else ""),
                    amount,
                    None if event.order_type is OrderType.MARKET else price,
                    time_in_force=TIMES.get(event.order_type, TimeInForce.GTC),
                    owner=None if event.owner == NO_OWNER else str(event.owner),
                )
            case "replace":
                return self.engine.replace(order_id, amount=amount or None, price=price)
            case "reduce" if amount != self.engine.order(order_id).remaining:
                self.engine.reduce(order_id, amount)
            case "reduce" | "cancel":
                self.engine.cancel(order_id)
            case _:
                self.engine.cancel_all(event.symbol)
        return None

    def trades(self, execution: Execution) -> tuple[TradeFill, ...]:
        trades: list[TradeFill] = []
        for fill in execution.fills:
            ids = own_id(execution.order_id), own_id(fill.order_id)
            buyer, seller = ids if execution.side is Side.BUY else ids[::-1]
            price, amount = self.price_text(fill.price), amount_text(fill.amount)
            trades.append(TradeFill(execution.symbol, buyer, seller, price, amount))
        return tuple(trades)

    def snapshot(self) -> BookState:
        return BookState(
            tuple(
                BookSnapshot(symbol, self.queue(symbol, Side.BUY), self.queue(symbol, Side.SELL))
                for symbol in sorted(self.symbols)
            )
        )

    def queue(self, symbol: str, side: Side) -> tuple[RestingOrder, ...]:
        return tuple(
            RestingOrder(
                own_id(order_id),
                self.price_text(price),
                amount_text(amount),
                int(self.engine.order(order_id).order.owner or NO_OWNER),
            )
            for order_id, amount, price in queue(self.engine, symbol, side)
        )

    def price_text(self, ticks: int) -> str:
        return canonical_decimal(ticks * Decimal(str(self.tick)))

    def close(self) -> None:
        self.engine.close()


def own_id(order_id: OrderId) -> int:
    return int(str(order_id).rpartition("/")[2])


def amount_text(lots: int) -> str:
    return canonical_decimal(Decimal(lots).scaleb(-LOTS))
