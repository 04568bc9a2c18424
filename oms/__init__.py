"""An order-management library to embed: sorted books, exact prices, executed trades.

>>> from oms import OrderManagement, Side
>>> om = OrderManagement()
>>> om.add_order(1, "JPM", Side.BUY, 20, 20)
>>> om.add_order(4, "JPM", Side.BUY, 10, 21)
>>> om.calculate_price("JPM", Side.BUY, 22)
442
>>> om.place_trade("JPM", Side.BUY, 22).fills
(OrderFill(order_id=1, amount=20, price=20), OrderFill(order_id=4, amount=2, price=21))

"""

from oms.columns import to_columns
from oms.errors import (
    DuplicateOrderError,
    InsufficientLiquidityError,
    InvalidOrderError,
    JournalError,
    OmsError,
    OpenTransactionError,
    OrderNotFoundError,
    PriceBoundError,
)
from oms.events import (
    Event,
    Journal,
    OrderAdded,
    OrderAmended,
    OrderRemoved,
    OrdersAdded,
    OrdersRemoved,
    Snapshot,
    TradePlaced,
)
from oms.instrument import Instrument
from oms.management import OrderManagement
from oms.models import Order, OrderFill, PriceLevel, Quote, Side, Trade

__all__ = [
    "DuplicateOrderError",
    "Event",
    "Instrument",
    "InsufficientLiquidityError",
    "InvalidOrderError",
    "Journal",
    "JournalError",
    "OmsError",
    "OpenTransactionError",
    "Order",
    "OrderAdded",
    "OrderAmended",
    "OrderFill",
    "OrderManagement",
    "OrderNotFoundError",
    "OrderRemoved",
    "OrdersAdded",
    "OrdersRemoved",
    "PriceBoundError",
    "PriceLevel",
    "Quote",
    "Side",
    "Snapshot",
    "Trade",
    "TradePlaced",
    "to_columns",
]
