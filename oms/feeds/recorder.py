"""A recorder that samples books and trades during a replay, in bounded memory."""

from __future__ import annotations

from fractions import Fraction
from heapq import heappush, heappushpop

from oms.errors import InvalidArgumentError
from oms.feeds.history import BookHistory, TradeColumns
from oms.feeds.intervals import nanoseconds_in
from oms.instrument import TICKS_AND_LOTS, Instrument
from oms.management import OrderManagement
from oms.models import Side, check_positive

__all__ = ["Recorder"]

_SECOND = 1_000_000_000

_Levels = tuple[tuple[int, int], ...]


class Recorder:
    """A recorder of each symbol's trades, with regular samples of its best price levels.

    The recorder takes one sample of the best `levels` levels per side every `every` seconds. If a symbol has
    more than `samples` samples, the recorder removes every second sample and doubles that symbol's interval.
    It keeps only the `trades` largest trades per symbol.

    >>> from oms import OrderManagement, Side
    >>> om, recorder = OrderManagement(), Recorder(every=1, levels=5)
    >>> for second in range(3):
    ...     om.add_order(second, "XYZ", Side.BUY, 10, 103 - second)
    ...     recorder.see(om, "XYZ", second * 10**9)
    >>> history = recorder.history("XYZ")
    >>> history.times, history.best_buy, history.buy_levels[1]
    ([0.0, 1.0, 2.0], [103, 102, 101], ((102, 10), (103, 10)))

    """

    def __init__(
        self, every: float = 1.0, levels: int = 20, samples: int = 2_000, trades: int = 20_000
    ) -> None:
        """Set the limits. Raise InvalidArgumentError if a limit is not positive."""
        interval = nanoseconds_in("every", every)
        for name, value in (("levels", levels), ("samples", samples), ("trades", trades)):
            check_positive(name, value, InvalidArgumentError)
        self._every = interval
        self._levels = levels
        self._max_samples = samples
        self._max_trades = trades
        self._tracks: dict[str, _Track] = {}

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols recorded so far, sorted."""
        return tuple(sorted(self._tracks))

    def begin(self, symbol: str, instrument: Instrument) -> None:
        """Set a symbol's tick and lot size. Both are 1 by default.

        If the sizes get smaller later, earlier samples and trades are converted. Raise InvalidArgumentError
        if the conversion is not exact. O(1), or O(s + t) for s samples and t trades if the sizes change.
        """
        track = self._track(symbol)
        if track.is_begun and track.instrument != instrument:
            track.convert(instrument)
        track.instrument, track.is_begun = instrument, True

    def see(self, om: OrderManagement, symbol: str, time: int) -> None:
        """Sample a book if a sample is due at `time` (ns). O(k) for k sampled levels, otherwise O(1)."""
        track = self._track(symbol)
        if time >= track.due:
            track.due = (time // track.every + 1) * track.every
            with om.locked():  # so that both sides come from the same moment
                buy, sell = (
                    tuple((level.price, level.amount) for level in om.depth(symbol, side, self._levels))
                    for side in Side
                )
            track.samples.append((time, buy, sell))
            if len(track.samples) > self._max_samples:
                track.thin()

    def trade(self, symbol: str, time: int, side: Side, price: int, amount: int) -> None:
        """Record a trade with its time (ns), price (ticks), and amount (lots). O(log t) for t trades."""
        track = self._track(symbol)
        track.trades_seen += 1
        # The second item is a tie-breaker: of two trades with the same amount, the earlier one ranks higher.
        trade = (amount, -track.trades_seen, time, price, side)
        if len(track.trades) < self._max_trades:
            heappush(track.trades, trade)
        else:
            heappushpop(track.trades, trade)

    def history(self, symbol: str) -> BookHistory:
        """Return a symbol's history. Raise InvalidArgumentError if the symbol was never recorded.

        O(s + t log t) for s samples and t trades.
        """
        if symbol not in self._tracks:
            recorded = ", ".join(self.symbols) or "there are none yet"
            raise InvalidArgumentError("symbol", symbol, f"a recorded symbol ({recorded})")
        return self._tracks[symbol].history(symbol)

    def _track(self, symbol: str) -> _Track:
        track = self._tracks.get(symbol)
        if track is None:
            track = self._tracks[symbol] = _Track(self._every)
        return track


class _Track:
    """The samples and trades of one symbol."""

    __slots__ = ("due", "every", "instrument", "is_begun", "samples", "trades", "trades_seen")

    def __init__(self, every: int) -> None:
        self.every = every
        self.due = 0
        self.instrument = TICKS_AND_LOTS
        self.is_begun = False
        self.samples: list[tuple[int, _Levels, _Levels]] = []
        self.trades: list[tuple[int, int, int, int, Side]] = []  # a heap with the smallest trade first
        self.trades_seen = 0

    def thin(self) -> None:
        self.every *= 2
        del self.samples[1::2]
        self.due = (self.samples[-1][0] // self.every + 1) * self.every

    def convert(self, instrument: Instrument) -> None:
        tick = Fraction(self.instrument.tick) / Fraction(instrument.tick)
        lot = Fraction(self.instrument.lot) / Fraction(instrument.lot)
        if tick.denominator > 1 or lot.denominator > 1:
            allowed = f"one whose tick and lot divide the earlier sizes ({self.instrument.describe()})"
            raise InvalidArgumentError("instrument", instrument, allowed)
        ticks, lots = tick.numerator, lot.numerator

        def converted(levels: _Levels) -> _Levels:
            return tuple((price * ticks, amount * lots) for price, amount in levels)

        self.samples = [(time, converted(buy), converted(sell)) for time, buy, sell in self.samples]
        self.trades = [
            (amount * lots, rank, time, price * ticks, side)
            for amount, rank, time, price, side in self.trades
        ]

    def history(self, symbol: str) -> BookHistory:
        trades = sorted(self.trades, key=lambda trade: -trade[1])
        return BookHistory(
            symbol=symbol,
            instrument=self.instrument,
            times=[time / _SECOND for time, _, _ in self.samples],
            best_buy=[buy[0][0] if buy else None for _, buy, _ in self.samples],
            best_sell=[sell[0][0] if sell else None for _, _, sell in self.samples],
            buy_levels=[buy for _, buy, _ in self.samples],
            sell_levels=[sell for _, _, sell in self.samples],
            trades=TradeColumns(
                time=[time / _SECOND for _, _, time, _, _ in trades],
                price=[price for _, _, _, price, _ in trades],
                amount=[amount for amount, _, _, _, _ in trades],
                side=[side for _, _, _, _, side in trades],
            ),
            trades_seen=self.trades_seen,
        )
