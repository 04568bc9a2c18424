"""The targets, and the verdict on each target."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from peers.catalogue import BARE, BEFORE, ENGINE, MATCHING_ENGINE, NANOBOOK, NAUTILUS, OMS, PEERS, PURE_PYTHON
from peers.ratios import Measurements
from peers.workload import DEPTHS

BOT = "message + 3 quotes"
LOBSTER_EVENT, BITSTAMP_EVENT = "LOBSTER event", "Bitstamp event"
OKX_MESSAGE, BITGET_MESSAGE = "OKX message", "Bitget message"


@dataclass(frozen=True)
class Reading:
    """A measured figure, and the peer with which it was compared if there were several."""

    figure: float
    whose: str = ""


@dataclass(frozen=True)
class Target:
    """An upper limit for a measured figure. A target without a limit is only reported."""

    row: str
    claim: str
    limit: float | None
    read: Callable[[Measurements], Reading | None]
    unit: str = "x"

    def met(self, reading: Reading) -> bool:
        """Return True if a reading is within the limit."""
        return self.limit is None or reading.figure <= self.limit


def against(row: str, operation: str, peer: str, limit: float | None) -> Target:
    """Return a target for the time of oms divided by that of a peer, for the same operation."""

    def read(measured: Measurements) -> Reading | None:
        ratio = measured.ratio(operation, OMS, peer)
        return None if ratio is None else Reading(ratio)

    return Target(row, f"{operation}: against {peer}", limit, read)


def ahead_of(row: str, operation: str, peers: Iterable[str], who: str, of: str = OMS) -> Target:
    """Return the target that oms, or its engine, is at least as fast as the fastest peer of a group."""
    group = tuple(peers)

    def read(measured: Measurements) -> Reading | None:
        ratios = {peer: measured.ratio(operation, of, peer) for peer in group}
        nearest = [Reading(ratio, peer) for peer, ratio in ratios.items() if ratio is not None]
        return max(nearest, key=lambda reading: reading.figure, default=None)

    return Target(row, f"{operation}: ahead of {who}", 1.0, read)


def within(row: str, claim: str, operation: str, base: str, limit: float) -> Target:
    """Return a target for the time of one operation of oms divided by that of another operation."""

    def read(measured: Measurements) -> Reading | None:
        ratio = measured.within(OMS, operation, base)
        return None if ratio is None else Reading(ratio)

    return Target(row, claim, limit, read)


def at_most(row: str, claim: str, figure: str, limit: float, unit: str) -> Target:
    """Return a target for a figure of oms alone."""

    def read(measured: Measurements) -> Reading | None:
        typical = measured.typical(OMS, figure)
        return None if typical is None else Reading(typical)

    return Target(row, claim, limit, read, unit)


UNCHANGED = "`calculate_price`, book unchanged"
CHANGED = "`calculate_price` right after a change at the best price"
SESSION = "a recorded session, each message + 3 quotes"
ORDERS = "`add_order`, `remove_order`"
TRADES = "`place_trade` over 10 orders with fills"
MATCHING = "`MatchingEngine`: submit that rests, replace, cancel, submit that takes 10 orders"
BULK = "`add_orders` of 100,000"
MANY = "`calculate_prices` of 100 amounts"
SIZE = "1,000 to 1,000,000 resting orders"
MEMORY = "memory per resting order"
SHIPPED = "`import oms`; the wheel"
RECORDINGS = "replays of recordings, against oms before"

ALL_PURE = "every pure-Python peer"
OTHER_PURE = f"every pure-Python peer but {MATCHING_ENGINE}"

TARGETS = (
    within(UNCHANGED, "flat: k=1,000 against k=1", "quote 1000", "quote 1", 1.5),
    *(against(UNCHANGED, f"quote {k}", NAUTILUS, limit) for k, limit in ((1, 2), (100, 1), (1000, 0.25))),
    *(against(CHANGED, f"changed {k}", NAUTILUS, 2.5) for k in DEPTHS),
    *(against(UNCHANGED, f"quote {k}", BEFORE, 1) for k in DEPTHS),
    *(against(CHANGED, f"changed {k}", BEFORE, 1) for k in DEPTHS),
    *(ahead_of(CHANGED, f"changed {k}", PURE_PYTHON, ALL_PURE) for k in DEPTHS),
    *(
        against(CHANGED, f"changed {k}", BARE, limit)
        for k, limit in zip(DEPTHS, (3, 1.5, 0.6, 0.35), strict=True)
    ),
    ahead_of(SESSION, BOT, (peer for peer in PEERS if peer != NAUTILUS), f"every peer but {NAUTILUS}"),
    against(SESSION, BOT, NAUTILUS, 2),
    against(SESSION, BOT, BARE, 1.2),
    against(SESSION, "message", BARE, 2.2),
    ahead_of(SESSION, "message", PURE_PYTHON, ALL_PURE),
    against(ORDERS, "add", BARE, 1.15),
    against(ORDERS, "remove", BARE, 1.05),
    ahead_of(ORDERS, "add", PURE_PYTHON, ALL_PURE),
    ahead_of(ORDERS, "remove", (peer for peer in PURE_PYTHON if peer != MATCHING_ENGINE), OTHER_PURE),
    against(ORDERS, "remove", MATCHING_ENGINE, 1.3),
    against(TRADES, "trade", BARE, 1),
    ahead_of(TRADES, "trade", PURE_PYTHON, ALL_PURE),
    against(TRADES, "trade", NANOBOOK, None),
    *(
        ahead_of(MATCHING, operation, PURE_PYTHON, ALL_PURE, ENGINE)
        for operation in ("add", "replace", "remove", "trade")
    ),
    within(BULK, "per order, against single adds (5 times faster)", "bulk add", "single add", 1 / 5),
    within(MANY, "against one, book unchanged", "100 prices", "one price", 5),
    within(MANY, "against one, after a change", "100 prices, changed", "one price, changed", 5),
    within(MANY, "against one, nothing cached yet", "100 prices, loaded", "one price, loaded", 5),
    within(SIZE, "`calculate_price`, within noise", "price at 1000000", "price at 1000", 1.5),
    within(SIZE, "`add_order`", "add at 1000000", "add at 1000", 3),
    within(SIZE, "`remove_order`", "remove at 1000000", "remove at 1000", 3),
    at_most(MEMORY, "oms alone", "bytes", 205, "bytes"),
    against(MEMORY, "bytes", NAUTILUS, 1),
    against(MEMORY, "bytes", BARE, None),
    *(against(RECORDINGS, event, BEFORE, 1 / 3) for event in (LOBSTER_EVENT, BITSTAMP_EVENT)),
    *(against(RECORDINGS, message, BEFORE, 1 / 2) for message in (OKX_MESSAGE, BITGET_MESSAGE)),
    at_most(SHIPPED, "import time above an empty interpreter", "import ms", 30, "ms"),
    at_most(SHIPPED, "size of the wheel", "wheel kB", 100, "kB"),
)


def verdict(target: Target, readings: dict[str, Reading]) -> str:
    """Return "pass" or "miss", for each interpreter if the verdicts differ.

    >>> import_time = at_most("row", "claim", "import ms", 30, "ms")
    >>> verdict(import_time, {"Python 3.11.2": Reading(20.0), "Python 3.13.0": Reading(35.0)})
    'pass (Python 3.11.2), miss (Python 3.13.0)'
    >>> verdict(import_time, {"Python 3.11.2": Reading(20.0)})
    'pass'

    """
    if not readings:
        return "not measured"
    if target.limit is None:
        return "to watch"
    words = {label: "pass" if target.met(reading) else "miss" for label, reading in readings.items()}
    if len(set(words.values())) == 1:
        return next(iter(words.values()))
    return ", ".join(f"{word} ({label})" for label, word in words.items())
