"""A client program that puts a service under load until its standard input is closed.

Each writer adds orders, and each reader reads pages of all orders. A writer or reader has a connection of its
own, and sends its next request when it has the response to the last one. The requests are written by hand, so
that the program takes little of the processor's time. In the end, the program prints its results as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from itertools import count
from typing import NamedTuple

PAGE = 100  # orders
LONGEST_START = 3.0  # seconds


class Work(NamedTuple):
    """What the clients did: seconds of the run, and the seconds that each response took."""

    seconds: float
    changes: list[float]
    pages: list[float]


class Load:
    """A load on one service, from a process of its own. `work` is known after the load has ended."""

    def __init__(self) -> None:
        self.work = Work(0.0, [], [])


@contextmanager
def load(port: int, writers: int, readers: int, first_id: int) -> Generator[Load]:
    """Put a service under load until the block ends. The block begins when every client has a response.

    If some clients have no response after LONGEST_START, the block begins then.
    """
    result = Load()
    if not writers + readers:
        yield result
        return
    command = [sys.executable, __file__, *map(str, (port, writers, readers, first_id))]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stdout.readline() == "started\n"
            yield result
            process.stdin.close()
            result.work = Work(*json.loads(process.stdout.readline()))
        finally:
            process.kill()


def order(order_id: int) -> bytes:
    """Return the request that adds an order to the asks."""
    price = 150 + order_id % 50
    body = f'{{"order_id":{order_id},"symbol":"JPM","side":"BUY","amount":5,"price":{price}}}'
    head = "POST /orders HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()


def page(after: int) -> bytes:
    """Return the request for the page of orders after this id."""
    return f"GET /orders?limit={PAGE}&after={after} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> bytes:
    """Send a request, and return the body of its response."""
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    assert head[9:11] == b"20", head
    return await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]))


class Clients:
    """The clients of one program, and how long their requests took."""

    def __init__(self, port: int, clients: int) -> None:
        self._port = port
        self._waiting = clients  # for their first response
        self.all_started = asyncio.Event()
        self.is_measured = False

    async def run(self, times: list[float], request: Callable[[bytes], bytes]) -> None:
        """Send requests until canceled. `request` makes a request from the body of the last response."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        body, is_first = b"", True
        while True:
            start = time.perf_counter()
            body = await exchange(reader, writer, request(body))
            if self.is_measured:
                times.append(time.perf_counter() - start)
            if is_first:
                is_first = False
                self._waiting -= 1
                if not self._waiting:
                    self.all_started.set()


def next_page(last: bytes) -> bytes:
    """Return the request for the page that follows the last page, or for the first page."""
    return page(json.loads(last)["next"] or 0 if last else 0)


async def generate(port: int, writers: int, readers: int, first_id: int) -> Work:
    """Run the clients until the standard input is closed."""
    clients, ids = Clients(port, writers + readers), count(first_id)
    changes: list[float] = []
    pages: list[float] = []
    async with asyncio.TaskGroup() as group:
        tasks = [
            *(group.create_task(clients.run(changes, lambda _: order(next(ids)))) for _ in range(writers)),
            *(group.create_task(clients.run(pages, next_page)) for _ in range(readers)),
        ]
        with suppress(TimeoutError):
            await asyncio.wait_for(clients.all_started.wait(), LONGEST_START)
        clients.is_measured = True
        print("started", flush=True)
        start = time.perf_counter()
        await asyncio.to_thread(sys.stdin.read)
        seconds = time.perf_counter() - start
        for task in tasks:
            task.cancel()
    return Work(seconds, changes, pages)


if __name__ == "__main__":
    print(json.dumps(asyncio.run(generate(*map(int, sys.argv[1:])))))
