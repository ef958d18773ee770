"""What becomes of an order, and of the one that a venue was asked to put in its place, whatever is told
first."""

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
    Filled,
    Order,
    Rejected,
    Replaced,
    ReplaceRefused,
    Report,
    Returned,
    Status,
    accepted,
    after_reports,
    ask_end,
    ask_replacement,
    changed,
    requested,
    send,
)
from tests.order import build

ROUTE = build.route()
MOST = [0, 3, 7]


class Pair:
    """An order of 10 that a venue has, and one that waits for its place: 12 together, or as many as said."""

    def __init__(self, whole: str = "12") -> None:
        self.old = send(accepted(build.order(limit_price="100"), quote=None).order, ROUTE).order
        waits = replace(ROUTE, whole_quantity=Decimal(whole))
        new = build.order(limit_price="101", quantity=Decimal(whole), replaces=self.old.order_id)
        self.new = requested(changed(new, route=waits), quote=None).order
        self.old = ask_replacement(self.old, self.new, actor="user:1", now=build.NOW).order
        self.changes: list[Change] = []
        self._known = set[UUID]()

    def hear(self, *reports: Report) -> Pair:
        """In one transaction, as the store does it."""
        now = build.NOW + timedelta(seconds=len(self.changes) + 1)
        orders = {each.order_id: each for each in (self.old, self.new)}
        for order_id in list(orders):
            order = orders[order_id]
            told = [report for report in reports if report.order_id == order_id]
            successor = None if order.successor is None else orders[order.successor]
            new = after_reports(order, told, venue="slow", now=now, known=self._known, successor=successor)
            for change in new:
                orders[change.order.order_id] = change.order
            self._known |= {each.execution.execution_id for each in new if each.execution is not None}
            self.changes += new
        self.old, self.new = orders[self.old.order_id], orders[self.new.order_id]
        return self

    def filled(self, of: Order, quantity: str, number: int = 0) -> Filled:
        return Filled(
            order_id=of.order_id,
            venue_execution_id=f"fill-{number}",
            quantity=Decimal(quantity),
            price=Decimal(100),
            quote=build.quote(),
            venue_time=build.NOW,
        )

    def replaced(self, filled: str) -> Replaced:
        return Replaced(
            order_id=self.old.order_id,
            sending=ROUTE.sending,
            successor=self.new.order_id,
            filled=Decimal(filled),
        )

    def ended(self, filled: str) -> Ended:
        return Ended(order_id=self.old.order_id, sending=ROUTE.sending, filled=Decimal(filled))

    def returned(self, of: Order, filled: str) -> Returned:
        return Returned(order_id=of.order_id, sending=ROUTE.sending, filled=Decimal(filled))

    def refused(self, successor: UUID | None = None) -> ReplaceRefused:
        named = successor or self.new.order_id
        return ReplaceRefused(order_id=self.old.order_id, successor=named, text="no")

    @property
    def kinds(self) -> list[str]:
        return [change.record.kind for change in self.changes]

    @property
    def states(self) -> tuple[Status, Status]:
        return self.old.status, self.new.status


@st.composite
def deliveries(draw: st.DrawFn, reports: Sequence[Report]) -> list[list[Report]]:
    """Every report at least once, in any order, some twice, in any batches."""
    copies = [each for each in reports for _ in range(draw(st.integers(1, 2)))]
    batches: list[list[Report]] = [[]]
    for report in draw(st.permutations(copies)):
        if draw(st.booleans()):
            batches.append([])
        batches[-1].append(report)
    return batches


@given(data=st.data(), old=st.sampled_from(MOST), new=st.sampled_from([0, 2, 5]))
def test_the_new_order_is_for_what_the_old_one_left_of_the_whole(
    data: st.DataObject, old: int, new: int
) -> None:
    """Its own fills may come before the venue's word that it has it."""
    pair = Pair()
    reports: list[Report] = [pair.replaced(str(old)), pair.returned(pair.old, str(old))]
    reports += [pair.filled(pair.old, str(old))] if old else []
    reports += [pair.filled(pair.new, str(new))] if new else []
    for batch in data.draw(deliveries(reports)):
        pair.hear(*batch)
    assert (pair.old.status, pair.old.replaced_by) == (Status.REPLACED, pair.new.order_id)
    assert (pair.old.filled_quantity, pair.new.filled_quantity) == (Decimal(old), Decimal(new))
    assert pair.new.quantity == 12 - old
    done = new >= 12 - old
    assert pair.new.status is (
        Status.EXECUTED if done else Status.PARTIALLY_EXECUTED if new else Status.PROCESSING
    )
    assert (pair.new.route is None) is done
    assert not pair.new.waits
    assert [kind for kind in pair.kinds if kind in {"accepted", "replaced"}].count("accepted") == 1
    for order in (pair.old, pair.new):
        records = [each.record for each in pair.changes if each.order.order_id == order.order_id]
        assert [each.version for each in records] == list(
            range(order.version - len(records) + 1, order.version + 1)
        )


@given(data=st.data(), old=st.sampled_from(MOST))
def test_where_the_venue_only_makes_room_the_new_order_is_ours_to_send(data: st.DataObject, old: int) -> None:
    pair = Pair()
    reports: list[Report] = [pair.ended(str(old)), pair.returned(pair.old, str(old))]
    reports += [pair.filled(pair.old, str(old))] if old else []
    for batch in data.draw(deliveries(reports)):
        pair.hear(*batch)
    assert pair.states == (Status.REPLACED, Status.PENDING)
    assert (pair.new.route, pair.new.quantity) == (None, Decimal(12 - old))


