"""What is to be done with an order now: it rests, ends, goes to a venue, or waits a moment. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from uuid import UUID

from hub_order.domain import (
    RESTING,
    Change,
    Order,
    Quote,
    Reason,
    Side,
    Status,
    affordable,
    changed,
    close,
    reprice,
    trigger,
    unfilled,
)

Step = Callable[..., Change | None]
"""Takes the order and `now`; None where it leaves the order as it is."""


@dataclass(frozen=True, slots=True)
class Task:
    """An order to execute. Without a quote it is new; with one it was resting and that quote can fill it, or
    has reached its stop."""

    order_id: UUID
    traceparent: str
    quote: Quote | None = None
    stop_price: Decimal | None = None
    trigger_epoch: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What is known beside the order."""

    quote: Quote | None
    """One that the order can be filled from now."""
    traded: bool
    """A session runs and nothing is halted."""
    market_time: datetime
    too_old: bool
    last_try: bool
    protection_price: Callable[[Order, Quote], Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`steps` come first. Then the order goes to the venue with `quote`, where there is one; `again` is for
    one that may find a price in a moment. `price_per_share`: its hold is to be raised to it before."""

    steps: Sequence[Step] = ()
    quote: Quote | None = None
    again: bool = False
    price_per_share: Decimal | None = None

    def taken(self, order: Order, now: datetime) -> list[Change]:
        """The steps, one after the other."""
        changes = []
        for step in self.steps:
            change = step(order, now=now)
            if change is not None:
                changes.append(change)
                order = change.order
        return changes


NOTHING = Plan()


def plan(order: Order, task: Task, scene: Scene) -> Plan:
    """Of an order that was handled before, ended, or is at a venue, nothing is to be done."""
    expected = {Status.PENDING} if task.quote is None else RESTING
    if order.status not in expected or order.route is not None:
        return NOTHING
    if scene.too_old and (order.at_market or order.at_once):
        return _end(Status.FAILED, Reason.STALE)
    if order.expires_at is not None and order.expires_at <= scene.market_time:
        return _end(Status.EXPIRED, Reason.SESSION_ENDED)
    if scene.quote is None:
        return _without_price(order, scene)
    return _with_price(order, task, scene.quote, scene)


def reached_stop(order: Order, quote: Quote) -> bool:
    """The far side of the market decides: a spread that opens on one side alone reaches nothing."""
    if order.stop_price is None:
        return False
    if order.side is Side.SELL:
        return 0 < quote.ask <= order.stop_price
    return quote.bid >= order.stop_price


def _without_price(order: Order, scene: Scene) -> Plan:
    """A new order rests. One that wants to be filled at once is tried again before, unless nothing is
    traded."""
    if order.status is not Status.PENDING:
        return NOTHING
    if (order.at_market or order.at_once) and not scene.last_try and scene.traded:
        return Plan(again=True)
    return Plan(steps=[partial(_left, quote=None)])


def _with_price(order: Order, task: Task, quote: Quote, scene: Scene) -> Plan:
    steps: list[Step] = []
    price_per_share = None
    if order.awaits_stop:
        stop_price = task.stop_price
        if stop_price is None and order.status is Status.PENDING and reached_stop(order, quote):
            stop_price = order.stop_price
        if stop_price is None:
            return Plan(steps=[partial(_left, quote=quote)])
        steps.append(partial(trigger, stop_price=stop_price, quote=quote))
        order = changed(order, stop_price=stop_price, triggered_at=order.updated_at)
    if order.reprice:
        price, quantity = scene.protection_price(order, quote), order.quantity
        if order.notional is None:
            price_per_share = price
        else:  # it holds its cash amount, whatever the price
            quantity = affordable(order.notional, quote.ask)
        steps.append(partial(reprice, protection_price=price, quantity=quantity, quote=quote))
        order = changed(order, protection_price=price, quantity=quantity)
    if order.accepts(quote.price(order.side)):
        return Plan(steps=steps, quote=quote, price_per_share=price_per_share)
    return Plan(steps=[*steps, partial(_left, quote=quote)], price_per_share=price_per_share)


def _left(order: Order, *, now: datetime, quote: Quote | None) -> Change | None:
    """What `unfilled` makes of it; None where it just goes on resting."""
    changes = unfilled(order, quote=quote, now=now)
    return changes[0] if changes else None


def _end(status: Status, reason: Reason) -> Plan:
    return Plan(steps=[partial(close, status=status, reason=reason, actor="worker")])
