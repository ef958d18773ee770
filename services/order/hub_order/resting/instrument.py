"""What rests in one instrument: its two sides, what was handed over, and how far the market went
meanwhile."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from hub_order.resting.book import Book, takes
from hub_order.resting.entry import TRAILING, Entry
from hub_order.resting.stretches import NO_HIGH, NO_LOW, Stretches

# No bid is that low.
UNKNOWN = -1


class Instrument:
    __slots__ = (
        "_bottom",
        "_top",
        "buys",
        "handed",
        "oldest_trail",
        "sells",
        "size",
        "stretches",
        "trailing",
    )

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
        # Prices between them change nothing. Known after a quote, until an order comes or goes.
        self._bottom, self._top = 0, UNKNOWN

    def add(self, entry: Entry, *, now: datetime) -> None:
        """An order begins to wait here. Prices of before `now` are known from the stretches alone."""
        mark = None
        if entry.awaits in TRAILING and entry.since is not None and entry.reached is None:
            mark = self._mark(entry, entry.since, now)
            entry.since = None
        self.back(entry, mark)

    def back(self, entry: Entry, mark: int | None = None) -> None:
        """An order waits again that was taken out, or the same one with other terms."""
        self._top = UNKNOWN
        self._book(entry).add(entry, mark)

    def remove(self, entry: Entry) -> int | None:
        """An order that waits leaves; answers the mark it had."""
        self._top = UNKNOWN
        book, mark = self._book(entry), None
        if entry.awaits in TRAILING and entry.reached is None:
            mark = book.trails.mark_of(entry)
        book.discard(entry)
        return mark

    def _book(self, entry: Entry) -> Book:
        return self.sells if entry.sells else self.buys

    def take(self, bid: int, ask: int, high_bid: int, low_ask: int) -> list[Entry]:
        """Takes out what a quote fills; a price of 0 is none."""
        taken = self.sells.take(bid or None, ask or None, high_bid or None, low_ask or None)
        taken += self.buys.take(-ask or None, -bid or None, -low_ask or None, -high_bid or None)
        self._bound()
        return taken

    def quiet(self, high_bid: int, low_ask: int) -> bool:
        """Whether a quote that went so far changes nothing here. Most do not, and this is all they cost."""
        return high_bid <= self._top and low_ask >= self._bottom

    def _bound(self) -> None:
        sells, buys = self.sells.quiet(), self.buys.quiet()
        if sells is None or buys is None:
            self._top = UNKNOWN
            return
        self._top, self._bottom = min(sells[0], -buys[1]), max(sells[1], -buys[0])
        if self.stretches is not None:
            high, low = self.stretches.reach
            self._top, self._bottom = min(self._top, high), max(self._bottom, low)

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
