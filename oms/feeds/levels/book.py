"""The book of one symbol in a level feed, which is either up to date or stale.

The problem. An exchange sends a snapshot of its book and then only the levels that change. A lost, reordered,
or misread update leaves a wrong book, and nothing reveals that later prices are wrong. A message changes many
levels, and other threads must see either all of the changes or none. The OrderManagement stores orders, but
the feed contains only levels.

What does not work. If each level changes its order at once, other threads see half a message, and the
checksum can be verified only after the last level. After a failed checksum, nothing shows which levels are
wrong, so the book cannot be repaired. Rebuilding all orders for each message takes O(n), and every order
loses its id.

The solution. Each `BookSide` stores its levels separately from the orders. The sequence number of a message
is checked first. Then the message changes the levels, but not the orders. Its prices, amounts, and checksum
are checked. If they are all valid, `LevelOrders` changes the orders of the changed levels together. Otherwise
the book becomes stale. All of its levels and orders are removed, and updates are ignored until the next
snapshot.

Invariants, whenever `apply` has returned:
- A stale book (`why_stale` is not None) has no levels and no orders. Only a snapshot ends this state.
- A book that is not stale has one order for each level. A level at price 0 has no order, because no order can
  have this price. The order has the price and the amount of its level, and keeps its id as long as the level
  exists. If someone else trades against the order or removes it, the next update of its level restores it.
- A book has one tick size and one lot size at a time. Only a snapshot can reduce them, because the levels are
  stored in ticks and lots.

If `apply` raises an exception, the book is stale, and the orders may differ from the levels. Each `BookSide`
remembers the prices of all changed levels until their orders have changed, too. So the next snapshot corrects
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
from oms.instrument import Instrument, decimals_of
from oms.management import OrderManagement
from oms.models import Side

__all__ = ["LevelBook", "NO_SNAPSHOT"]

NO_SNAPSHOT = "no snapshot has been seen"
_MISSING_ZEROS = (
    "; if the recorder dropped trailing zeros of numbers, pass the exchange's tick size and lot size to "
    "restore them (--tick and --lot, or instruments)"
)


class LevelBook:
    """The book of one symbol, with each level as an order in an OrderManagement. Messages update it.

    `why_stale` is None while the book is up to date. In a stale book, it is the reason. A stale book has no
    orders, and counts and ignores updates until the next snapshot.
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
        self._orders = LevelOrders(om, symbol, new_ids)
        self.symbol = symbol
        self.instrument = instrument
        self.tally = LevelTally()
        self.why_stale: str | None = NO_SNAPSHOT
        self.last: BookMessage | None = None  # the latest message that was applied
        self._sequence: int | None = None

    def best(self, side: Side) -> Level | None:
        """Return the best level of a side, or None if the side is empty. O(1)."""
        return (self._asks if side is ASK else self._bids).best()

    def __len__(self) -> int:
        return len(self._asks) + len(self._bids)

    def expect(self, instrument: Instrument) -> None:
        """At the next snapshot, adopt a tick and lot size that this instrument's numbers also fit."""
        self._next_instrument = self._next_instrument.finer(instrument)

    def apply(self, message: BookMessage) -> bool:
        """Apply a message completely or not at all. Return True if it was applied.

        O(k log n + d) for k levels in the message, d levels that the checksum covers, and n levels in the
        book. See `BookSide` for books with more than about 10,000 levels.
        """
        self.tally.messages += 1
        self.tally.snapshots += message.snapshot
        if not message.snapshot and self.why_stale is not None:
            self.tally.ignored += 1
            return False
        before = self.instrument
        problem = self._gap(message) or self._change_and_verify(message)
        if problem is not None:
            self.instrument = before
            self._become_stale(problem)
            return False
        if message.snapshot:
            self.tally.finer_ticks += self.last is not None and self.instrument != before
            self._next_instrument = self.instrument
        # If changing the orders fails, the book stays stale for this reason.
        self.why_stale = f"the orders could not be changed by row {message.row}"
        self._update_orders()
        self.why_stale = None
        self._sequence = message.sequence
        self.last = message
        self._count_crossed()
        return True

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
        """Change the levels. Return a description of the problem if the message or its checksum is wrong."""
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
        """Change the levels. If a snapshot needs a smaller tick or lot size, adopt this size first.

        If an update needs a smaller size, raise InvalidArgumentError. Then the next snapshot adopts the size.
        """
        try:
            self._change(message, self._next_instrument if message.snapshot else self.instrument)
        except InvalidArgumentError:
            if self.last is None:
                raise  # no message has ever fitted, so the caller's tick or lot is wrong
            finer = _finer_for(self.instrument, message)
            if not message.snapshot:
                self.expect(finer)
                raise
            self._change(message, finer)

    def _change(self, message: BookMessage, instrument: Instrument) -> None:
        """Change the levels, or raise InvalidArgumentError before any level has changed."""
        if self._units.instrument is not instrument:
            self._units = Units(instrument)
        asks, bids = self._units.convert(message.asks), self._units.convert(message.bids)
        if message.snapshot:
            self._asks.clear()
            self._bids.clear()
        self._asks.change(asks, self.tally)
        self._bids.change(bids, self.tally)
        self.instrument = instrument

    def _matches(self, checksum: int) -> bool:
        """Return True if the levels match this checksum, as received or with trailing zeros restored."""
        rule = self._rule
        latest = self._restores_zeros
        for with_zeros in (latest, not latest) if rule.fixed_decimals else (False,):
            instrument = self.instrument if with_zeros else None
            asks, bids = (side.checksum_parts(instrument) for side in (self._asks, self._bids))
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

    def _update_orders(self) -> None:
        """Make the orders equal to the changed levels."""
        asks, bids = self._asks, self._bids
        self._orders.update({ASK: asks.changed_amounts(), BID: bids.changed_amounts()})
        asks.forget_changes()
        bids.forget_changes()

    def _count_crossed(self) -> None:
        ask, bid = self._asks.best_price(), self._bids.best_price()
        self.tally.crossed += ask is not None and bid is not None and ask <= bid


def _finer_for(instrument: Instrument, message: BookMessage) -> Instrument:
    """Return an instrument that can express all valid prices and amounts of a message exactly."""
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
