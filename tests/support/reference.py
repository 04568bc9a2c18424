"""A naive reference for OrderManagement: a plain list of orders that is sorted again for every query."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from oms import (
    DuplicateOrderError,
    InsufficientLiquidityError,
    Order,
    OrderFill,
    OrderNotFoundError,
    PriceBoundError,
    PriceLevel,
    Quote,
    Side,
    TopOfBook,
    Trade,
)


class Reference:
    """The methods of OrderManagement, written as simply as possible."""

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
        return self.quote(symbol, side, amount).total_price

    def calculate_prices(self, symbol: str, side: Side, amounts: Iterable[int]) -> list[int]:
        return [self.calculate_price(symbol, side, amount) for amount in amounts]

    def place_trade(
        self,
        symbol: str,
        side: Side,
        amount: int,
        *,
        limit_price: int | None = None,
        max_total_price: int | None = None,
        min_total_price: int | None = None,
        allow_partial: bool = False,
    ) -> Trade:
        quote = self.quote(symbol, side, amount, limit_price=limit_price, allow_partial=allow_partial)
        if max_total_price is not None and quote.total_price > max_total_price:
            raise PriceBoundError("max_total_price", max_total_price, quote.total_price)
        if min_total_price is not None and quote.total_price < min_total_price:
            raise PriceBoundError("min_total_price", min_total_price, quote.total_price)
        for fill in quote.fills:
            remaining = self.get_order(fill.order_id).amount - fill.amount
            if remaining:
                self.amend_order(fill.order_id, amount=remaining)
            else:
                self.remove_order(fill.order_id)
        self.next_trade_id += 1
        trade_id = self.next_trade_id - 1
        return Trade(trade_id, symbol, side, quote.amount, quote.total_price, quote.fills)

    def quote(
        self,
        symbol: str,
        side: Side,
        amount: int,
        *,
        limit_price: int | None = None,
        allow_partial: bool = False,
    ) -> Quote:
        fills, remaining = [], amount
        for order in self.orders_within(symbol, side, limit_price):
            if remaining:
                filled = min(remaining, order.amount)
                fills.append(OrderFill(order.order_id, filled, order.price))
                remaining -= filled
        if not fills or (remaining and not allow_partial):
            raise InsufficientLiquidityError(symbol, side, amount, amount - remaining)
        prices = [fill.price for fill in fills]
        total = sum(fill.amount * fill.price for fill in fills)
        return Quote(
            symbol,
            side,
            amount,
            amount - remaining,
            remaining,
            total,
            prices[0],
            prices[-1],
            len(set(prices)),
            tuple(fills),
        )

    def price_curve(self, symbol: str, side: Side, levels: int | None = None) -> dict[str, list[int]]:
        depth = self.depth(symbol, side, levels)
        amounts = [sum(level.amount for level in depth[: n + 1]) for n in range(len(depth))]
        return {
            "price": [level.price for level in depth],
            "amount": [level.amount for level in depth],
            "cumulative_amount": amounts,
            "cumulative_price": [self.calculate_price(symbol, side, amount) for amount in amounts],
        }

    def available_amount(self, symbol: str, side: Side, *, limit_price: int | None = None) -> int:
        return sum(order.amount for order in self.orders_within(symbol, side, limit_price))

    def calculate_amount(
        self, symbol: str, side: Side, budget: int, *, limit_price: int | None = None
    ) -> int:
        available = self.available_amount(symbol, side, limit_price=limit_price)

        def cost(amount: int) -> int:
            return self.calculate_price(symbol, side, amount) if amount else 0

        if side is Side.BUY:
            return largest(available, lambda amount: cost(amount) <= budget)
        if cost(available) < budget:
            raise InsufficientLiquidityError(symbol, side, budget, cost(available), "money")
        return largest(available, lambda amount: cost(amount) < budget) + 1

    def amount_within(self, symbol: str, side: Side, max_slippage_bps: int) -> int:
        def holds(amount: int) -> bool:
            quote = self.quote(symbol, side, amount)
            at_best = amount * quote.best_price
            return abs(quote.total_price - at_best) * 10_000 <= max_slippage_bps * at_best

        return largest(self.available_amount(symbol, side), holds)

    def get_order(self, order_id: int) -> Order:
        for order in self.resting:
            if order.order_id == order_id:
                return order
        raise OrderNotFoundError(order_id)

    def queue_ahead(self, order_id: int) -> tuple[int, int]:
        order = self.get_order(order_id)
        ahead = [
            other.amount
            for other in self.orders(order.symbol, order.side)
            if other.price == order.price and other.order_id < order_id
        ]
        return len(ahead), sum(ahead)

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

    def top(self, symbol: str) -> TopOfBook:
        asks, bids = (self.depth(symbol, side, 1) for side in (Side.BUY, Side.SELL))
        bid, bid_amount = (bids[0].price, bids[0].amount) if bids else (None, 0)
        ask, ask_amount = (asks[0].price, asks[0].amount) if asks else (None, 0)
        return TopOfBook(symbol, bid, ask, bid_amount, ask_amount)

    def depth(self, symbol: str, side: Side, levels: int | None = None) -> tuple[PriceLevel, ...]:
        orders = self.orders(symbol, side)
        prices = list(dict.fromkeys(order.price for order in orders))[:levels]
        at = {price: [order.amount for order in orders if order.price == price] for price in prices}
        return tuple(PriceLevel(price, sum(at[price]), len(at[price])) for price in prices)

    def orders_within(self, symbol: str, side: Side, limit_price: int | None) -> list[Order]:
        """Return the orders at the limit price or a better price."""
        return [
            order
            for order in self.orders(symbol, side)
            if limit_price is None
            or (order.price <= limit_price if side is Side.BUY else order.price >= limit_price)
        ]


def largest(most: int, holds: Callable[[int], bool]) -> int:
    """Return the largest n in 1..most for which `holds` is true for all of 1..n, or 0 if there is none.

    If `most` is below 400, try the numbers one by one. Otherwise, bisect.
    """
    if most < 400:
        amount = 0
        while amount < most and holds(amount + 1):
            amount += 1
        return amount
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if holds(middle) else (low, middle - 1)
    return low


def best_first(order: Order) -> tuple[int, int]:
    """Return the sort key of price-time priority: the best price first, then the lowest id.

    The best price is the lowest one on the BUY side, and the highest one on the SELL side.
    """
    return (order.price if order.side is Side.BUY else -order.price, order.order_id)
