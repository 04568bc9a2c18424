"""The book of one symbol in a level feed. It is either up to date or stale.

The problem. An exchange sends a snapshot of its book and then only the levels that change. If an update is
lost, reordered, or misread, the book is wrong from then on, and nothing shows it. A single message changes
many levels, and other threads must see either all of the changes or none. Also, the feed contains only
levels, but an OrderManagement stores orders.

What does not work. Suppose that each level changed its order right away. Then other threads would see half a
message, because the checksum can be verified only after the last level. A failed checksum does not show which
levels are wrong, so the book cannot be repaired. Rebuilding all orders for each message would take O(n), and
every order would lose its id.

The solution. Each `BookSide` stores its levels separately from the orders. When a message arrives, its
sequence number is checked first. Then the message changes the levels, but not the orders, and its prices,
amounts, and checksum are checked. If they are all valid, `LevelOrders` changes all affected orders together.
Otherwise, the book becomes stale. All of its levels and orders are removed, and updates are ignored until the
next snapshot.

Invariants, whenever `apply` has returned:
- A stale book (`why_stale` is not None) has no levels and no orders. Only a snapshot makes it valid again.
- A valid book has one order for each level, except for a level at price 0, because no order can have this
  price. The order has the level's price and amount, and it keeps its id as long as the level exists. If
  someone else trades against the order or removes it, the next update to its level restores it.
- A book has one tick size and one lot size at a time. Only a snapshot can reduce them, because the levels are
  stored in ticks and lots. If the sizes of the symbol's instrument in the OrderManagement become different,
  the next update makes the book stale.

If `apply` raises an exception, the book is stale, and the orders may not match the levels. Each `BookSide`
remembers the prices of all changed levels until their orders have changed too, so the next snapshot corrects
all orders.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from oms.errors import InvalidArgumentError
from oms.feeds.levels.book_side import BookSide, Units
from oms.feeds.levels.checksums import ChecksumRule
from oms.feeds.levels.level_orders import LevelOrders
from oms.feeds.levels.messages import BookMessage
from oms.feeds.levels.report import LevelTally
from oms.feeds.top_of_book import ASK, BID, Level
from oms.instrument import Instrument
from oms.management import OrderManagement
from oms.models import Side
from oms.size import decimals_of

__all__ = ["LevelBook", "NO_SNAPSHOT"]

NO_SNAPSHOT = "no snapshot has been seen"
_MISSING_ZEROS = (
    "; if the recorder dropped trailing zeros of numbers, pass the exchange's tick size and lot size to "
    "restore them (--tick and --lot, or instruments)"
)


class LevelBook:
    """The book of one symbol, updated by messages. Each level is an order in an OrderManagement.

    `why_stale` is None while the book is up to date. Otherwise, it says why the book is stale. A stale book
    has no orders. It counts and ignores updates until the next snapshot.
    """

    def __init__(
        self,
        om: OrderManagement,
        symbol: str,
        instrument: Instrument,
        rule: ChecksumRule,
        new_ids: Iterator[int],
        *,
        ignores_checksums: bool = False,
    ) -> None:
        self._ignores_checksums = ignores_checksums
        self._next_instrument = instrument  # takes effect at the next snapshot
        self._units = Units(instrument)
        self._restores_zeros = False
        self._rule = rule
        self._asks, self._bids = BookSide(ASK, rule), BookSide(BID, rule)
        self._om = om
        self._orders = LevelOrders(om, symbol, new_ids)
        self._known: Instrument | None = None  # an instrument of the books that has the sizes of this one
        self.symbol = symbol
        self.instrument = instrument
        self.tally = LevelTally()
        self.why_stale: str | None = NO_SNAPSHOT
        self.last: BookMessage | None = None  # the last message that was applied
        self._sequence: int | None = None

    def best(self, side: Side) -> Level | None:
        """Return the best level on a side, or None if the side is empty. O(1)."""
        return (self._asks if side is ASK else self._bids).best()

    def __len__(self) -> int:
        return len(self._asks) + len(self._bids)

    def expect(self, instrument: Instrument) -> None:
        """Switch to a tick and lot size that also fit this instrument's numbers, at the next snapshot."""
        self._next_instrument = self._next_instrument.finer(instrument)

    def apply(self, message: BookMessage) -> bool:
        """Apply a message completely or not at all. Return True if it was applied.

        O(k log n + d) for k levels in the message, d levels covered by the checksum, and n levels in the
        book. For books with more than about 10,000 levels, see `BookSide`.
        """
        self.tally.messages += 1
        self.tally.snapshots += message.snapshot
        if not message.snapshot and self.why_stale is not None:
            self.tally.ignored += 1
            return False
        before = self.instrument
        problem = self._resized(message) or self._gap(message) or self._change_and_verify(message)
        if problem is not None:
            self.instrument = before
            self._become_stale(problem)
            return False
        if message.snapshot:
            self._known = None
            self.tally.finer_ticks += self.last is not None and self.instrument != before
            self._next_instrument = self.instrument
        # If changing the orders fails, this stays the reason why the book is stale.
        self.why_stale = f"the orders could not be changed by row {message.row}"
        self._update_orders(self.instrument if message.snapshot else None)
        self.why_stale = None
        self._sequence = message.sequence
        self.last = message
        self._count_crossed()
        return True

    def _resized(self, message: BookMessage) -> str | None:
        """Return a description of the problem if the symbol now has different sizes in the books. O(1).

        The levels, and the prices and amounts of the update, are in the ticks and lots of this book. The next
        snapshot then uses sizes that fit the books and the exchange's numbers.
        """
        if message.snapshot:
            return None
        known = self._om._books.instruments.get(self.symbol)
        if known is self._known:
            return None
        own = self.instrument
        if known is not None and (known.tick, known.lot) != (own.tick, own.lot):
            self.expect(known)
            return (
                f"row {message.row} is in ticks of {own.tick_size} and lots of {own.lot_size}, but the books "
                f"now have ticks of {known.tick_size} and lots of {known.lot_size} for {self.symbol!r}"
            )
        self._known = known
        return None

    def _gap(self, message: BookMessage) -> str | None:
        last, number = self._sequence, message.sequence
        if message.snapshot or last is None:
            return None
        if message.previous is not None:
            gap = message.previous != last
            problem = f"row {message.row} follows message {message.previous}, but the last one is {last}"
        else:
            gap = number is not None and number <= last
            problem = f"row {message.row} is message {number}, after {last}"
        self.tally.gaps += gap
        return problem if gap else None

    def _change_and_verify(self, message: BookMessage) -> str | None:
        """Apply a message to the levels.

        If the message or its checksum is wrong, return a description of the problem.
        """
        try:
            self._change_levels(message)
        except InvalidArgumentError as error:
            self.tally.rejected += 1
            return f"row {message.row}: {error}"
        if message.depth is not None:
            self._asks.truncate(message.depth)
            self._bids.truncate(message.depth)
        if message.checksum is None:
            return None
        if self._matches(message.checksum % 2**32):
            self.tally.checksums_ok += 1
            return None
        self.tally.checksums_failed += 1
        if self._ignores_checksums:
            return None
        hint = _MISSING_ZEROS if self._rule.fixed_decimals and not self.tally.checksums_ok else ""
        return f"the checksum of row {message.row} failed{hint}"

    def _change_levels(self, message: BookMessage) -> None:
        """Apply a message to the levels. If a snapshot needs a smaller tick or lot size, switch to it first.

        If an update needs a smaller size, raise InvalidArgumentError. The next snapshot then switches to it.
        """
        try:
            self._change(message, self._next_instrument if message.snapshot else self.instrument)
        except InvalidArgumentError:
            if self.last is None:
                raise  # no message has fit so far, so the caller's tick or lot is wrong
            finer = _finer_for(self.instrument, message)
            if not message.snapshot:
                self.expect(finer)
                raise
            self._change(message, finer)

    def _change(self, message: BookMessage, instrument: Instrument) -> None:
        """Apply a message to the levels, or raise InvalidArgumentError before any level has changed."""
        if self._units.instrument is not instrument:
            self._units = Units(instrument)
        asks, bids = self._units.convert(message.asks), self._units.convert(message.bids)
        if message.snapshot:
            self._asks.clear()
            self._bids.clear()
        self._asks.change(asks, message.asks, self.tally)
        self._bids.change(bids, message.bids, self.tally)
        self.instrument = instrument

    def _matches(self, checksum: int) -> bool:
        """Return True if the levels match this checksum, as received or with trailing zeros restored."""
        rule = self._rule
        latest = self._restores_zeros
        for with_zeros in (latest, not latest) if rule.fixed_decimals else (False,):
            instrument = self.instrument if with_zeros else None
            asks, bids = (side.best_texts(instrument) for side in (self._asks, self._bids))
            if rule.crc32(asks, bids) == checksum:
                self._restores_zeros = with_zeros
                return True
        return False

    def _become_stale(self, why: str) -> None:
        self.tally.times_stale += 1
        self.why_stale = why
        self._sequence = None
        self._asks.clear()
        self._bids.clear()
        self._update_orders()

    def _update_orders(self, instrument: Instrument | None = None) -> None:
        """Update the orders to match the changed levels. After a snapshot, pass the instrument."""
        asks, bids = self._asks, self._bids
        levels = {ASK: asks.changed, BID: bids.changed}
        if instrument is None:
            self._orders.update(levels)
        else:
            self._orders.update_to(levels, instrument)
        asks.changed.clear()
        bids.changed.clear()

    def _count_crossed(self) -> None:
        ask, bid = self._asks.best_price(), self._bids.best_price()
        self.tally.crossed += ask is not None and bid is not None and ask <= bid


def _finer_for(instrument: Instrument, message: BookMessage) -> Instrument:
    """Return an instrument that can represent all valid prices and amounts in a message exactly."""
    pairs = [*message.asks, *message.bids]
    price, amount = (
        max((decimals_of(text) for text in texts if not _converts(to_int, text)), default=None)
        for to_int, texts in (
            (instrument.to_ticks, [price for price, _ in pairs]),
            (instrument.to_lots, [amount for _, amount in pairs]),
        )
    )
    finer = Instrument.of_decimals(price or 0, amount or 0)
    return instrument.finer(
        Instrument(
            instrument.tick_size if price is None else finer.tick_size,
            instrument.lot_size if amount is None else finer.lot_size,
        )
    )


def _converts(to_int: Callable[[str], int], text: str) -> bool:
    try:
        to_int(text)
    except InvalidArgumentError:
        return False
    return True
