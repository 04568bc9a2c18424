"""The library as a service: REST, a live stream, a ladder page, and clients (extra `api`).

>>> from fastapi.testclient import TestClient
>>> from oms import OrderManagement, Side
>>> om = OrderManagement()
>>> om.add_order(1, "JPM", Side.BUY, 20, 20)
>>> client = TestClient(create_app(om))
>>> client.get("/price", params={"symbol": "JPM", "side": "BUY", "amount": 10}).json()
{'symbol': 'JPM', 'side': 'BUY', 'amount': 10, 'total_price': 200}

"""

from oms.api.app import create_app, create_router
from oms.api.client import AsyncClient, Client
from oms.api.errors import (
    ApiError,
    RequestRefusedError,
    ServiceUnavailableError,
    UnexpectedAnswerError,
    UnsteadyBooksError,
)
from oms.api.in_process import InProcess
from oms.api.settings import Settings

__all__ = [
    "ApiError",
    "AsyncClient",
    "Client",
    "InProcess",
    "RequestRefusedError",
    "ServiceUnavailableError",
    "Settings",
    "UnexpectedAnswerError",
    "UnsteadyBooksError",
    "create_app",
    "create_router",
]
