"""The entry point of the `oms` command, and of `python -m oms`."""

from __future__ import annotations

import sys

from oms import extras


def main() -> None:
    """Run the command and exit with its exit code. If the extra `cli` is not installed, exit with 2."""
    try:
        from oms.cli import run  # noqa: PLC0415 - the extra may not be installed
    except ModuleNotFoundError as error:
        if not extras.is_missing(error, "cli"):
            raise
        print(extras.how_to_install("oms: the command", "cli"), file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:  # Ctrl-C while the imports run
        sys.exit(130)
    sys.exit(run())


if __name__ == "__main__":
    main()
