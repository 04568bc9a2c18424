"""The journal of a shard in a replicated log, whichever servers store the log."""

__all__: list[str] = []
