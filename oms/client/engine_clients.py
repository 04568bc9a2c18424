"""A sync and an async HTTP client for a MatchingEngine in another process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from typing import Any, Concatenate, ParamSpec, TypeVar

from oms.client import bulk, engine_operations, operations
from oms.client.clients import AsyncConnection, Connection, async_method, method_of
from oms.client.retries import Exchange
from oms.instrument import Instrument
from oms.submission import OpenOrder

__all__ = ["AsyncEngineClient", "EngineClient"]

P = ParamSpec("P")
T = TypeVar("T")


def _method(
    operation: Callable[P, Exchange[T]], name: str | None = None
) -> Callable[Concatenate[Connection, P], T]:
    return method_of(operation, name, (__name__, "EngineClient"))


def _async_method(
    operation: Callable[P, Exchange[T]],
) -> Callable[Concatenate[AsyncConnection, P], Coroutine[Any, Any, T]]:
    return async_method(operation, (__name__, "AsyncEngineClient"))


class EngineClient(Connection):
    """A client for a MatchingEngine in another process, with the same methods, results, and errors.

    The arguments, the retries, and the errors of requests are the same as for `Client`. If the API key has an
    owner, the client finds and changes only this owner's orders. In the fills of an execution, the ids of all
    other orders are "". The fills of a quote are left out.

    >>> from oms import MatchingEngine, Side
    >>> from oms.api import create_app
    >>> from oms.client import EngineClient, InProcess
    >>> service = InProcess(create_app(MatchingEngine()))
    >>> with EngineClient("http://localhost", transport=service) as engine:
    ...     engine.submit("ask-1", "JPM", Side.SELL, 20, 101).resting
    ...     engine.submit("bid-1", "JPM", Side.BUY, 25, 101).fills
    ...     engine.order("bid-1").remaining, "ask-1" in engine, engine.last_price("JPM")
    20
    (OrderFill(order_id='ask-1', amount=20, price=101),)
    (5, False, 101)

    """

    submit = _method(engine_operations.submit)
    replace = _method(engine_operations.replace)
    reduce = _method(engine_operations.reduce)
    cancel = _method(engine_operations.cancel)
    cancel_all = _method(engine_operations.cancel_all)
    expire = _method(engine_operations.expire)
    end_day = _method(engine_operations.end_day)
    transaction = _method(bulk.transaction)
    what_if = _method(bulk.what_if)
    order = _method(engine_operations.order)
    orders = _method(engine_operations.orders)
    queue_ahead = _method(engine_operations.queue_ahead)
    last_price = _method(engine_operations.last_price)
    calculate_price = _method(operations.calculate_price)
    calculate_prices = _method(operations.calculate_prices)
    quote = _method(operations.quote)
    price_curve = _method(operations.price_curve)
    calculate_amount = _method(operations.calculate_amount)
    available_amount = _method(operations.available_amount)
    amount_within = _method(operations.amount_within)
    instrument = _method(operations.instrument)
    symbols = _method(operations.symbols)
    best_price = _method(operations.best_price)
    depth = _method(operations.depth)
    state_hash = _method(operations.state_hash)
    __contains__ = _method(engine_operations.contains, "__contains__")
    __len__ = _method(operations.count, "__len__")

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """The instruments that were set, by symbol, as a read-only snapshot sorted by symbol.

        Each access sends a request.
        """
        return self._run(operations.instruments())

    def __iter__(self) -> Iterator[OpenOrder]:
        """Iterate over a snapshot of the open orders, in order of arrival."""
        return iter(self.orders())


class AsyncEngineClient(AsyncConnection):
    """The asyncio version of `EngineClient`. Its methods are coroutines.

    Methods replace operators and properties, as in `AsyncClient`: `contains`, `count`, and `instruments`.

    >>> import asyncio, httpx
    >>> from oms import MatchingEngine, Side
    >>> from oms.api import create_app
    >>> from oms.client import AsyncEngineClient
    >>> async def main() -> None:
    ...     service = httpx.ASGITransport(create_app(MatchingEngine()))
    ...     async with AsyncEngineClient("http://localhost", transport=service) as engine:
    ...         execution = await engine.submit(1, "JPM", Side.SELL, 20, 101)
    ...         print(execution.resting, await engine.contains(1))
    >>> asyncio.run(main())
    20 True

    """

    submit = _async_method(engine_operations.submit)
    replace = _async_method(engine_operations.replace)
    reduce = _async_method(engine_operations.reduce)
    cancel = _async_method(engine_operations.cancel)
    cancel_all = _async_method(engine_operations.cancel_all)
    expire = _async_method(engine_operations.expire)
    end_day = _async_method(engine_operations.end_day)
    transaction = _async_method(bulk.transaction)
    what_if = _async_method(bulk.what_if)
    order = _async_method(engine_operations.order)
    orders = _async_method(engine_operations.orders)
    queue_ahead = _async_method(engine_operations.queue_ahead)
    last_price = _async_method(engine_operations.last_price)
    calculate_price = _async_method(operations.calculate_price)
    calculate_prices = _async_method(operations.calculate_prices)
    quote = _async_method(operations.quote)
    price_curve = _async_method(operations.price_curve)
    calculate_amount = _async_method(operations.calculate_amount)
    available_amount = _async_method(operations.available_amount)
    amount_within = _async_method(operations.amount_within)
    instrument = _async_method(operations.instrument)
    instruments = _async_method(operations.instruments)
    symbols = _async_method(operations.symbols)
    best_price = _async_method(operations.best_price)
    depth = _async_method(operations.depth)
    state_hash = _async_method(operations.state_hash)
    contains = _async_method(engine_operations.contains)
    count = _async_method(operations.count)

    async def __aiter__(self) -> AsyncIterator[OpenOrder]:
        """Iterate over a snapshot of the open orders, in order of arrival."""
        for order in await self.orders():
            yield order
