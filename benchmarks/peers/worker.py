"""A process that measures one driver. Each request is a line of JSON, and so is each response.

Start the process with `python -m peers.worker DRIVER`. It waits between requests, so that many processes can
take turns. A request is {"do": NAME, ...}, where NAME is a method of Worker.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO

from peers.agreement import disagreement
from peers.bench import Bench
from peers.catalogue import DRIVERS
from peers.memory import bytes_per_order
from peers.session import digest, replay


class Worker:
    """The requests that a worker accepts, one method for each."""

    def __init__(self, name: str) -> None:
        self._kind = DRIVERS[name]

    @cached_property
    def _bench(self) -> Bench:
        return Bench(self._kind)

    def check(self) -> dict[str, str | None]:
        """Return the first result that differs from that of a plain list, or None."""
        return {"disagreement": disagreement(self._kind)}

    def build(self) -> dict[str, float]:
        """Build the book, so that no later request has to."""
        assert self._bench
        return {}

    def quotes(self) -> dict[str, float]:
        return self._bench.quotes()

    def changed(self) -> dict[str, float]:
        return self._bench.changed()

    def orders(self) -> dict[str, float]:
        return self._bench.orders()

    def trades(self) -> dict[str, float]:
        return self._bench.trades()

    def session(self, recording: str, messages: int) -> dict[str, float]:
        return replay(self._kind, digest(Path(recording), messages))

    def memory(self, orders: int) -> dict[str, float]:
        return bytes_per_order(self._kind, orders)

    def replays(self) -> dict[str, float]:
        figures: dict[str, float] = import_module("peers.recordings").replays()
        return figures

    def alone(self, measurement: str) -> dict[str, float]:
        figures: dict[str, float] = getattr(import_module("peers.alone"), measurement)()
        return figures


def response_stream() -> TextIO:
    """Return the stream for responses, and redirect the output of libraries to standard error."""
    responses = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    return responses


def main() -> None:
    worker, responses = Worker(sys.argv[1]), response_stream()
    gc.disable()
    for line in sys.stdin:
        request: dict[str, Any] = json.loads(line)
        gc.collect()
        try:
            response = getattr(worker, request.pop("do"))(**request)
        except Exception as error:
            response = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(response), file=responses)


if __name__ == "__main__":
    main()
