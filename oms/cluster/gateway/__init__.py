"""The gateway of a cluster: an HTTP application that forwards each request to the shard of its symbols."""

from oms import extras

try:
    from oms.cluster.gateway.app import create_gateway
    from oms.cluster.gateway.directory import ClaimedError, Directory, UnavailableError
    from oms.cluster.gateway.members import Addresses, Members
    from oms.cluster.gateway.opening import open_gateway
except ModuleNotFoundError as error:
    extras.add_note(error, "oms.cluster.gateway", "cluster")
    raise

__all__ = [
    "Addresses",
    "ClaimedError",
    "Directory",
    "Members",
    "UnavailableError",
    "create_gateway",
    "open_gateway",
]
