"""A simulated venue that keeps orders and answers late, twice, in parts and in any order, as real ones do.

What becomes of an order still follows from the order and the quote it was sent with, so that any process can
say it again after another one has died.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from hub_money import money
from hub_order.domain import (
    Ended,
    EndRefused,
    Filled,
    Order,
    Rejected,
    Replaced,
    ReplaceRefused,
    Report,
    Returned,
    Working,
    changed,
)
from hub_order.venue.protocol import Exchange, Sending
from hub_order.venue.simulated import FillModel

MOST_WAITING = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """How bad it is, each from 0 to 1 (shares of the orders) but the delay, which is the longest in
    seconds."""

    delay_s: float = 0.2
    rejected: Decimal = Decimal(0)
    doubled: Decimal = Decimal(0)
    overfilled: Decimal = Decimal(0)
    parts: int = 3


class SlowVenue:
    """Keeps what it is sent until its reports have been told."""

    name = "simulated-slow"
    keeps_orders = True

    def __init__(self, model: FillModel | None = None, faults: Faults | None = None) -> None:
        self._model = model or FillModel()
        self._faults = faults or Faults()
        self._due: asyncio.Queue[Report] = asyncio.Queue(MOST_WAITING)

    async def send(self, sendings: Sequence[Sending]) -> list[Report]:
        for sending in sendings:
            self._tell_later(sending.order, self._outcome(sending.order))
        return [Working(order_id=sending.order.order_id) for sending in sendings]

    async def cancel(self, orders: Sequence[Order]) -> list[Report]:
        """What is filled in whole is too late to end; the fills of the others stand."""
        return [self._cancelled(order) for order in orders if order.route is not None]

    async def replace(self, exchanges: Sequence[Exchange]) -> list[Report]:
        """What it fills of the old one was decided when that was sent; the new one meets the same quote."""
        return [self._replaced(exchange.old, exchange.new) for exchange in exchanges]

    async def reconcile(self, orders: Sequence[Order]) -> list[Report]:
        return [report for order in orders for report in self._outcome(order)]

    async def reports(self) -> AsyncIterator[Sequence[Report]]:
        while True:
            batch = [await self._due.get()]
            while not self._due.empty():
                batch.append(self._due.get_nowait())
            yield batch

    def _outcome(self, order: Order) -> list[Report]:
        """All reports of one sending. `order` is as it was sent, its route says with which quote."""
        route = order.route
        if route is None:
            return []
        if self._model.draw("rejected", order, route.quote) < self._faults.rejected:
            return [Rejected(order_id=order.order_id, sending=route.sending, text="not today")]
        fill = self._model.fill(order.as_sent, route.quote)
        fills = [] if fill is None else self._parts(order, fill)
        filled = order.as_sent.filled_quantity + sum((each.quantity for each in fills), Decimal(0))
        return [*fills, Returned(order_id=order.order_id, sending=route.sending, filled=filled)]

    def _parts(self, order: Order, fill: Filled) -> list[Filled]:
        quantity = fill.quantity
        if self._model.draw("overfilled", order, fill.quote) < self._faults.overfilled:
            quantity *= 2
        count = 1 + int(self._model.draw("parts", order, fill.quote) * self._faults.parts)
        part = money(quantity / count) if quantity > count else quantity
        sizes = [part] * (count - 1) if part < quantity else []
        sizes.append(quantity - sum(sizes, Decimal(0)))
        return [
            replace(fill, quantity=size, venue_execution_id=f"{fill.venue_execution_id}-{number}")
            for number, size in enumerate(sizes)
        ]

    def _cancelled(self, order: Order) -> Report:
        fills = [report for report in self._outcome(order) if isinstance(report, Filled)]
        filled = order.as_sent.filled_quantity + sum((fill.quantity for fill in fills), Decimal(0))
        if fills and filled >= order.quantity:
            return EndRefused(order_id=order.order_id)
        sending = order.route.sending if order.route is not None else ""
        return Ended(order_id=order.order_id, sending=sending, filled=filled)

    def _replaced(self, old: Order, new: Order) -> Report:
        last = self._outcome(old)[-1]
        if not isinstance(last, Returned) or last.filled is None:
            return last
        filled, sending = last.filled, last.sending
        if filled >= old.quantity:
            return ReplaceRefused(
                order_id=old.order_id, sending=sending, successor=new.order_id, text="too late"
            )
        whole = None if new.route is None else new.route.whole_quantity
        if whole is None or filled >= whole:
            return Ended(order_id=old.order_id, sending=sending, filled=filled)
        taken = changed(new, quantity=whole - filled)
        self._tell_later(taken, self._outcome(taken))
        return Replaced(order_id=old.order_id, sending=sending, successor=new.order_id, filled=filled)

    def _tell_later(self, order: Order, reports: Sequence[Report]) -> None:
        loop = asyncio.get_running_loop()
        route = order.route
        assert route is not None  # noqa: S101 - what is sent here has one
        for number, report in enumerate(reports):
            wait = float(self._model.draw(f"delay-{number}", order, route.quote)) * self._faults.delay_s
            loop.call_later(wait, self._tell, report)
            if self._model.draw(f"doubled-{number}", order, route.quote) < self._faults.doubled:
                loop.call_later(2 * wait, self._tell, report)

    def _tell(self, report: Report) -> None:
        # What finds no room is told again by the next reconciliation.
        if not self._due.full():
            self._due.put_nowait(report)
