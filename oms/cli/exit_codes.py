"""The exit codes of the `oms` command."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["ExitCode"]


class ExitCode(IntEnum):
    """An exit code of the `oms` command."""

    FINE = 0
    DISAGREES = 1
    """A check of data, or of a cluster, has found a problem.

    A replay does not match the published data, a capture has unreadable lines, a journal is damaged, or a
    shard of a cluster has no owner.
    """
    WRONG_USE = 2
    """An option is invalid, or a file cannot be read to the end."""
    INTERRUPTED = 130
    """Ctrl-C: 128 + SIGINT, as in shells."""
    PIPE_CLOSED = 141
    """The program that reads the output closed the pipe: 128 + SIGPIPE."""
