"""How the rows of resting orders get into the memory, and that they are still the same there."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import UUID

from hub_order.resting import Entry, RestingOrders
from hub_order.store import Resting
from hub_runtime import utc_now

PAGE = 1000
PAGES_AT_ONCE = 50
# Changes are stamped before they commit: a look back finds those that became visible late, a far one those
# that became it very late.
LOOK_BACK = timedelta(milliseconds=100)
FARTHER = ((timedelta(seconds=15), 5.0), (timedelta(seconds=2), 1.0))
"""How far, and how often (seconds)."""
# A notification comes with every commit: what changes closely together is read together.
PAUSE_S = 0.05
# Rows and memory are compared as a whole once in that time, a page a second; what is larger takes longer.
COMPARE_S = 60.0
COMPARE_PAUSE_S = 1.0
_FIRST_ID = UUID(int=0)
_FIRST_TIME = datetime(1, 1, 1, tzinfo=UTC)


class RestingRows:
    """Every read is taken in before the next is made, so that no older state comes after a newer one."""

    def __init__(self, resting: Resting, memory: RestingOrders, ours: Callable[[str], bool]) -> None:
        self._resting = resting
        self._memory = memory
        self._ours = ours
        self._since = _FIRST_TIME
        self._looked = [_clock() for _ in FARTHER]
        # What of the rows and of the memory has not been compared yet; None: not begun.
        self._after: UUID | None = None
        self._to_compare: list[UUID] | None = None
        self._compared_at = _clock()
        self._compare_at = _clock() + COMPARE_S

    async def load(self) -> float:
        """Reads everything; answers how many seconds that took."""
        started, now = _clock(), utc_now()
        self._since = await self._resting.now()
        after = ("", _FIRST_TIME)
        while stretches := await self._resting.stretches(after=after, limit=PAGE):
            for symbol, stretch in stretches:
                self._memory.restore(symbol, stretch, now=now)
            after = stretches[-1][0], stretches[-1][1][0]
        last, pages = None, count(1)
        while page := await self._resting.all(after=last, limit=PAGE):
            last = page[-1].order_id
            self._take(page, now)
            if next(pages) % PAGES_AT_ONCE == 0:
                # They are no garbage; going through a million of them takes a second, each time.
                gc.freeze()
        self._memory.restored()
        return _clock() - started

    async def read(self, came: set[str]) -> None:
        """What has changed, and the next part of everything. Of which instruments orders came, is added to
        `came`, also when reading fails half-way."""
        await asyncio.sleep(PAUSE_S)
        since, after = self._since - self._look_back(), _FIRST_ID
        while True:
            page, (since, after) = await self._resting.changed_since(since, after, limit=PAGE)
            self._since = max(self._since, since)
            came |= self._take(page, utc_now())
            if len(page) < PAGE:
                break
        if _clock() >= self._compare_at:
            came |= await self._compare()

    async def _compare(self) -> set[str]:
        """A page of the rows, and as many orders of the memory: neither must have what the other has not."""
        if self._to_compare is None:
            self._to_compare, self._compared_at = self._memory.order_ids(), _clock()
        self._compare_at = _clock() + COMPARE_PAUSE_S
        page = await self._resting.all(after=self._after, limit=PAGE)
        came = self._take(page, utc_now())
        some, self._to_compare = self._to_compare[:PAGE], self._to_compare[PAGE:]
        if some:
            came |= self._take(await self._resting.these(some), utc_now())
        if len(page) == PAGE:
            self._after = page[-1].order_id
        elif not self._to_compare:
            self._after, self._to_compare = None, None
            self._compare_at = max(self._compare_at, self._compared_at + COMPARE_S)
        return came

    def _look_back(self) -> timedelta:
        for number, (look_back, pause_s) in enumerate(FARTHER):
            if _clock() - self._looked[number] >= pause_s:
                self._looked[number] = _clock()
                return look_back
        return LOOK_BACK

    def _take(self, entries: Sequence[Entry], now: datetime) -> set[str]:
        put, ours = self._memory.put, self._ours
        return {entry.symbol for entry in entries if ours(entry.symbol) and put(entry, now=now)}


def _clock() -> float:
    return asyncio.get_running_loop().time()
