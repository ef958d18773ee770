"""The memory of resting orders: which of them can a quote fill? Pure; rebuilt from the rows at any time.

A quote costs what it triggers and a logarithm of what rests. Nothing here goes through all orders.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from hub_order.resting.due import WITH_US, Due
from hub_order.resting.entry import TRAILING, Awaits, Entry
from hub_order.resting.instrument import Instrument, fits
from hub_order.resting.stretches import Stretch, Stretches

HAND_AGAIN_S = 5.0
MOST_PAUSE_S = 60.0
# A hand-over that failed is tried again soon: nobody has heard of it.
FAILED_PAUSE_S = 0.5


@dataclass(frozen=True, slots=True)
class Unsaved:
    """How the stretches have changed: what they say now, which are gone, and symbols that need none."""

    changed: Sequence[tuple[str, Stretch]]
    gone: Sequence[tuple[str, datetime]]
    ended: Sequence[str]

    def __bool__(self) -> bool:
        return bool(self.changed or self.gone or self.ended)


class RestingOrders:
    """Orders per instrument, and apart from the others those with extended hours, which meet quotes that the
    others do not. What was handed over waits aside until its row changes."""

    def __init__(self, *, hand_again_s: float = HAND_AGAIN_S, most_pause_s: float = MOST_PAUSE_S) -> None:
        self._entries: dict[UUID, Entry] = {}
        self._instruments: dict[str, Instrument] = {}
        self._extended: dict[str, Instrument] = {}
        self._due = Due()
        # Instruments whose stretches have something to save.
        self._moved: set[str] = set()
        self._hand_again_s = hand_again_s
        self._most_pause_s = most_pause_s

    def __len__(self) -> int:
        return len(self._entries)

    def order_ids(self) -> list[UUID]:
        """A copy: the one thing here that costs by what rests."""
        return list(self._entries)

    def symbols(self, *, extended: bool = False) -> list[str]:
        """Of which instruments there are orders; `extended`, here and below: with extended hours."""
        return list(self._extended if extended else self._instruments)

    def has_extended(self, symbol: str) -> bool:
        return symbol in self._extended

    def put(self, entry: Entry, *, now: datetime) -> bool:
        """Takes a row as it is now; whether it is one that begins to wait, and is to be held against the
        quote of now. `now` is wall time, by which orders are accepted."""
        known = self._entries.get(entry.order_id)
        mark = None
        if known is not None:
            if known.version >= entry.version:
                return False
            if known.again_at is None and known.same_terms(entry):
                known.version = entry.version
                return False
            mark = self._leave(known)
            entry.tried = known.tried
            if known.same_terms(entry):
                entry.reached = known.reached
        if entry.awaits is Awaits.NOTHING:
            return False
        self._enter(entry, mark, now)
        return True

    def take_back(self, symbol: str, *, extended: bool = False) -> None:
        """What was handed over of this instrument waits for the next price like the others."""
        instrument = (self._extended if extended else self._instruments).get(symbol)
        if instrument is not None:
            for entry in list(instrument.handed.values()):
                self._wait_again(instrument, entry)

    def crossed(
        self,
        symbol: str,
        bid: int,
        ask: int,
        *,
        high_bid: int,
        low_ask: int,
        position: tuple[int, int],
        extended: bool = False,
    ) -> list[Entry]:
        """What this quote fills, taken out to be handed over. The lowest ask and the highest bid since the
        quote before count too, which are at least as far as its own; a price of 0 is none. `position`
        tells the quote from others of its symbol."""
        instrument = (self._extended if extended else self._instruments).get(symbol)
        if instrument is None or instrument.quiet(high_bid, low_ask):
            return []
        if instrument.stretches is not None and instrument.see(high_bid, low_ask):
            self._moved.add(symbol)
        taken = instrument.take(bid, ask, high_bid, low_ask)
        if not taken:
            return taken
        handed = []
        for entry in taken:
            if entry.tried == position:
                instrument.back(entry)  # it has had its part of this one
                continue
            entry.tried = position
            instrument.handed[entry.order_id] = entry
            entry.again_at, entry.pause_s = WITH_US, self._hand_again_s
            handed.append(entry)
        return handed

    def handed_over(self, entries: Iterable[Entry], *, now: float) -> None:
        """The broker has them."""
        self._due.wait(entries, now=now)

    def not_handed(self, entries: Iterable[Entry], *, now: float) -> None:
        """The hand-over has failed: it is made up for soon."""
        for entry in entries:
            entry.pause_s = FAILED_PAUSE_S
        self._due.wait(entries, now=now)

    def unanswered(self, *, now: float) -> list[Entry]:
        """Handed over a while ago, and the row has not changed: to be tried again, later each time."""
        entries = self._due.pop(now=now)
        for entry in entries:
            entry.pause_s = min(entry.pause_s * 2, self._most_pause_s)
            entry.again_at = WITH_US
        return entries

    def again(self, entry: Entry, bid: int, ask: int, *, position: tuple[int, int]) -> bool:
        """Whether the quote of now still fills it; else it waits in its place."""
        if fits(entry, bid, ask):
            entry.tried = position
            return True
        self._wait_again(self._home(entry)[entry.symbol], entry)
        return False

    def restore(self, symbol: str, stretch: Stretch, *, now: datetime) -> None:
        """A stretch that was saved; all of them, in the order of their times, before the orders."""
        instrument = self._instruments.setdefault(symbol, Instrument())
        if instrument.stretches is None:
            instrument.stretches = Stretches(now)
        instrument.stretches.restore(*stretch, now=now)
        self._moved.add(symbol)

    def restored(self) -> None:
        """All rows are here: stretches that no order looks back to are let go."""
        for symbol in list(self._moved):
            instrument = self._instruments[symbol]
            if instrument.stretches is not None and instrument.oldest_trail is not None:
                instrument.stretches.forget_before(instrument.oldest_trail)

    def unsaved(self) -> Unsaved:
        """What there is to save of the stretches since this was asked before; it is not said again."""
        changed: list[tuple[str, Stretch]] = []
        gone: list[tuple[str, datetime]] = []
        ended = []
        moved, self._moved = self._moved, set()
        for symbol in moved:
            instrument = self._instruments.get(symbol)
            if instrument is None or not instrument.trailing:
                ended.append(symbol)
                self._end_stretches(symbol, instrument)
            elif instrument.stretches is not None:
                new, old = instrument.stretches.unsaved()
                changed += [(symbol, stretch) for stretch in new]
                gone += [(symbol, starts_at) for starts_at in old]
        return Unsaved(changed, gone, ended)

    def _end_stretches(self, symbol: str, instrument: Instrument | None) -> None:
        if instrument is not None:
            instrument.stretches = instrument.oldest_trail = None
            if not instrument.size:
                self._instruments.pop(symbol, None)

    def _enter(self, entry: Entry, mark: int | None, now: datetime) -> None:
        home = self._home(entry)
        instrument = home.get(entry.symbol)
        if instrument is None:
            instrument = home[entry.symbol] = Instrument()
        self._entries[entry.order_id] = entry
        instrument.size += 1
        instrument.trailing += entry.awaits in TRAILING
        if mark is None:
            instrument.add(entry, now=now)
        else:
            instrument.back(entry, mark)

    def _leave(self, entry: Entry) -> int | None:
        """The mark it had."""
        del self._entries[entry.order_id]
        home = self._home(entry)
        instrument = home[entry.symbol]
        mark = None
        if entry.again_at is not None:
            entry.again_at = None
            del instrument.handed[entry.order_id]
        else:
            mark = instrument.remove(entry)
        instrument.size -= 1
        if entry.awaits in TRAILING:
            instrument.trailing -= 1
            self._moved.add(entry.symbol)
        elif not instrument.size and instrument.stretches is None:
            del home[entry.symbol]
        return mark

    def _home(self, entry: Entry) -> dict[str, Instrument]:
        return self._extended if entry.extended else self._instruments

    def _wait_again(self, instrument: Instrument, entry: Entry) -> None:
        """Its row has not changed, so the quote it was handed over with has done nothing yet."""
        entry.again_at = entry.tried = None
        del instrument.handed[entry.order_id]
        instrument.back(entry)
