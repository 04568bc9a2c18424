"""A process that measures one driver. Each request is a line of JSON, and so is each response.

Start it as `python -m peers.worker DRIVER`. It waits between requests, so that many processes can take
turns. A request is {"do": NAME, ...}, where NAME is a method of Worker.
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
    """The requests that a worker answers, one method each."""

    def __init__(self, name: str) -> None:
        self._kind = DRIVERS[name]

    @cached_property
    def _bench(self) -> Bench:
        return Bench(self._kind)

    def check(self) -> dict[str, str | None]:
        """Return the first answer that differs from a plain list's, or None."""
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

    def alone(self, question: str) -> dict[str, float]:
        answer: dict[str, float] = getattr(import_module("peers.alone"), question)()
        return answer


def own_output() -> TextIO:
    """Return the stream for responses, and redirect what a library prints to standard error."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    return answers


def main() -> None:
    worker, answers = Worker(sys.argv[1]), own_output()
    gc.disable()
    for line in sys.stdin:
        request: dict[str, Any] = json.loads(line)
        gc.collect()
        try:
            answer = getattr(worker, request.pop("do"))(**request)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers)


if __name__ == "__main__":
    main()
