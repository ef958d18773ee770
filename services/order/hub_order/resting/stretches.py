"""How far the market went since a trailing stop came, in a form that survives a restart.

Time is cut where a trailing order comes: all orders that came before a stretch have seen all of it. So the
best price since an order came is the best of the stretches that began after it. A stretch counts for nobody
any more when a later one went at least as far in both directions: it is dropped.
"""

from __future__ import annotations

from bisect import bisect_left
from datetime import datetime, timedelta

# What a stretch says that saw no such price.
NO_HIGH, NO_LOW = 0, 10**20 - 1
_MOMENT = timedelta(microseconds=1)

Stretch = tuple[datetime, int, int]
"""When it began, its highest bid, its lowest ask."""


class Stretches:
    """Of one instrument. The last stretch is open: what is seen now belongs to it."""

    __slots__ = ("_gone", "_high", "_highs", "_low", "_lows", "_starts_at", "_unsaved", "_uses")

    def __init__(self, starts_at: datetime) -> None:
        self._starts_at = starts_at
        self._high, self._low = NO_HIGH, NO_LOW
        # Of the stretches before those that went farther than all that followed: the best first.
        self._highs: list[tuple[datetime, int]] = []
        self._lows: list[tuple[datetime, int]] = []
        self._uses: dict[datetime, int] = {}
        self._unsaved: dict[datetime, tuple[int, int]] = {}
        self._gone: list[datetime] = []

    def restore(self, starts_at: datetime, high: int, low: int, *, now: datetime) -> None:
        """A stretch that was saved, in the order of their times; a new one begins after it."""
        self._starts_at, self._high, self._low = starts_at, NO_HIGH, NO_LOW
        self.see(high, low)
        self._unsaved.pop(starts_at, None)
        self.cut(now)

    def came(self, accepted_at: datetime, *, now: datetime) -> None:
        """A trailing order came; what was seen before is not its own."""
        if accepted_at > self._starts_at:
            self.cut(max(now, accepted_at))

    def cut(self, now: datetime) -> None:
        """A new stretch begins."""
        if (self._high, self._low) != (NO_HIGH, NO_LOW):
            self._highs.append((self._starts_at, self._high))
            self._lows.append((self._starts_at, self._low))
            self._uses[self._starts_at] = 2
        self._starts_at = max(now, self._starts_at + _MOMENT)
        self._high, self._low = NO_HIGH, NO_LOW

    def see(self, high_bid: int, low_ask: int) -> bool:
        """Prices of now; whether the open stretch goes farther by them."""
        higher, lower = high_bid > self._high, low_ask < self._low
        if higher:
            self._high = high_bid
            while self._highs and self._highs[-1][1] <= high_bid:
                self._drop(self._highs.pop()[0])
        if lower:
            self._low = low_ask
            while self._lows and self._lows[-1][1] >= low_ask:
                self._drop(self._lows.pop()[0])
        if higher or lower:
            self._unsaved[self._starts_at] = self._high, self._low
        return higher or lower

    @property
    def reach(self) -> tuple[int, int]:
        """The highest bid and the lowest ask of the open stretch."""
        return self._high, self._low

    def high_since(self, time: datetime) -> int | None:
        """The highest bid of the stretches that began then or later."""
        at = bisect_left(self._highs, (time, NO_HIGH))
        if at < len(self._highs):
            return self._highs[at][1]
        return self._high if self._starts_at >= time and self._high != NO_HIGH else None

    def low_since(self, time: datetime) -> int | None:
        at = bisect_left(self._lows, (time, NO_HIGH))
        if at < len(self._lows):
            return self._lows[at][1]
        return self._low if self._starts_at >= time and self._low != NO_LOW else None

    def forget_before(self, time: datetime) -> None:
        """No order is older than that."""
        for best in (self._highs, self._lows):
            at = bisect_left(best, (time, NO_HIGH))
            for starts_at, _ in best[:at]:
                self._drop(starts_at)
            del best[:at]

    def unsaved(self) -> tuple[list[Stretch], list[datetime]]:
        """What has changed since this was asked before: stretches as they are now, and those that are
        gone."""
        changed = [(starts_at, high, low) for starts_at, (high, low) in self._unsaved.items()]
        gone, self._gone = self._gone, []
        self._unsaved = {}
        return changed, gone

    def _drop(self, starts_at: datetime) -> None:
        self._uses[starts_at] -= 1
        if not self._uses[starts_at]:
            del self._uses[starts_at]
            self._unsaved.pop(starts_at, None)
            self._gone.append(starts_at)
