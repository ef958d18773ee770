"""Whatever the order, the grouping and the number of deliveries: the books come out the same."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from hub_position.domain.actions import fold
from hub_position.domain.batch import Ending
from hub_position.domain.placing import HoldRequest
from hub_position.domain.trade import Side, Trade
from hub_position.usecases import Ended, Executed
from tests.position.world import SETTLES_ON, START, Owner, World, hold_of, terms

Fact = Executed | Ended

TRADES = """
    SELECT row_number() OVER (ORDER BY executed_at, trade_id) AS number, quantity, net_cash, cost_removed,
           realised_gross, realised_net
    FROM trades WHERE account_id = $1 ORDER BY 1
"""


@dataclass(frozen=True)
class Fill:
    quantity: Decimal
    price: Decimal
    fee: Decimal
    minute: int


@dataclass(frozen=True)
class Order:
    side: Side
    unfilled: Decimal
    fills: Sequence[Fill]


def amounts(low: str, high: str, places: int) -> st.SearchStrategy[Decimal]:
    return st.decimals(min_value=low, max_value=high, places=places, allow_nan=False, allow_infinity=False)


fills = st.builds(
    Fill,
    quantity=st.one_of(amounts("0.00000001", "2", 8), amounts("1", "9", 0)),
    price=amounts("0.01", "900", 2),
    fee=amounts("0", "1", 2),
    minute=st.integers(0, 5),
)
orders = st.builds(
    Order,
    side=st.sampled_from(Side),
    unfilled=amounts("0", "2", 1),
    fills=st.lists(fills, max_size=3).map(tuple),
)


def facts_of(owner: Owner, hold: HoldRequest, order: Order, ids: Sequence[UUID]) -> list[Fact]:
    executed: list[Fact] = [
        Executed(
            Trade(
                trade_id=trade_id,
                account_id=owner.account_id,
                order_id=hold.order_id,
                hold_id=hold.hold_id,
                symbol=hold.symbol,
                side=order.side,
                quantity=fill.quantity,
                price=fill.price,
                fee=fill.fee,
                executed_at=START + timedelta(minutes=fill.minute),
                market_time=START + timedelta(minutes=fill.minute),
                settles_on=SETTLES_ON,
            ),
            owner.user_id,
        )
        for fill, trade_id in zip(order.fills, ids, strict=True)
    ]
    filled = sum((fill.quantity for fill in order.fills), Decimal(0))
    return [*executed, Ended(Ending(terms(hold), filled, len(order.fills)))]


async def deal(world: World, shares: int, book: Sequence[Order]) -> tuple[Owner, list[Fact]]:
    """An account with some shares, whose orders are held where possible, and all that happened to them."""
    owner, number, facts = await world.owner(), uuid4().int >> 16 << 16, list[Fact]()
    if shares:
        await world.trade(owner, Side.BUY, str(shares), "3.33", minute=-1)
    for order in book:
        quantity = sum((fill.quantity for fill in order.fills), order.unfilled) or Decimal(1)
        price = max((fill.price for fill in order.fills), default=Decimal(1))
        hold = hold_of(owner, order.side, str(quantity), str(price) if order.side is Side.BUY else "0")
        await world.hold(hold)
        ids = [UUID(int=number + index) for index in range(len(order.fills))]
        number += len(order.fills)
        facts += facts_of(owner, hold, order, ids)
    return owner, facts


async def deliver(world: World, batch: Sequence[Fact]) -> None:
    await world.book(
        [fact for fact in batch if isinstance(fact, Executed)],
        [fact for fact in batch if isinstance(fact, Ended)],
    )


async def books_of(world: World, owner: Owner) -> dict[str, Any]:
    await world.assert_balanced(owner)
    balance = await world.balance(owner)
    page = await world.reads.postings(owner.account_id, before=2**62, limit=1)
    async with world.pool.acquire() as connection:
        trades = [tuple(row) for row in await connection.fetch(TRADES, owner.account_id)]
    return {
        "holdings": [(p.symbol, p.holding) for p in await world.reads.positions(owner.account_id)],
        "cash": (balance.account.settled, balance.account.unsettled, balance.account.held),
        "withdrawable": balance.withdrawable,
        "totals": {name: total for name, total in page.totals.items() if total},
        "trades": trades,
    }


# Without shrinking: each example is many transactions, and the seed is printed.
@settings(
    max_examples=30,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    shares=st.sampled_from([0, 7]),
    book=st.lists(orders, min_size=1, max_size=5),
    chance=st.randoms(use_true_random=False),
)
async def test_any_order_of_delivery_with_duplicates_gives_the_same_books(
    world: World, shares: int, book: list[Order], chance: random.Random
) -> None:
    owner, facts = await deal(world, shares, book)
    for fact in facts:
        await deliver(world, [fact])
    expected = await books_of(world, owner)
    if not shares:
        folded, _ = fold([fact.trade for fact in facts if isinstance(fact, Executed)])
        assert [holding for _, holding in expected["holdings"]] in ([folded], [])
    assert expected["cash"][2] == 0

    other, facts = await deal(world, shares, book)
    deliveries = facts + [chance.choice(facts) for _ in range(chance.randint(0, 4))]
    chance.shuffle(deliveries)
    while deliveries:
        size = chance.randint(1, 4)
        await deliver(world, deliveries[:size])
        deliveries = deliveries[size:]
        await world.assert_balanced(other)
    assert await books_of(world, other) == expected
