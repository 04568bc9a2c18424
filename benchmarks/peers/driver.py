"""The interface of a driver: one book of one symbol in one library, used through its public methods."""

from __future__ import annotations

from typing import Any, ClassVar


class UnsupportedError(NotImplementedError):
    """The library cannot do this, so the table shows a dash."""


class Driver:
    """One book, and facts about the library that implements the book.

    A driver uses the terms of market data. A bid is an order to buy, and an ask is an order to sell. A buyer
    consumes asks, the lowest price first. A seller consumes bids, the highest price first. Importing a driver
    does not import its library, but creating a book does.
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

    def replace(self, order_id: int, bid: bool, amount: int, price: int) -> None:
        """Replace a resting order by one with a new amount and price, which goes to the back of the queue.

        Without a call for that in the library, the order is removed and added again.
        """
        self.remove(order_id)
        self.add(order_id, bid, amount, price)

    def quote(self, buy: bool, amount: int) -> Any:
        """Return the price of an amount, in the form that the library uses."""
        raise NotImplementedError

    def cost(self, quote: Any, amount: int) -> float:
        """Convert a quote for this amount to a total price."""
        del amount
        return float(quote)

    def trade(self, buy: bool, amount: int) -> Any:
        """Consume the best orders, and return the fills if the library reports them."""
        raise UnsupportedError("no trades")

    def paid(self, result: Any) -> float | None:
        """Return the total price of the result of a trade, or None if the library reports no fills."""
        del result
        return None

    def close(self) -> None:
        """Release resources such as threads and files."""
