"""Market data by price level: captures from OKX, Bitget, and Kraken, verified with checksums."""

__all__: list[str] = []
