"""A limit on log lines: at most one line per interval, with the number of lines that were left out.

The problem. Everyone who can connect can cause log lines, for example with a wrong API key. Without a limit,
an attacker fills the disk.

The solution. The first line is logged at once. In the rest of the interval, lines are only counted. The next
line contains this number. If there is an event loop, it logs the first omitted line at the end of the
interval, so that the number is in the log even after the last attempt.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable
from threading import Lock

__all__ = ["ACCEPTED", "LogLimit"]

ACCEPTED = "_oms_accepted"
"""The attribute of a record that a limit has accepted. It is not for the output."""


class LogLimit(logging.Filter):
    """A logging filter that accepts at most one line per `seconds`. It is thread-safe.

    To limit all lines of a logger, pass the LogLimit to `Logger.addFilter`. To limit one kind of line only,
    call `log` instead.

    >>> limit = LogLimit(clock=iter([5.0, 5.1, 5.9, 6.0]).__next__)
    >>> lines = [logging.makeLogRecord({"msg": f"line {number}"}) for number in range(4)]
    >>> [line.getMessage() for line in lines if limit.filter(line)]
    ['line 0', 'line 3 (2 similar lines left out)']

    """

    def __init__(self, seconds: float = 1.0, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._seconds = seconds
        self._clock = clock
        self._lock = Lock()
        self._end = -math.inf  # of the current interval
        self._left_out = 0
        self._waits = False  # True if the event loop will log a line at the end of the interval

    def log(self, logger: logging.Logger, level: int, message: str, *args: object) -> None:
        """Log a line, or count it if the interval already has one. O(1)."""
        if logger.isEnabledFor(level):
            record = logger.makeRecord(logger.name, level, "", 0, message, args, None)
            if self._accepts(record):
                logger.handle(record)

    def filter(self, record: logging.LogRecord) -> bool:
        """Return True if the line may be logged. Otherwise, count it. O(1)."""
        return getattr(record, ACCEPTED, False) or self._accepts(record)

    def _accepts(self, record: logging.LogRecord) -> bool:
        with self._lock:
            now = self._clock()
            if now < self._end:
                self._left_out += 1
                self._log_later(record, self._end - now)
                return False
            left_out, self._left_out = self._left_out, 0
            self._end = now + self._seconds
        if left_out:
            lines = "1 similar line" if left_out == 1 else f"{left_out} similar lines"
            record.msg, record.args = f"{record.getMessage()} ({lines} left out)", ()
        return True

    def _log_later(self, record: logging.LogRecord, seconds: float) -> None:
        if self._waits:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # this thread has no event loop, so the next line contains the number
            return
        self._waits = True
        loop.call_later(seconds, self._log_now, record)

    def _log_now(self, record: logging.LogRecord) -> None:
        with self._lock:
            self._waits = False
            if not self._left_out:  # another line has already contained the number
                return
            self._left_out -= 1
        if self._accepts(record):
            setattr(record, ACCEPTED, True)
            logging.getLogger(record.name).handle(record)
