"""The rate limit: how many requests one API key, or one client address, may send.

The algorithm is GCRA, a token bucket that stores one number, from PyrateLimiter. Its arithmetic is exact,
because it counts microseconds in integers. The store is our own, because it needs a bound: it forgets the
least recently used entries. In the memory of `limits`, the moving window keeps an entry for each address that
it has ever seen.

Keys and addresses have separate stores. So requests from many addresses cannot make the service forget how
much a key has used. The addresses of one IPv6 network of 64 bits count as one address, because one subscriber
usually has the whole network.
"""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, IPv6Network, ip_address

from pyrate_limiter import GCRA, Duration, Rate, RateItem, StateBucket
from starlette.requests import HTTPConnection

from oms.api.callers import Caller
from oms.api.problems import ProblemError
from oms.errors import InvalidArgumentError

__all__ = ["RateLimit", "check_rate"]

_MOST_ENTRIES = 10_000  # in each of the two stores
_HOST_BITS = 64  # the part of an IPv6 address that its subscriber chooses

_UNITS = {"second": Duration.SECOND, "minute": Duration.MINUTE, "hour": Duration.HOUR}
_RATE = re.compile(rf"([1-9][0-9]{{0,8}})/({'|'.join(_UNITS)})(?: burst ([1-9][0-9]{{0,8}}))?", re.ASCII)
_ALLOWED = "a number of requests per second, minute, or hour, such as '100/second' or '100/second burst 200'"


def check_rate(text: str) -> Rate:
    """Return the rate that a text describes. Raise InvalidArgumentError for any other text.

    `burst` is how many requests may arrive at once. By default, it is the number of requests.

    >>> check_rate("100/second burst 200")
    limit=100/1000, burst=200

    """
    match = _RATE.fullmatch(text)
    if match is None:
        raise InvalidArgumentError("rate_limit", text, _ALLOWED)
    number, unit, burst = match.groups()
    return Rate(int(number), _UNITS[unit], None if burst is None else int(burst))


class RateLimit:
    """The limit for each key and for each address. `text` is a rate, or None for no limit.

    Raise InvalidArgumentError if the text is not a rate. At most 10,000 names of keys and 10,000 addresses
    are stored. `clock` returns nanoseconds.
    """

    def __init__(self, text: str | None, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._rate = None if text is None else check_rate(text)
        self._text = text
        self._clock = clock
        self._by_key: OrderedDict[str, StateBucket] = OrderedDict()
        self._by_address: OrderedDict[str, StateBucket] = OrderedDict()

    def check(self, request: HTTPConnection, caller: Caller | None) -> None:
        """Count a request. Raise ProblemError if its key (or without a key, its address) has sent too many.

        A rejected request does not count. O(1).
        """
        if self._rate is None:
            return
        if caller is None:
            address = _address_of(request)
            sender, bucket = f"the address {address}", _bucket(self._by_address, address, self._rate)
        else:
            sender, bucket = f"the API key {caller.name!r}", _bucket(self._by_key, caller.name, self._rate)
        item = RateItem("request", self._clock() // 1_000_000)
        if not bucket.put(item):
            wait = bucket.waiting(item)
            assert isinstance(wait, int)  # not an awaitable, because the bucket is in memory
            raise self._problem(self._rate, sender, max(1, -(-wait // 1000)))

    def _problem(self, rate: Rate, sender: str, seconds: int) -> ProblemError:
        """Return the problem. Its headers are Retry-After, and the headers in the IETF's rate-limit draft."""
        wait = "1 second" if seconds == 1 else f"{seconds} seconds"
        headers = {
            "Retry-After": str(seconds),
            "RateLimit-Policy": f'"default";q={rate.limit};w={rate.interval // 1000}',
            "RateLimit": f'"default";r=0;t={seconds}',
        }
        fields = {"rate_limit": self._text, "retry_after": seconds}
        detail = f"{sender} has sent more requests than {self._text}; try again in {wait}"
        return ProblemError("too_many_requests", detail, fields, headers=headers)


def _bucket(store: OrderedDict[str, StateBucket], sender: str, rate: Rate) -> StateBucket:
    """Return the bucket of a sender, and forget the least recently used one if there are too many."""
    if sender not in store:
        store[sender] = StateBucket([rate], GCRA())
        if len(store) > _MOST_ENTRIES:
            store.popitem(last=False)
    store.move_to_end(sender)
    return store[sender]


def _address_of(request: HTTPConnection) -> str:
    """Return the client's address, or its network for IPv6."""
    host = request.client.host if request.client else ""
    try:
        address = ip_address(host)
    except ValueError:  # a Unix socket, or the name of a client in a test
        return host or "of an unknown client"
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
        return str(IPv6Network((int(address) >> _HOST_BITS << _HOST_BITS, 128 - _HOST_BITS)))
    return str(getattr(address, "ipv4_mapped", None) or address)
