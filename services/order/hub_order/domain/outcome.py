"""What an order becomes by a venue's reports, whatever their order and number. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from hub_order.domain import steps
from hub_order.domain.order import ZERO, Change, Execution, Order, Quote, execution_id_of
from hub_order.domain.reports import Ended, Filled, Rejected, Replaced, ReplaceRefused, Report, Returned
from hub_order.domain.values import Reason, Status, end_reason


def after_reports(
    order: Order,
    reports: Sequence[Report],
    *,
    venue: str,
    now: datetime,
    known: Collection[UUID] = (),
    read_version: int | None = None,
    successor: Order | None = None,
) -> list[Change]:
    """The steps of one order, and with them those of the `successor` that its venue was asked to put in its
    place. `known` are its executions that are recorded already; `read_version` is what offers are held
    against, where the order has taken steps since it was read."""
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
            step += _after_fill(step[0].order, successor, venue=venue, now=now)
        elif successor is not None and order.successor == successor.order_id:
            step = _after_answer(order, successor, report, venue=venue, now=now)
        else:
            step = _after_word(order, report, venue=venue, now=now)
        for change in step:
            if change.order.order_id == order.order_id:
                order = change.order
            else:
                successor = change.order
        changes += step
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


def _after_fill(order: Order, successor: Order | None, *, venue: str, now: datetime) -> list[Change]:
    """One that was filled whole leaves no place. Or the venue has told of the order's end before, and this
    was an execution that it counted."""
    if order.final:
        return _never(order, successor, venue=venue, now=now)
    if order.venue_filled is None or order.filled_quantity < order.venue_filled:
        return []
    return _released(order, successor, now=now)


def _after_word(order: Order, report: Report, *, venue: str, now: datetime) -> list[Change]:
    """Of a sending that is over nothing is to be said any more. What is said of an order that waits for its
    place is asked for again once it has it."""
    if not _concerns(order, report) or order.waits:
        return []
    if isinstance(report, Rejected):
        reason = Reason.REJECTED_BY_VENUE
        return [steps.close(order, Status.FAILED, reason=reason, actor=f"venue:{venue}", now=now)]
    if isinstance(report, Returned) and report.filled is None:
        return (
            unfilled(order, quote=None, now=now) if order.route is None else _released(order, None, now=now)
        )
    if isinstance(report, Returned | Ended) and report.filled is not None and order.route is not None:
        return _counted(order, report.filled, None, venue=venue, now=now)
    return []


def _after_answer(
    order: Order, successor: Order, report: Report, *, venue: str, now: datetime
) -> list[Change]:
    """The venue was asked to put the successor in its place. Only an answer to that counts from then on: that
    an order came back without one says nothing of who has the other order."""
    if not successor.waits or not _concerns(order, report):
        return []
    if isinstance(report, Replaced | ReplaceRefused) and report.successor != successor.order_id:
        return []
    if isinstance(report, Replaced | Ended):
        return _exchanged(order, successor, report, venue=venue, now=now)
    if isinstance(report, ReplaceRefused):
        own = [steps.stay(order, venue=venue, text=report.text, now=now)]
    elif isinstance(report, Rejected):
        own = _after_word(order, report, venue=venue, now=now)
    else:
        return []
    return [*own, *_never(order, successor, venue=venue, now=now)]


def _concerns(order: Order, report: Report) -> bool:
    if order.final:
        return False
    return order.route is None or report.sending in {"", order.route.sending}


def _exchanged(
    order: Order, successor: Order, report: Replaced | Ended, *, venue: str, now: datetime
) -> list[Change]:
    """The venue has ended the order. The other one is for what is left of both, if there is anything, and is
    accepted: by the venue, or where that has only made room, by us."""
    assert successor.route is not None  # noqa: S101 - it waits
    whole = successor.route.whole_quantity
    left = ZERO if whole is None else whole - report.filled
    at_venue, unwanted = isinstance(report, Replaced), _unwanted(order, successor)
    if left <= 0 or (unwanted and not at_venue):
        gone = _never(order, successor, venue=venue, now=now)
        own = steps.end_alone(order, venue=venue, now=now)
        return [*gone, own, *_counted(own.order, report.filled, None, venue=venue, now=now)]
    placed = steps.take_place(successor, quantity=left, at_venue=at_venue, venue=venue, now=now)
    changes = [placed]
    if unwanted and not placed.order.final:
        actor = successor.ending_actor or order.ending_actor
        changes.append(steps.ask_end(placed.order, Status.CANCELLED, actor=actor, now=now))
    return changes + _counted(order, report.filled, changes[-1].order, venue=venue, now=now)


def _unwanted(order: Order, successor: Order) -> bool:
    """Somebody has cancelled it, or the order whose place it was to have."""
    return bool(successor.ending) or order.ending == Status.CANCELLED


def _never(order: Order, successor: Order | None, *, venue: str, now: datetime) -> list[Change]:
    """The successor gets no place: it ends without having been accepted."""
    if successor is None or not successor.waits:
        return []
    if _unwanted(order, successor):
        actor = successor.ending_actor or order.ending_actor
        why = end_reason(Status.CANCELLED, actor)
        return [steps.close(successor, Status.CANCELLED, reason=why, actor=actor, now=now)]
    reason = Reason.NOT_REPLACED
    return [steps.close(successor, Status.FAILED, reason=reason, actor=f"venue:{venue}", now=now)]


def _counted(
    order: Order, filled: Decimal, successor: Order | None, *, venue: str, now: datetime
) -> list[Change]:
    """The venue is done with it: at once where its executions are recorded, else with the last of them."""
    if order.filled_quantity >= filled:
        return _released(order, successor, now=now)
    if order.venue_filled is None:
        return [steps.count_on(order, filled, venue=venue, now=now)]
    return []


def _released(order: Order, successor: Order | None, *, now: datetime) -> list[Change]:
    """The venue has it no longer, and all its executions are recorded."""
    if successor is not None and order.successor == successor.order_id:
        return _succeeded(order, successor, now=now)
    if order.ending:
        status, actor = Status(order.ending), order.ending_actor
        return [steps.close(order, status, reason=end_reason(status, actor), actor=actor, now=now)]
    if order.at_once:
        return unfilled(order, quote=None, now=now)
    return [steps.returned(order, now=now)]


def _succeeded(order: Order, successor: Order, *, now: datetime) -> list[Change]:
    """Who has cancelled it after the other one had its place wants that one to end."""
    replaced = steps.succeed(order, successor, actor=f"user:{successor.user_id}", now=now)
    if order.ending != Status.CANCELLED or successor.ending or successor.final:
        return [replaced]
    actor = order.ending_actor
    if successor.route is not None:
        return [replaced, steps.ask_end(successor, Status.CANCELLED, actor=actor, now=now)]
    why = end_reason(Status.CANCELLED, actor)
    return [replaced, steps.close(successor, Status.CANCELLED, reason=why, actor=actor, now=now)]
