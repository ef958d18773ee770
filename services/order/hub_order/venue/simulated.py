"""The simulated venue: what an order gets is a pure function of the order and one quote."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from hub_money import money
from hub_order.domain import Filled, Order, Quote, Report, Returned, Side, TimeInForce
from hub_order.venue.protocol import Exchange, Sending

_WHOLE = Decimal(2**64)


@dataclass(frozen=True, slots=True, kw_only=True)
class FillModel:
    """Purchases fill at the ask and sales at the bid, at the limit or better and never better than the quote.

    `participation`: at most the displayed size for each order and quote. `slippage`: the price is worse by
    up to this share of it, drawn from the seed, the order and the quote; never beyond the order's worst
    price.
    """

    participation: bool = False
    slippage: Decimal = Decimal(0)
    seed: int = 0

    def fill(self, order: Order, quote: Quote) -> Filled | None:
        """The same order and quote always give the same fill, under the same id."""
        best = quote.price(order.side)
        if not order.accepts(best):
            return None
        price = self._slipped(order, quote, best)
        wanted = order.remaining_at(price)
        quantity = min(wanted, quote.size(order.side)) if self.participation else wanted
        if quantity <= 0 or (order.time_in_force is TimeInForce.FOK and quantity < wanted):
            return None
        return Filled(
            order_id=order.order_id,
            venue_execution_id=f"sim-{order.order_id}-{quote.epoch}-{quote.seq}",
            quantity=quantity,
            price=price,
            quote=quote,
            venue_time=quote.market_time,
        )

    def _slipped(self, order: Order, quote: Quote, best: Decimal) -> Decimal:
        if not self.slippage:
            return best
        worse = best * self.slippage * self.draw("slippage", order, quote)
        price = money(best + worse if order.side is Side.BUY else best - worse)
        if order.accepts(price):
            return price
        return order.worst_price or best

    def draw(self, what: str, order: Order, quote: Quote) -> Decimal:
        """A number from 0 to below 1 that follows from the seed, the order and the quote."""
        text = f"{self.seed}/{what}/{order.order_id}/{quote.epoch}/{quote.seq}"
        return Decimal(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])) / _WHOLE


class SimulatedVenue:
    """Answers at once and keeps nothing."""

    name = "simulated"
    keeps_orders = False

    def __init__(self, model: FillModel | None = None) -> None:
        self._model = model or FillModel()

    async def send(self, sendings: Sequence[Sending]) -> list[Report]:
        return [report for sending in sendings for report in self._answer(sending)]

    async def cancel(self, orders: Sequence[Order]) -> list[Report]:  # noqa: ARG002 - it has none
        return []

    async def replace(self, exchanges: Sequence[Exchange]) -> list[Report]:  # noqa: ARG002
        return []

    async def reconcile(self, orders: Sequence[Order]) -> list[Report]:  # noqa: ARG002
        return []

    async def reports(self) -> AsyncIterator[Sequence[Report]]:
        await asyncio.Event().wait()
        yield []

    def _answer(self, sending: Sending) -> list[Report]:
        order = sending.order
        fill = self._model.fill(order, sending.quote)
        rest = Returned(order_id=order.order_id, only_at=sending.version)
        if fill is None:
            return [rest]
        offer = Filled(
            order_id=fill.order_id,
            only_at=sending.version,
            venue_execution_id=fill.venue_execution_id,
            quantity=fill.quantity,
            price=fill.price,
            quote=fill.quote,
            venue_time=fill.venue_time,
        )
        return [offer] if fill.quantity >= order.remaining_at(fill.price) else [offer, rest]
