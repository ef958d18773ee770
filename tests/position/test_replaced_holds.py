"""A hold in the place of another: what it sets aside, and how it takes over, whatever comes first."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from hub_position.domain.account import AccountStatus
from hub_position.domain.placing import HoldRequest
from hub_position.domain.trade import Side
from hub_position.usecases import Ended, Executed, Replaced
from tests.position.world import DEPOSIT, Owner, World, ending, execution, hold_of, replacing

Fact = Executed | Ended | Replaced

HOLDS = """
    SELECT hold_id, quantity, unit_price, remaining, covered, booked_quantity, booked_count, final_quantity,
           final_count, confirmed, closed_at IS NOT NULL AS closed
    FROM holds WHERE account_id = $1 ORDER BY hold_id
"""


def in_place_of(old: HoldRequest, quantity: str, price: str = "0", *, filled: str = "") -> HoldRequest:
    owner = Owner(old.account_id, old.user_id)
    new = hold_of(owner, old.side, quantity, price, symbol=old.symbol)
    return replace(
        new,
        replaced_hold_id=old.hold_id,
        replaced_filled_quantity=Decimal(filled) if filled else None,
    )


async def held(world: World, owner: Owner, side: Side = Side.BUY) -> Decimal:
    await world.assert_balanced(owner)
    if side is Side.BUY:
        return (await world.balance(owner)).account.held
    return (await world.position(owner)).held


@pytest.mark.parametrize(
    ("quantity", "price", "total"),
    [("12", "100", 1200), ("10", "130", 1300), ("10", "80", 1000), ("5", "150", 1000), ("10", "100", 1000)],
    ids=["more shares", "a higher price", "a lower price", "fewer for more", "the same"],
)
async def test_only_what_the_old_hold_does_not_cover_is_set_aside(
    world: World, quantity: str, price: str, total: int
) -> None:
    owner = await world.owner()
    old = hold_of(owner, Side.BUY, "10", "100")
    await world.hold(old)
    new = in_place_of(old, quantity, price)
    for _ in range(2):
        [answer] = await world.hold(new)
        assert (answer.granted, answer.standing_hold_id, answer.quantity) == (True, new.hold_id, new.quantity)
        assert await held(world, owner) == total
    await world.book(replaced=[replacing(old, new, quantity="0", count=0)])
    assert await held(world, owner) == new.amount


async def test_shares_move_as_cash_does(world: World) -> None:
    owner = await world.owner()
    await world.trade(owner, Side.BUY, "10", "100", minute=-1)
    old = hold_of(owner, Side.SELL, "8")
    await world.hold(old)
    [refused] = await world.hold(in_place_of(old, "11"))
    assert [refused.code, refused.available, refused.required] == ["insufficient_shares", 2, 3]
    new = in_place_of(old, "9")
    assert (await world.hold(new))[0].granted
    assert await held(world, owner, Side.SELL) == 9
    await world.book(replaced=[replacing(old, new, quantity="0", count=0)])
    assert await held(world, owner, Side.SELL) == 9
    await world.book([execution(new, "100")])
    assert await held(world, owner, Side.SELL) == 0


@pytest.mark.parametrize(
    ("quantity", "price"), [("12", "80"), ("12", "100"), ("12", "130"), ("6", "80"), ("6", "130")]
)
@pytest.mark.parametrize("filled", ["0", "3", "6"])
async def test_an_old_order_that_goes_on_being_filled_leaves_enough_for_the_new_one(
    world: World, quantity: str, price: str, filled: str
) -> None:
    """12 together, so what is filled of one is not needed for the other: whichever has the higher price."""
    owner = await world.owner()
    old = hold_of(owner, Side.BUY, "10", "100")
    await world.hold(old)
    new = replace(in_place_of(old, quantity, price), replaced_may_fill=True)
    await world.hold(new)
    left = Decimal(quantity) - Decimal(filled)
    if Decimal(filled):
        await world.book([execution(old, "100", quantity=filled)])
    before = await held(world, owner)
    assert before >= left * Decimal(price)
    assert before >= (10 - Decimal(filled)) * 100
    if left:
        narrower = replace(new, quantity=left)
        await world.book(replaced=[replacing(old, narrower, quantity=filled, count=1 if filled > "0" else 0)])
        assert await held(world, owner) == left * Decimal(price)
        await world.book([execution(narrower, price)])
    assert await held(world, owner) == 0 or not left


@pytest.mark.parametrize("move_first", [True, False])
async def test_more_than_the_narrower_new_order_is_an_over_fill(world: World, move_first: bool) -> None:
    before = REGISTRY.get_sample_value("hub_position_restricted_accounts_total") or 0
    owner = await world.owner()
    old = hold_of(owner, Side.BUY, "10", "100")
    await world.hold(old)
    new = replace(in_place_of(old, "12", "100"), replaced_may_fill=True)
    await world.hold(new)
    move = replacing(old, replace(new, quantity=Decimal(8)), quantity="4", count=1)
    fills = [execution(old, "100", quantity="4"), execution(new, "100", quantity="9")]
    if move_first:
        await world.book(replaced=[move])
    await world.book(fills)
    if not move_first:
        await world.book(replaced=[move])
    account = (await world.balance(owner)).account
    assert REGISTRY.get_sample_value("hub_position_restricted_accounts_total") == before + 1
    assert (account.status, account.held) == (AccountStatus.RESTRICTED, Decimal(0))


async def test_a_rise_that_the_account_cannot_pay_is_refused_with_what_is_missing(world: World) -> None:
    owner = await world.owner()
    old = hold_of(owner, Side.BUY, "900", "100")
    await world.hold(old)
    [refused] = await world.hold(in_place_of(old, "1001", "100"))
    assert [refused.code, refused.available, refused.required] == ["insufficient_funds", 10_000, 10_100]
    [granted] = await world.hold(in_place_of(old, "1000", "100"))
    assert granted.granted
    assert await held(world, owner) == DEPOSIT


async def test_who_has_no_buying_power_left_can_still_lower_a_price(world: World) -> None:
    owner = await world.owner()
    old = hold_of(owner, Side.BUY, "1000", "100")
    await world.hold(old)
    await world.book([execution(hold_of(owner, Side.BUY, "1", "50", symbol="MSFT"), "50")])
    assert (await world.balance(owner)).account.buying_power == -50
    [answer] = await world.hold(in_place_of(old, "1000", "90"))
    assert answer.granted


async def test_executions_that_are_not_booked_yet_cover_nothing(world: World) -> None:
    """4 of 10 are filled. What they cost is gone, however late they are booked."""
    owner = await world.owner()
    old = hold_of(owner, Side.BUY, "1000", "100")
    await world.hold(old)
    late = execution(old, "100", quantity="400")
    [refused] = await world.hold(in_place_of(old, "600", "166", filled="400"))
    assert [refused.code, refused.available, refused.required] == ["insufficient_funds", 0, 39_600]
    new = in_place_of(old, "600", "100", filled="400")
    assert (await world.hold(new))[0].granted
    steps: list[Fact] = [late, replacing(old, new, quantity="400", count=1), execution(new, "100")]
    for step in steps:
        await deliver(world, [step])
        assert (await world.balance(owner)).account.buying_power == 0
    assert (await world.balance(owner)).account.cash == 0


@pytest.mark.parametrize("what", ["account", "side", "symbol", "nothing", "closed"])
async def test_a_hold_that_is_for_something_else_covers_nothing(world: World, what: str) -> None:
    owner, other = await world.owner(), await world.owner()
    await world.trade(owner, Side.BUY, "10", "100")
    old = hold_of(
        other if what == "account" else owner,
        Side.SELL if what == "side" else Side.BUY,
        "10",
        "0" if what == "side" else "100",
        symbol="MSFT" if what == "symbol" else "AAPL",
    )
    if what != "nothing":
        await world.hold(old)
    if what == "closed":
        await world.book(ended=[ending(old, quantity="0", count=0)])
    before = await held(world, owner)
    new = replace(hold_of(owner, Side.BUY, "10", "100"), replaced_hold_id=old.hold_id)
    assert (await world.hold(new))[0].granted
    assert await held(world, owner) == before + 1000


async def test_a_replacement_of_a_replacement_counts_on_what_is_still_to_come(world: World) -> None:
    owner = await world.owner()
    first = hold_of(owner, Side.BUY, "1000", "100")
    await world.hold(first)
    second = in_place_of(first, "1000", "90")
    third = in_place_of(second, "1000", "90")
    for new in (second, third):
        assert (await world.hold(new))[0].granted
    moves = [replacing(first, second, quantity="0", count=0), replacing(second, third, quantity="0", count=0)]
    await world.book(replaced=moves[1:])
    await world.book(replaced=moves[:1])
    assert await held(world, owner) == 90_000


async def test_a_hold_whose_swap_never_came_is_given_back_like_any_other(world: World) -> None:
    owner = await world.owner()
    old = hold_of(owner, Side.BUY, "10", "100")
    await world.hold(old)
    new = in_place_of(old, "12", "100")
    await world.hold(new)
    assert await world.settle(released=[new]) == (0, 1)
    assert await held(world, owner) == 1000


async def test_a_sale_of_what_the_account_never_had_sets_nothing_aside(world: World) -> None:
    owner = await world.owner()
    old = hold_of(owner, Side.SELL, "5")
    new = in_place_of(old, "5")
    await world.book(replaced=[replacing(old, new, quantity="0", count=0)])
    await world.book([execution(new, "100")], [ending(new, quantity="5", count=1)])
    await world.assert_balanced(owner)


def amounts(low: str, high: str, places: int) -> st.SearchStrategy[Decimal]:
    return st.decimals(min_value=low, max_value=high, places=places, allow_nan=False, allow_infinity=False)


async def deliver(world: World, batch: Sequence[Fact]) -> None:
    await world.book(
        [fact for fact in batch if isinstance(fact, Executed)],
        [fact for fact in batch if isinstance(fact, Ended)],
        [fact for fact in batch if isinstance(fact, Replaced)],
    )


class Swap:
    """An order that was filled a bit, and another one in its place that was filled, or not, and ended."""

    def __init__(
        self,
        owner: Owner,
        side: Side,
        fills: Sequence[Sequence[Decimal]],
        rests: Sequence[Decimal],
        price: Decimal,
    ) -> None:
        self.owner, self.side = owner, side
        sums = [sum(each, Decimal(0)) for each in fills]
        text = "100" if side is Side.BUY else "0"
        self.old = hold_of(owner, side, str(sums[0] + rests[0]), text)
        self.new = in_place_of(
            self.old,
            str(sums[1] + rests[1]),
            str(price) if side is Side.BUY else "0",
            filled=str(sums[0]),
        )
        self.executed = [
            execution(hold, "40", quantity=str(quantity), minute=minute)
            for hold, quantities in zip((self.old, self.new), fills, strict=True)
            for minute, quantity in enumerate(quantities, 1)
        ]
        self.facts: list[Fact] = [
            *self.executed,
            replacing(self.old, self.new, quantity=str(sums[0]), count=len(fills[0])),
            ending(self.new, quantity=str(sums[1]), count=len(fills[1])),
        ]
        self.needs = [self.old.amount, self.new.amount]


@dataclass(frozen=True)
class Plan:
    side: Side
    fills: tuple[list[Decimal], list[Decimal]]
    rests: tuple[Decimal, Decimal]
    price: Decimal
    placed: bool
    open_end: bool

    async def deal(self, world: World) -> Swap:
        owner = await world.owner()
        if self.side is Side.SELL:
            await world.trade(owner, Side.BUY, "100", "1", minute=-9)
        made = Swap(owner, self.side, self.fills, self.rests, self.price)
        assert (await world.hold(made.old))[0].granted
        if self.placed:
            assert (await world.hold(made.new))[0].granted
        if self.open_end:
            made.facts.pop()
        return made

    @property
    def left(self) -> Decimal:
        """What the new hold has at the end."""
        if not self.open_end:
            return Decimal(0)
        return self.rests[1] * self.price if self.side is Side.BUY else self.rests[1]


async def state(world: World, swap: Swap) -> dict[str, Any]:
    await world.assert_balanced(swap.owner)
    async with world.pool.acquire() as connection:
        holds = [dict(row) for row in await connection.fetch(HOLDS, swap.owner.account_id)]
    names = {swap.old.hold_id: "old", swap.new.hold_id: "new"}
    found: dict[UUID, dict[str, Any]] = {hold.pop("hold_id"): hold for hold in holds}
    account = (await world.balance(swap.owner)).account
    return {
        "holds": {names[hold_id]: hold for hold_id, hold in found.items() if hold_id in names},
        "cash": (account.settled, account.unsettled, account.held),
        "holdings": [
            (p.symbol, p.holding, p.held) for p in await world.reads.positions(swap.owner.account_id)
        ],
    }


parts = st.lists(amounts("0.5", "4", 1), max_size=2)
plans = st.builds(
    Plan,
    side=st.sampled_from(Side),
    fills=st.tuples(parts, parts),
    rests=st.tuples(amounts("0.1", "5", 8), amounts("0.1", "5", 8)),
    price=amounts("50", "150", 2),
    placed=st.booleans(),
    open_end=st.booleans(),
)


@settings(
    max_examples=40,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(plan=plans, chance=st.randoms(use_true_random=False))
async def test_any_order_of_delivery_with_duplicates_ends_with_the_same_holds_and_books(
    world: World, plan: Plan, chance: random.Random
) -> None:
    first = await plan.deal(world)
    for fact in first.facts:
        await deliver(world, [fact])
    expected = await state(world, first)
    assert expected["holds"]["old"]["closed"]
    assert abs(expected["holds"]["new"]["remaining"] - plan.left) <= Decimal("0.00000002")

    second = await plan.deal(world)
    deliveries = second.facts + [chance.choice(second.facts) for _ in range(chance.randint(0, 4))]
    chance.shuffle(deliveries)
    while deliveries:
        size = chance.randint(1, 3)
        await deliver(world, deliveries[:size])
        deliveries = deliveries[size:]
        assert 0 <= await held(world, second.owner, plan.side) <= sum(second.needs)
        if plan.side is Side.BUY:
            account = (await world.balance(second.owner)).account
            assert account.buying_power >= DEPOSIT - sum(second.needs), "never more than the two need"
    assert await state(world, second) == expected
