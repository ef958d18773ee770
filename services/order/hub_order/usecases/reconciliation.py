"""Holds orders against the books of positions. It only looks: what differs is told, and a person mends it.

What happened after the cut may still be on its way from one side to the other and is left out; what was on
its way in spite of that is gone at the next look, so only what two looks see is a difference.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from time import monotonic
from typing import Final, TypeVar
from uuid import UUID

from hub_order.books import Books, CheckedBooks
from hub_order.domain.reconciliation import (
    HOLD_KINDS,
    TRADE_KINDS,
    Difference,
    Key,
    Pass,
    hold_difference,
    trade_differences,
)
from hub_order.store import Reconciling

CUT: Final = timedelta(seconds=60)
DAY: Final = timedelta(days=1)
ACCOUNTS: Final = 100
PAGE: Final = 1000
MOST_DIFFERENCES: Final = 1000
LOWEST: Final = UUID(int=0)
# How far one pass goes in each round over everything that there is.
ROUND_PAGES: Final = 20

# As long a pass begins to look at books of accounts that traded; the others wait for the next one.
BOOKS_S: Final = 15.0

Item = TypeVar("Item")


@dataclass(slots=True, kw_only=True)
class Look:
    """One look at executions from `since` to `cut`, and at whatever else it is told to look at."""

    store: Reconciling
    books: Books
    since: datetime
    cut: datetime
    found: dict[Key, Difference] = field(default_factory=dict)
    more: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    too_long: set[UUID] = field(default_factory=set)
    """Accounts with more to look at than there is time for."""

    async def again(self, suspects: Sequence[Difference]) -> None:
        """What was seen before, by its ids."""
        traded = [UUID(each.id) for each in suspects if each.kind in TRADE_KINDS]
        for ids in _batches(traded, PAGE):
            executions, trades = await self.store.executions(ids), await self.books.trades(ids)
            self._add(trade_differences(executions, trades))
        held = [each for each in suspects if each.kind in HOLD_KINDS]
        for some in _batches(held, PAGE):
            holds = await self.books.holds({UUID(each.id) for each in some})
            orders = await self.store.orders([UUID(each.order_id) for each in some])
            pairs = [(holds.get(UUID(each.id)), orders.get(UUID(each.order_id))) for each in some]
            self._add(filter(None, (hold_difference(*pair, cut=self.cut) for pair in pairs)))
        accounts = {UUID(each.account_id) for each in suspects if each.kind not in TRADE_KINDS | HOLD_KINDS}
        await self.whole(accounts)

    async def executions(self) -> set[UUID]:
        """All of the stretch by their trades; whose they are."""
        accounts = set[UUID]()
        place: tuple[datetime, UUID] | None = (self.since, LOWEST)
        while place is not None:
            page, place = await self.store.executions_page(place, self.cut, limit=PAGE)
            if page:
                self.counts["executions"] += len(page)
                accounts |= {each.account_id for each in page.values()}
                self._add(trade_differences(page, await self.books.trades(page)))
        return accounts

    async def trades(self, account_ids: Collection[UUID]) -> None:
        """Theirs of the stretch, by the executions."""
        for some in _batches(account_ids, ACCOUNTS):
            await self._trades(some, self.since)

    async def whole(self, account_ids: Collection[UUID]) -> None:
        """Of what is too much for that, at least what came since."""
        left = sorted(account_ids)
        too_long = list[UUID]()
        while left:
            checked = await self.books.check(left[:ACCOUNTS])
            too_long += checked.too_long
            left = self._checked(checked, left)
        while too_long:
            too_long = self._checked(await self.books.check(too_long[:ACCOUNTS], since=True), too_long)

    async def recent(self, account_ids: Collection[UUID], *, for_s: float) -> set[UUID]:
        """What came to their books since these were found right. No more are begun after so long: those that
        are left."""
        began, left = monotonic(), sorted(account_ids)
        while left:
            left = self._checked(await self.books.check(left[:ACCOUNTS], since=True), left)
            if monotonic() - began >= for_s:
                break
        return set(left)

    async def next_accounts(self, after: UUID, *, since: datetime) -> UUID | None:
        """The whole books of accounts that come after this one, and their trades since then. The last of
        them; None when there are no more."""
        checked = await self.books.check_after(after, limit=ACCOUNTS)
        self._checked(checked)
        account_ids = sorted([*checked.account_ids, *checked.too_long])
        if account_ids:
            await self._trades(account_ids, since)
        return account_ids[-1] if checked.out_of_time or len(account_ids) == ACCOUNTS else None

    async def open_holds(self, after: UUID | None) -> UUID | None:
        """A page of them by their orders; where the next one begins, None after the last."""
        holds = await self.books.open_holds(after, limit=PAGE)
        self.counts["holds"] += len(holds)
        orders = await self.store.orders([hold.order_id for hold in holds])
        pairs = ((hold, orders.get(hold.order_id)) for hold in holds)
        self._add(filter(None, (hold_difference(*pair, cut=self.cut) for pair in pairs)))
        return holds[-1].hold_id if len(holds) == PAGE else None

    async def open_orders(self, after: tuple[UUID, UUID]) -> tuple[UUID, UUID] | None:
        """Likewise, by their holds."""
        orders = await self.store.open_orders(after, limit=PAGE)
        self.counts["orders"] += len(orders)
        holds = await self.books.holds({order.hold_id for order in orders}) if orders else {}
        pairs = ((holds.get(order.hold_id), order) for order in orders)
        self._add(filter(None, (hold_difference(*pair, cut=self.cut) for pair in pairs)))
        return (orders[-1].account_id, orders[-1].order_id) if len(orders) == PAGE else None

    async def _trades(self, account_ids: Collection[UUID], since: datetime) -> None:
        after: UUID | None = None
        while True:
            page = await self.books.trades_of(account_ids, since, self.cut, after=after, limit=PAGE)
            if page:
                self.counts["trades"] += len(page)
                self._add(trade_differences(await self.store.executions(list(page)), page))
            if len(page) < PAGE:
                return
            after = next(reversed(page))

    def _checked(self, checked: CheckedBooks, asked: Iterable[UUID] = ()) -> list[UUID]:
        """Those that were not looked at yet."""
        self.counts["accounts"] += len(checked.account_ids)
        self._add(checked.differences)
        self.more += checked.more
        if checked.too_long:
            self.counts["too_long"] += len(checked.too_long)
            self.too_long.update(checked.too_long)
        done = {*checked.account_ids, *checked.too_long}
        return [each for each in asked if each not in done]

    def _add(self, differences: Iterable[Difference]) -> None:
        for each in differences:
            if each.key in self.found or len(self.found) < MOST_DIFFERENCES:
                self.found[each.key] = each
            else:
                self.more += 1


@dataclass(slots=True, kw_only=True)
class Reconciliation:
    """Passes, one after the other. Each looks at what was executed since the one before, at what came to the
    books of the accounts that did it, and goes on in rounds over all accounts, open holds and open orders:
    cash moves and trades settle without an execution, and what is old is looked at again and again."""

    store: Reconciling
    books: Books
    cut: timedelta = CUT
    known: dict[Key, Difference] | None = None
    """What the pass before saw."""
    _since: datetime | None = None
    _waiting: set[UUID] = field(default_factory=set)
    """Accounts that traded, to whose books no pass came."""
    _account: UUID = LOWEST
    _hold: UUID | None = None
    _order: tuple[UUID, UUID] = (LOWEST, LOWEST)

    async def make(self) -> Pass:
        """One pass; it is kept where all can read it."""
        known = self.known if self.known is not None else await self._remembered()
        cut = await self.store.now() - self.cut
        look = Look(store=self.store, books=self.books, since=self._since or cut - DAY, cut=cut)
        await look.again(list(known.values()))
        traded = await look.executions()
        await look.trades(traded)
        waiting = await look.recent(traded | self._waiting, for_s=BOOKS_S)
        place = await self._rounds(look)
        done = judged(look, known, await self.store.now())
        await self.store.keep(done)
        self.known = {each.key: each for each in (*done.differences, *done.suspects)}
        self._since, self._waiting = cut, waiting
        self._account, self._hold, self._order = place
        return done

    async def _rounds(self, look: Look) -> tuple[UUID, UUID | None, tuple[UUID, UUID]]:
        """Where the next pass goes on."""
        account = await look.next_accounts(self._account, since=look.cut - DAY)
        hold, order = self._hold, self._order
        for _ in range(ROUND_PAGES):
            hold = await look.open_holds(hold)
            if hold is None:
                break
        for _ in range(ROUND_PAGES):
            order = await look.open_orders(order) or (LOWEST, LOWEST)
            if order == (LOWEST, LOWEST):
                break
        return account or LOWEST, hold, order

    async def _remembered(self) -> dict[Key, Difference]:
        newest = await self.store.newest()
        seen = () if newest is None else (*newest.differences, *newest.suspects)
        return {each.key: each for each in seen}


async def look_at_all(look: Look) -> None:
    """Executions of the stretch and their trades; the books of all accounts; all open holds and orders."""
    await look.executions()
    account: UUID | None = LOWEST
    while account is not None:
        account = await look.next_accounts(account, since=look.since)
    hold = await look.open_holds(None)
    while hold is not None:
        hold = await look.open_holds(hold)
    order = await look.open_orders((LOWEST, LOWEST))
    while order is not None:
        order = await look.open_orders(order)


def judged(look: Look, known: Mapping[Key, Difference], now: datetime) -> Pass:
    """What was known before is a difference; the rest may pass."""
    seen = [
        replace(each, first_seen_at=known[key].first_seen_at if key in known else now)
        for key, each in look.found.items()
    ]
    return Pass(
        finished_at=now,
        since=look.since,
        cut=look.cut,
        counts=dict(look.counts),
        differences=[each for each in seen if each.key in known],
        suspects=[each for each in seen if each.key not in known],
        more=look.more,
        too_long=tuple(sorted(look.too_long)),
    )


def _batches(items: Collection[Item], size: int) -> Iterator[list[Item]]:
    ordered = list(items)
    for start in range(0, len(ordered), size):
        yield ordered[start : start + size]
