"""Orders move only as the table says, and their figures add up whatever happens."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hub_money import money
from hub_order import audit
from hub_order.domain import (
    OPEN,
    TRANSITIONS,
    Change,
    Execution,
    IllegalTransitionError,
    Order,
    Reason,
    Status,
    abandoned,
    accepted,
    as_accepted,
    close,
    fill,
    hold_id_of,
    rest,
)
from tests.order import build

FINAL = sorted(set(Status) - OPEN)
QUANTITIES = st.decimals("0.00000001", "8", places=8)
PRICES = st.decimals("0.01", "5000", places=2)


def test_nothing_follows_a_final_state() -> None:
    assert all(not TRANSITIONS[status] for status in FINAL)
    assert all(status not in following for status, following in TRANSITIONS.items())
    assert Status.PENDING not in {after for following in TRANSITIONS.values() for after in following}


@pytest.mark.parametrize("before", FINAL)
@pytest.mark.parametrize("after", FINAL)
def test_an_order_that_ended_cannot_end_again(before: Status, after: Status) -> None:
    ended = build.order(status=before, reason="WHY")
    with pytest.raises(IllegalTransitionError):
        close(ended, after, actor="test", now=build.NOW)
    with pytest.raises(IllegalTransitionError):
        rest(ended, now=build.NOW, quote=None)


@pytest.mark.parametrize("status", sorted(OPEN))
def test_an_open_state_ends_nothing(status: Status) -> None:
    with pytest.raises(IllegalTransitionError):
        close(build.order(), status, actor="test", now=build.NOW)


def test_a_fill_after_the_end_is_recorded_and_the_state_stays() -> None:
    cancelled = close(build.order(), Status.CANCELLED, actor="test", now=build.NOW).order
    late = fill(cancelled, build.execution(cancelled, "10")).order
    assert (late.status, late.filled_quantity, late.execution_count) == (Status.CANCELLED, Decimal(10), 1)


def test_the_hold_of_an_order_follows_from_its_id() -> None:
    first, second = build.order(), build.order()
    assert first.hold_id == hold_id_of(first.order_id) != second.hold_id


def test_an_abandoned_order_is_final_from_the_start() -> None:
    dead = abandoned(build.order()).order
    assert (dead.status, dead.reason, dead.version) == (Status.FAILED, Reason.ABANDONED, 1)


class Life(RuleBasedStateMachine):
    """Anything that can happen to an order, in any order, legal or not."""

    order: Order
    chain: list[audit.Record]
    fills: list[Execution]
    ended: Status | None

    @initialize()
    def submit(self) -> None:
        change = accepted(build.order(), quote=build.quote())
        self.order, self.chain, self.fills, self.ended = change.order, [change.record], [], None

    def take(self, change: Change) -> None:
        before, self.order = self.order, change.order
        self.chain.append(change.record)
        assert change.order.status is before.status or change.order.status in TRANSITIONS[before.status]
        if self.order.final and self.ended is None:
            self.ended = self.order.status

    @rule(quantity=QUANTITIES, price=PRICES)
    def execution(self, quantity: Decimal, price: Decimal) -> None:
        execution = build.execution(self.order, quantity, str(price), seq=len(self.fills) + 1)
        self.fills.append(execution)
        self.take(fill(self.order, execution))

    @rule()
    def rests(self) -> None:
        if self.order.status is Status.PENDING:
            self.take(rest(self.order, now=build.NOW, quote=None))
        else:
            with pytest.raises(IllegalTransitionError):
                rest(self.order, now=build.NOW, quote=None)

    @precondition(lambda self: len(self.chain) > 3)
    @rule(status=st.sampled_from(FINAL))
    def ends(self, status: Status) -> None:
        if self.order.final:
            with pytest.raises(IllegalTransitionError):
                close(self.order, status, actor="test", now=build.NOW)
        else:
            now = build.NOW + timedelta(seconds=len(self.chain))
            self.take(close(self.order, status, reason="WHY", actor="test", now=now))

    @invariant()
    def figures_add_up(self) -> None:
        assert self.order.filled_quantity == sum(each.quantity for each in self.fills)
        assert self.order.filled_value == sum(money(each.quantity * each.price) for each in self.fills)
        assert self.order.execution_count == len(self.fills)
        assert self.order.version == len(self.chain)

    @invariant()
    def a_final_state_stays(self) -> None:
        assert self.ended is None or self.order.status is self.ended
        if self.ended is None:
            assert self.order.filled_quantity < self.order.quantity

    @invariant()
    def the_chain_holds(self) -> None:
        stored = [(record, record.hash) for record in self.chain]
        assert audit.faults(stored, head=self.order.chain, version=self.order.version) == []

    @invariant()
    def the_first_answer_can_be_given_again(self) -> None:
        again = as_accepted(self.order, self.chain[0].detail)
        assert (again.status, again.version, again.filled_quantity) == (Status.PENDING, 1, Decimal(0))


TestLife = Life.TestCase


def test_the_average_price_is_value_over_quantity() -> None:
    order = build.order(quantity=Decimal(3))
    assert order.average_price is None
    once = fill(order, build.execution(order, "1", "10")).order
    twice = fill(once, build.execution(order, "2", "10.01", seq=2)).order
    assert twice.average_price == Decimal("10.00666667")
    assert twice.remaining == 0
    # Its value is known to 8 places, which is 0.0000002 of what one of it would cost.
    part = fill(order, build.execution(order, "0.0023148", "436.84")).order
    assert part.average_price == Decimal("436.84")
    assert replace(twice, quantity=Decimal(1)).remaining == 0
