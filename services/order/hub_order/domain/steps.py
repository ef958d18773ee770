"""What can happen to an order. Every step answers the order after it and the record of it; the clock is
passed in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from hub_money import money, to_text
from hub_order.audit import Record
from hub_order.domain.order import ZERO, Change, Execution, Order, Quote, Route, changed
from hub_order.domain.values import OPEN, TRANSITIONS, IllegalTransitionError, Reason, Side, Status


def accepted(order: Order, *, quote: Quote | None) -> Change:
    """A new order becomes durable."""
    actor = f"user:{order.user_id}"
    return _advance(order, "accepted", actor=actor, now=order.accepted_at, detail=_terms(order), quote=quote)


def requested(order: Order, *, quote: Quote | None) -> Change:
    """A new order becomes durable that a venue is asked to put in another one's place."""
    actor = f"user:{order.user_id}"
    return _advance(order, "requested", actor=actor, now=order.accepted_at, detail=_terms(order), quote=quote)


def abandoned(order: Order) -> Change:
    """A hold was placed, its order never became durable: it exists from now on as one that failed."""
    dead = changed(order, status=Status.FAILED, reason=Reason.ABANDONED)
    return _advance(dead, "abandoned", actor="sweeper", now=order.accepted_at)


def as_accepted(order: Order, terms: Mapping[str, str]) -> Order:
    """The order as it was when it was accepted: what the first answer said. `terms` are the detail of its
    first record."""
    stop_price = terms.get("stop_price")
    return changed(
        order,
        quantity=Decimal(terms["quantity"]),
        protection_price=None if order.protection_price is None else Decimal(terms["worst_price"]),
        stop_price=None if stop_price is None else Decimal(stop_price),
        status=Status.PENDING,
        reason="",
        filled_quantity=ZERO,
        filled_value=ZERO,
        execution_count=0,
        triggered_at=None,
        route=None,
        ending="",
        replaced_by=None,
        version=1,
        updated_at=order.accepted_at,
    )


def rest(order: Order, *, now: datetime, quote: Quote | None) -> Change:
    """The order works from now on, and waits for a price."""
    after = changed(_moved(order, Status.PROCESSING), rested=True)
    return replace(_advance(after, "working", actor="worker", now=now, quote=quote), begins=True)


def trigger(order: Order, *, stop_price: Decimal, now: datetime, quote: Quote) -> Change:
    """The market has reached the stop."""
    after = changed(order, triggered_at=now, stop_price=stop_price)
    detail = {"stop_price": to_text(stop_price)}
    return _advance(after, "triggered", actor="worker", now=now, detail=detail, quote=quote)


def reprice(
    order: Order, *, protection_price: Decimal, quantity: Decimal, now: datetime, quote: Quote
) -> Change:
    """An order that waited for the open is protected by a price of the open, and held by it."""
    after = changed(order, protection_price=protection_price, quantity=quantity, reprice=False)
    detail = {"protection_price": to_text(protection_price), "quantity": to_text(quantity)}
    return _advance(after, "repriced", actor="worker", now=now, detail=detail, quote=quote)


def send(order: Order, route: Route) -> Change:
    """It goes to a venue that keeps it; what becomes of it is the venue's to say."""
    begins = order.status is Status.PENDING
    after = changed(order, route=route)
    if begins:
        after = changed(_moved(after, Status.PROCESSING), rested=True)
    detail, now = {"venue": route.venue}, route.routed_at
    change = _advance(after, "sent", actor="worker", now=now, detail=detail, quote=route.quote)
    return replace(change, begins=begins)


def returned(order: Order, *, now: datetime, detail: Mapping[str, str] | None = None) -> Change:
    """The venue keeps it no longer: it rests with us again."""
    begins = order.status is Status.PENDING
    after = changed(order, route=None, rested=True, venue_filled=None)
    if begins:
        after = _moved(after, Status.PROCESSING)
    return replace(_advance(after, "returned", actor="venue", now=now, detail=detail), begins=begins)


def ask_end(order: Order, status: Status, *, actor: str, now: datetime) -> Change:
    """Its end is asked of the venue that has it."""
    after = changed(order, ending=str(status), ending_actor=actor)
    return _advance(after, "end_requested", actor=actor, now=now, detail={"end": str(status)})


def ask_replacement(order: Order, successor: Order, *, actor: str, now: datetime) -> Change:
    """The venue that has it is asked to put another one in its place."""
    assert order.route is not None  # noqa: S101 - else nobody is to be asked
    after = changed(order, route=replace(order.route, successor=successor.order_id))
    detail = {"replaced_by": str(successor.order_id)}
    return _advance(after, "replace_requested", actor=actor, now=now, detail=detail)


def stay(order: Order, *, venue: str, text: str, now: datetime) -> Change:
    """The venue has not put the other one in its place."""
    assert order.route is not None  # noqa: S101 - it had a successor
    after = changed(order, route=replace(order.route, successor=None))
    detail = {"replaced_by": str(order.successor), "text": text}
    return _advance(after, "replace_refused", actor=f"venue:{venue}", now=now, detail=detail)


def end_alone(order: Order, *, venue: str, now: datetime) -> Change:
    """The venue has ended it, and nothing was left for the order that was to come in its place."""
    assert order.route is not None  # noqa: S101 - it had a successor
    after = changed(order, route=replace(order.route, successor=None))
    if not order.ending:
        after = changed(after, ending=str(Status.CANCELLED), ending_actor=f"user:{order.user_id}")
    detail = {"replaced_by": str(order.successor), "end": after.ending}
    return _advance(after, "ended_alone", actor=f"venue:{venue}", now=now, detail=detail)


