"""The `oms` command, on typer and rich: exact prices of recorded books, from a terminal."""

from oms.cli.app import app, run

__all__ = ["app", "run"]
