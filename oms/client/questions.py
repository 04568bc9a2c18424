"""The questions of `what_if`, with the arguments of the client's methods of the same names.

They work for a `Client` and for an `EngineClient`. A function raises the errors of the method for invalid
arguments.

>>> from oms import Side
>>> from oms.client import questions
>>> questions.depth("JPM", Side.BUY, levels=1)
questions.depth('JPM', <Side.BUY: 'BUY'>, levels=1)

"""

from __future__ import annotations

from oms.client import operations
from oms.client.steps import as_question

__all__ = [
    "amount_within",
    "available_amount",
    "best_price",
    "calculate_amount",
    "calculate_price",
    "calculate_prices",
    "count",
    "depth",
    "price_curve",
    "quote",
    "symbols",
]

calculate_price = as_question(operations.calculate_price)
calculate_prices = as_question(operations.calculate_prices)
quote = as_question(operations.quote)
price_curve = as_question(operations.price_curve)
calculate_amount = as_question(operations.calculate_amount)
available_amount = as_question(operations.available_amount)
amount_within = as_question(operations.amount_within)
best_price = as_question(operations.best_price)
depth = as_question(operations.depth)
symbols = as_question(operations.symbols)
count = as_question(operations.count)
