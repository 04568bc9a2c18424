"""The slowest order management that could be right: one plain list, sorted for every answer."""

from __future__ import annotations

from collections.abc import Iterable

from oms import (
    DuplicateOrderError,
    InsufficientLiquidityError,
    Order,
    OrderFill,
    OrderNotFoundError,
    PriceLevel,
    Side,
    Trade,
)


class Reference:
    """The verbs of OrderManagement, written down as plainly as possible."""

    def __init__(self) -> None:
        self.resting: list[Order] = []
        self.next_trade_id = 1

    def add_order(self, order_id: int, symbol: str, side: Side, amount: int, price: int) -> None:
        self.add_orders([Order(order_id, symbol, side, amount, price)])

    def add_orders(self, orders: Iterable[Order]) -> None:
        resting = list(self.resting)
        for order in orders:
            if any(order.order_id == other.order_id for other in resting):
                raise DuplicateOrderError(order.order_id)
            resting.append(order)
        self.resting = resting

    def remove_order(self, order_id: int) -> None:
        self.resting.remove(self.get_order(order_id))

    def remove_orders(self, symbol: str | None = None, side: Side | None = None) -> tuple[Order, ...]:
        removed = self.orders(symbol, side)
        for order in removed:
            self.resting.remove(order)
        return removed

    def amend_order(self, order_id: int, *, amount: int | None = None, price: int | None = None) -> Order:
        before = self.get_order(order_id)
        after = before._replace(amount=amount or before.amount, price=price or before.price)
        self.resting[self.resting.index(before)] = after
        return after

    def calculate_price(self, symbol: str, side: Side, amount: int) -> int:
        return sum(fill.amount * fill.price for fill in self.fills(symbol, side, amount))

    def place_trade(self, symbol: str, side: Side, amount: int) -> Trade:
        fills = self.fills(symbol, side, amount)
        total = self.calculate_price(symbol, side, amount)
        for fill in fills:
            left = self.get_order(fill.order_id).amount - fill.amount
            if left:
                self.amend_order(fill.order_id, amount=left)
            else:
                self.remove_order(fill.order_id)
        self.next_trade_id += 1
        return Trade(self.next_trade_id - 1, symbol, side, amount, total, fills)

    def get_order(self, order_id: int) -> Order:
        for order in self.resting:
            if order.order_id == order_id:
                return order
        raise OrderNotFoundError(order_id)

    def orders(self, symbol: str | None = None, side: Side | None = None) -> tuple[Order, ...]:
        return tuple(
            sorted(
                (
                    order
                    for order in self.resting
                    if symbol in (None, order.symbol) and side in (None, order.side)
                ),
                key=lambda order: (order.symbol, order.side is Side.SELL, *best_first(order)),
            )
        )

    def symbols(self) -> tuple[str, ...]:
        return tuple(sorted({order.symbol for order in self.resting}))

    def best_price(self, symbol: str, side: Side) -> int | None:
        orders = self.orders(symbol, side)
        return orders[0].price if orders else None

    def depth(self, symbol: str, side: Side, levels: int | None = None) -> tuple[PriceLevel, ...]:
        orders = self.orders(symbol, side)
        prices = list(dict.fromkeys(order.price for order in orders))[:levels]
        at = {price: [order.amount for order in orders if order.price == price] for price in prices}
        return tuple(PriceLevel(price, sum(at[price]), len(at[price])) for price in prices)

    def fills(self, symbol: str, side: Side, amount: int) -> tuple[OrderFill, ...]:
        fills, left = [], amount
        for order in self.orders(symbol, side):
            if left:
                taken = min(left, order.amount)
                fills.append(OrderFill(order.order_id, taken, order.price))
                left -= taken
        if left:
            raise InsufficientLiquidityError(symbol, side, amount, amount - left)
        return tuple(fills)


def best_first(order: Order) -> tuple[int, int]:
    """The order of trading: BUY from the lowest price up, SELL from the highest down, then by id."""
    return (order.price if order.side is Side.BUY else -order.price, order.order_id)
