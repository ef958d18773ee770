"""The job that watches resting orders: it knows their rows and the quotes, and hands over what can be filled.

Its memory is a copy: the rows are the truth, and the worker decides on them. It writes nothing there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from hub_errors import HubError
from hub_market_client import Quote as MarketQuote
from hub_market_client import Session
from hub_order import mapping
from hub_order.clients import Market
from hub_order.domain import Order
from hub_order.resting import Hand, RestingOrders
from hub_order.store import Orders
from hub_postgres import HeldLock, Wakeup
from hub_runtime import counter, gauge, get_logger

PAGE = 1000
POLL_S = 1.0
HOURS_S = 0.25
# Changes are stamped before they commit: a look back finds those that became visible late.
LOOK_BACK = timedelta(seconds=10)
SHORT_LOOK_BACK = timedelta(seconds=1)
READ_ALL_S = 60.0
_FIRST_ID = UUID(int=0)

HANDED = counter("hub_order_handed_over_total", "Resting orders handed over to the worker")
RESTING = gauge("hub_order_resting_orders", "Resting orders in the trigger's memory")

log = get_logger("trigger")

HandOver = Callable[[Sequence[Hand]], Awaitable[None]]


class LockLostError(Exception):
    """Somebody else may be watching now: start anew."""


@dataclass(slots=True)
class Trigger:
    """One run, from a lock to its loss."""

    orders: Orders
    market: Market
    wakeup: Wakeup
    hand_over: HandOver
    memory: RestingOrders = field(default_factory=RestingOrders)
    since: datetime | None = None
    # The session in which each symbol's last quote was dealt in; None where it was not.
    _sessions: dict[str, Session | None] = field(default_factory=dict)
    # What is not traded now: looked at until it is.
    _idle: set[str] = field(default_factory=set)

    async def lead(self, lock: HeldLock) -> None:
        """Ends only by an error or by being cancelled."""
        await self._read_all()
        log.info("trigger_watches", resting=len(self.memory))
        async with asyncio.TaskGroup() as group:
            group.create_task(self._end_with(lock), name="trigger lock")
            group.create_task(self._follow_rows(), name="trigger rows")
            group.create_task(self._follow_quotes(), name="trigger quotes")
            group.create_task(self._follow_hours(), name="trigger hours")
            group.create_task(self._hand_again(), name="trigger again")

    async def _end_with(self, lock: HeldLock) -> None:
        await lock.lost.wait()
        raise LockLostError(lock.key)

    async def _read_all(self) -> None:
        """All rows that rest; what is in memory beside them has ended."""
        since, after, found = await self.orders.now(), None, set[UUID]()
        while page := await self.orders.all_resting(after=after, limit=PAGE):
            after = page[-1].order_id
            found |= {order.order_id for order in page}
            await self._take(page)
        if self.since is None:
            self.since = since
        else:
            self.memory.keep_only(found)

    async def _follow_rows(self) -> None:
        clock = asyncio.get_running_loop().time
        looked_back, read_all = clock(), clock()
        while True:
            await self.wakeup.wait(POLL_S)
            try:
                if clock() - read_all > READ_ALL_S:
                    await self._read_all()
                    read_all = clock()
                far = clock() - looked_back > POLL_S
                await self._read_changes(LOOK_BACK if far else SHORT_LOOK_BACK)
                looked_back = clock() if far else looked_back
            except HubError as error:
                log.warning("resting_orders_not_read", code=error.code)
            RESTING.set(len(self.memory))

    async def _read_changes(self, look_back: timedelta) -> None:
        assert self.since is not None  # noqa: S101 - all rows were read first
        since, after = self.since - look_back, _FIRST_ID
        while page := await self.orders.rested_since(since, after, limit=PAGE):
            since, after = page[-1].updated_at, page[-1].order_id
            self.since = max(self.since, since)
            await self._take(page)
            if len(page) < PAGE:
                return

    async def _take(self, orders: Sequence[Order]) -> None:
        """What is new in memory is held against the quote of now: the next one may be a long time off."""
        new = [order for order in orders if self.memory.put(order)]
        await self._meet_now({order.symbol for order in new})

    async def _meet_now(self, symbols: Iterable[str]) -> None:
        """Holds orders against the current quotes."""
        hands = []
        for symbol in symbols:
            quote = self.market.usable(symbol)
            if quote is not None:
                hands += self.memory.crossed(quote, low_ask=quote.ask, high_bid=quote.bid, now=_now())
            elif not self.market.trades(symbol):
                self._idle.add(symbol)
        await self._hand(hands)

    async def _follow_hours(self) -> None:
        """Where trading begins (at the open, after a halt, because the hours were moved) the next quote fills
        what has waited; the one that is there already may be all there is for a while."""
        while True:
            begun = {symbol for symbol in self._idle if self.market.trades(symbol)}
            self._idle = {symbol for symbol in self.memory.symbols() if not self.market.trades(symbol)}
            for symbol in begun:
                self.memory.take_back(symbol)
            await self._meet_now(begun)
            await asyncio.sleep(HOURS_S)

    async def _follow_quotes(self) -> None:
        async with aclosing(self.market.updates()) as quotes:
            async for quote in quotes:
                await self._meet(quote)

    async def _meet(self, market: MarketQuote) -> None:
        session = self.market.session_of(market)
        before = self._sessions.get(market.symbol)
        self._sessions[market.symbol] = session
        if session is None:
            if not self.market.trades(market.symbol):
                self._idle.add(market.symbol)
            return
        quote, low_ask, high_bid = mapping.quote(market), market.ask, market.bid
        if before is not None and before.closes_at >= session.opens_at:
            # Nothing that was left out since the quote before lies outside of trading.
            low_ask, high_bid = market.low_ask, market.high_bid
        await self._hand(self.memory.crossed(quote, low_ask=low_ask, high_bid=high_bid, now=_now()))

    async def _hand_again(self) -> None:
        """What was lost on the way is handed over again: its row would have changed."""
        while True:
            await asyncio.sleep(POLL_S)
            hands = []
            for order in self.memory.unanswered(now=_now()):
                quote = self.market.usable(order.symbol)
                if quote is not None and (hand := self.memory.again(order, quote)) is not None:
                    hands.append(hand)
            await self._hand(hands)

    async def _hand(self, hands: Sequence[Hand]) -> None:
        if not hands:
            return
        try:
            await self.hand_over(hands)
            HANDED.inc(len(hands))
        except HubError as error:
            log.warning("hand_over_failed", orders=len(hands), code=error.code)


def _now() -> float:
    return asyncio.get_running_loop().time()
