"""Does a driver say what a plain list says? One that does not is not timed."""

from __future__ import annotations

import random
from collections.abc import Iterator

from peers.driver import CannotAnswerError, Driver
from peers.workload import Resting, Source, consumed

ORDERS, REMOVED, QUOTES, TRADES = 1_000, 300, 200, 40


class PlainBook:
    """The slowest book that could be right: a list, sorted at each question."""

    def __init__(self, orders: list[Resting]) -> None:
        self._orders = orders

    def resting(self, buy: bool) -> int:
        """How much a buyer or a seller finds."""
        return sum(order.amount for order in consumed(self._orders, buy))

    def quote(self, buy: bool, amount: int) -> int:
        """What an amount costs."""
        total = 0
        for order in consumed(self._orders, buy):
            taken = min(order.amount, amount)
            total += taken * order.price
            amount -= taken
        return total

    def trade(self, buy: bool, amount: int) -> int:
        """What it cost, now that it is gone."""
        paid = self.quote(buy, amount)
        for order in consumed(self._orders, buy):
            taken = min(order.amount, amount)
            amount -= taken
            if taken:
                self._orders.remove(order)
                if taken < order.amount:
                    self._orders.append(order._replace(amount=order.amount - taken))
        return paid


def disagreement(kind: type[Driver]) -> str | None:
    """The first answer of a driver that differs from the plain book's, in words; None if all agree."""
    orders, chance = Source(seed=7).draw(ORDERS), random.Random(7)
    driver = kind()
    try:
        for order in orders:
            driver.add(*order)
        gone = set(chance.sample(range(1, ORDERS + 1), REMOVED))
        for order_id in sorted(gone):
            driver.remove(order_id)
        plain = PlainBook([order for order in orders if order.order_id not in gone])
        return next(differences(driver, plain, chance), None)
    finally:
        driver.close()


def differences(driver: Driver, plain: PlainBook, chance: random.Random) -> Iterator[str]:
    """Quotes, then trades, then quotes of what is left."""
    yield from quoted_differently(driver, plain, chance)
    try:
        yield from traded_differently(driver, plain, chance)
    except CannotAnswerError:
        return
    yield from quoted_differently(driver, plain, chance)


def quoted_differently(driver: Driver, plain: PlainBook, chance: random.Random) -> Iterator[str]:
    """Small amounts and amounts up to the whole side, from both sides."""
    answered = 0
    for turn in range(QUOTES):
        buy = chance.random() < 0.5
        amount = chance.randint(1, plain.resting(buy) if turn % 2 else 120)
        try:
            said = driver.cost(driver.quote(buy, amount), amount)
        except CannotAnswerError:
            continue
        answered += 1
        if differs(said, plain.quote(buy, amount)):
            yield f"quote {amount}: {said}, not {plain.quote(buy, amount)}"
    if not answered:
        yield "no quote was answered"


def traded_differently(driver: Driver, plain: PlainBook, chance: random.Random) -> Iterator[str]:
    """Trades of some 10 orders, compared where the library tells its fills."""
    for _ in range(TRADES):
        buy, amount = chance.random() < 0.5, chance.randint(1, 500)
        if plain.resting(buy) <= amount:
            continue
        said, paid = driver.paid(driver.trade(buy, amount)), plain.trade(buy, amount)
        if said is not None and differs(said, paid):
            yield f"trade {amount}: {said}, not {paid}"


def differs(said: float, right: int) -> bool:
    """Floats are forgiven their last digits, whole numbers nothing past them."""
    return abs(said - right) > 1e-9 * right
