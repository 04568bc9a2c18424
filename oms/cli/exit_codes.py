"""The exit codes of the command."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["ExitCode"]


class ExitCode(IntEnum):
    """The exit code of the command."""

    FINE = 0
    DISAGREES = 1
    """The data disagree with the published data, capture lines cannot be read, or a journal is damaged."""
    WRONG_USE = 2
    """An option is invalid, or a file cannot be read to its end."""
    INTERRUPTED = 130
    """Ctrl-C: 128 + SIGINT, as in shells."""
    PIPE_CLOSED = 141
    """The reader of the output closed the pipe: 128 + SIGPIPE."""
