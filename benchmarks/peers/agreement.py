"""Check that a driver answers like a plain list. A driver that answers differently is not timed."""

from __future__ import annotations

import random
from collections.abc import Iterator

from peers.driver import CannotAnswerError, Driver
from peers.workload import Resting, Source, consumed

ORDERS, REMOVED, QUOTES, TRADES = 1_000, 300, 200, 40


class PlainBook:
    """The simplest correct book: a list that is sorted for each question."""

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
    """Describe the first answer that differs from the plain book's; return None if all agree."""
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
    yield from quoted_differently(driver, plain, chance)
    try:
        yield from traded_differently(driver, plain, chance)
    except CannotAnswerError:
        return
    yield from quoted_differently(driver, plain, chance)


def quoted_differently(driver: Driver, plain: PlainBook, chance: random.Random) -> Iterator[str]:
    """Yield each difference in quotes: small amounts and large ones, on both sides."""
    answered = 0
    for turn in range(QUOTES):
        buy = chance.random() < 0.5
        amount = chance.randint(1, plain.resting(buy) if turn % 2 else 120)
        try:
            answer = driver.cost(driver.quote(buy, amount), amount)
        except CannotAnswerError:
            continue
        answered += 1
        if differs(answer, plain.quote(buy, amount)):
            yield f"quote {amount}: {answer}, not {plain.quote(buy, amount)}"
    if not answered:
        yield "no quote was answered"


def traded_differently(driver: Driver, plain: PlainBook, chance: random.Random) -> Iterator[str]:
    """Yield each difference in trades of about 10 orders, if the library reports fills."""
    for _ in range(TRADES):
        buy, amount = chance.random() < 0.5, chance.randint(1, 500)
        if plain.resting(buy) <= amount:
            continue
        answer, paid = driver.paid(driver.trade(buy, amount)), plain.trade(buy, amount)
        if answer is not None and differs(answer, paid):
            yield f"trade {amount}: {answer}, not {paid}"


def differs(answer: float, expected: int) -> bool:
    """Return True if two prices differ by more than a float's rounding error."""
    return abs(answer - expected) > 1e-9 * expected
