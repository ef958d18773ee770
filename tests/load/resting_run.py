"""One run of `make bench-resting`: a trigger reads all orders that are there, and follows quotes."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

from hub.market_data.v1 import market_data_pb2
from hub_market_client import Quote, QuoteCache
from hub_order.clients import Market
from hub_order.mapping import timestamp
from hub_order.resting import Awaits, Entry, Hand, units
from hub_order.resting_rows import RestingRows
from hub_order.store import LEADERSHIP, Resting
from hub_order.trigger import Trigger, every_symbol
from hub_postgres import Leadership, Wakeup, connect_pool

SYMBOLS = 100
ONE = "S0000"
TICKS, ROUNDS = 20_000, 5
# One quote in so many goes as far as the order that is near.
BUSY = 20
CENT = Decimal("0.01")
NEAR, FAR = Decimal(98), Decimal(50)


def symbol(number: int) -> str:
    return f"S{number:04}"


def rss_mb() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


class OneInstrument(Resting):
    """As if all orders were in the same one, in which a single order is near the market."""

    async def all(self, *, after: UUID | None, limit: int) -> list[Entry]:
        entries = await super().all(after=after, limit=limit)
        for entry in entries:
            if entry.symbol != ONE and entry.key == -units(NEAR):
                entry.key = -units(FAR)
            entry.symbol = ONE
        return entries


@dataclass
class Run:
    """What is handed over comes back at once, as an order does that was filled in part."""

    trigger: Trigger
    symbols: Sequence[str]
    leadership: Leadership = field(default_factory=lambda: Leadership(LEADERSHIP, 1))
    handed: int = 0
    seq: int = 0

    async def hand_over(self, hands: Sequence[Hand], epoch: int) -> None:
        self.handed += len(hands)
        for hand in hands:
            self.trigger.memory.put(self._later(hand), now=hand.quote.market_time)

    def _later(self, hand: Hand) -> Entry:
        return Entry(
            order_id=hand.order_id,
            account_id=hand.account_id,
            traceparent=hand.traceparent,
            version=10 + self.handed,
            symbol=hand.quote.symbol,
            sells=False,
            awaits=Awaits.LIMIT,
            key=-units(NEAR),
            since=None,
        )

    def quotes(self, *, busy: bool) -> list[Quote]:
        made, draw, now = [], random.Random(1), datetime.now(UTC)
        for number in range(TICKS):
            self.seq += 1
            bid = Decimal(draw.randrange(9930, 10070)) * CENT
            if busy and number % BUSY == 0:
                bid = NEAR - CENT
            made.append(_quote(draw.choice(self.symbols), self.seq, bid, now))
        return made

    async def ticks_per_s(self, *, busy: bool) -> float:
        best, clock, follow = 0.0, time.process_time, self.trigger.follow
        for _ in range(ROUNDS):
            quotes = self.quotes(busy=busy)
            started = clock()
            for quote in quotes:
                await follow(quote, self.leadership)
            best = max(best, TICKS / (clock() - started))
        return best


def _quote(name: str, seq: int, bid: Decimal, now: datetime) -> Quote:
    ask = bid + CENT
    size, zero = Decimal(100), Decimal(0)
    return Quote(
        symbol=name,
        epoch=1,
        seq=seq,
        bid=bid,
        bid_size=size,
        ask=ask,
        ask_size=size,
        last=bid,
        open=bid,
        high=bid,
        low=bid,
        previous_close=bid,
        volume=zero,
        market_time=now,
        received_at=now,
        low_ask=ask - CENT,
        high_bid=bid + CENT,
    )


def _market(names: Sequence[str]) -> Market:
    now = datetime.now(UTC)
    day = timedelta(days=1)
    instruments = [
        market_data_pb2.Instrument(symbol=name, tradable=True, calendar="24x7", tick_size="0.01")
        for name in names
    ]
    session = market_data_pb2.Session(
        calendar="24x7", opens_at=timestamp(now - day), closes_at=timestamp(now + day)
    )
    snapshot = market_data_pb2.Snapshot(
        instruments=instruments, sessions=[session], epoch=1, market_time=timestamp(now)
    )
    cache = QuoteCache()
    cache.apply(market_data_pb2.StreamQuotesResponse(snapshot=snapshot))
    return Market(cache, max_age_s=day.total_seconds())


async def run(size: int, *, one: bool) -> dict[str, float]:
    url, password = os.environ["DATABASE"], os.environ["PASSWORD"]
    names = [ONE] if one else [symbol(number) for number in range(SYMBOLS)]
    async with await connect_pool(url, password, 2) as pool:
        resting = OneInstrument(pool) if one else Resting(pool)
        trigger = Trigger(
            resting=resting, market=_market(names), wakeup=Wakeup(url, password, "none"), hand_over=_nobody
        )
        made = Run(trigger, names)
        trigger.hand_over = made.hand_over
        before = time.process_time()
        load_s = await RestingRows(resting, trigger.memory, every_symbol).load()
        load_cpu_s, rss = time.process_time() - before, rss_mb()
        assert len(trigger.memory) == size
        quiet = await made.ticks_per_s(busy=False)
        assert not made.handed, "a quote has gone too far"
        busy = await made.ticks_per_s(busy=True)
        load = {"load_s": load_s, "load_cpu_s": load_cpu_s}
        return load | {"rss_mb": rss, "quiet": quiet, "busy": busy, "handed": made.handed}


async def _nobody(hands: Sequence[Hand], epoch: int) -> None: ...


if __name__ == "__main__":
    found = asyncio.run(run(int(sys.argv[1]), one="one" in sys.argv[2:]))
    print(json.dumps(found))
