"""The books of one shard, which reject orders in symbols of other shards.

The problem: a gateway sends each order to the shard of its symbol, but a client can also send an order
directly to a worker. In the wrong shard, the order would create a second book of the symbol, which most
requests never reach.

The solution: the books reject an order for a symbol that belongs to another shard, as they reject any other
invalid order. Orders that are read from the log need no check. They were checked when they were added, and
the number of shards never changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from oms.cluster.ownership.shards import Shards
from oms.errors import InvalidOrderError
from oms.events import Journal
from oms.facade import Facade
from oms.frames import Frame
from oms.management import OrderManagement
from oms.matching import MatchingEngine
from oms.models import Order, Side
from oms.order_rows import as_rows
from oms.submission import Execution

__all__ = ["ShardBooks", "ShardEngine", "SymbolCheck", "symbol_check"]

SymbolCheck = Callable[[object], None]
"""A function that raises InvalidOrderError for a symbol of another shard."""


def symbol_check(shard: str, shards: Shards) -> SymbolCheck:
    """Return the function that checks whether a symbol belongs to a shard.

    >>> check = symbol_check("s1", Shards(["s1", "s2"]))
    >>> check("JPM")
    >>> check("AAPL")  # doctest: +NORMALIZE_WHITESPACE
    Traceback (most recent call last):
    oms.errors.InvalidOrderError: symbol must be a symbol of shard s1, not 'AAPL' (str); send the order to
    shard s2, or to a gateway

    """

    def check(symbol: object) -> None:
        is_text = isinstance(symbol, str) and symbol  # the books reject everything else
        if is_text and (other := shards.of(str(symbol))) != shard:
            remedy = f"send the order to shard {other}, or to a gateway"
            raise InvalidOrderError("symbol", symbol, f"a symbol of shard {shard}", remedy)

    return check


class _OfOneShard(Facade):
    """Books that accept only orders whose symbols pass `check`."""

    def __init__(self, journal: Journal, check: SymbolCheck, **options: Any) -> None:
        super().__init__(journal, **options)
        self._check_symbol = check


class ShardBooks(_OfOneShard, OrderManagement):
    """The OrderManagement of one shard."""

    def add_order(self, order_id: int, symbol: str, side: Side, amount: int, price: int) -> None:
        """Add a resting order, as `OrderManagement.add_order` does."""
        self._check_symbol(symbol)
        super().add_order(order_id, symbol, side, amount, price)

    def add_orders(self, orders: Iterable[Order] | Mapping[str, object] | Frame) -> None:
        """Add many orders at once, as `OrderManagement.add_orders` does."""
        rows = [Order(*row) for row in as_rows(orders)]
        for symbol in {row.symbol for row in rows}:
            self._check_symbol(symbol)
        super().add_orders(rows)


class ShardEngine(_OfOneShard, MatchingEngine):
    """The MatchingEngine of one shard."""

    def submit(self, order_id: Any, symbol: str, *order: Any, **options: Any) -> Execution:
        """Submit an order, as `MatchingEngine.submit` does."""
        self._check_symbol(symbol)
        return super().submit(order_id, symbol, *order, **options)
