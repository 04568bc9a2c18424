"""The log output of `oms serve`: text or JSON lines on stderr, without ever blocking the service.

The problem. The access log writes a line for each request, from the event loop. If stderr is a pipe whose
reader has stopped, the pipe is full after 64 KB, and the next write blocks. The event loop would then answer
nobody.

What does not work.
- A `StreamHandler`, even behind a queue. While its thread is blocked in a write, it holds the handler's lock
  and the lock of `sys.stderr`. At the end of the process, `logging.shutdown` waits for the first one forever,
  and Python aborts because of the second one.
- An unbounded queue. It grows until the memory is full.
- `QueueListener.stop`. It waits until the thread has written everything, so it can wait forever.

The solution. Each record goes to a bounded queue. A daemon thread takes records from it and calls `os.write`,
which needs no lock. If the queue is full, the record is dropped and counted. The next record that fits is
preceded by a warning with the count. At the end, the thread has two seconds to write what is still in the
queue.

Invariants:
- Logging takes O(1) time, whatever happens to the output.
- Every record is written, or counted as dropped, or in the queue. Only a process that ends while the output
  is blocked, or that is killed, loses what is in the queue.
"""

from __future__ import annotations

import json
import logging
import os
import select
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from logging.handlers import QueueHandler, QueueListener
from queue import Full, Queue
from typing import Any, Literal

from oms.api.log_limit import ACCEPTED

__all__ = ["JsonFormatter", "LogFormat", "TextFormatter", "logging_to", "stderr_descriptor"]

LogFormat = Literal["text", "json"]
"""The form of a line: text for people, or a JSON object for programs."""

_LONGEST_QUEUE = 10_000  # records
_SECONDS_TO_STOP = 2.0
_STDERR = 2
_STANDARD_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_NOT_SHOWN = _STANDARD_ATTRIBUTES | {ACCEPTED}


class TextFormatter(logging.Formatter):
    """A formatter of lines such as `2026-11-26T17:03:42.123Z INFO oms.api.access: GET /price 200 ...`."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")


class JsonFormatter(TextFormatter):
    """A formatter of JSON objects. The attributes that `extra` adds to a record are fields of the object."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line of JSON in ASCII."""
        fields: dict[str, Any] = {
            "time": self.formatTime(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        extra = {name: value for name, value in vars(record).items() if name not in _NOT_SHOWN}
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps({**fields, **extra}, default=str)


class _BoundedHandler(QueueHandler):
    """A handler that puts records into a bounded queue, and counts those that do not fit."""

    def __init__(self, records: Queue[Any]) -> None:
        super().__init__(records)
        self._records = records
        self.dropped = 0

    def enqueue(self, record: logging.LogRecord) -> None:
        """Put a record into the queue. If records were dropped before it, first put a warning. O(1)."""
        if self.dropped and self._put(self.warning()):
            self.dropped = 0
        if self.dropped or not self._put(record):
            self.dropped += 1

    def _put(self, record: logging.LogRecord) -> bool:
        try:
            self._records.put_nowait(record)
        except Full:
            return False
        return True

    def warning(self) -> logging.LogRecord:
        """Return a record with the number of dropped records."""
        message = "the output was blocked, so log records were dropped: %d"
        return logging.LogRecord("oms.api", logging.WARNING, __file__, 0, message, (self.dropped,), None)


class _Writer(QueueListener):
    """A daemon thread that writes the records of a queue to a file descriptor."""

    def __init__(self, records: Queue[Any], descriptor: int, formatter: logging.Formatter) -> None:
        super().__init__(records)
        self._records = records
        self._descriptor = descriptor
        self._formatter = formatter

    def handle(self, record: logging.LogRecord) -> None:
        """Write a record. Ignore an output that is closed, because there is no other place to report it."""
        try:
            line = self._formatter.format(record)
        except Exception as error:  # a faulty record must not end the thread
            line = f"a log record of {record.name} cannot be formatted: {error!r}"
        with suppress(OSError):
            _write(self._descriptor, f"{line}\n".encode(errors="backslashreplace"))

    def end(self, last: logging.LogRecord | None, seconds: float) -> bool:
        """Write what is in the queue and the last record, and end the thread.

        Return False if that takes longer than `seconds`. What is still in the queue is then lost.
        """
        assert self._thread is not None
        deadline = time.monotonic() + seconds
        try:
            for record in (None,) if last is None else (last, None):  # None ends the thread
                self._records.put(record, timeout=max(0.0, deadline - time.monotonic()))
        except Full:
            return False
        self._thread.join(max(0.0, deadline - time.monotonic()))
        return not self._thread.is_alive()


def _write(descriptor: int, content: bytes) -> None:
    """Write all bytes, and wait if the output is full, even if another process has made it non-blocking."""
    while content:
        try:
            content = content[os.write(descriptor, content) :]
        except BlockingIOError:
            select.select([], [descriptor], [])


def stderr_descriptor() -> int:
    """Return the file descriptor of stderr, or of a file that discards everything if stderr is closed.

    Without this check, the next file that is opened, such as the journal, could get the number of stderr.
    """
    try:
        os.fstat(_STDERR)
    except OSError:
        return os.open(os.devnull, os.O_WRONLY)
    return _STDERR


@contextmanager
def logging_to(descriptor: int, log_format: LogFormat = "text") -> Generator[None]:
    """Return a context manager that writes all log records of the process to a file descriptor.

    It configures the root logger, for a program that has no other logging. It writes all warnings, and for
    the loggers of `oms` also the level INFO.
    """
    records: Queue[Any] = Queue(_LONGEST_QUEUE)
    handler = _BoundedHandler(records)
    writer = _Writer(records, descriptor, JsonFormatter() if log_format == "json" else TextFormatter())
    root, own = logging.getLogger(), logging.getLogger("oms")
    level = own.level
    own.setLevel(logging.INFO)
    root.addHandler(handler)
    writer.start()
    try:
        yield
    finally:
        root.removeHandler(handler)
        own.setLevel(level)
        writer.end(handler.warning() if handler.dropped else None, _SECONDS_TO_STOP)
