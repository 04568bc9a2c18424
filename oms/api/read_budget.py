"""A limit on what the questions of one what-if may read together.

The problem: a what-if keeps all other threads waiting until it ends, even a commit whose changes are already
stored. A question about a large book may read every order in it, and a what-if may ask many questions.

What does not work: counting the elements of an answer, because the work has then been done.

The solution: while the questions are answered, each order, level, and amount is counted. If the count gets
too large, the what-if ends with an error. A single request needs no limit, because others can use the books
between two of its slices.

Invariant: a question calls `spend` before it reads. If it learns only during the reading how much it reads,
it reads at most what `allowance` returns, and then calls `spend`. So the limit is exceeded by at most one
element.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

from oms.api.problems import ProblemError

__all__ = ["allowance", "limited", "spend"]


class _Budget:
    def __init__(self, most: int) -> None:
        self.most = most
        self.remaining = most


_BUDGET: ContextVar[_Budget | None] = ContextVar("oms_api_read_budget", default=None)


@contextmanager
def limited(most: int) -> Generator[None]:
    """Limit what the current context reads during the block."""
    token = _BUDGET.set(_Budget(most))
    try:
        yield
    finally:
        _BUDGET.reset(token)


def allowance(number: int) -> int:
    """Return how many of `number` elements may be read before the next call of `spend`, at least 1. O(1)."""
    budget = _BUDGET.get()
    return number if budget is None else max(1, min(number, budget.remaining))


def spend(number: int) -> None:
    """Count orders, levels, or amounts. Raise ProblemError if there are too many. O(1)."""
    budget = _BUDGET.get()
    if budget is None:
        return
    budget.remaining -= number
    if budget.remaining < 0:
        allowed = f"questions that read at most {budget.most} orders, price levels, and amounts together"
        detail = f"questions must be {allowed}; ask for fewer levels or smaller amounts"
        raise ProblemError("invalid_order", detail, {"field": "questions", "allowed": allowed, "value": None})
