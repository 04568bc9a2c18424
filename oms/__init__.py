"""An order-management library for embedding in programs, with sorted books, exact prices, and trades.

>>> from oms import OrderManagement, Side
>>> om = OrderManagement()
>>> om.add_order(1, "JPM", Side.BUY, 20, 20)
>>> om.add_order(4, "JPM", Side.BUY, 10, 21)
>>> om.calculate_price("JPM", Side.BUY, 22)
442
>>> om.place_trade("JPM", Side.BUY, 22).fills
(OrderFill(order_id=1, amount=20, price=20), OrderFill(order_id=4, amount=2, price=21))

"""

from typing import TYPE_CHECKING

from oms.account import Account
from oms.columns import to_columns
from oms.cost_basis import CostBasis
from oms.engine_events import OrderReduced, OrderReplaced, OrdersCanceled, OrderSubmitted
from oms.errors import (
    AmountLimitError,
    DuplicateOrderError,
    InsufficientLiquidityError,
    InvalidArgumentError,
    InvalidOrderError,
    JournalError,
    KillSwitchError,
    LimitError,
    NotionalLimitError,
    OmsError,
    OpenAmountLimitError,
    OpenOrdersLimitError,
    OpenTransactionError,
    OrderNotFoundError,
    PriceBoundError,
    PriceCollarError,
    RateLimitError,
)
from oms.events import (
    Event,
    InstrumentKeeper,
    Journal,
    OrderAdded,
    OrderAmended,
    OrderRemoved,
    OrdersAdded,
    OrdersRemoved,
    Snapshot,
    TradePlaced,
)
from oms.fees import FeeRounding, FeeSchedule, FeeTier, FeeVolume
from oms.id_map import IdMap
from oms.instrument import Instrument
from oms.limits import CollarReference, Limits
from oms.management import OrderManagement
from oms.matching import MatchingEngine
from oms.models import Order, OrderFill, PriceLevel, Quote, Side, Trade
from oms.positions import Position, ProfitPoint
from oms.sides import SUBMITTER_SIDES
from oms.submission import (
    CancelReason,
    EngineFill,
    Execution,
    OpenOrder,
    PostOnly,
    QueueAhead,
    SelfTradePrevention,
    Submission,
    TimeInForce,
)
from oms.top_of_book import TopOfBook

__all__ = [
    "Account",
    "AmountLimitError",
    "CancelReason",
    "CollarReference",
    "CostBasis",
    "DuplicateOrderError",
    "EngineFill",
    "Event",
    "Execution",
    "FeeRounding",
    "FeeSchedule",
    "FeeTier",
    "FeeVolume",
    "IdMap",
    "Instrument",
    "InstrumentKeeper",
    "InsufficientLiquidityError",
    "InvalidArgumentError",
    "InvalidOrderError",
    "Journal",
    "JournalError",
    "KillSwitchError",
    "LimitError",
    "Limits",
    "MatchingEngine",
    "NotionalLimitError",
    "OmsError",
    "OpenAmountLimitError",
    "OpenOrder",
    "OpenOrdersLimitError",
    "OpenTransactionError",
    "Order",
    "OrderAdded",
    "OrderAmended",
    "OrderFill",
    "OrderManagement",
    "OrderNotFoundError",
    "OrderReduced",
    "OrderRemoved",
    "OrderReplaced",
    "OrderSubmitted",
    "OrdersAdded",
    "OrdersCanceled",
    "OrdersRemoved",
    "Position",
    "PostOnly",
    "PriceBoundError",
    "PriceCollarError",
    "PriceLevel",
    "ProfitPoint",
    "QueueAhead",
    "Quote",
    "RateLimitError",
    "SUBMITTER_SIDES",
    "SelfTradePrevention",
    "Side",
    "Snapshot",
    "Submission",
    "TimeInForce",
    "TopOfBook",
    "Trade",
    "TradePlaced",
    "to_columns",
]

__version__: str

# Type checkers use the declaration above. If they saw the function, they would accept any name.
if not TYPE_CHECKING:  # pragma: no branch

    def __getattr__(name: str) -> str:
        """Return the version. Looking it up at import would nearly double the time of `import oms`."""
        if name != "__version__":
            raise AttributeError(f"module 'oms' has no attribute {name!r}")
        from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415  # the import is as slow as `import oms`

        try:
            return version("oms-orderbook")
        except PackageNotFoundError:
            raise AttributeError("oms.__version__ is unknown: oms-orderbook is not installed") from None
