"""The access log: one line for each request, and two for each stream."""

from __future__ import annotations

import logging

from oms.api.observation import Observation

__all__ = ["AccessLog"]

_LOG = logging.getLogger("oms.api.access")


class AccessLog:
    """An observer that logs each observation to the `oms.api.access` logger, at the level INFO.

    The values are also attributes of the log record: `event`, `method`, `route`, `status`, `duration_ms`,
    `key_name`, and `sequence`. So a formatter, such as JsonFormatter, can use them.
    """

    def observe(self, observation: Observation) -> None:
        """Log an observation. O(1)."""
        event, method, route, status, seconds, key_name, sequence = observation
        milliseconds = round(seconds * 1000, 3)
        fields = {
            "event": event,
            "method": method,
            "route": route,
            "status": status,
            "duration_ms": milliseconds,
            "key_name": key_name,
            "sequence": sequence,
        }
        what = method if event == "request" else event.replace("_", " ")
        _LOG.info(
            "%s %s %s %.3f ms key_name=%s sequence=%s",
            what,
            route,
            _shown(status),
            milliseconds,
            _shown(key_name),
            _shown(sequence),
            extra=fields,
        )


def _shown(value: str | int | None) -> str:
    """Return the value as one word. The name of a key contains neither spaces nor control characters."""
    return "-" if value is None else str(value)
