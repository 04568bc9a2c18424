"""The list of drivers. To add a peer, write a driver and add a line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peers.drivers.bare import Bare
from peers.drivers.before import Before
from peers.drivers.cython_orderbook import CythonOrderbook
from peers.drivers.fastlob import Fastlob
from peers.drivers.lightmatchingengine import LightMatchingEngine
from peers.drivers.limit_order_book import LimitOrderBook
from peers.drivers.liquibook import Liquibook
from peers.drivers.matching_engine import MatchingEngine
from peers.drivers.nanobook import Nanobook
from peers.drivers.nautilus import Nautilus
from peers.drivers.oms import Oms
from peers.drivers.oms_engine import OmsEngine
from peers.drivers.order_book import OrderBook
from peers.drivers.orderly_chaos import OrderlyChaos
from peers.drivers.pylobo import Pylobo
from peers.drivers.pyorderbook import Pyorderbook

if TYPE_CHECKING:
    from peers.driver import Driver

OMS, ENGINE, BEFORE, BARE = "oms", "oms engine", "oms before", "bare"
OURS = (OMS, ENGINE, BEFORE, BARE)
NAUTILUS, NANOBOOK, MATCHING_ENGINE = "nautilus-trader", "nanobook", "matching-engine"

DRIVERS: dict[str, type[Driver]] = {
    # Most targets compare these five, so they are listed together and measured one after another.
    OMS: Oms,
    ENGINE: OmsEngine,
    BEFORE: Before,
    BARE: Bare,
    NAUTILUS: Nautilus,
    "order-book": OrderBook,
    "limit-order-book": LimitOrderBook,
    NANOBOOK: Nanobook,
    "pylobo": Pylobo,
    "orderly-chaos": OrderlyChaos,
    "cython-orderbook": CythonOrderbook,
    "liquibook": Liquibook,
    MATCHING_ENGINE: MatchingEngine,
    "fastlob": Fastlob,
    "lightmatchingengine": LightMatchingEngine,
    "pyorderbook": Pyorderbook,
}

PEERS = tuple(name for name in DRIVERS if name not in OURS)
PURE_PYTHON = tuple(name for name in PEERS if DRIVERS[name].core == "Python")


def with_oms(names: list[str]) -> list[str]:
    """Return these drivers, those of oms, and the bare container, in the order above."""
    return [name for name in DRIVERS if name in {*OURS, *names}]
