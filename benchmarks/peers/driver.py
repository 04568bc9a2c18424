"""The interface of a driver: one book of one symbol, held by one library through its public calls."""

from __future__ import annotations

from typing import Any, ClassVar


class CannotAnswerError(NotImplementedError):
    """The library cannot do this; the table shows a dash."""


class Driver:
    """One book, and the facts about the library that holds it.

    The words are those of market data. A bid rests to buy, and an ask to sell. A buyer consumes asks, the
    lowest first, and a seller consumes bids, the highest first. Importing a driver does not import its
    library; creating a book does.
    """

    package: ClassVar[str]
    """The package to install."""
    module: ClassVar[str]
    """The module to import."""
    core: ClassVar[str]
    """The programming language of the book."""
    license: ClassVar[str]
    lacks: ClassVar[str]
    """What the library lacks compared with others, as text for the table."""
    needs: ClassVar[tuple[int, int]] = (3, 11)
    """The oldest Python that the newest release supports."""

    def add(self, order_id: int, bid: bool, amount: int, price: int) -> None:
        """Add an order."""
        raise NotImplementedError

    def remove(self, order_id: int) -> None:
        """Remove a resting order."""
        raise NotImplementedError

    def quote(self, buy: bool, amount: int) -> Any:
        """Return the price of an amount in whatever form the library has."""
        raise NotImplementedError

    def cost(self, quoted: Any, amount: int) -> float:
        """Convert a quote for this amount to a total price."""
        del amount
        return float(quoted)

    def trade(self, buy: bool, amount: int) -> Any:
        """Consume the best orders; return the fills if the library reports them."""
        raise CannotAnswerError("no trades")

    def paid(self, traded: Any) -> float | None:
        """Return the total price of a trade's fills; None if the library reports no fills."""
        del traded
        return None

    def close(self) -> None:
        """Release threads, files, and the like."""
