"""The lag of a response that is merged from several standbys: the lag of the slowest standby."""

from __future__ import annotations

from collections.abc import Iterable

from oms.cluster.gateway.workers import Reply
from oms.contract import LAG_HEADERS, ROLE_HEADER, STANDBY

__all__ = ["worst_lag"]


def worst_lag(replies: Iterable[Reply]) -> dict[str, str]:
    """Return the headers of a response that is merged from others. O(n) for n responses.

    If one of the responses comes from a standby, the merged response has the headers of a standby. A number
    that a standby does not know is omitted.
    """
    standbys = [dict(reply.headers) for reply in replies if reply.is_from_standby]
    if not standbys:
        return {}
    headers = {ROLE_HEADER: STANDBY}
    for name in LAG_HEADERS:
        values = [each.get(name.lower().encode()) for each in standbys]
        known = [value.decode() for value in values if value is not None]
        if len(known) == len(values):
            headers[name] = max(known, key=float)
    return headers
