"""Replay a recording into an OrderManagement."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from typing import Literal, get_args

from oms.errors import InvalidArgumentError
from oms.feeds.errors import FeedError
from oms.feeds.orders.book_check import BookCheck
from oms.feeds.orders.followed_book import FollowedBook
from oms.feeds.orders.maker_check import MakerCheck
from oms.feeds.orders.messages import Kind, Message, MessageRow, Recording, new_message, rows_of
from oms.feeds.orders.report import Report
from oms.feeds.orders.seeding import Seeds, find_seeds
from oms.feeds.orders.sweep import best_levels_during, runs
from oms.feeds.orders.tally import Tally
from oms.feeds.recorder import Recorder
from oms.feeds.replay_clock import ReplayClock
from oms.feeds.top_of_book import ASK, Best
from oms.instrument import TICKS_AND_LOTS, Instrument
from oms.management import OrderManagement
from oms.models import MAX_INT, check_symbol

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
    sweep. During this call, the clock of `om` still shows the time of the recording. `recorder` samples the
    books after each event and records every execution. The other arguments are the same as for `Replay`, and
    so are the exceptions: FeedError, UnknownOrderError, and InvalidArgumentError. O(m log n) for m messages
    and n resting orders.

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
        run._start()  # the orders that it adds have the time of the earlier clock
        with ReplayClock().during(om):
            _run_to_the_end(run, recorder, on_event)
    return run.report()


def _run_to_the_end(
    run: Replay, recorder: Recorder | None, on_event: Callable[[tuple[Message, ...]], object] | None
) -> None:
    if recorder is None and on_event is None:
        deque(run._steps, maxlen=0)  # creates no Message objects
    for messages in run:
        if recorder is not None:
            _record(recorder, run._om, run._symbol, messages)
        if on_event is not None:
            on_event(messages)


def _messages_in(run: tuple[MessageRow, ...]) -> tuple[Message, ...]:
    return tuple(map(new_message, run))


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

    During each step, the clock of `om` shows the time of the recording (see ReplayClock), plus `midnight`. A
    LOBSTER file contains times since midnight but no date, so pass the time of that midnight in nanoseconds
    since 1970. The events of orders that the replay adds before the first message get their timestamps from
    the earlier clock, or have no timestamps.

    Do not change the tick size or the lot size of the symbol during a replay, for example with
    `convert_orders`. The next message would then raise FeedError.

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
        self._best: Best = (None, None)
        self._is_crossed = False
        self._followed: FollowedBook | None = None
        self._steps = self._run()

    def __iter__(self) -> Iterator[tuple[Message, ...]]:
        """Apply the events one by one. A second loop continues where the first one stopped.

        Raise FeedError if a file is invalid, if a time plus `midnight` is not from 0 to 2^63-1, or if the
        tick size or lot size of the symbol has changed. Raise UnknownOrderError if `unknown` is "raise" and
        an order was never submitted. Raise InvalidArgumentError if `unknown` is "seed" and the recording does
        not support it.
        """
        return map(_messages_in, self._steps)

    def close(self) -> None:
        """Stop the replay after the current event. Iterating again yields nothing."""
        self._steps.close()
        if self._followed is not None:
            self._followed.close()

    def report(self) -> Report:
        """Return the current counts."""
        return self._tally.report(self._units, self._book_check, self._maker_check)

    def _run(self) -> Generator[tuple[MessageRow, ...]]:
        """Apply the events one by one, and yield the rows of each event's messages."""
        tally, book_check, maker_check = self._tally, self._book_check, self._maker_check
        ignore, executed, kinds = self._ignore, Kind.EXECUTED, tally.kinds
        midnight, last_time, latest = self._midnight, 0, MAX_INT - self._midnight
        is_parsed = isinstance(self._recording, Recording)  # so its times are ints
        ledger, clock = self._om._ledger, ReplayClock()
        shown = clock
        with closing(self._start()) as followed, clock.ended_in(ledger):
            for run in runs(rows_of(self._recording)):
                message = run[0]
                row, time, kind, _, _, _, _ = message
                if not last_time <= time <= latest or not (is_parsed or type(time) is int):
                    self._check_time(row, time)
                    tally.contradictions.add("the time is earlier than in the row above", row)
                kinds[kind] += len(run)
                last_time = time
                if ledger.clock is not shown and (ledger.clock is not None or ledger.needs_events):
                    shown = clock.begin(ledger)
                shown.time = midnight + time
                wanted = self._wanted(run) if ignore else run
                between: Sequence[Best] = ()
                if kind is executed:
                    between = self._sweep(followed, wanted) if wanted else ()
                elif wanted:
                    if maker_check is not None and kind in _REDUCES:
                        self._check_maker(maker_check, followed, message)
                    followed.apply(message)
                best = followed.best_levels()
                if best is not self._best:
                    self._see_best(best)
                tally.crossed += self._is_crossed
                if book_check is not None:
                    book_check.see(run, between, best)
                if ledger.clock is clock:
                    clock.end(ledger)
                yield run
        self._finish_checks()

    def _finish_checks(self) -> None:
        for check in (self._book_check, self._maker_check):
            if check is not None:
                check.finish()

    def _wanted(self, run: tuple[MessageRow, ...]) -> Sequence[MessageRow]:
        """Count the ignored messages, and return the others."""
        wanted: list[MessageRow] = []
        for message in run:
            order_id = message[3]
            if order_id in self._ignore:
                self._tally.ignored[order_id] += 1
            else:
                wanted.append(message)
        return wanted

    def _check_time(self, row: int, time: object) -> None:
        """Raise FeedError unless an event can have this time, plus `midnight`."""
        latest = MAX_INT - self._midnight
        if type(time) is not int or not 0 <= time <= latest:
            problem = f"the time must be an int in 0..{latest}, in nanoseconds, not {time!r}"
            if self._midnight:
                problem = f"{problem}; the time plus midnight={self._midnight} is at most {MAX_INT}"
            raise FeedError(self._path, row, problem)

    @property
    def _path(self) -> str:
        return str(getattr(self._recording, "path", "messages"))

    def _start(self) -> FollowedBook:
        """Add the orders that rest before the first message. A second call changes nothing."""
        if self._followed is None:
            self._followed = self._follow()
        return self._followed

    def _follow(self) -> FollowedBook:
        if self._unknown == "seed":
            seeds = find_seeds(self._recording, self._symbol, self._ignore)
        else:
            seeds = Seeds((), None)
        raises = self._unknown == "raise"
        return FollowedBook(self._om, self._symbol, seeds, self._tally, self._path, raises=raises)

    def _sweep(self, followed: FollowedBook, executions: Sequence[MessageRow]) -> list[Best]:
        """Apply a sweep, and return the best levels after each fill except the last."""
        between: list[Best] = []
        row, _, _, _, side, _, _ = executions[0]
        fills = followed.fills_of(executions)
        if self._book_check is not None and len(fills) > 1:
            # The book file has a row for each fill, but a replay applies the whole sweep in one step.
            levels = followed.levels(side, len(fills) + 1)
            buy, sell = followed.best_levels()
            during = best_levels_during(levels, fills)
            between = [(best, sell) if side is ASK else (buy, best) for best in during]
        whole = [fill.amount for fill in fills] == [amount for *_, amount, _ in executions]
        swept = followed.execute(side, fills, whole)
        if swept is not None:
            published = sum(amount * price for *_, amount, price in executions)
            self._tally.count_trade(row, swept, published)
        return between

    def _check_maker(self, check: MakerCheck, followed: FollowedBook, message: MessageRow) -> None:
        order = followed.recorded(message[3])
        if order is not None:
            check.before(followed.heads_its_book, order, message)

    def _see_best(self, best: Best) -> None:
        buy, sell = self._best = best
        self._is_crossed = buy is not None and sell is not None and buy[0] <= sell[0]
