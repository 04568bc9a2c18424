"""The lag of the answer to the latest call of a client, in each thread and each task."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from oms import Side
from oms.client import AsyncClient, Client, Lag
from oms.client.lag import lag_of

STANDBY = {"Oms-Role": "standby"}


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"Oms-Lag-Events": "3"}, None),
        ({"Oms-Role": "owner", "Oms-Lag-Events": "3"}, None),
        (STANDBY, Lag(None, None, None)),
        (
            {**STANDBY, "Oms-Lag-Messages": "1", "Oms-Lag-Events": "22", "Oms-Lag-Seconds": "0.250"},
            Lag(1, 22, 0.25),
        ),
        (
            {**STANDBY, "Oms-Lag-Messages": "-1", "Oms-Lag-Events": "x", "Oms-Lag-Seconds": "1e3"},
            Lag(None, None, None),
        ),
    ],
    ids=["owner", "no-role", "another-role", "unknown", "known", "malformed"],
)
def test_the_lag_is_in_the_headers_of_a_standby(headers: Mapping[str, str], expected: Lag | None) -> None:
    assert lag_of(httpx.Headers(dict(headers))) == expected


def answer(request: httpx.Request) -> httpx.Response:
    """Answer as a standby whose lag in events is the amount in the question."""
    amount = request.url.params["amount"]
    content = {"symbol": "JPM", "side": "BUY", "amount": int(amount), "total_price": 1}
    headers = {**STANDBY, "Oms-Lag-Events": amount, "Oms-Lag-Seconds": "0"} if amount != "9" else {}
    return httpx.Response(200, json=content, headers=headers)


def test_each_thread_has_the_lag_of_its_own_latest_call() -> None:
    transport = httpx.MockTransport(answer)
    with Client("http://oms", transport=transport) as om, Client("http://oms", transport=transport) as other:
        om.calculate_price("JPM", Side.BUY, 1)
        assert (om.lag, other.lag) == (Lag(None, 1, 0.0), None)
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(lambda: om.lag).result() is None
        other.calculate_price("JPM", Side.BUY, 2)
        assert (om.lag, other.lag) == (Lag(None, 1, 0.0), Lag(None, 2, 0.0))
        om.calculate_price("JPM", Side.BUY, 9)
        assert (om.lag, other.lag) == (None, Lag(None, 2, 0.0))


def test_each_task_has_the_lag_of_its_own_latest_call() -> None:
    async def main() -> list[Lag | None]:
        async with AsyncClient("http://oms", transport=httpx.MockTransport(answer)) as om:

            async def ask(amount: int) -> Lag | None:
                await om.calculate_price("JPM", Side.BUY, amount)
                await asyncio.sleep(0)
                return om.lag

            return list(await asyncio.gather(*map(ask, (1, 2, 9))))

    assert asyncio.run(main()) == [Lag(None, 1, 0.0), Lag(None, 2, 0.0), None]
