"""What an order becomes by a venue's reports does not hang on their order, their number or their delay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_order.domain import (
    Change,
    Ended,
    EndRefused,
    Filled,
    Order,
    Rejected,
    Report,
    Returned,
    Route,
    Side,
    Status,
    TimeInForce,
    accepted,
    after_reports,
    ask_end,
    close,
    rest,
    send,
)
from tests.order import build

ROUTE = Route(
    venue="slow",
    quote=build.quote(),
    routed_at=build.NOW,
    filled_quantity=Decimal(0),
    filled_value=Decimal(0),
)


def at_venue(**fields: object) -> Order:
    """An order of 10 that a venue has."""
    return send(accepted(build.order(**fields), quote=None).order, ROUTE).order


def filled(of: Order, quantity: str, number: int = 0, **fields: object) -> Filled:
    values: dict[str, object] = {"quantity": Decimal(quantity), "price": Decimal(100), "quote": build.quote()}
    values |= {"venue_execution_id": f"fill-{number}", "venue_time": build.NOW, **fields}
    return Filled(order_id=of.order_id, **values)  # type: ignore[arg-type]


def returned(of: Order, quantity: str) -> Returned:
    return Returned(order_id=of.order_id, sending=ROUTE.sending, filled=Decimal(quantity))


def ended(of: Order, quantity: str) -> Ended:
    return Ended(order_id=of.order_id, sending=ROUTE.sending, filled=Decimal(quantity))


def told(order: Order, batches: Sequence[Sequence[Report]]) -> list[Change]:
    """All changes, one transaction after the other, with what is recorded known to the next."""
    changes: list[Change] = []
    known = set[UUID]()
    for number, batch in enumerate(batches, start=1):
        now = build.NOW + timedelta(seconds=number)
        new = after_reports(order, batch, venue="slow", now=now, known=known)
        known |= {change.execution.execution_id for change in new if change.execution is not None}
        changes += new
        order = changes[-1].order if changes else order
    return changes


@st.composite
def deliveries(draw: st.DrawFn, reports: Sequence[Report]) -> list[list[Report]]:
    """Every report at least once, in any order, some twice, in any batches."""
    copies = [each for each in reports for _ in range(draw(st.integers(1, 2)))]
    shuffled = draw(st.permutations(copies))
    batches: list[list[Report]] = [[]]
    for report in shuffled:
        if draw(st.booleans()):
            batches.append([])
        batches[-1].append(report)
    return batches


@given(data=st.data(), sizes=st.lists(st.integers(1, 5), min_size=1, max_size=4))
def test_parts_in_any_order_come_to_the_same(data: st.DataObject, sizes: list[int]) -> None:
    order = at_venue()
    reports: list[Report] = [filled(order, str(size), number) for number, size in enumerate(sizes)]
    reports.append(returned(order, str(sum(sizes))))
    changes = told(order, data.draw(deliveries(reports)))
    after = changes[-1].order
    assert (after.filled_quantity, after.execution_count) == (Decimal(sum(sizes)), len(sizes))
    assert after.route is None
    assert after.status is (Status.EXECUTED if sum(sizes) >= 10 else Status.PARTIALLY_EXECUTED)
    heads = [order.chain, *(change.record.hash for change in changes)]
    assert [change.record.prev_hash for change in changes] == heads[:-1]


@given(data=st.data(), size=st.integers(0, 9))
def test_an_end_that_was_asked_for_comes_after_the_last_fill_it_counts(
    data: st.DataObject, size: int
) -> None:
    order = ask_end(at_venue(), Status.CANCELLED, actor="user:1", now=build.NOW).order
    reports: list[Report] = [ended(order, str(size))]
    if size:
        reports.append(filled(order, str(size)))
    after = told(order, data.draw(deliveries(reports)))[-1].order
    assert (after.status, after.filled_quantity) == (Status.CANCELLED, Decimal(size))


def test_a_fill_that_comes_after_the_end_is_recorded_and_the_state_stays() -> None:
    order = ask_end(at_venue(), Status.CANCELLED, actor="user:1", now=build.NOW).order
    after = told(order, [[ended(order, "0")], [filled(order, "4")]])[-1].order
    assert (after.status, after.filled_quantity, after.execution_count) == (Status.CANCELLED, Decimal(4), 1)


def test_too_late_to_end_changes_nothing_until_the_fill_comes() -> None:
    order = ask_end(at_venue(), Status.CANCELLED, actor="user:1", now=build.NOW).order
    refused = EndRefused(order_id=order.order_id)
    assert told(order, [[refused]]) == []
    assert told(order, [[refused], [filled(order, "10")]])[-1].order.status is Status.EXECUTED


def test_an_expiry_that_was_asked_for_ends_as_one() -> None:
    order = ask_end(at_venue(), Status.EXPIRED, actor="sweeper", now=build.NOW).order
    after = told(order, [[ended(order, "0")]])[-1].order
    assert (after.status, after.reason) == (Status.EXPIRED, "SESSION_ENDED")


def test_what_a_venue_rejects_fails() -> None:
    order = at_venue()
    after = told(order, [[Rejected(order_id=order.order_id, text="no")]])[-1].order
    assert (after.status, after.reason, after.route) == (Status.FAILED, "REJECTED_BY_VENUE", None)


def test_what_is_said_of_an_earlier_sending_is_not_heard() -> None:
    order = at_venue()
    late = Returned(order_id=order.order_id, sending="0-7", filled=Decimal(0))
    assert told(order, [[late]]) == []


def test_an_overfill_is_recorded_in_full() -> None:
    order = at_venue()
    after = told(order, [[filled(order, "25")]])[-1].order
    assert (after.status, after.filled_quantity, after.remaining) == (
        Status.EXECUTED,
        Decimal(25),
        Decimal(0),
    )


@pytest.mark.parametrize("force", [TimeInForce.IOC, TimeInForce.FOK])
def test_what_is_not_filled_at_once_ends(force: TimeInForce) -> None:
    order = at_venue(time_in_force=force)
    after = told(order, [[filled(order, "4")], [returned(order, "4")]])[-1].order
    assert (after.status, after.reason) == (Status.CANCELLED, "NOT_FILLED_AT_ONCE")


def test_an_offer_counts_only_at_the_version_it_was_made_for() -> None:
    order = rest(accepted(build.order(), quote=None).order, now=build.NOW, quote=None).order
    offer = filled(order, "10", only_at=order.version)
    assert told(order, [[offer]])[-1].order.status is Status.EXECUTED
    moved = close(order, Status.CANCELLED, actor="user:1", now=build.NOW).order
    assert told(moved, [[offer]]) == []
    assert told(replace(order, version=order.version + 1), [[offer]]) == []


def test_a_purchase_for_cash_is_filled_when_nothing_more_can_be_bought() -> None:
    order = at_venue(notional=Decimal(1000))
    part = told(order, [[filled(order, "4", price=Decimal(101))]])[-1].order
    assert (part.status, part.quantity) == (Status.PARTIALLY_EXECUTED, Decimal("9.90099009"))
    rest_of_it = part.remaining_at(Decimal(90))
    whole = filled(order, str(rest_of_it), 1, price=Decimal(90))
    after = told(order, [[filled(order, "4", price=Decimal(101))], [whole]])[-1].order
    assert after.status is Status.EXECUTED
    assert Decimal(1000) - Decimal(90) / 10**8 < after.filled_value <= Decimal(1000)


@given(
    notional=st.decimals("0.01", "100000", places=2),
    prices=st.lists(st.decimals("0.01", "5000", places=2), min_size=1, max_size=5),
    share=st.decimals("0.01", "1", places=2),
)
def test_a_purchase_for_cash_never_costs_more(
    notional: Decimal, prices: list[Decimal], share: Decimal
) -> None:
    order = at_venue(notional=notional, quantity=Decimal(1))
    for number, price in enumerate(prices):
        quantity = (order.remaining_at(price) * share).quantize(Decimal("0.00000001"))
        if quantity and not order.final:
            fill = filled(order, str(quantity), number, price=price)
            order = told(order, [[fill]])[-1].order
    assert order.filled_value <= notional


def test_sales_are_filled_the_same_way() -> None:
    order = at_venue(side=Side.SELL)
    after = told(order, [[filled(order, "10", price=Decimal(99))]])[-1].order
    assert (after.status, after.average_price) == (Status.EXECUTED, Decimal(99))
