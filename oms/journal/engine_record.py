"""The JSON formats of a matching engine's events, and of the open orders in its register.

An event's body has four parts: the orders, their executions, the owners, and the elementary changes. A change
is a pair of its kind and its content. The kinds are the kinds of the order books, `EntryChanged`, and
`LastPriceChanged`. An order's terms are left out if they have their default values.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from oms.engine_books import EntryChange, EntryChanged, LastPrice, LastPriceChanged
from oms.engine_events import ENGINE_KINDS, EngineEvent
from oms.engine_state import Entry, is_valid_entry
from oms.events import TradePlaced
from oms.journal.record import FORMATS, add_formats, body_of, check_ints
from oms.models import OrderFill, Side, check_resting, check_symbol
from oms.submission import CancelReason, Execution, OrderId, PostOnly, Submission, TimeInForce
from oms.submission_checks import check_order_key, check_owner, check_submission

__all__ = ["entry_of", "entry_text", "price_text"]

_DEFAULTS = Submission._field_defaults
_OPTIONAL = {"post_only", "reason"}  # the members of enums that can be None
_ENUMS: dict[str, Callable[[Any], Any]] = {
    "side": Side,
    "time_in_force": TimeInForce,
    "post_only": PostOnly,
    "reason": CancelReason,
}


def _text(content: object) -> str:
    return json.dumps(content, separators=(",", ":"))


# ---------------------------------------------------------------------- values


def _order_content(order: Submission) -> dict[str, Any]:
    """Return the terms of an order, except terms that have their default values."""
    terms = {
        name: value
        for name, value in zip(Submission._fields, order, strict=True)
        if name not in _DEFAULTS or value != _DEFAULTS[name]
    }
    return terms | {"side": order.side.value}


def _order_of(content: Any) -> Submission:
    order = Submission(**_with_enums(content))
    check_submission(order)
    return order


def _with_enums(content: Any) -> dict[str, Any]:
    return {name: _member(name, value) for name, value in dict(content).items()}


def _member(name: str, value: Any) -> Any:
    """Return the member of an enum, or the value itself if the field does not contain an enum."""
    if name not in _ENUMS or (value is None and name in _OPTIONAL):
        return value
    return _ENUMS[name](value)


def _each(read: Callable[[Any], Any], content: Any) -> tuple[Any, ...]:
    """Convert the values of a list. Raises TypeError for a string or a dict, which are iterable, too."""
    if type(content) in (str, dict):
        raise TypeError(f"it must be a list, not {content!r}")
    return tuple(map(read, content))


def _entry_content(entry: Entry | None) -> dict[str, Any] | None:
    return None if entry is None else entry._asdict() | {"order": _order_content(entry.order)}


def entry_text(entry: Entry) -> str:
    """Return an entry of the register as JSON."""
    return _text(_entry_content(entry))


def entry_of(content: Any) -> Entry:
    """Build an entry from parsed JSON. Raises LookupError, TypeError, or ValueError if a field is invalid."""
    if set(content) != set(Entry._fields):
        raise ValueError(f"an entry has the fields {', '.join(Entry._fields)}")
    entry = Entry(**(content | {"order": _order_of(content["order"])}))
    if not is_valid_entry(entry):
        raise ValueError("it is not a valid entry")
    return entry


def price_text(symbol: str, price: int) -> str:
    """Return a symbol's last price as JSON."""
    return _text({"symbol": symbol, "last_price": price})


def _execution_content(execution: Execution) -> dict[str, Any]:
    fills = [fill._asdict() for fill in execution.fills]
    return execution._asdict() | {"side": execution.side.value, "fills": fills}


def _execution_of(content: Any) -> Execution:
    fills = _each(lambda fill: OrderFill(**fill), content["fills"])
    fields = _with_enums(content)
    fields["fills"] = fills
    execution = Execution(**fields)
    check_order_key(execution.order_id)
    check_symbol(execution.symbol)
    amounts = [number for fill in fills for number in fill[1:]]
    check_ints(*execution[3:6], execution.resting, execution.canceled, *amounts)
    for order_id, *_ in fills:
        check_order_key(order_id)
    return execution


# ---------------------------------------------------------------------- elementary changes


def _entry_change(change: EntryChange) -> str:
    return _text([_entry_content(each) for each in change])


def _entry_change_of(content: Any) -> EntryChange:
    before, after = (None if each is None else entry_of(each) for each in content)
    if before is None and after is None:
        raise ValueError("a changed entry has an old or a new entry")
    return before, after


def _last_price_of(content: Any) -> LastPrice:
    symbol, before, after = content
    check_symbol(symbol)
    for price in (after, after if before is None else before):
        check_resting("price", price)
    return symbol, before, after


_CHANGES: dict[type, tuple[Callable[[Any], str], Callable[[Any], Any]]] = {
    EntryChanged: (_entry_change, _entry_change_of),
    LastPriceChanged: (_text, _last_price_of),
}
_KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in (*FORMATS, *_CHANGES)}


def _change_text(kind: type[Any], subject: Any) -> str:
    body = _CHANGES[kind][0](subject) if kind in _CHANGES else body_of(kind.about(subject, 0, None, None))
    return f'["{kind.__name__}",{body}]'


def _change_of(pair: Any) -> tuple[type, Any]:
    name, content = pair
    kind = _KINDS[name]
    if kind in _CHANGES:
        return kind, _CHANGES[kind][1](content)
    subject = kind(*FORMATS[kind][1](content), 0).subject()
    if kind is TradePlaced and subject[1] is None:
        raise ValueError("a trade of a matching engine has the field remaining")
    return kind, subject


# ---------------------------------------------------------------------- events


def _body(event: EngineEvent) -> str:
    head = {
        "orders": list(map(_order_content, event.orders)),
        "executions": list(map(_execution_content, event.executions)),
        "owners": event.owners,
    }
    changes = ",".join(_change_text(kind, subject) for kind, subject in event.changes)
    return f'{_text(head)[:-1]},"changes":[{changes}]}}'


def _read(body: Any) -> Iterable[object]:
    if set(body) != {"orders", "executions", "owners", "changes"}:
        raise ValueError("it has the fields orders, executions, owners, and changes")
    yield _each(_order_of, body["orders"])
    yield _each(_execution_of, body["executions"])
    yield _each(_owner_of, body["owners"])
    yield _each(_change_of, body["changes"])


def _owner_of(pair: Any) -> tuple[OrderId, str]:
    order_id, owner = pair
    check_order_key(order_id)
    if owner is None:
        raise ValueError("an order without an owner is not in the list of owners")
    check_owner(owner)
    return order_id, owner


add_formats(dict.fromkeys(ENGINE_KINDS, (_body, _read)))
