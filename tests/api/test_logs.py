"""The log output of `oms serve`: JSON lines, and an output that blocks."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from logging.handlers import QueueHandler
from pathlib import Path
from queue import Queue

import pytest

from oms.api import logs
from oms.api.log_limit import LogLimit
from oms.api.logs import LogFormat, logging_to

LOG = logging.getLogger("oms.test")


@contextmanager
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    try:
        yield reading, writing
    finally:
        for end in (reading, writing):
            with suppress(OSError):  # the test has closed it
                os.close(end)


def written(log_format: LogFormat, log: object) -> list[str]:
    """Return the lines that are written while `log` runs."""
    assert callable(log)
    with pipe() as (reading, writing):
        with logging_to(writing, log_format):
            log()
        os.close(writing)
        with os.fdopen(os.dup(reading), "rb") as output:
            return output.read().decode().splitlines()


def test_json_lines_do_not_show_that_a_limit_has_accepted_a_line() -> None:
    counter = Queue[logging.LogRecord]()

    async def attempt() -> None:
        limit = LogLimit(seconds=0.001, clock=iter([0.0, 0.0, 1.0]).__next__)
        LOG.addFilter(limit)
        LOG.addHandler(QueueHandler(counter))
        try:
            LOG.warning("attempt")
            LOG.warning("attempt")
            while counter.qsize() < 2:
                await asyncio.sleep(0)
        finally:
            LOG.removeFilter(limit)
            LOG.handlers.clear()

    lines = [json.loads(line) for line in written("json", lambda: asyncio.run(attempt()))]
    assert [line.keys() for line in lines] == [{"time", "level", "logger", "message"}] * 2


def test_json_lines_contain_the_extra_values_and_can_be_parsed_back() -> None:
    def log() -> None:
        LOG.info("the %s", "message", extra={"route": "/price", "duration_ms": 0.5, "key_name": None})
        LOG.warning("line 1\nline 2 \u2028", extra={"odd": {1}, "undecodable": "\udcff"})

    first, second = map(json.loads, written("json", log))
    assert first.pop("time").endswith("Z")
    assert first == {
        "level": "INFO",
        "logger": "oms.test",
        "message": "the message",
        "route": "/price",
        "duration_ms": 0.5,
        "key_name": None,
    }
    assert second["message"] == "line 1\nline 2 \u2028"
    assert second["undecodable"] == "\udcff"
    assert second["odd"] == "{1}"


def test_an_exception_is_a_part_of_the_line() -> None:
    def log() -> None:
        try:
            raise RuntimeError("broken")  # noqa: TRY301  # the test needs a traceback
        except RuntimeError:
            LOG.exception("it failed")

    (line,) = map(json.loads, written("json", log))
    assert line["message"].startswith("it failed\nTraceback")
    assert line["message"].endswith("RuntimeError: broken")


def test_warnings_of_all_loggers_and_information_of_our_own_are_written() -> None:
    def log() -> None:
        other = logging.getLogger("another.library")
        other.info("not this")
        other.warning("this")
        LOG.debug("not this")
        LOG.info("and this")

    assert [line.partition(" ")[2] for line in written("text", log)] == [
        "WARNING another.library: this",
        "INFO oms.test: and this",
    ]


def test_the_configuration_is_undone_at_the_end() -> None:
    before = logging.root.handlers[:], logging.getLogger("oms").level
    written("text", lambda: LOG.info("a line"))
    assert (logging.root.handlers[:], logging.getLogger("oms").level) == before


def test_a_record_that_cannot_be_formatted_does_not_end_the_output() -> None:
    class Odd:
        def __str__(self) -> str:
            raise RuntimeError("odd")

    def log() -> None:
        LOG.info("first", extra={"odd": Odd()})
        LOG.info("second")

    first, second = written("json", log)
    assert first == "a log record of oms.test cannot be formatted: RuntimeError('odd')"
    assert json.loads(second)["message"] == "second"


def read_later(reading: int, lines: list[str]) -> threading.Thread:
    """Return a thread that reads the pipe to its end, once it is started."""

    def read() -> None:
        with os.fdopen(os.dup(reading), "r") as output:
            lines.extend(output)

    return threading.Thread(target=read)


def test_a_full_pipe_never_blocks_the_service_and_every_record_is_written_or_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logs, "_LONGEST_QUEUE", 100)
    lines: list[str] = []
    with pipe() as (reading, writing):
        reader = read_later(reading, lines)
        with logging_to(writing):
            for number in range(3_000):  # far more than the pipe and the queue can contain
                LOG.info("%d %s", number, "x" * 100)
            reader.start()
        os.close(writing)
        reader.join()
    warnings = [line for line in lines if "WARNING oms.api: the output was blocked" in line]
    numbers = [int(line.split()[3]) for line in lines if line not in warnings]
    assert numbers == sorted(numbers)
    assert warnings
    assert len(numbers) + sum(int(line.split()[-1]) for line in warnings) == 3_000


def test_the_number_of_dropped_records_precedes_the_next_record_that_fits() -> None:
    records: Queue[logging.LogRecord] = Queue(2)
    handler = logs._BoundedHandler(records)
    for number in range(5):
        handler.handle(logging.makeLogRecord({"msg": f"line {number}"}))
    assert [records.get().getMessage() for _ in range(2)] == ["line 0", "line 1"]
    for number in (5, 6):
        handler.handle(logging.makeLogRecord({"msg": f"line {number}"}))
    assert [records.get().getMessage() for _ in range(2)] == [
        "the output was blocked, so log records were dropped: 3",
        "line 5",
    ]
    handler.handle(logging.makeLogRecord({"msg": "line 7"}))
    assert records.get().getMessage() == "the output was blocked, so log records were dropped: 1"
    assert records.get().getMessage() == "line 7"


def test_the_output_may_be_non_blocking() -> None:
    lines: list[str] = []
    with pipe() as (reading, writing):
        os.set_blocking(writing, False)
        reader = read_later(reading, lines)
        with logging_to(writing):
            for _ in range(2_000):
                LOG.info("x" * 100)
            reader.start()
        os.close(writing)
        reader.join()
    assert len(lines) == 2_000


def test_a_closed_output_is_ignored() -> None:
    with pipe() as (reading, writing), logging_to(writing):
        os.close(reading)
        LOG.info("nobody reads this")


BLOCKED = """
import logging, os, sys
from oms.api.logs import logging_to
log = logging.getLogger("oms.test")
with logging_to(2):
    for number in range(20_000):
        log.info("%d %s", number, "x" * 100)
print("ended", flush=True)
"""


def test_a_process_whose_stderr_is_blocked_still_ends() -> None:
    with pipe() as (_, writing):
        ended = subprocess.run(
            [sys.executable, "-c", BLOCKED],
            stdout=subprocess.PIPE,
            stderr=writing,
            timeout=60,
            check=False,
            text=True,
        )
    assert (ended.returncode, ended.stdout) == (0, "ended\n")


def test_a_process_whose_stderr_is_read_slowly_loses_no_line_at_its_end() -> None:
    script = BLOCKED.replace("20_000", "9_000")
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        numbers = [int(line.split()[3]) for line in process.stderr]
    assert numbers == list(range(9_000))


CLOSED = """
import os, sys
from oms.api.logs import logging_to, stderr_descriptor
import logging
with logging_to(stderr_descriptor()):
    file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
    logging.getLogger("oms.test").info("a line")
"""


def test_if_stderr_is_closed_no_line_is_written_into_a_file_that_gets_its_number(tmp_path: Path) -> None:
    file = tmp_path / "book.db"
    command = [sys.executable, "-c", CLOSED, str(file)]
    subprocess.run(command, check=True, preexec_fn=lambda: os.close(2))  # a test, without threads
    assert file.read_bytes() == b""
