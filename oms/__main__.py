"""The entry point of the `oms` command, and of `python -m oms`."""

from __future__ import annotations

import sys

_EXTRA = {"rich", "typer"}


def main() -> None:
    """Run the command and exit with its code; 2 if what the command needs is not installed."""
    try:
        from oms.cli import run  # noqa: PLC0415 - the core is installed without the extra
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        sys.exit(_what_to_install())
    except KeyboardInterrupt:  # Ctrl-C while the imports run
        sys.exit(130)
    sys.exit(run())


def _what_to_install() -> int:
    print(
        "oms: the command needs the extra cli: in a checkout of the project, pip install '.[cli]'",
        file=sys.stderr,
    )
    return 2


if __name__ == "__main__":
    main()
