"""What is left of a hold, after every execution and every end of its order."""

from __future__ import annotations

from decimal import Decimal
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from hub_position.domain.account import Account, AccountStatus, TradingState
from hub_position.domain.hold import Hold
from hub_position.domain.placing import HoldRequest, Placing
from hub_position.domain.trade import Side
from tests.position.world import START

parts = st.lists(st.integers(1, 5).map(Decimal), min_size=1, max_size=4)


shares = st.decimals("0.00000001", "20", places=8)
prices = st.decimals("0.01", "200", places=2)


def hold(quantity: Decimal, side: Side = Side.BUY, price: str = "0.33333333") -> Hold:
    unit_price = Decimal(price) if side is Side.BUY else Decimal(0)
    return Hold(
        hold_id=uuid4(),
        order_id=uuid4(),
        account_id=uuid4(),
        idempotency_key="",
        side=side,
        symbol="AAPL",
        quantity=quantity,
        unit_price=unit_price,
        remaining=unit_price * quantity if side is Side.BUY else quantity,
        booked_quantity=Decimal(0),
        booked_count=0,
        final_quantity=None,
        final_count=None,
        confirmed=False,
        closed=False,
        placed_at=START,
    )


@given(parts, st.sampled_from(Side), st.integers(0, 4), st.integers(0, 3))
def test_it_only_shrinks_and_is_gone_when_all_is_booked(
    quantities: list[Decimal], side: Side, end_at: int, unfilled: int
) -> None:
    filled = sum(quantities, Decimal(0))
    current, ended = hold(filled + unfilled, side), False
    for number, quantity in enumerate(quantities):
        if number == end_at:
            current, ended = current.ended(final_quantity=filled, final_count=len(quantities)), True
        before = current
        current = current.booked(quantity)
        assert current.remaining <= before.remaining
        assert current.confirmed
    if not ended:
        assert current.closed is (unfilled == 0)
        current = current.ended(final_quantity=filled, final_count=len(quantities))
    assert [current.remaining, current.closed] == [0, True]
    assert (current.booked_quantity, current.booked_count) == (filled, len(quantities))


def test_the_rest_stays_until_the_last_execution_is_booked() -> None:
    ended = hold(Decimal(10), price="2").ended(final_quantity=Decimal(7), final_count=2)
    assert [ended.remaining, ended.closed] == [14, False]
    one = ended.booked(Decimal(3))
    assert [one.remaining, one.closed] == [8, False]
    assert one.booked(Decimal(4)).closed


def test_the_count_of_executions_decides_when_quantities_disagree() -> None:
    ended = hold(Decimal(10)).ended(final_quantity=Decimal(7), final_count=1)
    assert ended.booked(Decimal(3)).closed


def test_an_order_ends_once() -> None:
    ended = hold(Decimal(10)).ended(final_quantity=Decimal(7), final_count=2)
    assert ended.ended(final_quantity=Decimal(0), final_count=0) == ended


def test_a_released_hold_never_opens_again() -> None:
    released = hold(Decimal(10)).released()
    later = released.booked(Decimal(1)).ended(final_quantity=Decimal(5), final_count=2)
    assert [later.remaining, later.closed] == [0, True]


def test_more_than_was_ordered_is_no_reason_to_hold_more() -> None:
    over = hold(Decimal(10)).ended(final_quantity=Decimal(12), final_count=3).booked(Decimal(9))
    assert over.remaining == Decimal("0.33333333")
    assert over.booked(Decimal(3)).closed


@given(shares, prices, shares, prices, st.decimals("0", "20", places=8), st.booleans())
def test_who_may_only_reduce_replaces_a_purchase_by_one_that_is_in_nothing_more(  # noqa: PLR0917
    quantity: Decimal, price: Decimal, wanted: Decimal, limit: Decimal, filled: Decimal, may_fill: bool
) -> None:
    old = hold(quantity, price=str(price))
    account = Account(
        account_id=old.account_id,
        user_id=uuid4(),
        currency="USD",
        status=AccountStatus.ACTIVE,
        trading_state=TradingState.REDUCING,
        settled=Decimal(1_000_000),
        unsettled=Decimal(0),
        held=old.remaining,
        version=1,
    )
    new = HoldRequest(
        hold_id=uuid4(),
        order_id=uuid4(),
        account_id=old.account_id,
        user_id=account.user_id,
        side=Side.BUY,
        symbol="AAPL",
        quantity=wanted,
        unit_price=limit,
        idempotency_key="",
        replaced_hold_id=old.hold_id,
        replaced_filled_quantity=filled,
        replaced_may_fill=may_fill,
    )
    accounts = {account.account_id: account}
    placing = Placing(accounts=accounts, positions={}, existing=[old], purchases={}, now=START)
    answer = placing.decide(new)
    less = wanted <= quantity - filled and limit <= price
    assert (answer.granted, answer.code) == (less, "" if less else "account_reducing")
    assert [each.set_aside for each in placing.placed] == ([0] if less else [])
