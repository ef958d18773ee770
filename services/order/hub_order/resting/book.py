"""The resting orders of one side of an instrument. Both sides are seen as sales: for purchases all prices are
turned around, so that the bid is minus the ask and the ask is minus the bid. A missing price is None."""

from __future__ import annotations

from uuid import UUID

from hub_order.resting.entry import Awaits, Entry
from hub_order.resting.levels import Levels
from hub_order.resting.trails import Trails

# Beyond any price.
ENDLESS = 10**30


class Book:
    """Limits are filled by a bid at or above them, stops are reached by an ask at or below them."""

    __slots__ = ("limits", "ready", "stops", "trails")

    def __init__(self) -> None:
        # These take the next price: orders at the market, and those whose stop was reached.
        self.ready: dict[UUID, Entry] = {}
        self.limits = Levels()
        self.stops = Levels()
        self.trails = Trails()

    def add(self, entry: Entry, mark: int | None = None) -> None:
        """`mark` is a trailing stop's: the highest bid since the order came, as far as it is known."""
        if entry.awaits is Awaits.PRICE or entry.reached is not None:
            self.ready[entry.order_id] = entry
        elif entry.awaits is Awaits.LIMIT:
            self.limits.add(entry)
        elif entry.awaits is Awaits.STOP:
            self.stops.add(entry)
        else:
            self.trails.add(entry, mark)

    def discard(self, entry: Entry) -> None:
        if entry.awaits is Awaits.PRICE or entry.reached is not None:
            del self.ready[entry.order_id]
        elif entry.awaits is Awaits.LIMIT:
            self.limits.discard(entry)
        elif entry.awaits is Awaits.STOP:
            self.stops.discard(entry)
        else:
            self.trails.discard(entry)

    def take(
        self, bid: int | None, ask: int | None, high_bid: int | None, low_ask: int | None
    ) -> list[Entry]:
        """Takes out what a quote fills, whose extremes since the quote before count too."""
        if self.stops or self.trails:
            self._reach(ask, high_bid, low_ask)
        taken: list[Entry] = []
        if self.ready and bid is not None:
            taken += self.ready.values()
            self.ready = {}
        if high_bid is not None and (first := self.limits.first()) is not None and first <= high_bid:
            taken += self.limits.take(high_bid)
        return taken

    def quiet(self) -> tuple[int, int] | None:
        """A quote whose highest bid is not above the first and whose lowest ask is not below the second
        changes nothing here; None: the next one will in any case."""
        trails = self.trails
        if self.ready or trails.waiting_for_a_mark:
            return None
        limit, stop = self.limits.first(), self.stops.first()
        top = ENDLESS if limit is None else limit - 1
        bottom = -ENDLESS if stop is None else -stop + 1
        if trails:
            top, bottom = min(top, trails.lowest_mark), max(bottom, trails.nearest_stop + 1)
        return top, bottom

    def _reach(self, ask: int | None, high_bid: int | None, low_ask: int | None) -> None:
        """The stops of before meet the lowest ask; then the marks move, and the new stops meet the ask."""
        trails, reached = self.trails, []
        if low_ask is not None:
            for entry in self.stops.take(-low_ask):
                entry.reached = -entry.key if entry.sells else entry.key
                reached.append(entry)
            reached += trails.take(low_ask)
        moved = high_bid is not None and trails.rise(high_bid)
        if high_bid is not None and trails.waiting_for_a_mark:
            trails.begin(high_bid)
            moved = True
        if moved and ask is not None:
            reached += trails.take(ask)
        for entry in reached:
            self.ready[entry.order_id] = entry


def takes(entry: Entry, bid: int | None) -> bool:
    """Whether a bid fills it that is waited for no more, seen from its side."""
    return bid is not None and (entry.awaits is not Awaits.LIMIT or entry.key <= bid)
