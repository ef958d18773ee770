"""Purchases at the market that wait over the weekend for an open that is 30 % higher, over real books."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from hub_order.domain import Status
from hub_runtime import CrashPointError, utc_now
from hub_runtime.crash_points import armed
from tests.adversity.asking import accepted, cancelled, handed, quote
from tests.adversity.checks import account, assert_right
from tests.adversity.platform import Platform
from tests.support.tokens import TokenUser as User

HOUR = timedelta(hours=1)


async def over_the_weekend(both: Platform, user: User) -> UUID:
    """10 at the market: 1050 are held, and nothing is traded until tomorrow."""
    opens_at = utc_now() + 63 * HOUR
    both.tape.hours((opens_at, opens_at + 6 * HOUR))
    order_id = await accepted(both, user)
    await both.through()
    order = await both.order(order_id)
    assert (order.status, order.reprice) == (Status.PROCESSING, True)
    assert (await account(both, user)).held == 1050
    both.tape.time(opens_at + timedelta(seconds=1))
    both.tape.quote("AAPL", "129", "130")
    return order_id


async def test_with_enough_cash_it_is_held_anew_and_filled(both: Platform) -> None:
    """Fails without the reprice step: it would end with PRICE_PROTECTION."""
    user = await both.user(Decimal(1365))
    order_id = await over_the_weekend(both, user)
    await handed(both, order_id, quote(both, "130"))
    order = await both.order(order_id)
    assert (order.status, order.average_price, order.protection_price) == (
        Status.EXECUTED,
        Decimal(130),
        Decimal("136.5"),
    )
    assert (await account(both, user)).held == 1365
    await both.through()
    found = await account(both, user)
    assert (found.held, found.cash) == (Decimal(0), Decimal(65))
    await assert_right(both, [user])


async def test_without_enough_cash_it_ends_and_nothing_is_spent(both: Platform) -> None:
    """A cent is missing. Fails where the answer of RepriceHolds is not looked at."""
    user = await both.user(Decimal("1364.99"))
    order_id = await over_the_weekend(both, user)
    await handed(both, order_id, quote(both, "130"))
    order = await both.order(order_id)
    assert (order.status, order.reason) == (Status.FAILED, "INSUFFICIENT_FUNDS")
    await both.through()
    found = await account(both, user)
    assert (found.held, found.cash) == (Decimal(0), Decimal("1364.99"))
    await assert_right(both, [user])


@pytest.mark.parametrize("point", ["order.execute.after_send", "order.change.before_commit"])
@pytest.mark.parametrize("ask", ["130", "80"], ids=["higher", "lower"])
async def test_a_worker_that_dies_after_it_was_held_anew_is_followed_by_another(
    both: Platform, point: str, ask: str
) -> None:
    """The hold is of the first try's price, and the second one finds another quote."""
    user = await both.user(Decimal(1365))
    order_id = await over_the_weekend(both, user)
    with armed(f"{point}=error"), pytest.raises(CrashPointError):
        await handed(both, order_id, quote(both, ask))
    await both.restart()
    await handed(both, order_id, quote(both, "101", seq=51))
    assert (await both.order(order_id)).protection_price == Decimal("106.05")
    await both.through()
    await assert_right(both, [user])


async def test_it_can_be_cancelled_between_its_new_hold_and_its_fill(both: Platform, user: User) -> None:
    order_id = await over_the_weekend(both, user)

    async def meanwhile() -> None:
        await cancelled(both, user, order_id)

    both.wire.meanwhile = meanwhile
    await handed(both, order_id, quote(both, "130"))
    assert (await both.order(order_id)).status is Status.CANCELLED
    await both.through()
    await assert_right(both, [user])
