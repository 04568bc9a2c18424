"""How much faster a shard opens with a snapshot and an extract than with its whole log.

The workload: each order has an idempotency key and is in a message of its own, and all orders rest. So the
snapshot and the extract contain everything, and only the messages are saved. If most orders were filled or
removed, a snapshot would save more. The log is in memory, so no time of a network is included.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from oms import OrderManagement, Side, cluster
from oms.api.feed import Tape
from oms.api.first_responses import FirstResponses, to_note
from oms.api.restoring import restore
from oms.cluster.log.log_journal import LogJournal
from support.replicated_log import MemoryLog, MemorySnapshots, Reads
from workloads import SYMBOL, timed

ORDERS, TURNS = 10_000, 3


def opened(log: Reads, snapshots: MemorySnapshots) -> OrderManagement:
    """Return the books of a service that has just started."""
    om = OrderManagement(LogJournal(log, snapshots=snapshots))
    restore(om, FirstResponses(), Tape())
    return om


def test_a_snapshot_saves_most_of_the_time_to_open_a_shard() -> None:
    log, snapshots = MemoryLog(), MemorySnapshots()
    om = OrderManagement(LogJournal(Reads(log), snapshots=snapshots))
    for order_id in range(ORDERS):
        with om.transaction(note=to_note(f"key-{order_id}", "0" * 32)):
            om.add_order(order_id, SYMBOL, Side.BUY, 20, 1_000 + order_id % 50)
    without, whole = measured(log, snapshots)
    cluster.save_snapshot(opened(Reads(log), snapshots))
    with_snapshot, rest = measured(log, snapshots)
    print(f"\n{ORDERS:,} orders: {without:.2f} s and {whole:,} messages without a snapshot,", end=" ")
    print(f"{with_snapshot:.2f} s and {rest:,} messages with one")
    assert rest < 100 < ORDERS < whole
    assert with_snapshot < without / 1.3


def measured(log: MemoryLog, snapshots: MemorySnapshots) -> tuple[float, int]:
    """Return the shortest time to open the shard, and the number of messages that were read."""
    times, connection = list[float](), Reads(log)
    for _ in range(TURNS):
        connection = Reads(log)
        open_: Callable[[], object] = partial(opened, connection, snapshots)
        times.append(timed(open_))
    return min(times), connection.count
