"""The `oms` command."""

from oms.cli.app import app, run

__all__ = ["app", "run"]
