"""Parts of a position: they add up to it whatever it becomes, and touch nothing of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.position.v1 import views_pb2, views_pb2_grpc
from hub_errors import Conflict, HubError, Invalid, NotFound, Refused
from hub_position.domain.actions import split_factor
from hub_position.domain.trade import Side
from hub_position.domain.views import View, Whole, after_splits, divide
from hub_rpc import calling_as
from hub_runtime import uuid7
from hub_texts import Name
from tests.position.acting import apply_to_all, bought, new_symbol, split, traded
from tests.position.house import House, position_house
from tests.position.world import Owner, World, ending, execution, hold_of
from tests.support.tls import Tls
from tests.support.tokens import TokenUser

NOW = datetime(2026, 1, 5, tzinfo=UTC)
SHARES = st.decimals(min_value="0.00000001", max_value="99999999999", places=8)
RATIOS = st.sampled_from([Decimal(each) for each in ("4", "0.33333333", "1.5", "0.1", "7")])
PERCENT = st.decimals(min_value="0.00000001", max_value="100", places=8)
SIZES = st.lists(st.one_of(st.tuples(SHARES, st.none()), st.tuples(st.none(), PERCENT)), max_size=20)


def whole(quantity: str, cost: str, *sizes: str) -> Whole:
    """A size with a % is a percentage."""
    made = [
        (None, Decimal(size.removesuffix("%"))) if size.endswith("%") else (Decimal(size), None)
        for size in sizes
    ]
    return Whole("AAPL", Decimal(quantity), Decimal(cost), views(made))


def views(sizes: Sequence[tuple[Decimal | None, Decimal | None]]) -> list[View]:
    return [View(uuid7(), Name(f"{number}"), *size, NOW) for number, size in enumerate(sizes)]


def told(found: Whole) -> list[tuple[str, str]]:
    parts = divide(found)
    return [(str(each.quantity), str(each.total_cost)) for each in (*parts.parts, parts.rest)]


@given(st.one_of(SHARES, st.just(Decimal(0)), SHARES.map(lambda shares: -shares)), SHARES, SIZES)
def test_the_parts_add_up_to_the_position_and_none_is_below_nothing(
    quantity: Decimal, cost: Decimal, sizes: list[tuple[Decimal | None, Decimal | None]]
) -> None:
    found = Whole("AAPL", quantity, cost if quantity > 0 else Decimal(0), views(sizes))
    parts = divide(found)
    every = [*parts.parts, parts.rest]
    assert sum(part.quantity for part in every) == quantity
    assert sum(part.total_cost for part in every) == found.total_cost
    assert all(part.quantity >= 0 and part.total_cost >= 0 for part in parts.parts)
    assert all(part.quantity == round(part.quantity, 8) for part in every)
    assert parts.rest.quantity >= 0 or quantity < 0
    if parts.reduced and quantity > 0:
        assert parts.rest.quantity == parts.rest.total_cost == 0


def test_a_part_has_what_it_was_made_for_and_its_share_of_the_cost() -> None:
    assert told(whole("10", "1000", "4", "25%")) == [
        ("4.00000000", "400.00000000"),
        ("2.50000000", "250.00000000"),
        ("3.50000000", "350.00000000"),
    ]
    thirds = told(whole("1", "1", "33.33333333%", "33.33333333%", "33.33333334%"))
    assert thirds == [
        ("0.33333333", "0.33333333"),
        ("0.33333333", "0.33333333"),
        ("0.33333334", "0.33333334"),
        ("0E-8", "0E-8"),
    ]


def test_what_shrinks_below_its_parts_shrinks_them_by_the_same_factor() -> None:
    found = whole("6", "600", "4", "8", "50%")
    parts = divide(found)
    assert parts.reduced
    # 4, 8 and 3 were wanted of 6.
    assert [str(each.quantity) for each in (*parts.parts, parts.rest)] == [
        "1.60000000",
        "3.20000000",
        "1.20000000",
        "0E-8",
    ]
    assert not divide(whole("12", "600", "4", "8")).reduced
    assert [part.quantity for part in divide(whole("0", "0", "4", "50%")).parts] == [0, 0]


@given(st.lists(SHARES, max_size=5), st.lists(RATIOS, max_size=6), st.lists(RATIOS, max_size=3))
def test_parts_that_fitted_fit_after_any_splits_and_follow_one_exactly(
    sizes: list[Decimal], ratios: list[Decimal], before: list[Decimal]
) -> None:
    def product(numbers: list[Decimal]) -> Decimal:
        actions = [split("X", str(number), minute=1) for number in numbers]
        return split_factor(actions)

    said, now = product(before), product([*before, *ratios])
    made = [after_splits(size, said, now) for size in sizes]
    exact = Fraction(sum(sizes)) * Fraction(product(ratios))
    assert sum(map(Fraction, made)) <= exact
    assert exact - sum(map(Fraction, made)) < len(sizes) * Fraction(1, 10**8) or not sizes
    assert all(after_splits(size, said, said) == size for size in sizes)


@dataclass(frozen=True)
class Investor:
    stub: Any
    world: World
    user: TokenUser
    owner: Owner

    async def call(self, rpc: str, request: Any) -> Any:
        with calling_as(self.user.token):
            return await getattr(self.stub, rpc)(request)

    async def make(self, name: str, *, symbol: str = "AAPL", **size: str) -> str:
        request = views_pb2.CreateViewRequest(symbol=symbol, name=name, **size)
        made = await self.call("CreateView", request)
        return str(made.view_id)

    async def position(self, symbol: str = "AAPL") -> views_pb2.ViewedPosition:
        found = await self.call("ListViews", views_pb2.ListViewsRequest(symbol=symbol))
        position: views_pb2.ViewedPosition = found.position
        return position

    async def merge(self, view_id: str, into: str = "", symbol: str = "AAPL") -> list[tuple[str, str]]:
        request = views_pb2.MergeViewRequest(symbol=symbol, view_id=view_id, into_view_id=into)
        return brief((await self.call("MergeView", request)).position)

    async def refused(self, kind: type[HubError], code: str, field: str, awaitable: Any) -> None:
        with pytest.raises(kind) as found:
            await awaitable
        assert (found.value.code, found.value.field) == (code, field)


def brief(position: views_pb2.ViewedPosition) -> list[tuple[str, str]]:
    return [(each.name, each.quantity) for each in (*position.views, position.rest)]


@pytest.fixture
async def house(world: World, tls: Tls) -> AsyncIterator[House]:
    async with position_house(world, tls) as made:
        yield made


@pytest.fixture
async def investor(house: House) -> AsyncIterator[Investor]:
    """Who has ten shares that cost a hundred each."""
    user, owner = await house.owner()
    await house.world.trade(owner, Side.BUY, "10", "100")
    async with house.channel("gateway") as channel:
        yield Investor(views_pb2_grpc.ViewServiceStub(channel), house.world, user, owner)


async def test_parts_are_made_by_quantity_and_by_percentage_and_book_nothing(investor: Investor) -> None:
    before = await investor.world.books(investor.owner)
    await investor.make(" Long term ", quantity="4")
    await investor.make("Children", percentage="25")
    position = await investor.position()
    assert (position.symbol, position.quantity, position.total_cost) == ("AAPL", "10", "1000")
    assert brief(position) == [("Long term", "4"), ("Children", "2.5"), ("rest", "3.5")]
    assert [each.total_cost for each in (*position.views, position.rest)] == ["400", "250", "350"]
    long, children = position.views
    assert (long.wanted_quantity, long.wanted_percentage) == ("4", "")
    assert (children.wanted_quantity, children.wanted_percentage) == ("", "25")
    assert (position.rest.view_id, position.rest.HasField("created_at"), position.reduced) == (
        "",
        False,
        False,
    )
    assert await investor.world.books(investor.owner) == before
    # What can be sold is what it was.
    await investor.world.trade(investor.owner, Side.SELL, "8", "100", minute=1)
    position = await investor.position()
    assert (position.reduced, brief(position)) == (
        True,
        [("Long term", "1.77777777"), ("Children", "0.22222223"), ("rest", "0")],
    )
    await investor.world.trade(investor.owner, Side.BUY, "8", "100", minute=2)
    assert brief(await investor.position()) == [("Long term", "4"), ("Children", "2.5"), ("rest", "3.5")]


async def test_parts_are_merged_with_each_other_and_with_what_is_left(investor: Investor) -> None:
    one, two = await investor.make("one", quantity="4"), await investor.make("two", percentage="20")
    three, four = await investor.make("three", percentage="30"), await investor.make("four", quantity="1")
    assert await investor.merge(two, three) == [("one", "4"), ("three", "5"), ("four", "1"), ("rest", "0")]
    assert (await investor.position()).views[1].wanted_percentage == "50"
    assert await investor.merge(three, one) == [("one", "9"), ("four", "1"), ("rest", "0")]
    for _ in range(2):
        assert await investor.merge(four) == [("one", "9"), ("rest", "1")]
    assert await investor.merge(two, three) == [("one", "9"), ("rest", "1")]
    await investor.refused(NotFound, "view_not_found", "into", investor.merge(one, four))
    await investor.refused(Invalid, "invalid_value", "into", investor.merge(one, one))
    assert await investor.merge(one) == [("rest", "10")]


async def test_what_is_no_part_of_the_position_is_refused_and_nothing_is_made(investor: Investor) -> None:
    make, refused = investor.make, investor.refused
    for size, code, field in (
        ({"quantity": "0"}, "not_positive", "quantity"),
        ({"quantity": "-1"}, "not_positive", "quantity"),
        ({"quantity": "NaN"}, "invalid_decimal", "quantity"),
        ({"quantity": "1e3"}, "invalid_decimal", "quantity"),
        ({"quantity": "1.000000001"}, "too_precise", "quantity"),
        ({"quantity": "1000000000000"}, "too_large", "quantity"),
        ({"percentage": "0"}, "not_positive", "percentage"),
        ({"percentage": "100.00000001"}, "invalid_percentage", "percentage"),
        ({"percentage": "Infinity"}, "invalid_decimal", "percentage"),
        ({"percentage": "0.000000001"}, "too_precise", "percentage"),
        ({}, "quantity_or_percentage", "quantity"),
        ({"quantity": "1", "percentage": "1"}, "quantity_or_percentage", "quantity"),
    ):
        await refused(Invalid, code, field, make("x", **size))
    for name, code in (("", "invalid_length"), (" ", "invalid_length"), ("x" * 65, "invalid_length")):
        await refused(Invalid, code, "name", make(name, quantity="1"))
    await refused(Invalid, "invalid_characters", "name", make("a\tb", quantity="1"))
    await refused(Conflict, "view_name_taken", "name", make("Rest", quantity="1"))
    await refused(NotFound, "position_not_found", "symbol", make("x", symbol="MSFT", quantity="1"))
    await refused(NotFound, "position_not_found", "symbol", investor.position("MSFT"))
    await refused(Refused, "exceeds_position", "quantity", make("x", quantity="10.00000001"))
    await make("all but a bit", percentage="99.9")
    await refused(Refused, "exceeds_position", "percentage", make("x", percentage="0.11"))
    await refused(Conflict, "view_name_taken", "name", make("ALL but a bit", quantity="0.001"))
    assert brief(await investor.position()) == [("all but a bit", "9.99"), ("rest", "0.01")]
    await investor.world.trade(investor.owner, Side.SELL, "10", "100", minute=1)
    await refused(NotFound, "position_not_found", "symbol", make("x", quantity="1"))
    assert brief(await investor.position()) == [("all but a bit", "0"), ("rest", "0")]


async def test_limits_and_names_hold_whatever_comes_at_once(investor: Investor) -> None:
    results = await asyncio.gather(
        *(investor.make("same", quantity="1") for _ in range(4)), return_exceptions=True
    )
    assert sorted(type(each).__name__ for each in results) == ["Conflict", "Conflict", "Conflict", "str"]
    results = await asyncio.gather(
        *(investor.make(f"{number}", percentage="1") for number in range(25)), return_exceptions=True
    )
    refused = [each for each in results if not isinstance(each, str)]
    assert len(refused) == 6
    assert {each.code for each in refused if isinstance(each, Refused)} == {"too_many_views"}
    assert len((await investor.position()).views) == 20
    whole = await asyncio.gather(
        *(investor.merge(each.view_id) for each in (await investor.position()).views)
    )
    assert [("rest", "10")] in whole


async def test_a_part_is_nobody_elses(investor: Investor, house: House) -> None:
    mine = await investor.make("mine", quantity="1")
    user, owner = await house.owner()
    await house.world.trade(owner, Side.BUY, "1", "100")
    other = Investor(investor.stub, house.world, user, owner)
    assert brief(await other.position()) == [("rest", "1")]
    assert await other.merge(mine) == [("rest", "1")]
    assert brief(await investor.position()) == [("mine", "1"), ("rest", "9")]


async def test_parts_follow_splits_that_come_after_them(investor: Investor) -> None:
    """Fifty of a hundred shares are two hundred of four hundred."""
    world, owner, symbol = investor.world, investor.owner, new_symbol()
    await traded(world, owner, bought(owner, symbol, "100", "100", minute=1))
    old = await investor.make("old", symbol=symbol, quantity="50")
    await investor.make("fifth", symbol=symbol, percentage="20")
    await apply_to_all(world, split(symbol, "4", minute=10))
    position = await investor.position(symbol)
    assert brief(position) == [("old", "200"), ("fifth", "80"), ("rest", "120")]
    assert [each.total_cost for each in position.views] == ["5000", "2000"]
    assert (position.views[0].wanted_quantity, position.reduced) == ("200", False)
    new = await investor.make("new", symbol=symbol, quantity="100")
    await investor.refused(
        Refused, "exceeds_position", "quantity", investor.make("x", symbol=symbol, quantity="20.1")
    )
    await apply_to_all(world, split(symbol, "0.5", minute=20))
    position = await investor.position(symbol)
    assert brief(position) == [("old", "100"), ("fifth", "40"), ("new", "50"), ("rest", "10")]
    assert await investor.merge(old, new, symbol) == [("fifth", "40"), ("new", "150"), ("rest", "10")]
    await apply_to_all(world, split(symbol, "3", minute=30))
    assert brief(await investor.position(symbol)) == [("fifth", "120"), ("new", "450"), ("rest", "30")]


async def test_a_part_follows_a_split_that_comes_late_and_one_of_a_position_that_is_closed(
    investor: Investor,
) -> None:
    world, owner, symbol = investor.world, investor.owner, new_symbol()
    await apply_to_all(world, split(symbol, "9", minute=0))
    await traded(world, owner, bought(owner, symbol, "10", "100", minute=1))
    await apply_to_all(world, split(symbol, "3", minute=20))
    await investor.make("part", symbol=symbol, quantity="15")
    await apply_to_all(world, split(symbol, "2", minute=10))
    assert brief(await investor.position(symbol)) == [("part", "30"), ("rest", "30")]
    sale = hold_of(owner, Side.SELL, "60", symbol=symbol)
    await world.book([execution(sale, "20", minute=30)], [ending(sale, quantity="60", count=1)])
    await apply_to_all(world, split(symbol, "2", minute=40))
    await traded(world, owner, bought(owner, symbol, "100", "10", minute=50))
    assert brief(await investor.position(symbol)) == [("part", "60"), ("rest", "40")]
