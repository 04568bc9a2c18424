"""Replay many recordings, on one processor, on all processors, or on many machines."""

__all__: list[str] = []
