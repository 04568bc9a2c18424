"""Logs, buckets, and object stores on NATS JetStream servers, and the checks of these servers."""

__all__: list[str] = []
