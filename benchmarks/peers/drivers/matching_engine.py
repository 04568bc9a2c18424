"""matching-engine: a deterministic engine in pure Python (sorted keys over levels, each a linked queue).

Its design is the closest to this project. Every call is a numbered command. Only the engine in the process is
measured, without its log and its gateway. There is no quote, so the driver walks the levels, which have
totals. License: MIT. Measured as 0.1.1 (needs Python 3.12).
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from peers.driver import Driver


class MatchingEngine(Driver):
    """An engine that takes commands and returns events."""

    package = "matching-engine"
    module = "matching_engine.engine"
    core = "Python"
    license = "MIT"
    lacks = "a quote"
    needs = (3, 12)

    def __init__(self) -> None:
        words = import_module("matching_engine.domain")
        engine = import_module(self.module).MatchingEngine()
        self._process, self._book = engine.process, engine.book
        self._command, self._new, self._cancel = words.SequencedCommand, words.NewOrder, words.CancelOrder
        self._buy, self._sell = words.Side.BUY, words.Side.SELL
        self._limit, self._market = words.OrderType.LIMIT, words.OrderType.MARKET
        self._rests, self._crosses = words.TimeInForce.GTC, words.TimeInForce.IOC
        self._anybody = words.SelfTradePrevention.NONE
        self._sequence = 0

    def add(self, order_id: int, bid: bool, amount: int, price: int) -> None:
        self._sequence = number = self._sequence + 1
        order = self._new(
            order_id=order_id,
            account=1,
            side=self._buy if bid else self._sell,
            qty=amount,
            order_type=self._limit,
            price=price,
            tif=self._rests,
            stp=self._anybody,
        )
        self._process(self._command(seq=number, ts=number, command=order))

    def remove(self, order_id: int) -> None:
        self._sequence = number = self._sequence + 1
        self._process(
            self._command(seq=number, ts=number, command=self._cancel(order_id=order_id, account=1))
        )

    def quote(self, buy: bool, amount: int) -> Any:
        side = self._book.asks if buy else self._book.bids
        levels, total = side.levels, 0
        for key in side.keys:
            level = levels[key]
            resting = level.qty
            if resting >= amount:
                return total + level.price * amount
            total += level.price * resting
            amount -= resting
        raise ValueError("not enough")

    def trade(self, buy: bool, amount: int) -> Any:
        self._sequence = number = self._sequence + 1
        order = self._new(
            order_id=10**12 + number,
            account=2,
            side=self._buy if buy else self._sell,
            qty=amount,
            order_type=self._market,
            price=0,
            tif=self._crosses,
            stp=self._anybody,
        )
        return self._process(self._command(seq=number, ts=number, command=order))

    def paid(self, result: Any) -> float:
        return float(sum(event.price * event.qty for event in result if hasattr(event, "trade_id")))
