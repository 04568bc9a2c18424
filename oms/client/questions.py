"""The questions for `what_if`. Each takes the arguments of the client's method with the same name.

They work for a `Client` and for an `EngineClient`. If an argument is invalid, a function raises the same
error as the method.

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
