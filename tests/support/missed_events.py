"""Changes whose events no subscriber receives."""

from __future__ import annotations

from collections.abc import Callable

from oms import MatchingEngine, OrderManagement


def without_publication(books: OrderManagement | MatchingEngine, change: Callable[[], object]) -> None:
    """Make a change whose event no subscriber receives, as after an interrupt."""
    callbacks = books._ledger.subscribers.callbacks
    subscribed = dict(callbacks)
    callbacks.clear()
    change()
    callbacks.update(subscribed)
