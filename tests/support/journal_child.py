"""A process that writes a journal until a test kills it, and prints the number of each finished command.

The arguments are the file, the durability, the seed of the session, the number of commands that are already
finished, and a scenario (see `main`).
"""

from __future__ import annotations

import sys

from oms import OrderManagement, journal
from oms.journal import SqliteJournal, checkpoints, schema
from support.sessions import execute, noon, session

LENGTH = 400


def main(file: str, durability: str, seed: str, finished: str, scenario: str) -> None:
    if scenario == "migration":
        use_a_newer_version()
    if scenario == "checkpoints":
        checkpoints.APPENDS_TO_CHECKPOINT = 2
    print("started", flush=True)
    om = journal.open(file, durability=durability, clock=noon)  # type: ignore[arg-type]  # one of the three
    if scenario in ("start", "migration"):
        return
    for number, command in enumerate(session(int(seed), LENGTH)[int(finished) :], int(finished) + 1):
        execute(command, om)
        print(number, flush=True)
        if scenario == "compaction" and not number % 3:
            compact(om)
        if scenario == "reopening" and not number % 3:
            om.close()
            om = journal.open(file, durability=durability, clock=noon)  # type: ignore[arg-type]  # one of the three


def use_a_newer_version() -> None:
    """Pretend that there is a newer version of the schema, with a migration that takes some time."""
    work = ("CREATE TABLE work AS SELECT * FROM events", "DELETE FROM work", "DROP TABLE work")
    schema.MIGRATIONS = {schema.VERSION: work * 40}
    schema.VERSION += 1


def compact(om: OrderManagement) -> None:
    assert isinstance(om.journal, SqliteJournal)
    om.journal.compact()


if __name__ == "__main__":
    main(*sys.argv[1:])
