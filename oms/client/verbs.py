"""The verbs for `transaction` and `what_if`. Each takes the arguments of the client's method of that name.

`add_order` to `place_trade` are for a `Client`, and the others for an `EngineClient`. A verb has no
`idempotency_key`, because the whole transaction has one. If an argument is invalid, a function raises the
same error as the method.

>>> from oms import Side
>>> from oms.client import verbs
>>> verbs.add_order(1, "JPM", Side.BUY, 20, 20)
verbs.add_order(1, 'JPM', <Side.BUY: 'BUY'>, 20, 20)

"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from oms.client import bulk, engine_operations, operations
from oms.client.steps import Verb, as_verb
from oms.errors import InvalidOrderError
from oms.frames import Frame
from oms.models import Order
from oms.order_rows import as_rows

__all__ = [
    "add_order",
    "add_orders",
    "amend_order",
    "cancel",
    "cancel_all",
    "place_trade",
    "reduce",
    "remove_order",
    "replace",
    "submit",
]

add_order = as_verb(operations.add_order)
remove_order = as_verb(operations.remove_order)
amend_order = as_verb(operations.amend_order)
place_trade = as_verb(operations.place_trade)

submit = as_verb(engine_operations.submit)
replace = as_verb(engine_operations.replace)
reduce = as_verb(engine_operations.reduce)
cancel = as_verb(engine_operations.cancel)
cancel_all = as_verb(engine_operations.cancel_all)


def add_orders(orders: Iterable[Order] | Mapping[str, object] | Frame) -> Verb[None]:
    """Return the verb that does what the method `add_orders` does.

    Raises InvalidOrderError if `orders` is empty.
    """
    rows = as_rows(orders)
    if not rows:
        raise InvalidOrderError("orders", orders, "at least one order")
    return Verb(bulk.add_orders, tuple(Order(*row) for row in rows))
