"""The check that a driver returns the same results as a plain list. Other drivers are not timed."""

from __future__ import annotations

import random
from collections.abc import Iterator

from peers.driver import Driver, UnsupportedError
from peers.workload import Resting, Source, consumed

ORDERS, REMOVED, QUOTES, TRADES = 1_000, 300, 200, 40


class PlainBook:
    """The simplest correct book: a list that is sorted for each query."""

    def __init__(self, orders: list[Resting]) -> None:
        self._orders = orders

    def resting(self, buy: bool) -> int:
        """Return the amount that a buyer or a seller can trade."""
        return sum(order.amount for order in consumed(self._orders, buy))

    def quote(self, buy: bool, amount: int) -> int:
        """Return the total price of an amount."""
        total = 0
        for order in consumed(self._orders, buy):
            filled = min(order.amount, amount)
            total += filled * order.price
            amount -= filled
        return total

    def trade(self, buy: bool, amount: int) -> int:
        """Remove an amount from the book and return its total price."""
        paid = self.quote(buy, amount)
        for order in consumed(self._orders, buy):
            filled = min(order.amount, amount)
            amount -= filled
            if filled:
                self._orders.remove(order)
                if filled < order.amount:
                    self._orders.append(order._replace(amount=order.amount - filled))
        return paid


def disagreement(kind: type[Driver]) -> str | None:
    """Return a description of the first result that differs from the plain book, or None if all agree."""
    orders, chance = Source(seed=7).draw(ORDERS), random.Random(7)
    driver = kind()
    try:
        for order in orders:
            driver.add(*order)
        removed_ids = set(chance.sample(range(1, ORDERS + 1), REMOVED))
        for order_id in sorted(removed_ids):
            driver.remove(order_id)
        plain = PlainBook([order for order in orders if order.order_id not in removed_ids])
        return next(differences(driver, plain, chance), None)
    finally:
        driver.close()


def differences(driver: Driver, plain: PlainBook, chance: random.Random) -> Iterator[str]:
    """Yield each difference in quotes, then in trades, then in quotes of the remaining book."""
    yield from quote_differences(driver, plain, chance)
    try:
        yield from trade_differences(driver, plain, chance)
    except UnsupportedError:
        return
    yield from quote_differences(driver, plain, chance)


def quote_differences(driver: Driver, plain: PlainBook, chance: random.Random) -> Iterator[str]:
    """Yield each difference in quotes of small and large amounts, on both sides."""
    quotes = 0
    for turn in range(QUOTES):
        buy = chance.random() < 0.5
        amount = chance.randint(1, plain.resting(buy) if turn % 2 else 120)
        try:
            price = driver.cost(driver.quote(buy, amount), amount)
        except UnsupportedError:
            continue
        quotes += 1
        if differs(price, plain.quote(buy, amount)):
            yield f"quote {amount}: {price}, not {plain.quote(buy, amount)}"
    if not quotes:
        yield "no quote was returned"


def trade_differences(driver: Driver, plain: PlainBook, chance: random.Random) -> Iterator[str]:
    """Yield each difference in trades of about 10 orders, if the library reports fills."""
    for _ in range(TRADES):
        buy, amount = chance.random() < 0.5, chance.randint(1, 500)
        if plain.resting(buy) <= amount:
            continue
        price, paid = driver.paid(driver.trade(buy, amount)), plain.trade(buy, amount)
        if price is not None and differs(price, paid):
            yield f"trade {amount}: {price}, not {paid}"


def differs(price: float, expected: int) -> bool:
    """Return True if two prices differ by more than a float's rounding error."""
    return abs(price - expected) > 1e-9 * expected
