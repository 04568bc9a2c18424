"""More symbols than one process can serve, and machines that fail. It requires the `cluster` extra."""

__all__: list[str] = []
