"""The best prices of a symbol's two books, and the spread, mid price, imbalance, and microprice."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

__all__ = ["TopOfBook"]


class TopOfBook(NamedTuple):
    """The best bid and the best ask of a symbol, with the total amount at each.

    `bid` and `ask` are prices in ticks, and `bid_amount` and `ask_amount` are amounts in lots. If a side is
    empty, its price is None and its amount is 0. The properties are then None, too, because each of them
    depends on both sides. The books may be crossed: then the bid is above the ask.

    All numbers are exact. A number that is not always whole is a Fraction. Use `float` to display it.

    >>> top = TopOfBook("JPM", bid=19, ask=20, bid_amount=15, ask_amount=5)
    >>> top.spread, top.mid, top.imbalance, top.microprice
    (1, Fraction(39, 2), Fraction(1, 2), Fraction(79, 4))

    """

    symbol: str
    bid: int | None
    ask: int | None
    bid_amount: int
    ask_amount: int

    @property
    def spread(self) -> int | None:
        """The best ask minus the best bid, in ticks. It is negative if the books are crossed."""
        return None if self.bid is None or self.ask is None else self.ask - self.bid

    @property
    def mid(self) -> Fraction | None:
        """The mid price in ticks, (bid + ask) / 2. It may lie halfway between two ticks."""
        return None if self.bid is None or self.ask is None else Fraction(self.bid + self.ask, 2)

    @property
    def imbalance(self) -> Fraction | None:
        """The imbalance of the amounts, from -1 (all are asks) to 1 (all are bids).

        It is (bid_amount - ask_amount) / (bid_amount + ask_amount), as in Cartea, Donnelly, and Jaimungal,
        "Enhancing trading strategies with order book signals", Applied Mathematical Finance 25 (2018).
        """
        if self.bid is None or self.ask is None:
            return None
        return Fraction(self.bid_amount - self.ask_amount, self.bid_amount + self.ask_amount)

    @property
    def microprice(self) -> Fraction | None:
        """The mid price weighted by the amounts, in ticks. It is nearer to the side with the smaller amount.

        It is (bid * ask_amount + ask * bid_amount) / (bid_amount + ask_amount), the micro-price of Gatheral
        and Oomen, "Zero-intelligence realized variance estimation", Finance and Stochastics 14 (2010).
        Stoikov, "The micro-price", Quantitative Finance 18 (2018), calls it the weighted mid-price.
        """
        if self.bid is None or self.ask is None:
            return None
        weighted = self.bid * self.ask_amount + self.ask * self.bid_amount
        return Fraction(weighted, self.bid_amount + self.ask_amount)
