"""Market data by price level: captures of OKX, Bitget, and Kraken, verified by their checksums."""

__all__: list[str] = []
