"""Replay a level-2 capture into an OrderManagement."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache

from oms.errors import InvalidArgumentError
from oms.feeds.errors import FeedError
from oms.feeds.levels.capture import Capture
from oms.feeds.levels.feed import LevelFeed, Outcome
from oms.feeds.levels.messages import BookMessage, Checksums, InstrumentMessage, LevelMessage, TradeMessage
from oms.feeds.levels.report import LevelReport
from oms.feeds.recorder import Recorder
from oms.feeds.replay_clock import ReplayClock
from oms.instrument import Instrument
from oms.management import OrderManagement
from oms.size import MOST_DIGITS, decimals_of

__all__ = ["LevelReplay", "find_instruments", "replay_levels"]

_NUMBER = rf"\d{{1,{MOST_DIGITS}}}(?:\.\d{{1,{MOST_DIGITS}}})?"
_PLAIN = re.compile(rf"{_NUMBER}(?: {_NUMBER})*+", re.ASCII)
_DECIMALS = re.compile(r"\.(\d*[1-9])")  # without trailing zeros


def replay_levels(
    capture: Capture,
    om: OrderManagement,
    *,
    instruments: Mapping[str, Instrument] | Instrument | None = None,
    recorder: Recorder | None = None,
    on_message: Callable[[OrderManagement, Outcome], object] | None = None,
    checksums: Checksums = "verify",
) -> LevelReport:
    r"""Apply every message in a capture to the books of its symbols, and return a report.

    After each message, `on_message` is called with `om` and the outcome. During this call, the clock of `om`
    still shows the time of the capture. The other arguments are the same as
    for `LevelReplay`, and so are the exceptions. Each message takes O(k log n + d) for k levels in the
    message, d levels covered by the checksum, and n levels in the book (up to about 10,000).

    >>> import pathlib, tempfile
    >>> from oms import OrderManagement, Side
    >>> from oms.feeds import open_capture
    >>> snapshot = '["0",{"as":[["10.2","5.0","1.5"]],"bs":[["10.1","4.0","1.5"]]},"book-10","XBT/USD"]'
    >>> update = '["0",{"a":[["10.3","2.5","2.5"]],"c":"3617920322"},"book-10","XBT/USD"]'
    >>> om = OrderManagement()
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "capture")
    ...     _ = path.write_text(f"{snapshot}\n{update}\n")
    ...     report = replay_levels(open_capture(path), om)
    >>> report.messages, report.checksums_ok, report.checksums_failed, report.stale
    (2, 1, 0, ())
    >>> report.symbols["XBT/USD"].instrument, om.calculate_price("XBT/USD", Side.BUY, 51)
    (Instrument(tick_size='0.1', lot_size='0.1'), 5203)

    """
    run = LevelReplay(capture, om, instruments=instruments, recorder=recorder, checksums=checksums)
    with ReplayClock().during(om):
        for outcome in run:
            if on_message is not None:
                on_message(om, outcome)
    return run.report()


class LevelReplay:
    """A replay that you can iterate over. Each step applies one message.

    `instruments` maps symbols to Instruments, or is one Instrument for all symbols. By default, the capture
    is first read once, and `find_instruments` determines the instruments. The messages of a capture of up to
    two million characters are kept in memory. A larger capture is read twice. `recorder` samples the books
    and trades. `checksums` is the same as for `LevelFeed`. During the replay, `feed[symbol]` returns the
    state of a book. During each step, the clock of `om` shows the time of the capture (see ReplayClock).
    """

    def __init__(
        self,
        capture: Capture,
        om: OrderManagement,
        *,
        instruments: Mapping[str, Instrument] | Instrument | None = None,
        recorder: Recorder | None = None,
        checksums: Checksums = "verify",
    ) -> None:
        """Read the capture once if `instruments` is None. Raise FeedError if it cannot be read."""
        self._messages: Iterable[LevelMessage] = capture
        if instruments is None:
            found, self._messages = capture.read_ahead(find_instruments)
            instruments = found
        self.feed = LevelFeed(om, capture.rule, instruments, checksums=checksums)
        self._capture = capture
        self._recorder = recorder
        self._steps = self._run()

    def __iter__(self) -> Iterator[Outcome]:
        """Apply the messages one by one, and yield the outcome of each.

        A second loop continues where the first one stopped. Raise FeedError if the capture cannot be read or
        contains no book, and InvalidArgumentError if a symbol has no Instrument.
        """
        return self._steps

    def report(self) -> LevelReport:
        """Return the current counts."""
        passed_over, first_rows = self._capture.passed_over, self._capture.first_rows
        return LevelReport(self.feed.reports(), dict(passed_over), dict(first_rows))

    def _run(self) -> Iterator[Outcome]:
        clock, ledger = ReplayClock(), self.feed.om._ledger
        for message in self._messages:
            try:
                shown = clock.begin(ledger)
                shown.time = message.time or shown.time  # 0 if the message has no time
                outcome = self.feed.apply(message)
                if self._recorder is not None:
                    self._record(self._recorder, message)
            finally:
                clock.end(ledger)
            yield outcome
        if not self.feed.symbols:
            raise FeedError(self._capture.path, None, self._why_no_book())

    def _why_no_book(self) -> str:
        reasons = [f"{reason} (lines: {lines:,})" for reason, lines in self._capture.passed_over.items()]
        return "; ".join([f"it contains no {self._capture.feed} book", *reasons])

    def _record(self, recorder: Recorder, message: LevelMessage) -> None:
        if isinstance(message, InstrumentMessage):
            return
        instrument = self.feed.instrument(message.symbol)
        recorder.begin(message.symbol, instrument)
        if isinstance(message, TradeMessage):
            with suppress(InvalidArgumentError):  # a trade at an invalid price is not recorded
                price, amount = instrument.to_ticks(message.price), instrument.to_lots(message.amount)
                recorder.trade(message.symbol, message.time, message.side, price, amount)
        else:
            recorder.see(self.feed.om, message.symbol, message.time)


def find_instruments(
    messages: Iterable[LevelMessage], tick_size: str | None = None, lot_size: str | None = None
) -> dict[str, Instrument]:
    """Find each symbol's tick size and lot size from the most decimals of its prices and of its amounts.

    If you pass a tick size or a lot size, all symbols have this size. Strings that are not plain decimals are
    ignored. O(n) time for n levels in all messages, and O(s) memory for s symbols.

    >>> find_instruments([BookMessage(1, 0, "XYZ", True, asks=(("10.250", "1.00000"),), bids=())])
    {'XYZ': Instrument(tick_size='0.01', lot_size='1')}

    """
    decimals: defaultdict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for message in messages:
        if isinstance(message, BookMessage):
            pairs: Sequence[tuple[str, str]] = [*message.asks, *message.bids]
        elif isinstance(message, TradeMessage):
            pairs = ((message.price, message.amount),)
        else:
            pairs = ((message.tick_size, message.lot_size),)
        of_price, of_amount = decimals[message.symbol]
        decimals[message.symbol] = (
            _most_decimals([price for price, _ in pairs], of_price),
            _most_decimals([amount for _, amount in pairs], of_amount),
        )
    found = {symbol: Instrument.of_decimals(*most) for symbol, most in decimals.items()}
    return {
        symbol: Instrument(tick_size or instrument.tick_size, lot_size or instrument.lot_size)
        for symbol, instrument in found.items()
    }


def _most_decimals(texts: Sequence[str], at_least: int) -> int:
    """Return the largest number of decimal places in any of the strings, or `at_least` if that is larger.

    Trailing zeros do not count. Searching all strings together is much faster than one call per string.
    """
    try:
        joined = " ".join(texts)
        if not ("e" in joined or "E" in joined or _more_decimals_than(at_least).search(joined)):
            return at_least
        if joined.count(" ") < len(texts) and _PLAIN.fullmatch(joined):
            return max(map(len, _DECIMALS.findall(joined)))
    except TypeError:  # a value is not a string
        pass
    return max(at_least, *map(decimals_of, texts))


@cache
def _more_decimals_than(decimals: int) -> re.Pattern[str]:
    """Return a regex that matches any number with more than `decimals` decimal places, if it has no exponent.

    Trailing zeros do not count. The search is fast because the regex begins with a single character.
    """
    return re.compile(rf"\.\d{{{decimals}}}0*[1-9]")
