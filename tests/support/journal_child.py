"""A process that keeps a journal and is killed: it acknowledges each command on its standard output.

Arguments: the file, the durability, the seed of the session, how many of its commands are done already,
and what to do on the way (see `main`).
"""

from __future__ import annotations

import sys

from oms import OrderManagement, journal
from oms.journal import SqliteJournal, checkpoints, schema
from support.sessions import do, session

LENGTH = 400


def main(file: str, durability: str, seed: str, done: str, way: str) -> None:
    if way == "migration":
        become_next_version()
    if way == "checkpoints":
        checkpoints.APPENDS_TO_CHECKPOINT = 2
    print("started", flush=True)
    om = journal.open(file, durability=durability)  # type: ignore[arg-type]  # one of the three
    if way in ("start", "migration"):
        return
    for number, command in enumerate(session(int(seed), LENGTH)[int(done) :], int(done) + 1):
        do(command, om)
        print(number, flush=True)
        if way == "compaction" and not number % 3:
            compact(om)
        if way == "reopening" and not number % 3:
            om.close()
            om = journal.open(file, durability=durability)  # type: ignore[arg-type]  # one of the three


def become_next_version() -> None:
    """As if there were a next version, which takes some work to come to."""
    work = ("CREATE TABLE work AS SELECT * FROM events", "DELETE FROM work", "DROP TABLE work")
    schema.MIGRATIONS = {schema.VERSION: work * 40}
    schema.VERSION += 1


def compact(om: OrderManagement) -> None:
    assert isinstance(om.journal, SqliteJournal)
    om.journal.compact()


if __name__ == "__main__":
    main(*sys.argv[1:])
