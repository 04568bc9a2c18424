"""Books whose journal stores a batch only when a test allows it, and everything that one can read in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event as Flag
from typing import Any

from oms import Event, Instrument, MatchingEngine, Order, OrderManagement, Side
from oms.direct_books import DirectBooks
from support.memory_journal import KeepingJournal

__all__ = [
    "BOOK_READS",
    "ENGINE_READS",
    "TICKS",
    "BlockingJournal",
    "Storing",
    "books",
    "engine",
    "submit",
    "trade",
    "what_if",
]

BUY, SELL = Side.BUY, Side.SELL
TICKS = Instrument("1", "1")


class BlockingJournal(KeepingJournal):
    """A journal that stores a batch only when a test allows it."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = False
        self.reached, self.allowed = Flag(), Flag()

    def append(self, batch: Sequence[Event]) -> None:
        self._pause()
        super().append(batch)

    def keep_instruments(self, instruments: Mapping[str, Instrument], batch: Sequence[Event] = ()) -> None:
        self._pause()
        super().keep_instruments(instruments, batch)

    def _pause(self) -> None:
        if self.blocks:
            self.blocks = False
            self.reached.set()
            assert self.allowed.wait(20)


class Storing:
    """Books, and a thread that stores a concurrent transaction and waits for the journal."""

    def __init__(self, pool: ThreadPoolExecutor, books: Any, change: Callable[[Any], object]) -> None:
        self.pool, self.books, self.journal = pool, books, books.journal
        self.before = books.state_hash()
        self.journal.blocks = True
        self.done: Future[None] = pool.submit(self._run, change)
        assert self.journal.reached.wait(20)

    def _run(self, change: Callable[[Any], object]) -> None:
        with self.books.transaction(concurrent_commit=True):
            change(self.books)

    def finish(self) -> None:
        self.journal.allowed.set()
        self.done.result(20)
        self.books._check()


def books() -> OrderManagement:
    om = OrderManagement(BlockingJournal(), instruments={"JPM": TICKS})
    om.add_orders([Order(1, "JPM", BUY, 20, 20), Order(4, "JPM", BUY, 10, 21), Order(3, "JPM", SELL, 15, 19)])
    om.place_trade("JPM", BUY, 1)
    return om


def engine() -> MatchingEngine:
    engine = MatchingEngine(BlockingJournal(), instruments={"JPM": TICKS})
    engine.submit(1, "JPM", SELL, 20, 20, owner="Ann")
    engine.submit(2, "JPM", BUY, 5, 20)
    return engine


def trade(om: OrderManagement) -> None:
    om.place_trade("JPM", BUY, 22)
    om.add_order(9, "IBM", SELL, 1, 1)
    om.set_instrument("IBM", TICKS)


def submit(engine: MatchingEngine) -> None:
    engine.submit(7, "JPM", BUY, 30, 20)
    engine.cancel(7)
    engine.submit(8, "IBM", BUY, 30, 20)


def what_if(om: OrderManagement) -> int:
    with om.what_if():
        om.remove_order(1)
        with om.transaction():
            om.add_order(1, "JPM", BUY, 1, 1)
        return om.calculate_price("JPM", BUY, 2)


def locked_to_read(om: Any) -> object:
    with om.locked(to_read=True):
        return om.last_sequence, om.state_hash(), len(om)


READS: dict[str, Callable[[Any], object]] = {
    "calculate_price": lambda om: [om.calculate_price("JPM", BUY, amount) for amount in (3, 3, 9)],
    "calculate_prices": lambda om: om.calculate_prices("JPM", BUY, [3, 9]),
    "quote": lambda om: om.quote("JPM", BUY, 9),
    "best_price": lambda om: om.best_price("JPM", BUY),
    "top": lambda om: om.top("JPM"),
    "depth": lambda om: om.depth("JPM", BUY),
    "price_curve": lambda om: om.price_curve("JPM", BUY),
    "calculate_amount": lambda om: om.calculate_amount("JPM", BUY, 100),
    "available_amount": lambda om: om.available_amount("JPM", BUY),
    "amount_within": lambda om: om.amount_within("JPM", BUY, 50),
    "symbols": lambda om: om.symbols(),
    "instruments": lambda om: dict(om.instruments),
    "orders": lambda om: om.orders(),
    "contains": lambda om: (1 in om, 9 in om, 8 in om),
    "len": len,
    "repr": repr,
    "html": lambda om: om._repr_html_(),
    "state_hash": lambda om: om.state_hash(),
    "last_sequence": lambda om: om.last_sequence,
    "snapshot": lambda om: om.snapshot(),
    "copy": lambda om: om.copy().state_hash(),
    "locked to read": locked_to_read,
    "queue_ahead": lambda om: om.queue_ahead(1),
    "subscribe": lambda om: om.subscribe(bool)(),
}
BOOK_READS = READS | {
    "get_order": lambda om: om.get_order(1),
    "what_if": what_if,
    "best_levels": lambda om: DirectBooks(om, "JPM").best_levels(),
    "best_order": lambda om: DirectBooks(om, "JPM").best_order(BUY),
}
ENGINE_READS = READS | {
    "order": lambda engine: engine.order(1),
    "orders of an owner": lambda engine: engine.orders("JPM", SELL, "Ann"),
    "last_price": lambda engine: engine.last_price("JPM"),
}
