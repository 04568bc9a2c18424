"""Strict parsing of responses into the values of a MatchingEngine."""

from __future__ import annotations

from oms.client.responses import Fields, MalformedError
from oms.models import OrderFill
from oms.submission import (
    CancelReason,
    Execution,
    OpenOrder,
    OrderId,
    PostOnly,
    QueueAhead,
    Submission,
    TimeInForce,
)

__all__ = ["parse_execution", "parse_open_order", "parse_queue_ahead"]

_STATUSES = {"OPEN", "PARTIALLY_FILLED", "WAITING"}


def parse_execution(fields: Fields) -> Execution:
    """Parse a JSON object into an Execution. A null id in its fills becomes ""."""
    execution = Execution(
        fields.order_key("order_id"),
        fields.string("symbol"),
        fields.side("side"),
        fields.integer("requested"),
        fields.integer("amount"),
        fields.integer("total_price"),
        tuple(fields.objects("fills", _parse_fill)),
        fields.integer("resting"),
        fields.integer("canceled"),
        fields.member_or_null("reason", CancelReason),
    )
    if execution.requested != execution.amount + execution.resting + execution.canceled:
        raise MalformedError("amount, resting, and canceled do not add up to requested")
    return execution


def _parse_fill(fields: Fields) -> OrderFill[OrderId]:
    order_id = fields.order_key_or_null("order_id")
    return OrderFill("" if order_id is None else order_id, fields.integer("amount"), fields.integer("price"))


def parse_open_order(fields: Fields) -> OpenOrder:
    """Parse a JSON object into an OpenOrder."""
    order = Submission(
        fields.order_key("order_id"),
        fields.string("symbol"),
        fields.side("side"),
        fields.integer("amount"),
        fields.integer_or_null("price"),
        fields.member("time_in_force", TimeInForce),
        fields.member_or_null("post_only", PostOnly),
        fields.string_or_null("owner"),
        fields.integer_or_null("display"),
        fields.integer_or_null("stop_price"),
        fields.integer_or_null("expires"),
    )
    status, price = fields.string("status"), fields.integer_or_null("resting_price")
    if status not in _STATUSES or (price is None) is not (status == "WAITING"):
        raise MalformedError(f"status is {status!r}, and resting_price is {price}")
    return OpenOrder(
        order,
        fields.integer("filled"),
        fields.integer("remaining"),
        fields.integer("displayed"),
        order.price if price is None else price,
    )


def parse_queue_ahead(fields: Fields) -> QueueAhead:
    """Parse a JSON object into a QueueAhead."""
    return QueueAhead(fields.integer("orders"), fields.integer("amount"))
