"""The class Meter, which measures a simulated market and adds up its trades."""

from __future__ import annotations

from collections.abc import Mapping

from oms.account import Account
from oms.engine_events import EngineEvent
from oms.events import Event
from oms.matching import MatchingEngine
from oms.models import Side
from oms.positions import Position
from oms.simulation.report import Interval, Profit

__all__ = ["Meter"]

_LEVELS = 5  # price levels of each side that count as depth
_INTERVALS = 120
_OTHER = "other"  # the kind of a trader that is not in the simulation


class Meter:
    """A subscriber of an engine that measures the market after each of `steps` steps.

    `kinds` contains the kind of each owner. The measurements are summed over at most 120 intervals of equal
    length, so the memory does not grow with the steps. The last interval may be shorter.
    """

    def __init__(self, engine: MatchingEngine, symbol: str, kinds: Mapping[str, str], steps: int) -> None:
        self.account = Account(engine)
        self._engine = engine
        self._symbol = symbol
        self._steps = steps
        self._length = -(-steps // _INTERVALS)
        self._kinds = kinds
        self._flows: dict[tuple[str, str], _Flow] = {}
        self._intervals: list[Interval] = []
        self._twice_mid: int | None = None
        self._step = 0
        self._begin()
        engine.subscribe(self._on_event)

    def end_step(self, value: int) -> None:
        """Measure the market at the end of a step, with the fundamental value (ticks). O(1)."""
        asks, bids = (self._engine.depth(self._symbol, side, _LEVELS) for side in Side)
        if asks and bids:
            twice_mid = asks[0].price + bids[0].price
            if self._twice_mid is not None:
                change = (twice_mid - self._twice_mid) / self._twice_mid
                self._squared_returns += change * change
            self._twice_mid = twice_mid
            self._quoted += 1
            self._spread_sum += asks[0].price - bids[0].price
            self._ask_depth_sum += sum(level.amount for level in asks)
            self._bid_depth_sum += sum(level.amount for level in bids)
        self._step += 1
        if self._step - self._first_step == self._length or self._step == self._steps:
            self._intervals.append(self._interval(value))
            self._begin()

    def intervals(self, value: int) -> tuple[Interval, ...]:
        """Return the intervals so far. `value` is the current fundamental value (ticks)."""
        if self._intervals and self._first_step == self._step:
            return tuple(self._intervals)
        return (*self._intervals, self._interval(value))

    def profits(self, value: int) -> dict[str, Profit]:
        """Return the profit of each kind, with positions valued at `value` (ticks)."""
        positions: dict[str, list[Position]] = {kind: [] for kind in self._kinds.values()}
        for position in self.account.positions():
            positions.setdefault(self._kind(position.owner), []).append(position)
        return {
            kind: Profit(
                agents=sum(each == kind for each in self._kinds.values()),
                traded=sum(each.bought + each.sold for each in group),
                position=sum(each.amount for each in group),
                profit=sum(each.cash + each.amount * value for each in group),
                against={
                    other: flow.cash + flow.bought * value
                    for (each, other), flow in sorted(self._flows.items())
                    if each == kind
                },
            )
            for kind, group in positions.items()
        }

    def _kind(self, owner: str | None) -> str:
        return self._kinds.get(owner or "", _OTHER)

    def _begin(self) -> None:
        """Begin a new interval."""
        self._first_step = self._step
        self._first_sequence = self._engine.last_sequence
        self._trades = self._volume = 0
        self._quoted = self._spread_sum = self._ask_depth_sum = self._bid_depth_sum = 0
        self._squared_returns = 0.0

    def _interval(self, value: int) -> Interval:
        return Interval(
            self._first_step,
            self._step - self._first_step,
            self._engine.last_sequence - self._first_sequence,
            self._trades,
            self._volume,
            value,
            self._twice_mid,
            self._quoted,
            self._spread_sum,
            self._ask_depth_sum,
            self._bid_depth_sum,
            self._squared_returns,
        )

    def _on_event(self, event: Event) -> None:
        """Add up the trades of an event."""
        assert isinstance(event, EngineEvent)
        for fill in event.fills():
            taker, maker = self._kind(fill.taker_owner), self._kind(fill.maker_owner)
            bought = fill.side.sign * fill.amount
            self._trades += 1
            self._volume += fill.amount
            self._flows.setdefault((taker, maker), _Flow()).add(bought, fill.price)
            self._flows.setdefault((maker, taker), _Flow()).add(-bought, fill.price)


class _Flow:
    """The net lots and the net cash that traders of one kind received from traders of another kind.

    An account contains each trader's profit, but not from which traders it came.
    """

    def __init__(self) -> None:
        self.bought = self.cash = 0

    def add(self, bought: int, price: int) -> None:
        """Add a fill. `bought` is negative for a sale."""
        self.bought += bought
        self.cash -= bought * price
