"""A process that writes a journal until a test kills it, and prints the number of each finished command.

The arguments are the name of the kind, the file, the durability, the seed of the session, the number of
commands that are already finished, and a scenario (see `main`).
"""

from __future__ import annotations

import sys
from functools import partial

from oms.journal import checkpoints, schema
from support.engine_sessions import ENGINE
from support.sessions import BOOKS, execute, noon, sqlite_journal

LENGTH = 400


def main(name: str, file: str, durability: str, seed: str, finished: str, scenario: str) -> None:
    if scenario == "migration":
        use_a_newer_version()
    if scenario == "checkpoints":
        checkpoints.APPENDS_TO_CHECKPOINT = 2
    print("started", flush=True)
    kind = {each.name: each for each in (BOOKS, ENGINE)}[name]
    reopen = partial(kind.open, file, durability=durability, clock=noon)
    om = reopen()
    if scenario in ("start", "migration"):
        return
    for number, command in enumerate(kind.session(int(seed), LENGTH)[int(finished) :], int(finished) + 1):
        execute(command, om)
        print(number, flush=True)
        if scenario == "compaction" and not number % 3:
            sqlite_journal(om).compact()
        if scenario == "reopening" and not number % 3:
            om.close()
            om = reopen()


def use_a_newer_version() -> None:
    """Pretend that there is a newer version of the schema, with a migration that takes some time."""
    work = ("CREATE TABLE work AS SELECT * FROM events", "DELETE FROM work", "DROP TABLE work")
    schema.MIGRATIONS = {schema.VERSION: work * 40}
    schema.VERSION += 1


if __name__ == "__main__":
    main(*sys.argv[1:])
