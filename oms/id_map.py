"""Ascending integer order ids for keys of any type, such as UUIDs or the order ids of a venue.

At equal prices, the order with the lower id is filled first. The ids of an OrderManagement must therefore
ascend in order of arrival. UUIDs and the ids of most venues do not, and they are not integers.

An IdMap gives each new key the next integer. To survive a restart, `IdMap.adding` writes the key and the id
into the note of the transaction that adds the order. The journal stores the note with the order in one step,
so it contains both or neither. A journal never deletes an event with a note, so `IdMap.from_history` finds
every key.

Invariants:

- Each key has one id, and each id has one key. A later key has a higher id.
- An id is never given twice, even if its key was removed or its order was rejected.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar, cast, overload

from oms.errors import DuplicateOrderError, InvalidArgumentError, OrderNotFoundError
from oms.events import Event, OrderAdded, OrdersAdded
from oms.management import OrderManagement
from oms.models import check_order_id

__all__ = ["IdMap"]

K = TypeVar("K", bound=Hashable)
L = TypeVar("L", bound=Hashable)

_MARK = "oms.ids"


class IdMap(Generic[K]):
    """A map of keys to ascending order ids, and of order ids to keys.

    A key is any hashable value, such as a UUID or a venue's order id. The first key gets the id `next_id`,
    and each later key gets the next integer. At equal prices, orders are filled in the order of their ids.
    An order that arrived earlier therefore has time priority. Request the id of an order when the order
    arrives, not earlier.

    `parse` restores a key from its text `str(key)`. It is only needed to store keys in a journal. By default,
    keys are strings. Examples are `IdMap(uuid.UUID)`, `IdMap(int)`, and `IdMap(ast.literal_eval)` for tuples.

    The map keeps a key until you remove it, even after its order was filled. So you can look up the key of
    each fill. Iteration yields the keys in the order of their ids.

    Lookups are O(1). An IdMap has no lock of its own. If several threads add orders, use `adding`, or call
    `new` and `remove` inside `om.locked()`.

    Raises InvalidOrderError if `next_id` is not a valid order id.

    >>> from uuid import UUID
    >>> from oms import IdMap, OrderManagement, Side
    >>> om, ids = OrderManagement(), IdMap(UUID)
    >>> key = UUID("7d4f6c1e-93a4-4b06-8f0b-2f1d8b1f3c55")
    >>> with ids.adding(om, key) as order_id:
    ...     om.add_order(order_id, "JPM", Side.BUY, 20, 20)
    >>> ids[key], ids.key_of(1) == key, key in ids, len(ids)
    (1, True, True, 1)

    """

    @overload
    def __init__(self: IdMap[str], *, next_id: int = 1) -> None: ...
    @overload
    def __init__(self, parse: Callable[[str], K], *, next_id: int = 1) -> None: ...
    def __init__(self, parse: Callable[[str], Any] = str, *, next_id: int = 1) -> None:
        check_order_id(next_id)
        self._parse = parse
        self._next_id = next_id
        self._ids: dict[K, int] = {}
        self._keys: dict[int, K] = {}

    @property
    def next_id(self) -> int:
        """The id that the next new key gets."""
        return self._next_id

    def new(self, key: K) -> int:
        """Give a new key the next id, and return the id. O(1).

        Raises DuplicateOrderError if the map contains the key, and InvalidArgumentError if the key is not
        hashable. Raises InvalidOrderError if all ids up to 2^63-1 have been given.

        >>> ids = IdMap()
        >>> ids.new("8f2c-77"), ids.new("03aa-12")
        (1, 2)
        >>> ids.new("8f2c-77")
        Traceback (most recent call last):
            ...
        oms.errors.DuplicateOrderError: order id '8f2c-77' is already taken

        """
        if key in self:
            raise DuplicateOrderError(key)
        order_id = self._next_id
        check_order_id(order_id)
        self._next_id = order_id + 1
        self._record(key, order_id)
        return order_id

    def __getitem__(self, key: K) -> int:
        """Return the id of a key.

        Raises OrderNotFoundError if the map does not contain the key.
        """
        if key not in self:
            raise OrderNotFoundError(key)
        return self._ids[key]

    def key_of(self, order_id: int) -> K:
        """Return the key of an id.

        Raises OrderNotFoundError if no key has this id, and InvalidOrderError if it is not an order id.

        >>> ids = IdMap()
        >>> order_id = ids.new("8f2c-77")
        >>> ids.key_of(order_id)
        '8f2c-77'

        """
        check_order_id(order_id)
        if order_id not in self._keys:
            raise OrderNotFoundError(order_id)
        return self._keys[order_id]

    def remove(self, key: K) -> int:
        """Remove a key and return its id. If the key is added again, it gets a new id.

        Raises OrderNotFoundError if the map does not contain the key.
        """
        order_id = self[key]
        del self._ids[key], self._keys[order_id]
        return order_id

    @contextmanager
    def adding(self, om: OrderManagement, key: K) -> Generator[int]:
        """Return a context manager that gives a key the next id, for an order to add in its block.

        `with` returns the id. The block is a transaction of `om`, and its note contains the key and the id.
        Other threads wait until the block ends, so ids and orders have the same sequence. If the order is
        not added, the map does not contain the key afterwards, and the id is never used.

        If you call this method inside another transaction, and that transaction is rolled back, remove the
        key yourself. The same is true for a what-if.

        Raises the errors of `new`. Raises InvalidArgumentError if `parse` does not restore the key. The end
        of the block raises JournalError if the journal cannot store the order.
        """
        first = self._next_id
        try:
            with om.transaction():  # other threads wait before an id is given
                order_id = self.new(key)
                with om.transaction(self.note(key)):
                    yield order_id
        except BaseException:
            order_id = self._ids[key] if key in self else -1
            if order_id >= first and order_id not in om:
                self.remove(key)
            raise

    def note(self, *keys: K) -> str:
        """Return the text that `from_history` reads, as the note of a transaction that adds several orders.

        Raises OrderNotFoundError for a key that the map does not contain. Raises InvalidArgumentError if
        `parse` does not restore a key. O(m) for m keys.

        >>> from oms import Order, OrderManagement, Side
        >>> om, ids = OrderManagement(), IdMap()
        >>> orders = [Order(ids.new(key), "JPM", Side.BUY, 10, 21) for key in ("8f2c-77", "03aa-12")]
        >>> with om.transaction(ids.note("8f2c-77", "03aa-12")):
        ...     om.add_orders(orders)

        """
        return json.dumps({_MARK: [[self[key], self._text(key)] for key in keys]}, separators=(",", ":"))

    @overload
    @classmethod
    def from_history(cls, om: OrderManagement) -> IdMap[str]: ...
    @overload
    @classmethod
    def from_history(cls, om: OrderManagement, parse: Callable[[str], L]) -> IdMap[L]: ...
    @classmethod
    def from_history(cls, om: OrderManagement, parse: Callable[[str], Any] = str) -> IdMap[Any]:
        """Return a map with the keys in the journal of `om`. Call this method after a restart.

        The map contains the keys of all orders that the journal's notes describe, even of filled and removed
        orders. If a key was used again, the map contains its last id. The next id is greater than every id
        in the journal and of every resting order.

        Raises JournalError if the journal cannot be read, and InvalidArgumentError if `parse` cannot read a
        stored key. O(n log n) for n events and orders.
        """
        ids: IdMap[Any] = IdMap(parse)
        with om.locked():
            for order in om:
                ids._use(order.order_id)
            for event in om.journal.history() if om.journal is not None else ():
                ids._replay(event)
        ids._keys = dict(sorted(ids._keys.items()))
        ids._ids = {key: order_id for order_id, key in ids._keys.items()}
        return ids

    def __contains__(self, key: object) -> bool:
        """Return True if the map contains the key.

        Raises InvalidArgumentError if the key is not hashable.
        """
        try:
            return key in self._ids
        except TypeError:
            raise InvalidArgumentError("key", key, "hashable", "convert a list with tuple(key)") from None

    def __len__(self) -> int:
        """Return the number of keys."""
        return len(self._ids)

    def __iter__(self) -> Iterator[K]:
        """Iterate over a snapshot of the keys, in the order of their ids."""
        return iter(tuple(self._ids))

    def __repr__(self) -> str:
        return f"<IdMap of {len(self)} keys, next id {self._next_id}>"

    # ------------------------------------------------------------------ helpers

    def _record(self, key: K, order_id: int) -> None:
        self._ids[key] = order_id
        self._keys[order_id] = key

    def _use(self, order_id: int) -> None:
        self._next_id = max(self._next_id, order_id + 1)

    def _replay(self, event: Event) -> None:
        keys = _from_note(event.note)
        for order_id in (*keys, *(row[0] for row in event.rows())):
            self._use(order_id)
        if isinstance(event, OrderAdded | OrdersAdded):
            added = {order_id for order_id, *_ in event.rows()}
            for order_id, text in keys.items():
                if order_id in added:
                    key = self._restored(text)
                    self._keys.pop(self._ids.get(key, -1), None)
                    self._record(key, order_id)

    def _text(self, key: K) -> str:
        text = str(key)
        try:
            is_exact = self._parsed(text) == key
        except Exception:
            is_exact = False
        if not is_exact:
            raise InvalidArgumentError(
                "key", key, "a key that parse(str(key)) restores", "pass another parse"
            )
        return text

    def _restored(self, text: str) -> K:
        try:
            return self._parsed(text)
        except Exception as error:
            allowed = "text that parse converts to a hashable key"
            raise InvalidArgumentError("key", text, allowed, "pass another parse") from error

    def _parsed(self, text: str) -> K:
        key = self._parse(text)
        hash(key)
        return cast("K", key)


def _from_note(note: str | None) -> dict[int, str]:
    """Return the keys in a note by order id, or an empty dict for a note that no IdMap wrote."""
    if note is None or _MARK not in note:
        return {}
    try:
        keys: dict[int, str] = dict(json.loads(note)[_MARK])
        for order_id in keys:
            check_order_id(order_id)
    except (ValueError, TypeError, LookupError, RecursionError):
        return {}
    return keys if all(type(text) is str for text in keys.values()) else {}
