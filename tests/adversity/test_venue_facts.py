"""What a slow venue does is a fact, whenever and however often it is told, whatever the order is by then."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any
from uuid import UUID, uuid4

import pytest

from hub.order.v1 import order_pb2
from hub_order.domain import Filled, Report, Returned, Status
from hub_order.venue import Faults, FillModel
from tests.adversity.asking import accepted, cancelled, handed, quote
from tests.adversity.checks import account, assert_right, executions_of, trades_of
from tests.adversity.platform import Platform
from tests.adversity.venues import InterruptedVenue, TellingVenue
from tests.order import build
from tests.order.house import submission
from tests.support.tokens import TokenUser as User

SELL, STOP = order_pb2.SIDE_SELL, order_pb2.ORDER_TYPE_STOP_LOSS
Venue = Callable[..., TellingVenue]


@pytest.fixture
def slow(both: Platform) -> Venue:
    """`slow(overfilled="1")`: where orders go from now on. Fills at most what a quote shows."""

    def made(**faults: str) -> TellingVenue:
        shares: Any = {name: Decimal(share) for name, share in faults.items()}
        both.venue = venue = TellingVenue(FillModel(participation=True), Faults(**shares))
        return venue

    return made


async def at_venue(both: Platform, user: User, **fields: Any) -> UUID:
    """Sent to the venue, which has said nothing yet."""
    order_id = await accepted(both, user, **fields)
    await both.through()
    assert (await both.order(order_id)).route is not None
    return order_id


async def heard(both: Platform, *reports: Report) -> None:
    """Each of them alone."""
    for report in reports:
        await both.venue_desk.record([report])


async def everything(both: Platform, venue: TellingVenue) -> None:
    """All that it says is heard, until it says nothing more."""
    await both.through()
    while venue.said:
        said, venue.said = venue.said, []
        await heard(both, *said)
        await both.through()


def fill_of(order_id: UUID, quantity: str, *, number: int = 0) -> Filled:
    return Filled(
        order_id=order_id,
        venue_execution_id=f"late-{number}",
        quantity=Decimal(quantity),
        price=Decimal(100),
        quote=build.quote(),
        venue_time=build.NOW,
    )


async def test_a_fill_that_comes_after_a_cancel_was_asked_for_counts(
    both: Platform, user: User, slow: Venue
) -> None:
    """Fails where the cancel is final at once for an order that a venue has (`_cancel` without its route)."""
    venue = slow()
    both.tape.quote("AAPL", "99", "100", ask_size="4")
    order_id = await at_venue(both, user)
    await cancelled(both, user, order_id)
    order = await both.order(order_id)
    assert (order.status, order.ending) == (Status.PROCESSING, "CANCELLED")
    await everything(both, venue)
    order = await both.order(order_id)
    assert (order.status, order.filled_quantity) == (Status.CANCELLED, Decimal(4))
    await assert_right(both, [user])


@pytest.mark.parametrize("place", range(6))
async def test_the_end_is_written_when_its_executions_are_there_in_whatever_order(
    both: Platform, user: User, slow: Venue, place: int
) -> None:
    """Fails without `count_on`: the order would end before its last execution."""
    venue = slow()
    both.tape.quote("AAPL", "99", "100", ask_size="4")
    order_id = await at_venue(both, user)
    await cancelled(both, user, order_id)
    await both.through()
    (ended,) = [each for each in venue.said if not isinstance(each, Filled | Returned)]
    (returned,) = [each for each in venue.said if isinstance(each, Returned)]
    fills = [each for each in venue.said if isinstance(each, Filled)]
    order_of_three: list[list[Report]] = [[ended], [returned], [*fills]]
    venue.said = []
    for reports in list(permutations(order_of_three))[place]:
        await heard(both, *reports, *reports)
    order = await both.order(order_id)
    assert (order.status, order.filled_quantity) == (Status.CANCELLED, Decimal(4))
    await both.through()
    (closed,) = [each for each in both.broker.told.values() if each.type == "order.closed"]
    assert closed.order_closed.execution_count == order.execution_count
    await assert_right(both, [user])


async def test_a_fill_after_the_end_is_booked_and_changes_no_state(
    both: Platform, user: User, slow: Venue
) -> None:
    """Fails where facts about final orders are dropped, or move them."""
    slow()
    order_id = await at_venue(both, user)
    (sending,) = [(await both.order(order_id)).route]
    assert sending is not None
    await heard(both, Returned(order_id=order_id, sending=sending.sending, filled=Decimal(0)))
    await cancelled(both, user, order_id)
    await both.through()
    await heard(both, fill_of(order_id, "3"))
    order = await both.order(order_id)
    assert (order.status, order.filled_quantity, order.execution_count) == (Status.CANCELLED, Decimal(3), 1)
    await both.through()
    await assert_right(both, [user])
    assert (await account(both, user)).cash == 100_000 - 300


async def test_an_over_fill_is_booked_and_restricts_the_account(
    both: Platform, user: User, slow: Venue
) -> None:
    """Fails without `Hold.overfilled`: the account could go on buying."""
    venue = slow(overfilled="1")
    order_id = await at_venue(both, user)
    await everything(both, venue)
    order = await both.order(order_id)
    assert (order.status, order.filled_quantity) == (Status.EXECUTED, Decimal(20))
    await assert_right(both, [user])
    (result,) = await both.submit(submission(user, quantity="1"))
    assert result.refused.code == "account_restricted"


async def test_an_over_fill_of_a_purchase_for_cash_restricts_the_account(
    both: Platform, user: User, slow: Venue
) -> None:
    """It cost twice the amount, which is no rounding."""
    venue = slow(overfilled="1")
    await at_venue(both, user, quantity="", notional="1000")
    await everything(both, venue)
    assert (await account(both, user)).status == "RESTRICTED"
    await assert_right(both, [user])


async def test_an_over_fill_of_a_sale_restricts_the_account(both: Platform, user: User, slow: Venue) -> None:
    venue = slow()
    await at_venue(both, user)
    await everything(both, venue)
    venue = slow(overfilled="1")
    await at_venue(both, user, side=SELL)
    await everything(both, venue)
    assert (await account(both, user)).positions["AAPL"][0] == -10
    await assert_right(both, [user])


async def test_executions_of_unknown_orders_are_kept_once_and_book_nothing(
    both: Platform, user: User, slow: Venue
) -> None:
    """Fails where reports of unknown orders are dropped."""
    slow()
    stray, known = fill_of(uuid4(), "3"), await at_venue(both, user, quantity="1")
    await both.venue_desk.record([stray, fill_of(known, "1"), stray])
    await both.venue_desk.record([stray])
    assert await both.count("stray_executions", f"order_id = '{stray.order_id}'") == 1
    await both.through()
    assert (await both.order(known)).status is Status.EXECUTED
    found = await account(both, user)
    assert trades_of(found) == executions_of(found)


async def test_the_same_hand_over_twice_fills_a_half_filled_order_once(both: Platform, user: User) -> None:
    """At a venue that answers at once. Fails where the id of a fill does not follow from the quote."""
    both.venue = InterruptedVenue(FillModel(participation=True))
    order_id = await accepted(both, user, limit_price="95")
    await both.through()
    same = quote(both, "94", "4")
    for _ in range(2):
        await handed(both, order_id, same)
        order = await both.order(order_id)
        assert (order.status, order.filled_quantity) == (Status.PARTIALLY_EXECUTED, Decimal(4))
    await both.through()
    await assert_right(both, [user])


async def test_the_same_hand_over_twice_does_not_strand_a_half_filled_order_at_a_slow_venue(
    both: Platform, user: User, slow: Venue
) -> None:
    """The second time it has had its part of that quote: the venue would count executions that never come,
    and the order could not even be cancelled."""
    venue = slow()
    order_id = await accepted(both, user, limit_price="95")
    await both.through()
    same = quote(both, "94", "4")
    for _ in range(2):
        await handed(both, order_id, same)
        await everything(both, venue)
        order = await both.order(order_id)
        assert (order.status, order.filled_quantity) == (Status.PARTIALLY_EXECUTED, Decimal(4))
        assert order.route is None
    await handed(both, order_id, quote(both, "94", "4", seq=51))
    await everything(both, venue)
    assert (await both.order(order_id)).filled_quantity == 8
    await cancelled(both, user, order_id)
    await everything(both, venue)
    assert (await both.order(order_id)).status is Status.CANCELLED
    await assert_right(both, [user])


async def test_a_stop_that_waited_for_days_is_filled_in_parts(both: Platform, user: User) -> None:
    """What takes the market's price grows old from when its stop was reached, not from when it came."""
    both.venue = InterruptedVenue(FillModel(participation=True))
    order_id = await accepted(both, user, type=STOP, stop_price="105")
    await both.through()
    await both.order_pool.execute(
        "UPDATE orders SET accepted_at = accepted_at - $2::interval, version = version + 1 WHERE id = $1",
        order_id,
        timedelta(hours=10),
    )
    await handed(both, order_id, quote(both, "106", "4"), stop="105")
    await handed(both, order_id, quote(both, "106", "4", seq=51))
    order = await both.order(order_id)
    assert (order.status, order.reason, order.filled_quantity) == (Status.PARTIALLY_EXECUTED, "", Decimal(8))