def take_place(order: Order, *, quantity: Decimal, at_venue: bool, venue: str, now: datetime) -> Change:
    """It waited for the place of another order and has it now, for what that one has left of the whole."""
    assert order.route is not None  # noqa: S101 - it waited
    route = replace(order.route, whole_quantity=None) if at_venue else None
    after = changed(order, quantity=quantity, route=route)
    if after.filled_quantity >= quantity:
        after = changed(_moved(after, Status.EXECUTED), route=None)
    elif at_venue and after.status is Status.PENDING:
        after = changed(_moved(after, Status.PROCESSING), rested=True)
    return _advance(after, "accepted", actor=f"venue:{venue}", now=now, detail=_terms(after))


def count_on(order: Order, filled: Decimal, *, venue: str, now: datetime) -> Change:
    """The venue is done with it and has filled so much: executions are still on their way."""
    after = changed(order, venue_filled=filled)
    detail = {"venue_filled": to_text(filled)}
    return _advance(after, "awaits_executions", actor=f"venue:{venue}", now=now, detail=detail)


def fill(order: Order, execution: Execution) -> Change:
    """Adds an execution. Of an order that is final only the figures change."""
    filled = order.filled_quantity + execution.quantity
    value = order.filled_value + money(execution.quantity * execution.price)
    after = changed(
        order, filled_quantity=filled, filled_value=value, execution_count=order.execution_count + 1
    )
    if order.notional is not None and order.side is Side.BUY:
        after = changed(after, quantity=filled + after.remaining_at(execution.price))
    if not order.final:
        whole = filled >= after.quantity and (order.route is None or not _between(order))
        after = _moved(after, Status.EXECUTED if whole else Status.PARTIALLY_EXECUTED)
        after = changed(after, rested=after.rested or after.status is Status.PARTIALLY_EXECUTED)
        if after.final:
            after = changed(after, route=None)
    detail = {"execution_id": str(execution.execution_id), "quantity": to_text(execution.quantity)}
    detail["price"] = to_text(execution.price)
    detail["market_time"] = execution.quote.market_time.isoformat()
    detail["venue_time"] = execution.venue_time.isoformat()
    if filled > after.quantity:
        detail["beyond"] = to_text(filled - after.quantity)
    actor, now = f"venue:{execution.venue}", execution.executed_at
    change = _advance(after, "executed", actor=actor, now=now, detail=detail, quote=execution.quote)
    return Change(change.order, change.record, execution)


def close(
    order: Order, status: Status, *, reason: str = "", actor: str, now: datetime, quote: Quote | None = None
) -> Change:
    """Ends an order that is open."""
    if status in OPEN:
        raise IllegalTransitionError(f"{status} is not final")
    after = changed(_moved(order, status), reason=reason, route=None)
    return _advance(after, status.lower(), actor=actor, now=now, quote=quote)


def succeed(order: Order, successor: Order, *, actor: str, now: datetime) -> Change:
    """Ends an order because another one comes in its place."""
    after = changed(_moved(order, Status.REPLACED), replaced_by=successor.order_id, route=None)
    detail = {"replaced_by": str(successor.order_id)}
    change = _advance(after, "replaced", actor=actor, now=now, detail=detail)
    return replace(change, successor=successor)


def _terms(order: Order) -> dict[str, str]:
    terms = {"symbol": order.symbol, "side": str(order.side), "type": str(order.type)}
    terms |= {"quantity": to_text(order.quantity), "time_in_force": str(order.time_in_force)}
    prices = {
        "worst_price": order.worst_price,
        "stop_price": order.stop_price,
        "trail_amount": order.trail_amount,
        "trail_percent": order.trail_percent,
        "notional": order.notional,
    }
    terms |= {name: to_text(price) for name, price in prices.items() if price is not None}
    if order.replaces is not None:
        terms["replaces"] = str(order.replaces)
    if order.route is not None and order.route.whole_quantity is not None:
        terms["whole_quantity"] = to_text(order.route.whole_quantity)
    return terms


def _between(order: Order) -> bool:
    """It waits for a place, so nobody knows yet what it is for; or it has lost its place, and is replaced
    with the last of its executions."""
    return order.waits or (order.successor is not None and order.venue_filled is not None)


def _moved(order: Order, status: Status) -> Order:
    if status is order.status and status is Status.PARTIALLY_EXECUTED:
        return order
    if status not in TRANSITIONS[order.status]:
        raise IllegalTransitionError(f"{status} does not follow {order.status}")
    return changed(order, status=status)


def _advance(
    order: Order,
    kind: str,
    *,
    actor: str,
    now: datetime,
    detail: Mapping[str, str] | None = None,
    quote: Quote | None = None,
) -> Change:
    record = Record(
        order_id=order.order_id,
        version=order.version + 1,
        account_id=order.account_id,
        kind=kind,
        status=order.status,
        reason=order.reason,
        actor=actor,
        occurred_at=now,
        detail=detail or {},
        quote=None if quote is None else quote.texts(),
        prev_hash=order.chain,
    )
    return Change(changed(order, version=record.version, chain=record.hash, updated_at=now), record)
