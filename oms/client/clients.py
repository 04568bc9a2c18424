"""A sync and an async HTTP client for an OrderManagement in another process."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping
from typing import Any, Concatenate, ParamSpec, Protocol, Self, TypeVar, get_args, get_type_hints

import httpx

from oms.client import bulk, operations, order_pages
from oms.client.connection import RESPONSE_LIMIT, DeadlineTransport, Endpoint, ResponseBody, deadline
from oms.client.lag import Lagging
from oms.client.requests import Request
from oms.client.responses import Response
from oms.client.retries import Exchange, Failure, Outcome, Pause, with_retries
from oms.contract import IDEMPOTENCY_KEY_HEADER
from oms.instrument import Instrument
from oms.models import Order, Side

__all__ = ["AsyncClient", "AsyncConnection", "Client", "Connection", "async_method", "method_of"]

P = ParamSpec("P")
T = TypeVar("T")
Method = TypeVar("Method", bound=Callable[..., Any])

# Each operation is written once, as a function in operations.py that returns an exchange. An exchange is a
# generator that yields requests and receives responses. `method_of` and `async_method` turn that function
# into a client method that type checkers understand. At run time, `_describe` corrects the return type, so
# that `help()`, `inspect.signature`, `typing.get_type_hints`, and the API reference show the type of the
# result instead of the exchange.


def _describe(
    method: Method, operation: Callable[..., object], owner: tuple[str, str], name: str | None = None
) -> Method:
    """Copy an operation's name, docstring, and signature to a method, and return the method.

    `owner` contains the module and the name of the method's class.
    """
    hints = get_type_hints(operation)
    *_, hints["return"] = get_args(hints["return"])  # Generator[Request, Response, result]
    signature = inspect.signature(operation)
    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = [
        parameter.replace(annotation=hints[parameter.name]) for parameter in signature.parameters.values()
    ]
    method.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # inspect reads this attribute
        [own, *parameters], return_annotation=hints["return"]
    )
    method.__annotations__ = hints
    method.__doc__ = operation.__doc__
    method.__name__ = name or operation.__name__
    method.__module__, class_name = owner
    method.__qualname__ = f"{class_name}.{method.__name__}"
    return method


_CLIENT, _ASYNC_CLIENT = (__name__, "Client"), (__name__, "AsyncClient")


def method_of(
    operation: Callable[P, Exchange[T]], name: str | None = None, owner: tuple[str, str] = _CLIENT
) -> Callable[Concatenate[Connection, P], T]:
    """Return the method of a client that runs an operation. See `_describe` for `owner`."""

    def method(self: Connection, /, *args: P.args, **options: P.kwargs) -> T:
        return self._run(operation(*args, **options))

    return _describe(method, operation, owner, name)


def async_method(
    operation: Callable[P, Exchange[T]], owner: tuple[str, str] = _ASYNC_CLIENT
) -> Callable[Concatenate[AsyncConnection, P], Coroutine[Any, Any, T]]:
    """Return the coroutine method of a client that runs an operation."""

    async def method(self: AsyncConnection, /, *args: P.args, **options: P.kwargs) -> T:
        return await self._run(operation(*args, **options))

    return _describe(method, operation, owner)


class Pages(Protocol[T]):
    """A list that is read page by page."""

    def read(self) -> Exchange[list[T] | None]:
        """Return the next items, or None if there are no more."""
        ...


class Connection(Lagging):
    """The connection of a client: it sends requests, retries them, and can be closed."""

    def __init__(
        self,
        base_url: str,
        *,
        api_key: str | None = None,
        timeout: float = 10.0,
        attempts: int = 4,
        response_limit: int = RESPONSE_LIMIT,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._endpoint = Endpoint.checked(base_url, api_key, timeout, attempts, response_limit)
        self._sleep = sleep
        transport = transport or DeadlineTransport(self._endpoint.proxy)
        self._http = httpx.Client(transport=transport, **self._endpoint.options())

    def _run(self, exchange: Exchange[T]) -> T:
        self._begin_call()
        steps = with_retries(exchange, self._endpoint.attempts)
        outcome: Outcome = None
        try:
            while True:
                step = steps.send(outcome)
                outcome = None
                if isinstance(step, Pause):
                    self._sleep(step.seconds)
                else:
                    outcome = self._send(step)
                    self._note_lag(outcome.lag if isinstance(outcome, Response) else None)
        except StopIteration as stop:
            result: T = stop.value
            return result

    def _send(self, request: Request) -> Outcome:
        try:
            with deadline(self._endpoint.timeout), self._http.stream(**_options(request)) as response:
                body = ResponseBody(request, response, self._endpoint.response_limit)
                for part in response.iter_bytes():
                    body.add(part)
                return body.response()
        except httpx.RequestError as error:
            return Failure(error)

    def _each(self, pages: Pages[T]) -> Iterator[T]:
        while (page := self._run(pages.read())) is not None:
            yield from page

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._http.base_url}>"


class Client(Connection):
    """A client for an OrderManagement in another process, with the same methods, results, and errors.

    `base_url` is the address of the service. Pass `api_key` if the service requires an API key. `timeout` is
    the time limit in seconds for one attempt, from sending the request to receiving the whole response. The
    client retries if it gets no response, or a 502, 503, or 504 from a gateway, or a 429 because of a rate
    limit. It makes at most `attempts` attempts, and waits 0.1, 0.2, 0.4, ... seconds between them (at most 2
    seconds). After a 429, it waits as long as the Retry-After header says (at most 60 seconds). Changes are
    safe to retry: all attempts carry the same idempotency key, and the service makes a change only once per
    key.

    A method raises UnexpectedResponseError if a response is longer than `response_limit` bytes (default:
    64 MiB), is compressed, or does not match the request. Redirects are not followed. The client uses the
    proxy settings from the environment (HTTP_PROXY, HTTPS_PROXY, NO_PROXY), but connects directly to
    localhost and loopback addresses.

    The methods raise the same errors as `OrderManagement`, and ApiError if the request fails. They also raise
    InvalidOrderError if an integer has more than 100 digits. Clients are thread-safe. Pass `transport` to
    replace the network layer, and `sleep` to replace the `time.sleep` call between attempts.

    >>> from oms import OrderManagement, Side
    >>> from oms.api import create_app
    >>> from oms.client import Client, InProcess
    >>> service = InProcess(create_app(OrderManagement()))
    >>> with Client("http://localhost", transport=service) as om:  # or Client("http://localhost:8080")
    ...     om.add_order(1, "JPM", Side.BUY, 20, 20)
    ...     om.add_order(4, "JPM", Side.BUY, 10, 21)
    ...     om.calculate_price("JPM", Side.BUY, 22)
    ...     om.place_trade("JPM", Side.BUY, 22).fills
    ...     1 in om, len(om), om.get_order(4).amount
    442
    (OrderFill(order_id=1, amount=20, price=20), OrderFill(order_id=4, amount=2, price=21))
    (False, 1, 8)

    """

    add_order = method_of(operations.add_order)
    add_orders = method_of(bulk.add_orders)
    remove_order = method_of(operations.remove_order)
    amend_order = method_of(operations.amend_order)
    place_trade = method_of(operations.place_trade)
    transaction = method_of(bulk.transaction)
    what_if = method_of(bulk.what_if)
    calculate_price = method_of(operations.calculate_price)
    calculate_prices = method_of(operations.calculate_prices)
    quote = method_of(operations.quote)
    price_curve = method_of(operations.price_curve)
    calculate_amount = method_of(operations.calculate_amount)
    available_amount = method_of(operations.available_amount)
    amount_within = method_of(operations.amount_within)
    instrument = method_of(operations.instrument)
    get_order = method_of(operations.get_order)
    orders = method_of(order_pages.orders)
    symbols = method_of(operations.symbols)
    best_price = method_of(operations.best_price)
    depth = method_of(operations.depth)
    state_hash = method_of(operations.state_hash)
    events = method_of(operations.events)
    trades = method_of(operations.trades)
    __contains__ = method_of(operations.contains, "__contains__")
    __len__ = method_of(operations.count, "__len__")

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """The instruments that were set, by symbol, as a read-only snapshot sorted by symbol.

        Each access sends a request.
        """
        return self._run(operations.instruments())

    def orders_by_id(self, symbol: str | None = None, side: Side | None = None) -> Iterator[Order]:
        """Iterate over the resting orders, optionally filtered, in ascending order of id.

        The client reads one page of 1,000 orders at a time, so it never has all orders in memory. The orders
        form a consistent snapshot: they are as they were when the first page was read. If the books change
        between two pages, the client requests the events in between, and undoes their changes.

        Raises InvalidOrderError at once if an argument is invalid. The iterator raises UnsteadyBooksError if
        the service no longer has these events, or was restarted without a journal. Then start a new
        iteration.

        >>> from oms import OrderManagement, Side
        >>> from oms.api import create_app
        >>> from oms.client import Client, InProcess
        >>> books = OrderManagement()
        >>> books.add_order(2, "JPM", Side.BUY, 20, 20)
        >>> books.add_order(1, "JPM", Side.BUY, 10, 21)
        >>> with Client("http://localhost", transport=InProcess(create_app(books))) as om:
        ...     [(order.order_id, order.amount) for order in om.orders_by_id("JPM")]
        [(1, 10), (2, 20)]

        """
        return self._each(order_pages.OrderPages(symbol, side))

    def __iter__(self) -> Iterator[Order]:
        """Iterate over a snapshot of all orders, sorted like the result of `orders`."""
        return iter(self.orders())


class AsyncConnection(Lagging):
    """The connection of an asyncio client. See Connection."""

    def __init__(
        self,
        base_url: str,
        *,
        api_key: str | None = None,
        timeout: float = 10.0,
        attempts: int = 4,
        response_limit: int = RESPONSE_LIMIT,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._endpoint = Endpoint.checked(base_url, api_key, timeout, attempts, response_limit)
        self._sleep = sleep
        self._traced = transport is None  # a custom transport may not report the stages of a request
        proxy = None if transport else self._endpoint.proxy
        verify = httpx.create_ssl_context()
        options = self._endpoint.options()
        self._http = httpx.AsyncClient(transport=transport, proxy=proxy, verify=verify, **options)

    async def _run(self, exchange: Exchange[T]) -> T:
        self._begin_call()
        steps = with_retries(exchange, self._endpoint.attempts)
        outcome: Outcome = None
        try:
            while True:
                step = steps.send(outcome)
                outcome = None
                if isinstance(step, Pause):
                    await self._sleep(step.seconds)
                else:
                    outcome = await self._send(step)
                    self._note_lag(outcome.lag if isinstance(outcome, Response) else None)
        except StopIteration as stop:
            result: T = stop.value
            return result

    async def _send(self, request: Request) -> Outcome:
        stage = "connection." if self._traced else ""

        async def trace(event: str, _info: object) -> None:
            nonlocal stage
            stage = event

        options: Mapping[str, Any] = {**_options(request), "extensions": {"trace": trace}}
        try:
            async with asyncio.timeout(self._endpoint.timeout), self._http.stream(**options) as response:
                body = ResponseBody(request, response, self._endpoint.response_limit)
                async for part in response.aiter_bytes():
                    body.add(part)
                return body.response()
        except httpx.RequestError as error:
            return Failure(error)
        except TimeoutError:  # if the client was still connecting, it has sent nothing
            timeout = httpx.ConnectTimeout if stage.startswith("connection.") else httpx.ReadTimeout
            return Failure(timeout("the whole request timed out"))

    async def _each(self, pages: Pages[T]) -> AsyncIterator[T]:
        while (page := await self._run(pages.read())) is not None:
            for item in page:
                yield item

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._http.base_url}>"


class AsyncClient(AsyncConnection):
    """The asyncio version of `Client`. Its methods are coroutines.

    Operators and properties cannot be awaited, so methods replace them: `await om.contains(1)` for
    `1 in om`, `await om.count()` for `len(om)`, and `await om.instruments()` for `om.instruments`. Use
    `async for order in om`, `async with`, and `await om.aclose()`.

    >>> import asyncio, httpx
    >>> from oms import OrderManagement, Side
    >>> from oms.api import create_app
    >>> from oms.client import AsyncClient
    >>> async def main() -> None:
    ...     service = httpx.ASGITransport(create_app(OrderManagement()))
    ...     async with AsyncClient("http://localhost", transport=service) as om:
    ...         await om.add_order(1, "JPM", Side.BUY, 20, 20)
    ...         print(await om.calculate_price("JPM", Side.BUY, 10), await om.contains(1))
    >>> asyncio.run(main())
    200 True

    """

    add_order = async_method(operations.add_order)
    add_orders = async_method(bulk.add_orders)
    remove_order = async_method(operations.remove_order)
    amend_order = async_method(operations.amend_order)
    place_trade = async_method(operations.place_trade)
    transaction = async_method(bulk.transaction)
    what_if = async_method(bulk.what_if)
    calculate_price = async_method(operations.calculate_price)
    calculate_prices = async_method(operations.calculate_prices)
    quote = async_method(operations.quote)
    price_curve = async_method(operations.price_curve)
    calculate_amount = async_method(operations.calculate_amount)
    available_amount = async_method(operations.available_amount)
    amount_within = async_method(operations.amount_within)
    instrument = async_method(operations.instrument)
    instruments = async_method(operations.instruments)
    get_order = async_method(operations.get_order)
    orders = async_method(order_pages.orders)
    symbols = async_method(operations.symbols)
    best_price = async_method(operations.best_price)
    depth = async_method(operations.depth)
    state_hash = async_method(operations.state_hash)
    events = async_method(operations.events)
    trades = async_method(operations.trades)
    contains = async_method(operations.contains)
    count = async_method(operations.count)

    def orders_by_id(self, symbol: str | None = None, side: Side | None = None) -> AsyncIterator[Order]:
        """Iterate over the resting orders in ascending order of id. See `Client.orders_by_id`.

        Use `async for order in om.orders_by_id()`.
        """
        return self._each(order_pages.OrderPages(symbol, side))

    async def __aiter__(self) -> AsyncIterator[Order]:
        """Iterate over a snapshot of all orders, sorted like the result of `orders`."""
        for order in await self.orders():
            yield order


def _options(request: Request) -> Mapping[str, Any]:
    """Return the keyword arguments for the `stream` method of an httpx client."""
    headers = {} if request.key is None else {IDEMPOTENCY_KEY_HEADER: request.key}
    return {
        "method": request.method,
        "url": request.path,
        "params": request.query,
        "json": request.body,
        "headers": headers,
    }
