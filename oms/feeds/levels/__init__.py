"""Level-2 market data: replay captures from OKX, Bitget, and Kraken, and verify their checksums."""

__all__: list[str] = []
