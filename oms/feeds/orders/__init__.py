"""Order-by-order market data: replay LOBSTER and Bitstamp messages into an OrderManagement."""

__all__: list[str] = []
