"""oms as it was before the book of levels. This driver shows how much faster or slower oms has become."""

from __future__ import annotations

from peers.drivers.oms import Oms


class Before(Oms):
    """The same methods, of the older version that `peers.before` reads from the history of the checkout."""

    lacks = "all later changes; it is an older version of oms"
