"""Journals over a log in memory, and the events that they store."""

from __future__ import annotations

from oms import Event, Order, OrderAdded, Side
from oms.cluster.log.log_journal import LogJournal
from support.replicated_log import Connection, Faults, MemoryLog, impatient

__all__ = ["added", "events_in", "opened"]


def added(*sequences: int) -> list[Event]:
    return [OrderAdded(Order(each, "JPM", Side.BUY, 20, 20), each) for each in sequences]


def opened(log: MemoryLog, writer: str = "Zoe", **faults: float) -> tuple[LogJournal, Connection]:
    connection = Connection(log)
    journal = LogJournal(connection, writer=writer, patience=impatient())
    connection.faults = Faults(**faults)
    return journal, connection


def events_in(log: MemoryLog) -> list[Event]:
    return list(LogJournal(Connection(log), read_only=True).read())
