"""HTTP clients for the service, with the methods of OrderManagement or MatchingEngine.

They require the `client` extra.

>>> from oms import OrderManagement, Side
>>> from oms.api import create_app
>>> from oms.client import Client, InProcess
>>> with Client("http://localhost", transport=InProcess(create_app(OrderManagement()))) as client:
...     client.add_order(1, "JPM", Side.BUY, amount=20, price=20)
...     client.calculate_price("JPM", Side.BUY, 10)
200

"""

from oms import extras

try:
    from oms.client import questions, verbs
    from oms.client.bulk import WhatIf
    from oms.client.clients import AsyncClient, Client
    from oms.client.engine_clients import AsyncEngineClient, EngineClient
    from oms.client.errors import (
        ApiError,
        RequestRejectedError,
        ServiceUnavailableError,
        UnexpectedResponseError,
        UnsteadyBooksError,
    )
    from oms.client.in_process import InProcess
    from oms.client.lag import Lag
    from oms.client.steps import Question, Verb
except ModuleNotFoundError as error:
    extras.add_note(error, "oms.client", "client")
    raise

__all__ = [
    "ApiError",
    "AsyncClient",
    "AsyncEngineClient",
    "Client",
    "EngineClient",
    "InProcess",
    "Lag",
    "Question",
    "RequestRejectedError",
    "ServiceUnavailableError",
    "UnexpectedResponseError",
    "UnsteadyBooksError",
    "Verb",
    "WhatIf",
    "questions",
    "verbs",
]
