"""What an order becomes by a venue's reports, whatever their order and number. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from hub_order.domain import steps
from hub_order.domain.order import Change, Execution, Order, Quote, execution_id_of
from hub_order.domain.reports import Ended, Filled, Rejected, Report, Returned
from hub_order.domain.values import Reason, Status


def after_reports(
    order: Order,
    reports: Sequence[Report],
    *,
    venue: str,
    now: datetime,
    known: Collection[UUID] = (),
    read_version: int | None = None,
) -> list[Change]:
    """The steps of one order. `known` are its executions that are recorded already; `read_version` is what
    offers are held against, where the order has taken steps since it was read."""
    version = order.version if read_version is None else read_version
    seen, changes = set(known), list[Change]()
    # Executions first: what the venue says of the end counts them.
    for report in sorted(reports, key=lambda each: not isinstance(each, Filled)):
        if report.only_at is not None and report.only_at != version:
            continue
        if isinstance(report, Filled):
            execution = execution_of(order, report, venue=venue, now=now)
            if execution.execution_id in seen:
                continue
            seen.add(execution.execution_id)
            step = [steps.fill(order, execution)]
            step += _after_fill(step[0].order, now=now)
        else:
            step = _after_word(order, report, venue=venue, now=now)
        if step:
            changes += step
            order = step[-1].order
    return changes


def execution_of(order: Order, report: Filled, *, venue: str, now: datetime) -> Execution:
    return Execution(
        execution_id=execution_id_of(order.order_id, report.venue_execution_id),
        order_id=order.order_id,
        account_id=order.account_id,
        venue=venue,
        venue_execution_id=report.venue_execution_id,
        quantity=report.quantity,
        price=report.price,
        quote=report.quote,
        executed_at=now,
        venue_time=report.venue_time,
    )


def unfilled(order: Order, *, quote: Quote | None, now: datetime) -> list[Change]:
    """What becomes of the part that a quote did not fill: an order that must be filled at once ends, so does
    one that the market has left behind its protection, and the others rest."""
    if order.at_once:
        reason = Reason.NOT_FILLED_AT_ONCE
        return [steps.close(order, Status.CANCELLED, reason=reason, actor="worker", now=now, quote=quote)]
    if order.at_market and quote is not None and not order.accepts(quote.price(order.side)):
        reason = Reason.PRICE_PROTECTION
        return [steps.close(order, Status.FAILED, reason=reason, actor="worker", now=now, quote=quote)]
    return [steps.rest(order, now=now, quote=quote)] if order.status is Status.PENDING else []


def _after_fill(order: Order, *, now: datetime) -> list[Change]:
    """The venue has told of the order's end before, and this was an execution that it counted."""
    if order.final or order.venue_filled is None or order.filled_quantity < order.venue_filled:
        return []
    return _released(order, now=now)


def _after_word(order: Order, report: Report, *, venue: str, now: datetime) -> list[Change]:
    """Of a sending that is over nothing is to be said any more."""
    if order.final or (order.route is not None and report.sending not in {"", order.route.sending}):
        return []
    if isinstance(report, Rejected):
        reason = Reason.REJECTED_BY_VENUE
        return [steps.close(order, Status.FAILED, reason=reason, actor=f"venue:{venue}", now=now)]
    if isinstance(report, Returned) and report.filled is None:
        return unfilled(order, quote=None, now=now) if order.route is None else _released(order, now=now)
    if isinstance(report, Returned | Ended) and report.filled is not None and order.route is not None:
        if order.filled_quantity >= report.filled:
            return _released(order, now=now)
        if order.venue_filled is None:
            return [steps.count_on(order, report.filled, venue=venue, now=now)]
    return []


def _released(order: Order, *, now: datetime) -> list[Change]:
    """The venue has it no longer, and all its executions are recorded."""
    if order.ending:
        reason = Reason.SESSION_ENDED if order.ending == Status.EXPIRED else ""
        actor = order.ending_actor
        return [steps.close(order, Status(order.ending), reason=reason, actor=actor, now=now)]
    if order.at_once:
        return unfilled(order, quote=None, now=now)
    return [steps.returned(order, now=now)]
