"""Attacks on the sockets of `oms serve`, and what they cost. Run `python benchmarks/attacks.py [NAME ...]`.

Each attack runs for 15 seconds against a new service, which has a journal and a limit of 1,024 open files.
The attacker is a separate process. Meanwhile, this process requests `/health` every 100 ms over a new
connection, with a timeout of 5 seconds, and also adds orders. At the end, while the attack continues, it
sends SIGTERM. The table shows:

- how many of the requests were answered, and the slowest response
- the number of orders that were added, and of the acknowledged ones that the journal does not have
- the bytes that the service wrote to stderr, its peak memory, and the largest number of its descriptors
- the seconds from SIGTERM to the end of the process, and its exit code
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import NamedTuple, TypeAlias

from oms import journal

SECONDS = 15.0
DESCRIPTORS = 1_024

Address: TypeAlias = tuple[str, int]
Attack: TypeAlias = Callable[[Address], Coroutine[None, None, None]]

# ---------------------------------------------------------------------- the attacks


async def repeat(number: int, attack: Attack, address: Address) -> None:
    """Run `number` attackers at once, each again and again."""

    async def one() -> None:
        while True:
            try:
                await attack(address)
            except OSError:
                await asyncio.sleep(0.5)

    await asyncio.gather(*(one() for _ in range(number)))


async def send(address: Address, content: bytes, *, pause: float = 0.0) -> None:
    """Send the content, byte by byte if there is a pause, and read until the service ends the connection."""
    reader, writer = await asyncio.open_connection(*address)
    try:
        for piece in (content,) if not pause else (content[n : n + 1] for n in range(len(content))):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)
        while await reader.read(2**16):
            pass
    finally:
        writer.close()


async def half_open(address: Address) -> None:
    await repeat(2_000, lambda address: send(address, b""), address)


async def more_than_the_limit(address: Address) -> None:
    await repeat(5_000, lambda address: send(address, HEALTH + b"\r\n"), address)


HEAD = b"POST /orders HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
HEALTH = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n"


async def slow_heads(address: Address) -> None:
    await repeat(2_000, lambda address: send(address, HEAD, pause=1.0), address)


async def slow_bodies(address: Address) -> None:
    async def attack(address: Address) -> None:
        await send(address, HEAD + b"Content-Length: 100\r\n\r\n{")

    await repeat(100, attack, address)


async def very_slow_bodies(address: Address) -> None:
    async def attack(address: Address) -> None:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(HEALTH + b"Content-Length: 100000000\r\n\r\n")
        try:
            while not writer.is_closing():
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(1)
        finally:
            del reader
            writer.close()

    await repeat(2_000, attack, address)


async def garbage(address: Address) -> None:
    rng = random.Random(1)
    await repeat(50, lambda address: send(address, rng.randbytes(100) + b"\r\n\r\n"), address)


async def late_garbage(address: Address) -> None:
    """Send an invalid chunk after the service has already begun to respond."""

    async def attack(address: Address) -> None:
        reader, writer = await asyncio.open_connection(*address)
        try:
            writer.write(HEALTH + b"Transfer-Encoding: chunked\r\n\r\n")
            await reader.read(2**16)
            writer.write(b"nonsense\r\n")
            await reader.read(2**16)
        finally:
            writer.close()

    await repeat(50, attack, address)


async def broken_handshakes(address: Address) -> None:
    upgrade = b"GET /stream HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: "
    await repeat(25, lambda address: send(address, upgrade + b"websocket\r\n\r\n"), address)


async def unknown_upgrades(address: Address) -> None:
    upgrade = HEALTH + b"Connection: Upgrade, close\r\nUpgrade: other\r\n\r\n"
    await repeat(25, lambda address: send(address, upgrade), address)


async def huge_heads(address: Address) -> None:
    head = HEALTH + b"X: " + b"y" * 10_000_000
    await repeat(20, lambda address: send(address, head), address)


async def many_headers(address: Address) -> None:
    head = HEALTH + b"Connection: close\r\n" + b"a:b\r\n" * 40_000 + b"\r\n"
    await repeat(20, lambda address: send(address, head), address)


async def pipelining(address: Address) -> None:
    """Send requests without an end, and read no response."""
    body = b'{"order_id": 1, "symbol": "JPM", "side": "BUY", "amount": 5, "price": 19}'
    request = HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body

    async def attack(address: Address) -> None:
        _, writer = await asyncio.open_connection(*address)
        try:
            while True:
                writer.write(request * 1_000)
                await writer.drain()
        finally:
            writer.close()

    await repeat(20, attack, address)


async def no_readers(address: Address) -> None:
    """Ask for large responses, and read nothing."""

    async def attack(address: Address) -> None:
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, address)
        request = b"GET /openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 50
        await asyncio.get_running_loop().sock_sendall(connection, request)
        await asyncio.sleep(3600)

    await repeat(20, attack, address)


async def streams(address: Address) -> None:
    upgrade = (
        b"GET /stream HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    await repeat(100, lambda address: send(address, upgrade), address)


async def nothing(address: Address) -> None:
    del address
    await asyncio.sleep(3600)


ATTACKS: dict[str, Attack] = {
    attack.__name__: attack
    for attack in (
        nothing,
        half_open,
        more_than_the_limit,
        slow_heads,
        slow_bodies,
        very_slow_bodies,
        garbage,
        late_garbage,
        broken_handshakes,
        unknown_upgrades,
        huge_heads,
        many_headers,
        pipelining,
        no_readers,
        streams,
    )
}

# ---------------------------------------------------------------------- the measurement


class Result(NamedTuple):
    """A row of the table."""

    attack: str
    answered: str
    slowest: str
    added: str
    lost: int
    stderr: int
    memory: str
    descriptors: int
    shutdown: str
    code: int | None


def measure(name: str, folder: Path) -> Result:
    """Run one attack against a new service."""
    file, errors = folder / f"{name}.db", folder / f"{name}.txt"
    with _service(file, errors) as (service, address), _attacker(name, address):
        usage = _Usage(service.pid)
        writer = _Writer(address)
        times = list(_questions(address, usage, time.monotonic() + SECONDS))
        begin = time.monotonic()
        service.send_signal(signal.SIGTERM)
        try:
            code: int | None = service.wait(60)
        except subprocess.TimeoutExpired:
            code = None
            service.kill()
            service.wait()
        shutdown = time.monotonic() - begin
        writer.stop()
    with journal.open(file) as om:
        lost = sum(order_id not in om for order_id in writer.acknowledged)
    answered = [each for each in times if each is not None]
    return Result(
        name,
        f"{len(answered)} of {len(times)}",
        f"{max(answered) * 1000:.0f} ms" if answered else "",
        f"{len(writer.acknowledged)} of {writer.sent}",
        lost,
        errors.stat().st_size,
        f"{usage.memory // 1024} MB",
        usage.descriptors,
        f"{shutdown:.1f} s",
        code,
    )


@contextmanager
def _service(file: Path, errors: Path) -> Iterator[tuple[subprocess.Popen[str], Address]]:
    command = [sys.executable, "-m", "oms", "serve", "--port", "0", "--journal", str(file), "--no-access-log"]
    limit = ["sh", "-c", f'ulimit -n {DESCRIPTORS} && exec "$@"', "sh"]
    with (
        errors.open("w") as stderr,
        subprocess.Popen([*limit, *command], stdout=subprocess.PIPE, stderr=stderr, text=True) as service,
    ):
        assert service.stdout is not None
        port = int(service.stdout.readline().rpartition(":")[2])
        yield service, ("127.0.0.1", port)


@contextmanager
def _attacker(name: str, address: Address) -> Iterator[None]:
    command = [sys.executable, __file__, "--attack", name, str(address[1])]
    with subprocess.Popen(command) as attacker:
        try:
            time.sleep(0.5)
            yield
        finally:
            attacker.kill()


class _Usage:
    """The most memory and descriptors of a process so far."""

    def __init__(self, pid: int) -> None:
        self._folder = Path(f"/proc/{pid}")
        self.memory = 0  # in KiB
        self.descriptors = 0

    def look(self) -> None:
        with suppress(OSError):
            (line,) = (each for each in (self._folder / "status").read_text().splitlines() if "VmHWM" in each)
            self.memory = int(line.split()[1])
            self.descriptors = max(self.descriptors, len(os.listdir(self._folder / "fd")))


def _questions(address: Address, usage: _Usage, end: float) -> Iterator[float | None]:
    """Ask for /health, each time over a new connection. Yield the seconds, or None without a response."""
    while time.monotonic() < end:
        begin = time.monotonic()
        yield time.monotonic() - begin if _ask(address, "GET", "/health", b"") == 200 else None
        usage.look()
        time.sleep(max(0.0, begin + 0.1 - time.monotonic()))


def _ask(address: Address, method: str, path: str, body: bytes) -> int | None:
    """Return the status of a response, or None without a response."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close"]
    lines += [f"Content-Length: {len(body)}", "Content-Type: application/json", "", ""]
    head = "\r\n".join(lines).encode()
    try:
        with socket.create_connection(address, timeout=5) as connection:
            connection.sendall(head + body)
            response = connection.recv(2**16)
    except OSError:
        return None
    return int(response.split()[1]) if response.startswith(b"HTTP/1.1 ") else None


class _Writer:
    """A thread that adds orders until it is stopped."""

    def __init__(self, address: Address) -> None:
        self.acknowledged: list[int] = []
        self.sent = 0
        self._address = address
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        for number in count(2):
            order = {"order_id": number, "symbol": "JPM", "side": "BUY", "amount": 5, "price": 19}
            if self._stopped.is_set():
                return
            self.sent += 1
            if _ask(self._address, "POST", "/orders", json.dumps(order).encode()) == 201:
                self.acknowledged.append(number)
            else:
                self._stopped.wait(0.05)

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()


def main(names: list[str]) -> None:
    """Measure the attacks, and print a table in Markdown."""
    titles = [field.replace("_", " ") for field in Result._fields]
    print("|", " | ".join(titles), "|")
    print("|---" * len(titles) + "|")
    with tempfile.TemporaryDirectory() as folder:
        for name in names or ATTACKS:
            row = measure(name, Path(folder))
            print("|", " | ".join(str(each).replace("_", " ") for each in row), "|", flush=True)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    if sys.argv[1:2] == ["--attack"]:
        asyncio.run(ATTACKS[sys.argv[2]](("127.0.0.1", int(sys.argv[3]))))
    else:
        main(sys.argv[1:])
