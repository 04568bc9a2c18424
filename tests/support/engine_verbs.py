"""Verbs of a matching engine, and a small engine in which each of them changes something."""

from __future__ import annotations

from collections.abc import Callable

from oms import Side
from oms.matching import MatchingEngine
from oms.submission import PostOnly, SelfTradePrevention, TimeInForce

__all__ = ["VERBS", "Verb", "after", "small_engine"]

BUY, SELL = Side.BUY, Side.SELL
Verb = Callable[[MatchingEngine], object]

VERBS: dict[str, Verb] = {
    "submit, rests": lambda engine: engine.submit("x", "JPM", BUY, 5, 100),
    "submit, new book": lambda engine: engine.submit("x", "NEW", SELL, 5, 100, display=2),
    "submit, part of an order": lambda engine: engine.submit("x", "JPM", BUY, 1, 101),
    "submit, several prices": lambda engine: engine.submit("x", "JPM", BUY, 16, 103),
    "submit, own order": lambda engine: engine.submit("x", "JPM", BUY, 4, 102, owner="me"),
    "submit, triggers stops": lambda engine: engine.submit("x", "JPM", SELL, 4),
    "submit, waits": lambda engine: engine.submit("x", "JPM", BUY, 4, 110, stop_price=105),
    "submit, slides": lambda engine: engine.submit("x", "JPM", BUY, 4, 102, post_only=PostOnly.SLIDE),
    "submit, fill or kill": lambda engine: engine.submit(
        "x", "JPM", BUY, 12, 103, time_in_force=TimeInForce.FOK
    ),
    "reduce": lambda engine: engine.reduce("iceberg", 7),
    "reduce, waits": lambda engine: engine.reduce("stop", 1),
    "replace, rests": lambda engine: engine.replace("iceberg", price=104),
    "replace, crosses": lambda engine: engine.replace("bid", price=102, amount=6),
    "cancel": lambda engine: engine.cancel("iceberg"),
    "cancel, waits": lambda engine: engine.cancel("stop"),
    "cancel_all": lambda engine: engine.cancel_all("JPM"),
    "expire": lambda engine: engine.expire(9),
    "end_day": lambda engine: engine.end_day(),
}


def small_engine(prevention: SelfTradePrevention = SelfTradePrevention.DECREMENT) -> MatchingEngine:
    """Return an engine with icebergs, stops, owners, and orders that expire, which counts the open orders."""
    engine = MatchingEngine(self_trade_prevention=prevention)
    engine.submit("iceberg", "JPM", SELL, 9, 101, display=3)
    engine.submit("mine", "JPM", SELL, 6, 101, owner="me", time_in_force=TimeInForce.GTD, expires=9)
    engine.submit("day", "JPM", SELL, 2, 103, time_in_force=TimeInForce.DAY)
    engine.submit("bid", "JPM", BUY, 3, 99)
    engine.submit("low bid", "JPM", BUY, 3, 98, time_in_force=TimeInForce.GTD, expires=8)
    engine.submit("stop", "JPM", SELL, 2, stop_price=99)
    engine.submit("stop limit", "JPM", SELL, 2, 97, stop_price=98)
    engine.submit("other", "IBM", BUY, 1, 50)
    engine.submit("t", "JPM", BUY, 1, 101)
    engine._books.open_usage()
    return engine


def after(verb: str) -> str:
    engine = small_engine()
    VERBS[verb](engine)
    return engine.state_hash()