@given(data=st.data(), word=st.sampled_from(["replaced", "ended"]))
def test_what_was_filled_beyond_the_whole_leaves_nothing_for_the_new_order(
    data: st.DataObject, word: str
) -> None:
    """The venue works on none of them any more: what was asked for has been got."""
    pair = Pair("6")
    last = pair.replaced("7") if word == "replaced" else pair.ended("7")
    for batch in data.draw(deliveries([pair.filled(pair.old, "7"), last])):
        pair.hear(*batch)
    assert pair.states == (Status.CANCELLED, Status.FAILED)
    assert (pair.new.reason, pair.new.execution_count) == ("NOT_REPLACED", 0)
    assert "accepted" not in pair.kinds


def test_one_that_is_filled_whole_first_leaves_no_place() -> None:
    pair = Pair()
    pair.hear(pair.filled(pair.old, "10"))
    assert pair.states == (Status.EXECUTED, Status.FAILED)
    assert pair.new.reason == "NOT_REPLACED"
    assert pair.hear(pair.refused()).states == (Status.EXECUTED, Status.FAILED)


def test_a_refused_replacement_leaves_the_old_order_at_the_venue() -> None:
    pair = Pair()
    pair.hear(pair.refused(), pair.refused())
    assert pair.states == (Status.PROCESSING, Status.FAILED)
    assert (pair.old.successor, pair.old.ending, pair.new.reason) == (None, "", "NOT_REPLACED")
    assert pair.old.route is not None
    pair.hear(pair.returned(pair.old, "0"))
    assert pair.old.route is None


def test_the_answer_to_an_earlier_replacement_says_nothing_of_this_one() -> None:
    pair = Pair()
    earlier = build.order().order_id
    pair.hear(pair.refused(earlier), replace(pair.replaced("3"), successor=earlier))
    assert pair.changes == []


def test_an_order_that_comes_back_unasked_says_nothing_of_the_other_one() -> None:
    pair = Pair()
    pair.hear(pair.returned(pair.old, "0"), pair.returned(pair.new, "0"))
    assert pair.changes == []


def test_what_the_venue_rejects_has_no_place_to_give() -> None:
    pair = Pair()
    pair.hear(Rejected(order_id=pair.old.order_id, text="no"))
    assert pair.states == (Status.FAILED, Status.FAILED)
    assert (pair.old.reason, pair.new.reason) == ("REJECTED_BY_VENUE", "NOT_REPLACED")


@pytest.mark.parametrize("which", ["old", "new"])
def test_who_cancels_either_of_them_meanwhile_ends_what_the_venue_has(which: str) -> None:
    pair = Pair()
    setattr(pair, which, ask_end(getattr(pair, which), Status.CANCELLED, actor="user:1", now=build.NOW).order)
    pair.hear(pair.replaced("0"))
    assert pair.states == (Status.REPLACED, Status.PROCESSING)
    assert (pair.new.ending, pair.changes[1].record.kind) == ("CANCELLED", "end_requested")


@pytest.mark.parametrize(("which", "old"), [("old", Status.CANCELLED), ("new", Status.CANCELLED)])
def test_who_cancels_either_of_them_meanwhile_gets_no_new_order(which: str, old: Status) -> None:
    pair = Pair()
    setattr(pair, which, ask_end(getattr(pair, which), Status.CANCELLED, actor="user:1", now=build.NOW).order)
    pair.hear(pair.ended("0"))
    assert pair.states == (old, Status.CANCELLED)
    assert "accepted" not in pair.kinds


def test_a_cancel_of_what_is_not_replaced_goes_on() -> None:
    pair = Pair()
    pair.old = ask_end(pair.old, Status.CANCELLED, actor="user:1", now=build.NOW).order
    pair.hear(pair.refused())
    assert (pair.old.status, pair.old.ending, pair.new.status) == (
        Status.PROCESSING,
        "CANCELLED",
        Status.CANCELLED,
    )


def test_a_session_that_ends_meanwhile_ends_the_new_order_by_its_own_time() -> None:
    """It may be good till cancelled."""
    pair = Pair()
    pair.old = ask_end(pair.old, Status.EXPIRED, actor="sweeper", now=build.NOW).order
    assert pair.hear(pair.ended("4"), pair.filled(pair.old, "4")).states == (Status.REPLACED, Status.PENDING)


def test_a_cancel_while_executions_of_the_replaced_order_are_awaited_is_for_the_new_one() -> None:
    pair = Pair()
    pair.hear(pair.replaced("4"))
    assert pair.states == (Status.PROCESSING, Status.PROCESSING)
    pair.old = ask_end(pair.old, Status.CANCELLED, actor="user:1", now=build.NOW).order
    pair.hear(pair.filled(pair.old, "4"))
    assert (pair.states, pair.new.ending) == ((Status.REPLACED, Status.PROCESSING), "CANCELLED")


def test_one_that_lost_its_place_is_replaced_however_much_the_venue_fills() -> None:
    pair = Pair()
    pair.hear(pair.replaced("4")).hear(pair.filled(pair.old, "15"))
    assert (pair.states, pair.old.filled_quantity) == ((Status.REPLACED, Status.PROCESSING), Decimal(15))
