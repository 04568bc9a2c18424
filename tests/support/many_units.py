"""Units for `replay_many`, and analyses that worker processes can import."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from multiprocessing.connection import Connection
from pathlib import Path
from time import sleep

from oms import Side
from oms.cli.synthetic_session import write_session
from oms.feeds import ReplayResult, ReplayUnit, UnitReplay

__all__ = [
    "CAPTURE",
    "as_bytes",
    "costs_of_a_thousand",
    "divide_by_zero",
    "end_every_worker",
    "end_the_first_worker",
    "end_this_process",
    "end_while_sending",
    "interrupt_itself",
    "take_long",
    "unreadable",
    "write_units",
]

CAPTURE = """\
1652459225.1: ["0",{"as":[["10.2","5.0","1.5"]],"bs":[["10.1","4.0","1.5"]]},"book-10","XBT/USD"]
1652459225.2: ["0",{"as":[["2.05","9.0","1.5"]],"bs":[]},"book-10","ETH/USD"]
1652459226.3: ["0",{"a":[["10.3","2.5","2.5"]],"c":"3617920322"},"book-10","XBT/USD"]
"""


def write_units(folder: Path, rows: Iterable[int] = (300, 100, 200)) -> list[ReplayUnit]:
    """Write a session of at least so many rows for each unit. Their sizes ascend with their rows."""
    units: list[ReplayUnit] = []
    for day, count in enumerate(rows):
        place = folder / str(day)
        place.mkdir()
        units.append(ReplayUnit(write_session(place, count, seed=day)))
    return units


def as_bytes(results: Iterable[ReplayResult[object]]) -> bytes:
    return "\n".join(result.to_json() for result in results).encode()


def costs_of_a_thousand(run: UnitReplay) -> list[tuple[int, int | None]]:
    """Return the time and the cost of 1,000 lots, or None, after every tenth event."""
    costs: list[tuple[int, int | None]] = []
    for number, time in enumerate(run):
        if number % 10 == 0:
            [symbol] = run.symbols
            quote = run.om.quote(symbol, Side.BUY, 1_000, allow_partial=True) if len(run.om) > 50 else None
            costs.append((time, None if quote is None or quote.shortfall else quote.total_price))
    return costs


def end_the_first_worker(mark: str, run: UnitReplay) -> list[tuple[int, int | None]]:
    """Do as `costs_of_a_thousand`. But the first worker that replays unit 1 is killed in the middle of it."""
    if Path(run.unit.name).parent.name == "1":
        for _ in zip(range(50), run, strict=False):
            pass
        try:
            os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            run = UnitReplay(run.unit)
        else:
            os.kill(os.getpid(), signal.SIGKILL)
    return costs_of_a_thousand(run)


def end_while_sending(mark: str, run: UnitReplay) -> str:
    """Return a long text. But the first worker that replays unit 1 is killed in the middle of sending it."""
    if Path(run.unit.name).parent.name == "1":
        try:
            os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            pass
        else:
            Connection._send = _send_a_part  # type: ignore[attr-defined]  # only in this process
    return "x" * 100_000


def _send_a_part(connection: Connection, content: bytes, **_: object) -> None:
    sent = os.write(connection.fileno(), content[:10_000])
    if sent < len(content):
        os.kill(os.getpid(), signal.SIGKILL)


def end_every_worker(run: UnitReplay) -> int:
    """Kill each worker that replays unit 1."""
    if Path(run.unit.name).parent.name == "1":
        os.kill(os.getpid(), signal.SIGKILL)
    return 0


def end_this_process() -> int:
    """Kill this process. It takes no arguments, like `os.getpid`."""
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


class Unreadable:
    """A result that can be sent, but that raises an error when it is read."""

    def __init__(self, *values: int) -> None:
        if not values:
            raise ValueError("a result without values")

    def __reduce__(self) -> tuple[type[Unreadable], tuple[()]]:
        return Unreadable, ()


def unreadable(run: UnitReplay) -> Unreadable:
    """Return a result that no other process can read."""
    return Unreadable(len(run.symbols))


def divide_by_zero(run: UnitReplay) -> float:
    return len(run.symbols) / 0


def interrupt_itself(run: UnitReplay) -> int:
    """Send the worker the signal that Ctrl-C sends to all processes of a terminal."""
    os.kill(os.getpid(), signal.SIGINT)
    return sum(1 for _ in run)


def take_long(began: str, ended: str, run: UnitReplay) -> None:
    """In unit 1, create the first file, wait half a minute, and create the second file."""
    if Path(run.unit.name).parent.name == "1":
        Path(began).touch()
        sleep(30)
        Path(ended).touch()
