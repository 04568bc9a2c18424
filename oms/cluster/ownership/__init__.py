"""The shards of a cluster, its live workers, and which worker owns which shard."""

__all__: list[str] = []
