"""The job that watches resting orders: it knows their rows and the quotes, and hands over what can be filled.

Its memory is a copy: the rows are the truth, and the worker decides on them. It writes nothing there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial

from hub_errors import HubError
from hub_market_client import Quote as MarketQuote
from hub_market_client import Session
from hub_order import mapping
from hub_order.clients import Market
from hub_order.domain import Quote
from hub_order.resting import Entry, Hand, RestingOrders, Unsaved, hand, units
from hub_order.resting_rows import RestingRows
from hub_order.store import Resting
from hub_postgres import Leadership, LeadershipLostError, Wakeup
from hub_runtime import counter, gauge, get_logger

POLL_S = 1.0
HOURS_S = 0.25
AGAIN_S = 0.25
SAVE_S = 1.0
AT_ONCE = 1000

HANDED = counter("hub_order_handed_over_total", "Resting orders handed over to the worker")
RESTING = gauge("hub_order_resting_orders", "Resting orders in the trigger's memory")
LEADS = gauge("hub_order_trigger_leads", "1 where this process leads and has read all resting orders")
LOADED = gauge("hub_order_resting_load_seconds", "How long it took to read all resting orders")

log = get_logger("trigger")

HandOver = Callable[[Sequence[Hand], int], Awaitable[None]]
"""Takes the epoch of the trigger too."""


def every_symbol(symbol: str) -> bool:  # noqa: ARG001 - see Trigger.ours
    return True


@dataclass(slots=True)
class Trigger:
    """One run, from a leadership to its loss."""

    resting: Resting
    market: Market
    wakeup: Wakeup
    hand_over: HandOver
    memory: RestingOrders = field(default_factory=RestingOrders)
    ours: Callable[[str], bool] = every_symbol
    """Which instruments this trigger watches. The one place to divide them among several."""
    # The session in which each symbol's last quote was dealt in; None where it was not. Here and below apart
    # for orders with extended hours, whose session is their whole trading day.
    _sessions: tuple[dict[str, Session | None], ...] = field(default_factory=lambda: ({}, {}))
    # What is not traded now: looked at until it is.
    _idle: list[set[str]] = field(default_factory=lambda: [set(), set()])

    async def lead(self, leadership: Leadership) -> None:
        """Ends with the leadership, by an error or by being cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_end_with(leadership), name="trigger leadership")
                # No quote is used before all orders are here.
                rows = await self._load(leadership)
                group.create_task(self._follow_rows(rows, leadership), name="trigger rows")
                group.create_task(self._follow_quotes(leadership), name="trigger quotes")
                group.create_task(self._follow_hours(leadership), name="trigger hours")
                group.create_task(self._hand_again(leadership), name="trigger again")
                group.create_task(self._save(leadership), name="trigger extremes")
        except* LeadershipLostError:
            log.warning("trigger_leads_no_more", epoch=leadership.epoch)
        finally:
            LEADS.set(0)

    async def _load(self, leadership: Leadership) -> RestingRows:
        rows = RestingRows(self.resting, self.memory, self.ours)
        LOADED.set(await rows.load())
        RESTING.set(len(self.memory))
        LEADS.set(1)
        log.info("trigger_watches", resting=len(self.memory), epoch=leadership.epoch)
        return rows

    async def _follow_rows(self, rows: RestingRows, leadership: Leadership) -> None:
        while True:
            await self.wakeup.wait(POLL_S)
            came: set[str] = set()
            try:
                await rows.read(came)
            except HubError as error:
                log.warning("resting_orders_not_read", code=error.code)
            # The next quote may be a long time off.
            await self._meet_now(came, leadership)
            RESTING.set(len(self.memory))

    async def _meet_now(self, symbols: Iterable[str], leadership: Leadership) -> None:
        """Holds what waits against the current quotes."""
        for symbol in symbols:
            await self._meet_usable(symbol, leadership, extended=False)
            if self.memory.has_extended(symbol):
                await self._meet_usable(symbol, leadership, extended=True)

    async def _meet_usable(self, symbol: str, leadership: Leadership, *, extended: bool) -> None:
        quote = self.market.usable(symbol, extended=extended)
        if quote is not None:
            await self._meet(quote, quote.ask, quote.bid, leadership, extended=extended)
        elif not self.market.trades(symbol, extended=extended):
            self._idle[extended].add(symbol)

    async def _follow_hours(self, leadership: Leadership) -> None:
        """Where trading begins (at the open, after a halt, because the hours were moved) the next quote fills
        what has waited; the one that is there already may be all there is for a while."""
        while True:
            for extended in (False, True):
                trades = partial(self.market.trades, extended=extended)
                begun = {symbol for symbol in self._idle[extended] if trades(symbol)}
                known = self.memory.symbols(extended=extended)
                self._idle[extended] = {symbol for symbol in known if not trades(symbol)}
                for symbol in begun:
                    self.memory.take_back(symbol, extended=extended)
                    await self._meet_usable(symbol, leadership, extended=extended)
            await asyncio.sleep(HOURS_S)

    async def _follow_quotes(self, leadership: Leadership) -> None:
        async with aclosing(self.market.updates()) as quotes:
            async for quote in quotes:
                await self.follow(quote, leadership)

    async def follow(self, market: MarketQuote, leadership: Leadership) -> None:
        """One quote."""
        await self._follow(market, leadership, extended=False)
        if self.memory.has_extended(market.symbol):
            await self._follow(market, leadership, extended=True)
        else:
            self._sessions[True].pop(market.symbol, None)

    async def _follow(self, market: MarketQuote, leadership: Leadership, *, extended: bool) -> None:
        """With its extremes since the quote before where all of that lies within trading."""
        session = self.market.session_of(market, extended=extended)
        before = self._sessions[extended].get(market.symbol)
        self._sessions[extended][market.symbol] = session
        if session is None:
            if not self.market.trades(market.symbol, extended=extended):
                self._idle[extended].add(market.symbol)
            return
        low_ask, high_bid = market.ask, market.bid
        if before is not None and before.closes_at >= session.opens_at:
            low_ask, high_bid = market.low_ask, max(market.bid, market.high_bid)
        await self._meet(market, low_ask, high_bid, leadership, extended=extended)

    async def _meet(
        self,
        quote: Quote | MarketQuote,
        low_ask: Decimal,
        high_bid: Decimal,
        leadership: Leadership,
        *,
        extended: bool,
    ) -> None:
        if not 0 < low_ask <= quote.ask:
            low_ask = quote.ask
        bid, ask = units(quote.bid), units(quote.ask)
        entries = self.memory.crossed(
            quote.symbol,
            bid,
            ask,
            high_bid=bid if high_bid is quote.bid else units(high_bid),
            low_ask=ask if low_ask is quote.ask else units(low_ask),
            position=(quote.epoch, quote.seq),
            extended=extended,
        )
        if entries:
            full = quote if isinstance(quote, Quote) else mapping.quote(quote)
            to_hand = partial(hand, quote=full, high_bid=high_bid, low_ask=low_ask)
            await self._hand(entries, to_hand, leadership)

    async def _hand_again(self, leadership: Leadership) -> None:
        """What was lost on the way is handed over again: its row would have changed."""
        while True:
            await asyncio.sleep(AGAIN_S)
            await self._hand(self.memory.unanswered(now=_now()), self._again, leadership)

    def _again(self, entry: Entry) -> Hand | None:
        """With the quote of now, where that still fills it."""
        quote = self.market.usable(entry.symbol, extended=entry.extended)
        if quote is None:
            return None
        position = quote.epoch, quote.seq
        if not self.memory.again(entry, units(quote.bid), units(quote.ask), position=position):
            return None
        return hand(entry, quote, high_bid=quote.bid, low_ask=quote.ask)

    async def _hand(
        self, entries: Sequence[Entry], to_hand: Callable[[Entry], Hand | None], leadership: Leadership
    ) -> None:
        """Hands over what is still waiting for that. A quote may trigger a large part of all orders: they go
        in parts, so that the leadership's beats come in between."""
        for first in range(0, len(entries), AT_ONCE):
            leadership.check()
            some = [entry for entry in entries[first : first + AT_ONCE] if entry.again_at is not None]
            hands = [made for entry in some if (made := to_hand(entry)) is not None]
            try:
                if hands:
                    await self.hand_over(hands, leadership.epoch)
                    HANDED.inc(len(hands))
                self.memory.handed_over(some, now=_now())
            except HubError as error:
                self.memory.not_handed(entries[first:], now=_now())
                log.warning("hand_over_failed", orders=len(entries) - first, code=error.code)
                return

    async def _save(self, leadership: Leadership) -> None:
        """Keeps how far the market went for trailing stops. What cannot be saved is saved before all else."""
        unsaved: Unsaved | None = None
        while True:
            await asyncio.sleep(SAVE_S)
            unsaved = unsaved or self.memory.unsaved()
            if unsaved:
                try:
                    await self.resting.keep(unsaved, epoch=leadership.epoch)
                    unsaved = None
                except HubError as error:
                    log.warning("extremes_not_saved", code=error.code)


async def _end_with(leadership: Leadership) -> None:
    await leadership.lost.wait()
    leadership.check()


def _now() -> float:
    return asyncio.get_running_loop().time()
