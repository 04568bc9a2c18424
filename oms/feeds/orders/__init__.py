"""Market data by order: messages of LOBSTER and Bitstamp drive an OrderManagement."""

__all__: list[str] = []
