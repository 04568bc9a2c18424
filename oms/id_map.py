"""Ascending integer order ids for keys of any type, such as UUIDs or a venue's order ids.

At equal prices, the order with the lower id is filled first. Order ids must therefore be integers, and later
orders need higher ids. UUIDs and many venues' ids do not meet these conditions.

An IdMap assigns the next integer to each new key. To survive a restart, `IdMap.adding` writes the key and its
id into the note of the transaction that adds the order. The journal stores the note and the order in a single
step, so it contains both or neither. It never deletes an event with a note, so `IdMap.from_history` finds
every key.

Invariants:

- Each key has one id, and each id has one key. A later key has a higher id.
- A map never assigns an id twice, even if its key was removed or its order was rejected.
- After a restart, the next id is greater than the id of every order in the journal.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar, cast, overload

from oms.errors import DuplicateOrderError, InvalidArgumentError, OrderNotFoundError
from oms.events import Event, OrderAdded, OrdersAdded
from oms.management import OrderManagement
from oms.models import MAX_INT, check_order_id

__all__ = ["IdMap"]

K = TypeVar("K", bound=Hashable)
L = TypeVar("L", bound=Hashable)

_MARK = "oms.ids"


class IdMap(Generic[K]):
    """A two-way map between keys and ascending order ids.

    A key is any hashable value, such as a UUID or a venue's order id. The first key gets the id `next_id`,
    and each later key gets the next integer. At equal prices, the order with the lowest id is filled first.
    Assign an id when its order arrives, not earlier, so that ids follow time priority.

    `parse` converts `str(key)` back to the key. It is only needed to store keys in a journal, and by default,
    keys are strings. For example: `IdMap(uuid.UUID)`, `IdMap(int)`, or `IdMap(ast.literal_eval)` for tuples.

    The map keeps each key until you remove it, even after its order has been filled. So you can always look
    up the key for a fill. Iteration yields the keys in id order.

    Lookups are O(1). An IdMap is not locked. If several threads add orders, use `adding`, or call `new` and
    `remove` inside `om.locked()`.

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
        """The id for the next new key."""
        return self._next_id

    def new(self, key: K) -> int:
        """Assign the next id to a new key, and return the id. O(1).

        Raises DuplicateOrderError if the map already contains the key, and InvalidArgumentError if the key is
        not hashable. Raises InvalidOrderError if there are no ids left (the largest is 2^63-1).

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
        """Return a key's id.

        Raises OrderNotFoundError if the map does not contain the key.
        """
        if key not in self:
            raise OrderNotFoundError(key)
        return self._ids[key]

    def key_of(self, order_id: int) -> K:
        """Return the key for an id.

        Raises OrderNotFoundError if no key has this id, and InvalidOrderError if it is not a valid order id.

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
        """Return a context manager that assigns the next id to a key. Add the order inside the block.

        `with` returns the id. The block is a transaction on `om`, and its note contains the key and the id.
        Other threads wait until the block ends, so orders are added in id order. If the block fails and the
        order is not added, the map drops the key and never assigns the id again.

        If you call this method inside another transaction and that transaction is rolled back, you must
        remove the key yourself. The same applies inside a what-if.

        Raises the same errors as `new`, and InvalidArgumentError if `parse` does not convert the key's text
        back to the key. When the block ends, it raises JournalError if the journal cannot store the order.
        """
        first = MAX_INT + 1  # no id has been given
        try:
            with om.transaction():  # other threads wait before an id is given
                first = self._next_id
                order_id = self.new(key)
                with om.transaction(self.note(key)):
                    yield order_id
        except BaseException:
            order_id = self._ids[key] if key in self else -1
            if order_id >= first and order_id not in om:
                self.remove(key)
            raise

    def note(self, *keys: K) -> str:
        """Return the note for a transaction that adds orders with these keys. `from_history` reads it.

        Raises OrderNotFoundError if the map does not contain a key, and InvalidArgumentError if `parse` does
        not restore a key. O(m) for m keys.

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
        """Rebuild a map from the journal of `om`, for example after a restart.

        The map contains every key in the journal's notes, even if its order has been filled or removed. A key
        that was used more than once has its latest id. The next id is greater than all ids in the journal and
        all ids of resting orders.

        Raises JournalError if the journal cannot be read, and InvalidArgumentError if `parse` cannot convert
        a stored key. O(n log n) for n events and orders.
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
        """Iterate over a snapshot of the keys, in id order."""
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
    """Return the keys in a note by order id. If no IdMap wrote the note, return an empty dict."""
    if note is None or _MARK not in note:
        return {}
    try:
        keys: dict[int, str] = dict(json.loads(note)[_MARK])
        for order_id in keys:
            check_order_id(order_id)
    except (ValueError, TypeError, LookupError, RecursionError):
        return {}
    return keys if all(type(text) is str for text in keys.values()) else {}
