"""Replay a recording into an OrderManagement."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from typing import Literal, get_args

from oms.direct_books import BestLevel
from oms.errors import InvalidArgumentError
from oms.feeds.orders.book_check import BookCheck
from oms.feeds.orders.followed_book import FollowedBook
from oms.feeds.orders.maker_check import MakerCheck
from oms.feeds.orders.messages import Kind, Message
from oms.feeds.orders.report import Report
from oms.feeds.orders.seeding import Seeds, find_seeds
from oms.feeds.orders.sweep import best_levels_during, runs
from oms.feeds.orders.tally import Tally
from oms.feeds.recorder import Recorder
from oms.feeds.replay_clock import ReplayClock
from oms.feeds.top_of_book import Top, new_level, new_top
from oms.instrument import TICKS_AND_LOTS, Instrument
from oms.management import OrderManagement
from oms.models import MAX_INT, Side, check_symbol

__all__ = ["Replay", "Unknown", "replay"]

_REDUCES = frozenset((Kind.CHANGED, Kind.DELETED))

Unknown = Literal["seed", "skip", "raise"]
"""What to do about orders that messages refer to but that were never submitted."""


def replay(
    recording: Iterable[Message],
    om: OrderManagement,
    *,
    symbol: str,
    unknown: Unknown = "seed",
    ignore: Iterable[int] = (),
    book: str | os.PathLike[str] | None = None,
    trades: str | os.PathLike[str] | None = None,
    midnight: int = 0,
    on_event: Callable[[tuple[Message, ...]], object] | None = None,
    recorder: Recorder | None = None,
) -> Report:
    """Apply every message in a recording to the books of `symbol`, and return a report.

    After each event, `on_event` is called with the event's messages: either one message, or all messages of a
    sweep. `recorder` samples the books after each event and records every execution. The other arguments are
    the same as for `Replay`, and so are the exceptions: FeedError, UnknownOrderError, and
    InvalidArgumentError. O(m log n) for m messages and n resting orders.

    >>> from oms import OrderManagement, Side
    >>> from oms.feeds import Kind, Message
    >>> om = OrderManagement()
    >>> session = [
    ...     Message(1, 0, Kind.SUBMITTED, 7, Side.BUY, 10, 101),
    ...     Message(2, 5, Kind.REDUCED, 7, Side.BUY, 4, 101),
    ...     Message(3, 9, Kind.EXECUTED, 7, Side.BUY, 1, 101),
    ... ]
    >>> report = replay(session, om, symbol="XYZ")
    >>> om.get_order(7).amount, report.events, report.trades_equal_cost, report.agrees
    (5, 3, 1, True)

    """
    run = Replay(
        recording,
        om,
        symbol=symbol,
        unknown=unknown,
        ignore=ignore,
        book=book,
        trades=trades,
        midnight=midnight,
    )
    if recorder is not None:
        recorder.begin(symbol, getattr(recording, "units", TICKS_AND_LOTS))
    with closing(run):
        for messages in run:
            if recorder is not None:
                _record(recorder, om, symbol, messages)
            if on_event is not None:
                on_event(messages)
    return run.report()


def _record(recorder: Recorder, om: OrderManagement, symbol: str, messages: tuple[Message, ...]) -> None:
    for message in messages:
        if message.kind in (Kind.EXECUTED, Kind.HIDDEN):
            recorder.trade(symbol, message.time, message.side, message.price, message.amount)
    recorder.see(om, symbol, messages[-1].time)


class Replay:
    """A replay that you can iterate over. Each step applies one event and yields its messages.

    `unknown` says what to do when a message refers to an order that was never submitted:

    - "seed" adds the missing order. Its size is the sum of all later fills and cancels of that order. To find
      these orders, the recording is read once or twice before the replay.
    - "skip" ignores the message.
    - "raise" raises UnknownOrderError.

    `ignore` contains order ids, and messages that refer to them are ignored. `book` is an order-book file in
    LOBSTER format, to compare best prices with. `trades` is a file of Bitstamp trades, to compare makers
    with. The report counts ignored messages, rejected messages, and all differences. Each event is applied
    completely or not at all.

    During the replay, the clock of `om` shows the time of the recording (see ReplayClock), plus `midnight`. A
    LOBSTER file contains times since midnight but no date, so pass the time of that midnight in nanoseconds
    since 1970. Orders that rest before the first message have the time of the earlier clock, or no time.

    >>> from oms import OrderManagement, Side
    >>> from oms.feeds import Kind, Message
    >>> om = OrderManagement()
    >>> run = Replay([Message(1, 0, Kind.SUBMITTED, 7, Side.SELL, 10, 99)], om, symbol="XYZ")
    >>> for messages in run:
    ...     print(messages[0].row, om.best_price("XYZ", Side.SELL))
    1 99
    >>> run.report().kinds
    {'submitted': 1}

    """

    def __init__(
        self,
        recording: Iterable[Message],
        om: OrderManagement,
        *,
        symbol: str,
        unknown: Unknown = "seed",
        ignore: Iterable[int] = (),
        book: str | os.PathLike[str] | None = None,
        trades: str | os.PathLike[str] | None = None,
        midnight: int = 0,
    ) -> None:
        """Open the files to compare with. Raise FeedError or InvalidArgumentError if one is invalid."""
        check_symbol(symbol)
        if unknown not in get_args(Unknown):
            raise InvalidArgumentError("unknown", unknown, "'seed', 'skip', or 'raise'")
        if type(midnight) is not int or not 0 <= midnight <= MAX_INT:
            raise InvalidArgumentError("midnight", midnight, f"an int in 0..{MAX_INT}, in nanoseconds")
        self._recording = recording
        self._units: Instrument = getattr(recording, "units", TICKS_AND_LOTS)
        self._om = om
        self._symbol = symbol
        self._unknown = unknown
        self._ignore = frozenset(ignore)
        self._book_check = None if book is None else BookCheck(book)
        self._maker_check = None if trades is None else MakerCheck(trades, self._units)
        self._tally = Tally(to_ignore=self._ignore)
        self._midnight = midnight
        self._time: int | None = None
        self._best: tuple[BestLevel, BestLevel] = (None, None)
        self._top = Top(None, None)
        self._is_crossed = False
        self._steps = self._run()

    def __iter__(self) -> Iterator[tuple[Message, ...]]:
        """Apply the events one by one. A second loop continues where the first one stopped.

        Raise FeedError if a file is invalid, and UnknownOrderError if `unknown` is "raise" and an order was
        never submitted. Raise InvalidArgumentError if `unknown` is "seed" and the recording does not support
        it.
        """
        return self._steps

    def close(self) -> None:
        """Stop the replay after the current event. Iterating again yields nothing."""
        self._steps.close()

    def report(self) -> Report:
        """Return the current counts."""
        return self._tally.report(self._units, self._book_check, self._maker_check)

    def _run(self) -> Generator[tuple[Message, ...]]:
        tally, book_check, maker_check = self._tally, self._book_check, self._maker_check
        midnight = self._midnight
        with closing(self._follow()) as followed, ReplayClock.of(self._om) as clock:
            for run in runs(self._recording):
                message = run[0]
                kind = message.kind
                tally.kinds[kind] += len(run)
                if self._time is not None and message.time < self._time:
                    tally.contradictions.add("the time is earlier than in the row above", message.row)
                self._time = message.time
                clock.time = midnight + message.time
                wanted = self._wanted(run) if self._ignore else run
                between: Sequence[Top] = ()
                if wanted and kind is Kind.EXECUTED:
                    between = self._sweep(followed, wanted)
                elif wanted:
                    if maker_check is not None and kind in _REDUCES:
                        self._check_maker(maker_check, followed, message)
                    followed.apply(message)
                best = followed.best_levels()
                if best is not self._best:
                    self._see_best(best)
                tally.crossed += self._is_crossed
                if book_check is not None:
                    book_check.see(run, between, self._top)
                yield run
        for check in (book_check, maker_check):
            if check is not None:
                check.finish()

    def _wanted(self, run: tuple[Message, ...]) -> Sequence[Message]:
        """Count the ignored messages, and return the others."""
        wanted: list[Message] = []
        for message in run:
            if message.order_id in self._ignore:
                self._tally.ignored[message.order_id] += 1
            else:
                wanted.append(message)
        return wanted

    def _follow(self) -> FollowedBook:
        if self._unknown == "seed":
            seeds = find_seeds(self._recording, self._symbol, self._ignore)
        else:
            seeds = Seeds((), None)
        raise_in = str(getattr(self._recording, "path", "messages")) if self._unknown == "raise" else None
        return FollowedBook(self._om, self._symbol, seeds, self._tally, raise_in)

    def _sweep(self, followed: FollowedBook, executions: Sequence[Message]) -> list[Top]:
        """Apply a sweep, and return the best levels after each fill except the last."""
        between: list[Top] = []
        side, row = executions[0].side, executions[0].row
        fills = followed.fills_of(executions)
        if self._book_check is not None and len(fills) > 1:
            # The book file has a row for each fill, but a replay applies the whole sweep in one step.
            levels = followed.levels(side, len(fills) + 1)
            buy, sell = followed.best_levels()
            during = best_levels_during(levels, fills)
            between = [_top(best, sell) if side is Side.BUY else _top(buy, best) for best in during]
        whole = [fill.amount for fill in fills] == [message.amount for message in executions]
        swept = followed.execute(side, fills, whole)
        if swept is not None:
            published = sum(message.amount * message.price for message in executions)
            self._tally.count_trade(row, swept, published)
        return between

    def _check_maker(self, check: MakerCheck, followed: FollowedBook, message: Message) -> None:
        order = followed.recorded(message.order_id)
        if order is not None:
            check.before(followed.heads_its_book, order, message)

    def _see_best(self, best: tuple[BestLevel, BestLevel]) -> None:
        buy, sell = self._best = best
        self._top = _top(buy, sell)
        self._is_crossed = buy is not None and sell is not None and buy[0] <= sell[0]


def _top(buy: BestLevel, sell: BestLevel) -> Top:
    return new_top((buy and new_level(buy), sell and new_level(sell)))
