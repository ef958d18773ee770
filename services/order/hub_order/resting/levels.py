"""Orders by the price at which their turn comes: the smallest key first."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from uuid import UUID

from hub_order.resting.entry import Entry

# A heap may hold that many keys without orders before it is made anew.
SLACK = 32


class Levels:
    """A heap of the keys, and for each key its orders, oldest in here first. Most keys of a large book
    have one order, which stands there without a dict around it. A key that lost its orders stays in the
    heap for a while."""

    __slots__ = ("_heap", "_levels")

    def __init__(self) -> None:
        self._heap: list[int] = []
        self._levels: dict[int, Entry | dict[UUID, Entry]] = {}

    def __bool__(self) -> bool:
        return bool(self._levels)

    def add(self, entry: Entry) -> None:
        key = entry.key
        level = self._levels.get(key)
        if level is None:
            self._levels[key] = entry
            heapq.heappush(self._heap, key)
        elif isinstance(level, Entry):
            self._levels[key] = {level.order_id: level, entry.order_id: entry}
        else:
            level[entry.order_id] = entry

    def discard(self, entry: Entry) -> None:
        level = self._levels[entry.key]
        if not isinstance(level, Entry):
            del level[entry.order_id]
            if level:
                return
        del self._levels[entry.key]
        if len(self._heap) > 2 * len(self._levels) + SLACK:
            self._heap = list(self._levels)
            heapq.heapify(self._heap)

    def first(self) -> int | None:
        """The smallest key that has orders."""
        heap, levels = self._heap, self._levels
        while heap:
            if heap[0] in levels:
                return heap[0]
            heapq.heappop(heap)
        return None

    def pop(self) -> Iterator[Entry]:
        """Takes the orders of the first key out."""
        key = self.first()
        if key is None:
            return iter(())
        heapq.heappop(self._heap)
        level = self._levels.pop(key)
        return iter((level,)) if isinstance(level, Entry) else iter(level.values())

    def take(self, most: int) -> list[Entry]:
        """Takes out all whose key is not above that."""
        taken: list[Entry] = []
        while (key := self.first()) is not None and key <= most:
            taken.extend(self.pop())
        return taken

    def absorb(self, other: Levels) -> None:
        """Takes over all orders of another one, which is not used any more."""
        for key, theirs in other._levels.items():
            ours = self._levels.get(key)
            if ours is None:
                self._levels[key] = theirs
                heapq.heappush(self._heap, key)
            elif isinstance(theirs, Entry):
                self.add(theirs)
            else:
                if isinstance(ours, Entry):
                    ours = self._levels[key] = {ours.order_id: ours}
                ours.update(theirs)
