"""The endpoints of a MatchingEngine: orders with owners, their executions, and public market data."""

__all__: list[str] = []
