"""Orders that were handed over, by when they are handed over once more."""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from collections.abc import Iterable
from itertools import count

from hub_order.resting.entry import Entry

# Of an order that is about to be handed over: until it was, no time is due.
WITH_US = math.inf


class Due:
    """A quote may trigger very many orders at once: those with the same time are one item."""

    __slots__ = ("_heap", "_numbers")

    def __init__(self) -> None:
        # An order that was answered or put off meanwhile says another time itself.
        self._heap: list[tuple[float, int, list[Entry]]] = []
        self._numbers = count()

    def wait(self, entries: Iterable[Entry], *, now: float) -> None:
        """From now on, as long as each one's pause says."""
        pauses: dict[float, list[Entry]] = defaultdict(list)
        for entry in entries:
            if entry.again_at == WITH_US:
                pauses[entry.pause_s].append(entry)
        for pause_s, some in pauses.items():
            for entry in some:
                entry.again_at = now + pause_s
            heapq.heappush(self._heap, (now + pause_s, next(self._numbers), some))

    def pop(self, *, now: float) -> list[Entry]:
        """Those whose time has come."""
        due: list[Entry] = []
        while self._heap and self._heap[0][0] <= now:
            again_at, _, some = heapq.heappop(self._heap)
            due += [entry for entry in some if entry.again_at == again_at]
        return due
