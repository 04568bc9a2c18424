"""The library as a service: REST, a live stream, and a ladder page (extra `api`).

>>> from fastapi.testclient import TestClient
>>> from oms import OrderManagement, Side
>>> om = OrderManagement()
>>> om.add_order(1, "JPM", Side.BUY, 20, 20)
>>> client = TestClient(create_app(om))
>>> client.get("/price", params={"symbol": "JPM", "side": "BUY", "amount": 10}).json()
{'symbol': 'JPM', 'side': 'BUY', 'amount': 10, 'total_price': 200}

"""

try:
    from oms.api.app import create_app, create_router
    from oms.api.settings import Settings
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] in {"fastapi", "httpx", "pydantic", "starlette"}:
        error.add_note("oms.api needs the extra api: in a checkout of the project, pip install '.[api]'")
    raise

__all__ = [
    "Settings",
    "create_app",
    "create_router",
]
