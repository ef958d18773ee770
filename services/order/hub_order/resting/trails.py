"""Trailing stops of one side of an instrument, seen as sales: the mark is the highest bid since the order
came, the stop lies below it by the trail, and is reached by an ask at or below it.

Orders with the same mark are a group, in the order of their trails. The groups stand in the order of their
marks: an order that came later has never a higher one. A new highest bid lifts all groups that it passes, and
they become one. So a quote looks at the lowest mark and at the nearest stop, and touches an order only when
its stop is reached or its group joins a larger one, which happens to it as often as its group can double.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Iterable
from itertools import count
from uuid import UUID

from hub_order.resting.entry import Awaits, Entry, percent_of
from hub_order.resting.levels import SLACK, Levels


class Group:
    """The orders with one mark. One that has joined another says which, and has nothing itself any more."""

    __slots__ = ("amounts", "into", "mark", "percents", "size")

    def __init__(self, mark: int) -> None:
        self.mark = mark
        self.size = 0
        self.amounts = Levels()
        self.percents = Levels()
        self.into: Group | None = None

    def levels(self, entry: Entry) -> Levels:
        return self.amounts if entry.awaits is Awaits.TRAIL else self.percents

    def nearest(self) -> int | None:
        """The highest stop."""
        amount, percent = self.amounts.first(), self.percents.first()
        if percent is None:
            return None if amount is None else self.mark - amount
        by_percent = self.mark - percent_of(self.mark, percent)
        return by_percent if amount is None else max(self.mark - amount, by_percent)

    def take(self, ask: int) -> list[Entry]:
        """Takes out what an ask like this reaches."""
        taken: list[Entry] = []
        mark = self.mark
        while (amount := self.amounts.first()) is not None and ask <= mark - amount:
            taken += _reached(self.amounts.pop(), mark - amount)
        while (percent := self.percents.first()) is not None:
            stop = mark - percent_of(mark, percent)
            if ask > stop:
                break
            taken += _reached(self.percents.pop(), stop)
        self.size -= len(taken)
        return taken


class Trails:
    def __init__(self) -> None:
        # The lowest mark, which is the first to be passed, is the last.
        self._groups: list[Group] = []
        # (-stop, number, group): of each group at least as high as its nearest stop.
        self._stops: list[tuple[int, int, Group]] = []
        self._numbers = count()
        # No price was seen since these came.
        self._unmarked: dict[UUID, Entry] = {}

    def __bool__(self) -> bool:
        return bool(self._groups or self._unmarked)

    def add(self, entry: Entry, mark: int | None) -> None:
        """Without a mark the first price that comes is it."""
        if mark is None:
            self._unmarked[entry.order_id] = entry
            return
        group = self._group(mark)
        levels = group.levels(entry)
        entry.home = group
        levels.add(entry)
        group.size += 1
        if levels.first() == entry.key:
            self._announce(group)

    def discard(self, entry: Entry) -> None:
        group = self._home(entry)
        if group is None:
            del self._unmarked[entry.order_id]
            return
        group.levels(entry).discard(entry)
        group.size -= 1
        entry.home = None
        self._leave_if_empty(group)

    def mark_of(self, entry: Entry) -> int | None:
        group = self._home(entry)
        return None if group is None else group.mark

    def rise(self, bid: int) -> bool:
        """A bid was seen; whether it was the highest for any order."""
        groups = self._groups
        if not groups or groups[-1].mark >= bid:
            return False
        group = groups.pop()
        while groups and groups[-1].mark <= bid:
            group = _joined(group, groups.pop())
        group.mark = bid
        groups.append(group)
        self._announce(group)
        return True

    def begin(self, bid: int) -> None:
        """Orders that no price was seen for have this one as their mark."""
        unmarked, self._unmarked = self._unmarked, {}
        for entry in unmarked.values():
            self.add(entry, bid)

    @property
    def lowest_mark(self) -> int:
        """The first that a higher bid lifts."""
        return self._groups[-1].mark

    @property
    def nearest_stop(self) -> int:
        nearest = self._nearest()
        assert nearest is not None  # noqa: S101 - no group is empty
        return -nearest[0]

    @property
    def waiting_for_a_mark(self) -> bool:
        return bool(self._unmarked)

    def take(self, ask: int) -> list[Entry]:
        """Takes out all whose stop an ask like this reaches; `reached` says where that is."""
        taken: list[Entry] = []
        while (nearest := self._nearest()) is not None and ask <= -nearest[0]:
            group = nearest[2]
            taken += group.take(ask)
            self._leave_if_empty(group)
        for entry in taken:
            entry.home = None
        return taken

    def _nearest(self) -> tuple[int, int, Group] | None:
        """The group with the highest stop, and that stop."""
        stops = self._stops
        while stops:
            said, number, group = stops[0]
            stop = group.nearest() if group.into is None else None
            if stop is None:
                heapq.heappop(stops)
            elif stop != -said:
                heapq.heapreplace(stops, (-stop, number, group))
            else:
                return stops[0]
        return None

    def _announce(self, group: Group) -> None:
        """Its nearest stop may be a higher one now."""
        stop = group.nearest()
        if stop is None:
            return
        heapq.heappush(self._stops, (-stop, next(self._numbers), group))
        if len(self._stops) > 2 * len(self._groups) + SLACK:
            self._stops = [
                (-nearest, next(self._numbers), each)
                for each in self._groups
                if (nearest := each.nearest()) is not None
            ]
            heapq.heapify(self._stops)

    def _group(self, mark: int) -> Group:
        at = self._place(mark)
        if at < len(self._groups) and self._groups[at].mark == mark:
            return self._groups[at]
        made = Group(mark)
        self._groups.insert(at, made)
        return made

    def _place(self, mark: int) -> int:
        return bisect_left(self._groups, -mark, key=_descending)

    def _leave_if_empty(self, group: Group) -> None:
        if not group.size:
            del self._groups[self._place(group.mark)]

    def _home(self, entry: Entry) -> Group | None:
        """The group it is in now; the way there is shortened for the next time."""
        group = entry.home
        while group is not None and group.into is not None:
            if group.into.into is not None:
                group.into = group.into.into
            group = group.into
        entry.home = group
        return group


def _joined(one: Group, other: Group) -> Group:
    """The smaller one moves into the larger one."""
    small, large = (one, other) if one.size < other.size else (other, one)
    large.amounts.absorb(small.amounts)
    large.percents.absorb(small.percents)
    large.size += small.size
    small.into = large
    return large


def _reached(entries: Iterable[Entry], stop: int) -> list[Entry]:
    taken = list(entries)
    for entry in taken:
        entry.reached = stop if entry.sells else -stop
    return taken


def _descending(group: Group) -> int:
    return -group.mark
