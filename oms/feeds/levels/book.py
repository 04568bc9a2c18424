"""The two sides of one symbol, as a level-2 feed tells them: followed while they are right, else stale."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import NamedTuple

from sortedcontainers import SortedDict

from oms.errors import InvalidArgumentError
from oms.feeds.levels.checksums import ChecksumRule
from oms.feeds.levels.messages import BookMessage, Levels
from oms.feeds.levels.report import LevelTally
from oms.feeds.top_of_book import ASK, BID, Level
from oms.instrument import Instrument, decimals_of
from oms.management import OrderManagement
from oms.models import Order, Side

__all__ = ["LevelBook", "NO_SNAPSHOT"]

_MANY = 20  # orders from which on one sort is quicker than as many inserts
NO_SNAPSHOT = "no snapshot has been seen"
_LOST_ZEROS = (
    "; if the recorder lost zeros at the ends of numbers, the exchange's own tick and lot put them back "
    "(--tick and --lot, or instruments)"
)


class _Held(NamedTuple):
    """What an exchange says of a level: its amount in lots, and its part of the checksum."""

    amount: int
    part: str


class _Step(NamedTuple):
    """What makes the order of one level agree with it: remove `before`, amend it, or add `after`."""

    rank: int
    before: int | None
    after: Order | None


class _BookSide:
    """The levels of one side, best first, and the orders that stand for them."""

    def __init__(self, side: Side) -> None:
        self.side = side
        self._sign = side.sign  # a rank is a price times the sign: the better price has the smaller rank
        self._levels: SortedDict[int, _Held] = SortedDict()  # by rank
        self._order_ids: dict[int, int] = {}  # by rank
        self._touched: set[int] = set()  # ranks that changed since the orders were made to agree

    def __len__(self) -> int:
        return len(self._levels)

    def clear(self) -> None:
        self._touched.update(self._levels)
        self._levels.clear()

    def change(self, levels: Levels, instrument: Instrument, rule: ChecksumRule, tally: LevelTally) -> None:
        """Set or delete levels; raises InvalidArgumentError, and has then changed those before."""
        for price, amount in levels:
            rank = self._sign * instrument.to_ticks(price)
            lots = instrument.to_lots(amount)
            if lots:
                tally.unholdable += not rank
                self._levels[rank] = _Held(lots, rule.part(price, amount))
            elif self._levels.pop(rank, None) is None:
                tally.unknown_deletes += 1
            self._touched.add(rank)

    def cut(self, depth: int) -> None:
        """Drop the worst levels beyond a depth: the exchange says nothing of them any more."""
        while len(self._levels) > depth:
            rank, _ = self._levels.popitem()
            self._touched.add(rank)

    def parts(self, rule: ChecksumRule, zeros_of: Instrument | None) -> list[str]:
        """Return the parts of the checksum of the best levels; O(levels).

        They are in the letters that were sent, or have as many decimals as an instrument's tick and lot.
        """
        best = [(rank, self._levels[rank]) for rank in self._levels.islice(stop=rule.levels)]
        if zeros_of is None:
            return [held.part for _, held in best]
        return [
            rule.part(zeros_of.price_text(self._sign * rank), zeros_of.amount_text(held.amount))
            for rank, held in best
        ]

    def best(self) -> Level | None:
        if not self._levels:
            return None
        rank, held = self._levels.peekitem(0)
        return Level(self._sign * rank, held.amount)

    def steps(self, om: OrderManagement, symbol: str, new_ids: Iterator[int]) -> list[_Step]:
        """Say what makes the orders agree with the levels that changed; nothing is done yet."""
        steps: list[_Step] = []
        for rank in sorted(self._touched):
            held, before = self._levels.get(rank), self._order_ids.get(rank)
            if before is not None and before not in om:
                before = None  # somebody traded it away
            after = None
            if held is not None and rank:
                order_id = before if before is not None else next(new for new in new_ids if new not in om)
                after = Order(order_id, symbol, self.side, held.amount, self._sign * rank)
            steps.append(_Step(rank, before, after))
        return steps

    def settled(self, steps: Iterable[_Step]) -> None:
        """Remember what has been done."""
        for rank, _, after in steps:
            if after is None:
                self._order_ids.pop(rank, None)
            else:
                self._order_ids[rank] = after.order_id
        self._touched.clear()


class LevelBook:
    """Follows the messages about one symbol; the orders of its levels rest in an OrderManagement.

    `why_stale` is None while the book is what the exchange says. A stale book has no orders at all;
    updates are counted and ignored until a snapshot comes.
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
        self._om = om
        self._ignores_checksums = ignores_checksums
        self._next_instrument = instrument  # from the next snapshot on
        self._puts_zeros_back = False
        self._rule = rule
        self._new_ids = new_ids
        self._asks, self._bids = _BookSide(ASK), _BookSide(BID)
        self.symbol = symbol
        self.instrument = instrument
        self.tally = LevelTally()
        self.why_stale: str | None = NO_SNAPSHOT
        self.last: BookMessage | None = None  # the latest that was applied
        self._sequence: int | None = None

    def best(self, side: Side) -> Level | None:
        """The best level of a side; O(log n)."""
        return (self._asks if side is ASK else self._bids).best()

    def __len__(self) -> int:
        return len(self._asks) + len(self._bids)

    def expect(self, instrument: Instrument) -> None:
        """Count in what is finer, from the next snapshot on."""
        self._next_instrument = self._next_instrument.finer(instrument)

    def apply(self, message: BookMessage) -> bool:
        """Apply a message as a whole, or say that it was not; O((k + d) log n) for k levels of it.

        d is the number of levels that the checksum covers.
        """
        self.tally.messages += 1
        self.tally.snapshots += message.snapshot
        if not message.snapshot and self.why_stale is not None:
            self.tally.ignored += 1
            return False
        before = self.instrument
        problem = self._gap(message) or self._take_in(message)
        if problem is not None:
            self.instrument = before
            self._go_stale(problem)
            return False
        if message.snapshot:
            self.tally.finer_ticks += self.last is not None and self.instrument != before
            self._next_instrument = self.instrument
        self.why_stale = f"the orders could not be changed as row {message.row} says"  # if this raises
        self._settle()
        self.why_stale = None
        self._sequence = message.sequence
        self.last = message
        self._look()
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

    def _take_in(self, message: BookMessage) -> str | None:
        """Change the levels; say why they cannot be right."""
        try:
            self._change_finely(message)
        except InvalidArgumentError as error:
            self.tally.rejected += 1
            return f"row {message.row}: {error}"
        if message.depth is not None:
            self._asks.cut(message.depth)
            self._bids.cut(message.depth)
        if message.checksum is None:
            return None
        if self._sums_up_to(message.checksum % 2**32):
            self.tally.checksums_ok += 1
            return None
        self.tally.checksums_failed += 1
        if self._ignores_checksums:
            return None
        hint = _LOST_ZEROS if self._rule.fixed_decimals and not self.tally.checksums_ok else ""
        return f"the checksum of row {message.row} failed{hint}"

    def _change_finely(self, message: BookMessage) -> None:
        """Change the levels, in a finer tick or lot if a snapshot needs one; raises InvalidArgumentError.

        What an update needs is kept for the next snapshot: its own book counts in the coarser one.
        """
        try:
            self._change(message, self._next_instrument if message.snapshot else self.instrument)
        except InvalidArgumentError:
            if self.last is None:
                raise  # what was given never fitted, so it is wrong
            finer = _finer_for(self.instrument, message)
            if not message.snapshot:
                self.expect(finer)
                raise
            self._change(message, finer)

    def _change(self, message: BookMessage, instrument: Instrument) -> None:
        tally = self.tally
        counted = tally.unholdable, tally.unknown_deletes
        if message.snapshot:
            self._asks.clear()
            self._bids.clear()
        try:
            self._asks.change(message.asks, instrument, self._rule, tally)
            self._bids.change(message.bids, instrument, self._rule, tally)
        except InvalidArgumentError:
            tally.unholdable, tally.unknown_deletes = counted
            raise
        self.instrument = instrument

    def _sums_up_to(self, checksum: int) -> bool:
        """Return True if the checksum is that of the best levels, as they were sent or with its zeros."""
        rule = self._rule
        latest = self._puts_zeros_back
        for with_zeros in (latest, not latest) if rule.fixed_decimals else (False,):
            zeros_of = self.instrument if with_zeros else None
            if rule.crc32(self._asks.parts(rule, zeros_of), self._bids.parts(rule, zeros_of)) == checksum:
                self._puts_zeros_back = with_zeros
                return True
        return False

    def _go_stale(self, why: str) -> None:
        self.tally.times_stale += 1
        self.why_stale = why
        self._sequence = None
        self._asks.clear()
        self._bids.clear()
        self._settle()

    def _settle(self) -> None:
        """Make the orders agree with the levels, in one step for all readers."""
        om = self._om
        asks, bids = (side.steps(om, self.symbol, self._new_ids) for side in (self._asks, self._bids))
        changes = [step[1:] for step in chain(asks, bids) if step.before is not None or step.after]
        if len(changes) == 1:
            _change(om, *changes[0])  # one verb is one step anyway
        elif changes:
            with om.transaction():
                added = [after for before, after in changes if before is None and after is not None]
                if len(added) > _MANY:
                    om.add_orders(added)
                    changes = [change for change in changes if change[0] is not None]
                for before, after in changes:
                    _change(om, before, after)
        self._asks.settled(asks)
        self._bids.settled(bids)

    def _look(self) -> None:
        ask, bid = self._asks.best(), self._bids.best()
        self.tally.crossed += ask is not None and bid is not None and ask.price <= bid.price


def _finer_for(instrument: Instrument, message: BookMessage) -> Instrument:
    """Return the instrument, or the decimal one beyond it, in which the levels of a message are counted."""
    pairs = [*message.asks, *message.bids]
    price, amount = (
        max((decimals_of(text) for text in texts if not _is_counted(read, text)), default=None)
        for read, texts in (
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


def _is_counted(read: Callable[[str], int], text: str) -> bool:
    try:
        read(text)
    except InvalidArgumentError:
        return False
    return True


def _change(om: OrderManagement, before: int | None, after: Order | None) -> None:
    if before is None and after is not None:
        om.add_order(*after)
    elif before is not None and after is None:
        om.remove_order(before)
    elif before is not None and after is not None:
        om.amend_order(before, amount=after.amount)
