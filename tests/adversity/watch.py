"""The service's own trigger, with its memory, which reads and watches when the test says so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast
from uuid import UUID

from hub_events import ORDERS, envelope
from hub_order import mapping
from hub_order.clients import Market
from hub_order.resting import Hand, RestingOrders
from hub_order.store import Resting
from hub_order.trigger import Trigger
from hub_postgres import Leadership, Wakeup
from hub_runtime import utc_now
from tests.adversity.broker import Broker

NEXT_EPOCH = """
    INSERT INTO leaderships AS last (name, epoch, backend, beat_at)
    VALUES ('hub_order trigger', 1, 0, clock_timestamp())
    ON CONFLICT (name) DO UPDATE SET epoch = last.epoch + 1 RETURNING epoch
"""


class Watch:
    """What it hands over goes to the broker."""

    def __init__(self, resting: Resting, market: Market, broker: Broker) -> None:
        self._resting = resting
        self._market = market
        self._broker = broker

    async def lead(self) -> None:
        """A new one takes over, and knows nothing yet."""
        epoch = await self._resting.pool.fetchval(NEXT_EPOCH)
        self._leadership = Leadership("hub_order trigger", epoch)
        self._memory = RestingOrders()
        self._trigger = Trigger(
            resting=self._resting,
            market=self._market,
            wakeup=cast("Wakeup", None),  # read when the test says so
            hand_over=self._hand_over,
            memory=self._memory,
        )

    async def read(self) -> None:
        """The rows as they are, held against the quotes of now."""
        found = await self._resting.all(after=None, limit=10_000)
        found += await self._resting.these(self._memory.order_ids())
        came = {entry.symbol for entry in found if self._memory.put(entry, now=utc_now())}
        await self._trigger._meet_now(came, self._leadership)

    async def quote(self, symbol: str) -> None:
        """The last quote, with its extremes."""
        quote = self._market._cache.quote(symbol)
        if quote is not None:
            await self._trigger.follow(quote, self._leadership)

    async def again(self) -> None:
        """What was handed over is given up for lost."""
        symbols = set()
        for extended in (False, True):
            for symbol in self._memory.symbols(extended=extended):
                self._memory.take_back(symbol, extended=extended)
                symbols.add(symbol)
        await self._trigger._meet_now(symbols, self._leadership)

    async def _hand_over(self, hands: Sequence[Hand], epoch: int) -> None:
        for hand in hands:
            event = mapping.triggered_event(
                hand.order_id, hand.quote, stop_price=hand.stop_price, epoch=epoch
            )
            account_id: UUID = hand.account_id
            told = envelope("order.triggered", str(hand.order_id), str(account_id), event)
            self._broker.put(ORDERS.name, told)
