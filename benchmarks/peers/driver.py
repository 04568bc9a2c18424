"""What every driver answers to: one book of one symbol, kept by one library through its public calls."""

from __future__ import annotations

from typing import Any, ClassVar


class CannotAnswerError(NotImplementedError):
    """The library has no way to answer this; the table shows a dash."""


class Driver:
    """One book, and the facts about the library that keeps it.

    Words are those of a market: a bid rests to buy, an ask to sell; a buyer consumes asks, the lowest
    first, and a seller bids, the highest first. Importing a driver imports nothing of its library: opening
    a book does.
    """

    package: ClassVar[str]
    """What to install."""
    module: ClassVar[str]
    """What to import."""
    core: ClassVar[str]
    """The language that the book is written in."""
    licence: ClassVar[str]
    gives_up: ClassVar[str]
    """What it leaves out or bends that the others do, in words for the table."""
    needs: ClassVar[tuple[int, int]] = (3, 11)
    """The Python that the newest release needs."""

    def add(self, order_id: int, bid: bool, amount: int, price: int) -> None:
        """Rest an order."""
        raise NotImplementedError

    def remove(self, order_id: int) -> None:
        """Take a resting order out."""
        raise NotImplementedError

    def quote(self, buy: bool, amount: int) -> Any:
        """What an amount costs, as the library likes to say it."""
        raise NotImplementedError

    def cost(self, quoted: Any, amount: int) -> float:
        """What a quote for this amount says in money."""
        del amount
        return float(quoted)

    def trade(self, buy: bool, amount: int) -> Any:
        """Consume the best orders, and say with what fills if the library does."""
        raise CannotAnswerError("no trades")

    def paid(self, traded: Any) -> float | None:
        """What the fills of a trade add up to, None where the library tells no fills."""
        del traded
        return None

    def close(self) -> None:
        """Let go of what the book holds beside memory."""
