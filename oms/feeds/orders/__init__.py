"""Market data by order: LOBSTER and Bitstamp messages, replayed into an OrderManagement."""

__all__: list[str] = []
