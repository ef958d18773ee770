"""Brings orders to the venue: a new one with the quote of now, a resting one with the quote it came with."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from uuid import UUID

from hub_order.clients import Market, Position
from hub_order.domain import (
    Change,
    Order,
    Quote,
    Reason,
    Report,
    Route,
    Status,
    after_reports,
    close,
    send,
)
from hub_order.store import Orders
from hub_order.usecases.plan import NOTHING, Plan, Scene, Task, plan
from hub_order.usecases.telling import tell_all
from hub_order.venue import Sending, Venue
from hub_runtime import Clock, crash_point, current_traceparent, is_sampled, span, use_traceparent, utc_now

# An order that wants to be filled at once and finds no price is tried again on the spot.
PAUSES_S = (0.3, 0.6, 0.9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """What executing needs."""

    orders: Orders
    market: Market
    venue: Venue
    position: Position
    max_age: timedelta
    price_protection: Decimal
    pauses_s: Sequence[float] = PAUSES_S
    clock: Clock = utc_now

    def scene(self, order: Order, task: Task, *, last_try: bool) -> Scene:
        market = self.market
        # What takes the market's price since its stop was reached is no older than that.
        since = order.triggered_at or order.accepted_at
        return Scene(
            quote=self._quote(order, task),
            traded=market.trades(order.symbol),
            market_time=market.time(),
            too_old=market.traded_for(order.symbol, since=since, now=self.clock()) > self.max_age,
            last_try=last_try,
            protection_price=self._protection_price,
        )

    def _quote(self, order: Order, task: Task) -> Quote | None:
        """What came with the order counts only while its session runs."""
        extended = order.extended_hours
        if task.quote is None:
            return self.market.usable(order.symbol, extended=extended)
        deals = self.market.deals(order.symbol, task.quote.market_time, extended=extended)
        return replace(task.quote, symbol=order.symbol) if deals else None

    def _protection_price(self, order: Order, quote: Quote) -> Decimal:
        return self.market.protection_price(order.symbol, quote.ask, fraction=self.price_protection)


async def execute(tasks: Sequence[Task], *, floor: Floor) -> None:
    """All in one transaction; those that came twice once more. Handling a task again changes nothing."""
    rest_of_them = await _current(tasks, floor)
    while rest_of_them:
        batch, rest_of_them = _one_each(rest_of_them)
        with ExitStack() as spans:
            traces = {task.order_id: _span_of(task, spans) for task in batch}
            await _execute_batch({task.order_id: task for task in batch}, traces, floor)


async def _current(tasks: Sequence[Task], floor: Floor) -> list[Task]:
    """Without what a trigger handed over that does not lead any more."""
    if all(task.quote is None for task in tasks):
        return list(tasks)
    epoch = await floor.orders.trigger_epoch()
    return [task for task in tasks if task.quote is None or task.trigger_epoch >= epoch]


async def _execute_batch(tasks: dict[UUID, Task], traces: dict[UUID, str], floor: Floor) -> None:
    pauses = iter(floor.pauses_s)
    pause = next(pauses, None)
    while tasks:
        attempt = _Attempt(floor=floor, tasks=tasks, last_try=pause is None)
        changes = await attempt.make(traces)
        tell_all(changes, traces)
        tasks = {order_id: tasks[order_id] for order_id in [*attempt.waiting, *attempt.changed]}
        if attempt.waiting and not attempt.changed and pause is not None:
            await asyncio.sleep(pause)
            pause = next(pauses, None)


@dataclass(slots=True, kw_only=True)
class _Attempt:
    """Reads the orders, asks the venue, and writes what became of those that are still as they were read."""

    floor: Floor
    tasks: Mapping[UUID, Task]
    last_try: bool
    waiting: list[UUID] = field(default_factory=list)
    """A price may come in a moment."""
    changed: list[UUID] = field(default_factory=list)
    """Somebody else was faster: they are read again."""
    _read: dict[UUID, Order] = field(default_factory=dict)
    _plans: dict[UUID, Plan] = field(default_factory=dict)
    _reports: dict[UUID, list[Report]] = field(default_factory=dict)

    async def make(self, traces: Mapping[UUID, str]) -> list[Change]:
        floor = self.floor
        self._read = await floor.orders.read(list(self.tasks))
        spent = await self._spent()
        for order_id, order in self._read.items():
            if order_id in spent:
                continue
            task = self.tasks[order_id]
            self._plans[order_id] = plan(order, task, floor.scene(order, task, last_try=self.last_try))
        await self._raise_holds()
        if floor.venue.keeps_orders:
            return await self._hand_to_keeper(traces)
        for report in await floor.venue.send(self._sendings()):
            self._reports.setdefault(report.order_id, []).append(report)
        crash_point("order.execute.after_send")
        return await floor.orders.change(self._concerned(), self._decide, traces=traces, read=self._read)

    async def _spent(self) -> set[UUID]:
        """A quote that has filled an order once fills it no more. The ids of fills see to that, but a venue
        that keeps orders must not even be asked: it would count executions that it has told before."""
        if not self.floor.venue.keeps_orders:
            return set()
        quotes = {order_id: task.quote for order_id, task in self.tasks.items() if task.quote is not None}
        return await self.floor.orders.filled_from(quotes)

    async def _hand_to_keeper(self, traces: Mapping[UUID, str]) -> list[Change]:
        """What it keeps is marked before it is sent: after a crash the venue is asked about it."""
        changes = await self.floor.orders.change(
            self._concerned(), self._decide, traces=traces, read=self._read
        )
        crash_point("order.execute.before_send")
        sent = {change.order.order_id: change.order for change in changes if change.order.route is not None}
        if sent:
            await self.floor.venue.send(
                [
                    Sending(order=order, quote=order.route.quote, version=order.version)
                    for order in sent.values()
                    if order.route is not None
                ]
            )
        crash_point("order.execute.after_send")
        return changes

    async def _raise_holds(self) -> None:
        """What was priced while nothing was traded holds what it costs now, or ends."""
        prices = {
            self._read[order_id].hold_id: price
            for order_id, its in self._plans.items()
            if (price := its.price_per_share) is not None
        }
        if not prices:
            return
        granted = await self.floor.position.reprice_holds(prices)
        for order_id, its in self._plans.items():
            if its.price_per_share is not None and not granted[self._read[order_id].hold_id]:
                reason = Reason.INSUFFICIENT_FUNDS
                failed = partial(close, status=Status.FAILED, reason=reason, actor="worker", quote=its.quote)
                self._plans[order_id] = Plan(steps=[failed])

    def _concerned(self) -> list[UUID]:
        self.waiting += [order_id for order_id, its in self._plans.items() if its.again]
        return [order_id for order_id, its in self._plans.items() if its is not NOTHING and not its.again]

    def _sendings(self) -> list[Sending]:
        sendings = []
        for order_id, its in self._plans.items():
            if its.quote is None:
                continue
            order = self._read[order_id]
            taken = its.taken(order, order.updated_at)
            as_sent = taken[-1].order if taken else order
            sendings.append(Sending(order=as_sent, quote=its.quote, version=order.version))
        return sendings

    def _decide(self, order: Order, now: datetime) -> list[Change]:
        """On the locked row. One that changed since it was read is planned anew."""
        read, its = self._read[order.order_id], self._plans[order.order_id]
        if order.version != read.version:
            self.changed.append(order.order_id)
            return []
        changes = its.taken(order, now)
        if its.quote is None:
            return changes
        after = changes[-1].order if changes else order
        if self.floor.venue.keeps_orders:
            return [*changes, send(after, self._route(after, its.quote, now))]
        reports = self._reports.get(order.order_id, [])
        venue = self.floor.venue.name
        return changes + after_reports(after, reports, venue=venue, now=now, read_version=read.version)

    def _route(self, order: Order, quote: Quote, now: datetime) -> Route:
        return Route(
            venue=self.floor.venue.name,
            quote=quote,
            routed_at=now,
            filled_quantity=order.filled_quantity,
            filled_value=order.filled_value,
        )


def _one_each(tasks: Sequence[Task]) -> tuple[list[Task], list[Task]]:
    """The first task of each order, and the others."""
    first: dict[UUID, Task] = {}
    others = [task for task in tasks if first.setdefault(task.order_id, task) is not task]
    return list(first.values()), others


def _span_of(task: Task, spans: ExitStack) -> str:
    """The trace that goes on from here. A sampled order has its own span, whatever batch it travels in."""
    if is_sampled(task.traceparent):
        spans.enter_context(use_traceparent(task.traceparent))
        spans.enter_context(span("order.execute", attributes={"order.id": str(task.order_id)}))
        return current_traceparent()
    return task.traceparent
