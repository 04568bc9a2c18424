"""An HTTP service with a REST API, a stream of changes, and a web page. It requires the `api` extra.

>>> from fastapi.testclient import TestClient
>>> from oms import OrderManagement, Side
>>> om = OrderManagement()
>>> om.add_order(1, "JPM", Side.BUY, 20, 20)
>>> client = TestClient(create_app(om))
>>> client.get("/price", params={"symbol": "JPM", "side": "BUY", "amount": 10}).json()
{'symbol': 'JPM', 'side': 'BUY', 'amount': 10, 'total_price': 200}

"""

from oms import extras

try:
    from oms.api.app import create_app, create_router
    from oms.api.keys import Access, ApiKey
    from oms.api.settings import Settings
except ModuleNotFoundError as error:
    extras.add_note(error, "oms.api", "api")
    raise

__all__ = [
    "Access",
    "ApiKey",
    "Settings",
    "create_app",
    "create_router",
]
