"""Brings orders to the venue: a new one with the quote of now, a resting one with the quote it came with."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from hub_money import to_text
from hub_order.clients import Market
from hub_order.domain import (
    RESTING,
    Change,
    Order,
    OrderType,
    Quote,
    Reason,
    Side,
    Status,
    close,
    fill,
    rest,
)
from hub_order.store import Orders
from hub_order.usecases.submit import ORDERS
from hub_order.venue import Venue, execution_of
from hub_runtime import current_traceparent, get_logger, span, use_traceparent

# A market order that finds no price is tried again on the spot; after that it waits for the next price.
PAUSES_S = (0.3, 0.6, 0.9)

log = get_logger("execute")


@dataclass(frozen=True, slots=True)
class Task:
    """An order to execute. Without a quote it is new; with one it was resting and that quote can fill it."""

    order_id: UUID
    traceparent: str
    quote: Quote | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """What executing needs."""

    orders: Orders
    market: Market
    venue: Venue
    max_age: timedelta
    pauses_s: Sequence[float] = PAUSES_S

    def too_old(self, order: Order, now: datetime) -> bool:
        """Only time in which the instrument was traded makes an order old."""
        return self.market.traded_for(order.symbol, since=order.accepted_at, now=now) > self.max_age


async def execute(tasks: Sequence[Task], *, floor: Floor) -> None:
    """All in one transaction; those that came twice once more. Handling a task again changes nothing."""
    rest_of_them = list(tasks)
    while rest_of_them:
        batch, rest_of_them = _one_each(rest_of_them)
        with ExitStack() as spans:
            traces = {task.order_id: _span_of(task, spans) for task in batch}
            await _execute_batch({task.order_id: task for task in batch}, traces, floor)


async def _execute_batch(tasks: dict[UUID, Task], traces: dict[UUID, str], floor: Floor) -> None:
    pauses = iter(floor.pauses_s)
    pause: float | None = 0.0
    while pause is not None:
        await asyncio.sleep(pause)
        pause = next(pauses, None)
        decision = _Decision(tasks=tasks, floor=floor, last=pause is None)
        changes = await floor.orders.change(list(tasks), decision, traces=traces)
        _tell(changes, traces)
        tasks = {order_id: tasks[order_id] for order_id in decision.undecided}
        if not tasks:
            return


@dataclass(frozen=True, slots=True)
class _Decision:
    """What becomes of an order, decided on its locked row."""

    tasks: dict[UUID, Task]
    floor: Floor
    last: bool
    undecided: list[UUID] = field(default_factory=list)

    def __call__(self, order: Order, now: datetime) -> list[Change]:
        task = self.tasks[order.order_id]
        if order.status not in ({Status.PENDING} if task.quote is None else RESTING):
            return []  # it was handled before, or ended meanwhile
        if order.type is OrderType.MARKET and self.floor.too_old(order, now):
            return [failed(order, Reason.STALE, now=now)]
        quote = self._quote(order, task)
        return self._at_the_venue(order, quote, now) if quote else self._without_price(order, now)

    def _quote(self, order: Order, task: Task) -> Quote | None:
        """What came with the order counts only while its session runs."""
        market, carried = self.floor.market, task.quote
        if carried is None:
            return market.usable(order.symbol)
        deals = market.deals(order.symbol, carried.market_time)
        return replace(carried, symbol=order.symbol) if deals else None

    def _without_price(self, order: Order, now: datetime) -> list[Change]:
        """A new order rests. At the market it is tried again before, unless nothing is traded at all."""
        if order.status is not Status.PENDING:
            return []
        if order.type is OrderType.MARKET and not self.last and self.floor.market.trades(order.symbol):
            self.undecided.append(order.order_id)
            return []
        return [rest(order, now=now, quote=None)]

    def _at_the_venue(self, order: Order, quote: Quote, now: datetime) -> list[Change]:
        venue = self.floor.venue
        filled = venue.fill(order, quote)
        if filled is not None:
            return [fill(order, execution_of(venue, order, quote, filled, now=now))]
        if order.type is OrderType.MARKET:
            return [failed(order, Reason.PRICE_PROTECTION, now=now, quote=quote)]
        return [rest(order, now=now, quote=quote)] if order.status is Status.PENDING else []


def failed(order: Order, reason: Reason, *, now: datetime, quote: Quote | None = None) -> Change:
    return close(order, Status.FAILED, reason=reason, actor="worker", now=now, quote=quote)


def _one_each(tasks: Sequence[Task]) -> tuple[list[Task], list[Task]]:
    """The first task of each order, and the others."""
    first: dict[UUID, Task] = {}
    others = [task for task in tasks if first.setdefault(task.order_id, task) is not task]
    return list(first.values()), others


def _span_of(task: Task, spans: ExitStack) -> str:
    """The trace that goes on from here. A sampled order has its own span, whatever batch it travels in."""
    if task.traceparent:
        spans.enter_context(use_traceparent(task.traceparent))
        spans.enter_context(span("order.execute", attributes={"order.id": str(task.order_id)}))
        return current_traceparent()
    return ""


def _tell(changes: Sequence[Change], traces: dict[UUID, str]) -> None:
    for change in changes:
        with use_traceparent(traces.get(change.order.order_id, "")):
            tell(change)


def tell(change: Change) -> None:
    """Says in the log, and counts, what became of an order."""
    order, execution = change.order, change.execution
    about = {"order_id": str(order.order_id), "account_id": str(order.account_id), "symbol": order.symbol}
    if execution is not None:
        verb = "bought" if order.side is Side.BUY else "sold"
        quantity, price = to_text(execution.quantity), to_text(execution.price)
        text = f"order executed: {verb} {quantity} {order.symbol} at {price}"
        log.info("order_executed", **about, quantity=quantity, price=price, highlight=True, text=text)
    elif order.final:
        status, reason = str(order.status), order.reason
        text = f"order {status.lower()}: {to_text(order.quantity)} {order.symbol} {reason}".rstrip()
        log.info("order_closed", **about, status=status, reason=reason, highlight=True, text=text)
    else:
        log.info("order_resting", **about)
    if order.final or execution is None:
        ORDERS.labels(str(order.status).lower(), order.reason).inc()
