"""What rests in one instrument: its two sides, what was handed over, and how far the market went
meanwhile."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from hub_order.resting.book import Book, takes
from hub_order.resting.entry import TRAILING, Entry
from hub_order.resting.stretches import NO_HIGH, NO_LOW, Stretches


class Instrument:
    __slots__ = ("buys", "handed", "oldest_trail", "sells", "size", "stretches", "trailing")

    def __init__(self) -> None:
        self.sells, self.buys = Book(), Book()
        self.handed: dict[UUID, Entry] = {}
        self.size = 0
        """How many orders there are, those that were handed over included."""
        self.trailing = 0
        """How many of them trail, or have done so when they were handed over."""
        self.stretches: Stretches | None = None
        """Known while there are trailing stops."""
        self.oldest_trail: datetime | None = None

    def add(self, entry: Entry, *, now: datetime) -> None:
        """An order begins to wait here. Prices of before `now` are known from the stretches alone."""
        mark = None
        if entry.awaits in TRAILING and entry.since is not None and entry.reached is None:
            mark = self._mark(entry, entry.since, now)
            entry.since = None
        self.book(entry).add(entry, mark)

    def back(self, entry: Entry, mark: int | None = None) -> None:
        """An order waits again that was taken out, or the same one with other terms."""
        self.book(entry).add(entry, mark)

    def book(self, entry: Entry) -> Book:
        return self.sells if entry.sells else self.buys

    def take(self, bid: int, ask: int, high_bid: int, low_ask: int) -> list[Entry]:
        """Takes out what a quote fills; a price of 0 is none."""
        taken = self.sells.take(bid or None, ask or None, high_bid or None, low_ask or None)
        taken += self.buys.take(-ask or None, -bid or None, -low_ask or None, -high_bid or None)
        return taken

    def see(self, high_bid: int, low_ask: int) -> bool:
        """Notes prices for those who trail; whether the market went farther."""
        return self.stretches is not None and self.stretches.see(high_bid or NO_HIGH, low_ask or NO_LOW)

    def _mark(self, entry: Entry, since: datetime, now: datetime) -> int | None:
        if self.stretches is None:
            self.stretches = Stretches(now)
        self.stretches.came(since, now=now)
        if self.oldest_trail is None or since < self.oldest_trail:
            self.oldest_trail = since
        if entry.sells:
            return self.stretches.high_since(since)
        low = self.stretches.low_since(since)
        return None if low is None else -low


def fits(entry: Entry, bid: int, ask: int) -> bool:
    """Whether this quote itself fills an order that waits for nothing but its price."""
    return takes(entry, (bid if entry.sells else -ask) or None)
