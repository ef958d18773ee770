"""A split in what an account's owner sees: a line of its own, and quantities that the lines come to at every
cut, whatever came late."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from decimal import Decimal
from importlib import resources
from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest

from hub.order.v1 import order_pb2
from hub.position.v1 import activities_pb2, activities_pb2_grpc
from hub_position.domain.activity import LATE, LATE_ACTION
from hub_position.domain.cash import MovementKind
from hub_position.usecases import actions as usecase
from hub_rpc import calling_as
from hub_runtime import utc_now
from tests.position.acting import (
    apply_to_all,
    bought,
    differences,
    dividend,
    new_symbol,
    sold,
    split,
    traded,
)
from tests.position.house import House, position_house
from tests.position.test_activities import stamp
from tests.position.world import Owner, World
from tests.support.tls import Tls
from tests.support.tokens import TokenUser

Activity = activities_pb2.Activity


@pytest.fixture
async def house(world: World, tls: Tls) -> Any:
    async with position_house(world, tls) as made:
        yield made


@dataclass(frozen=True)
class Trader:
    house: House
    user: TokenUser
    owner: Owner
    symbol: str

    @property
    def world(self) -> World:
        return self.house.world

    async def buys(self, quantity: str, price: str, *, minute: int) -> None:
        await traded(self.world, self.owner, bought(self.owner, self.symbol, quantity, price, minute=minute))

    async def sells(self, quantity: str, price: str, *, minute: int) -> None:
        await traded(self.world, self.owner, sold(self.owner, self.symbol, quantity, price, minute=minute))

    async def splits(self, ratio: str, *, minute: int) -> None:
        await apply_to_all(self.world, split(self.symbol, ratio, minute=minute))

    async def lines(self, **wanted: Any) -> list[Activity]:
        """Newest first."""
        async with self.house.channel("gateway") as channel:
            stub: Any = activities_pb2_grpc.ActivityServiceStub(channel)
            with calling_as(self.user.token):
                wanted.setdefault("symbol", self.symbol)
                found = await stub.ListActivities(activities_pb2.ListActivitiesRequest(**wanted))
        return list(found.activities)

    async def cut(self, after: int = 0, until: Any = None) -> activities_pb2.CutLedgerResponse:
        async with self.house.channel("portfolio") as channel:
            stub: Any = activities_pb2_grpc.ActivityServiceStub(channel)
            wanted = activities_pb2.CutLedgerRequest(
                account_id=str(self.owner.account_id), after=after, until=until
            )
            found: activities_pb2.CutLedgerResponse = await stub.CutLedger(wanted)
        return found

    async def between(self, after: int, through: int) -> list[Activity]:
        async with self.house.channel("portfolio") as channel:
            stub: Any = activities_pb2_grpc.ActivityServiceStub(channel)
            wanted = activities_pb2.ListActivitiesBetweenRequest(
                account_id=str(self.owner.account_id), after=after, through=through
            )
            return list((await stub.ListActivitiesBetween(wanted)).activities)

    async def held(self) -> tuple[str, str]:
        [position] = (await self.cut()).positions
        return position.quantity, position.total_cost

    async def sound(self) -> None:
        await self.world.assert_balanced(self.owner)
        assert await differences(self.world, self.owner) == []


@pytest.fixture
async def trader(house: House) -> Trader:
    user, owner = await house.owner()
    return Trader(house, user, owner, new_symbol())


def shares(line: Activity) -> Decimal:
    """What a line did to the quantity: an execution of its own, and what splits made of it."""
    more = Decimal(line.quantity_after or 0) - Decimal(line.quantity_before or 0)
    if line.type == "fill":
        more += Decimal(line.fill.quantity) * (1 if line.fill.side == order_pb2.SIDE_BUY else -1)
    return more


def as_held(cut: activities_pb2.CutLedgerResponse) -> activities_pb2.CutLedgerResponse:
    """Without what became known of splits since."""
    for each in cut.positions:
        del each.splits[:]
    return cut


def included(cut: activities_pb2.CutLedgerResponse) -> list[tuple[str, bool]]:
    [position] = cut.positions
    return [(each.ratio, each.included) for each in position.splits]


def quantities(cut: activities_pb2.CutLedgerResponse) -> dict[str, Decimal]:
    return {each.symbol: Decimal(each.quantity) for each in cut.positions if Decimal(each.quantity)}


async def test_a_split_is_a_line_that_moves_no_money(trader: Trader) -> None:
    await trader.buys("10", "100", minute=1)
    await trader.splits("4", minute=10)
    [line, fill] = await trader.lines()
    assert (line.type, line.symbol, line.ratio) == ("split", trader.symbol, "4")
    assert (line.quantity_before, line.quantity_after) == ("10", "40")
    amounts = (line.net_amount, line.settled, line.cost, line.realised_pnl, line.fee, line.dividend)
    assert amounts == ("0",) * 6
    assert not line.HasField("fill")
    assert line.activity_id > fill.activity_id
    assert (fill.ratio, fill.quantity_before, fill.quantity_after) == ("", "", "")
    assert await trader.lines(types=["split"]) == [line]
    assert await trader.lines(types=["split"], symbol="") == [line]
    assert await trader.lines(types=["dividend"]) == []
    assert await trader.lines(types=["split"], symbol="OTHER") == []
    await trader.sound()


async def test_a_split_that_leaves_nothing_is_one_line_with_what_it_realised(trader: Trader) -> None:
    await trader.buys("0.00000001", "1000", minute=1)
    await trader.splits("0.1", minute=10)
    [line, _] = await trader.lines()
    assert (line.type, line.ratio) == ("split", "0.1")
    assert (line.quantity_before, line.quantity_after) == ("0.00000001", "0")
    assert (line.net_amount, line.cost, line.realised_pnl) == ("0", "-0.00001", "-0.00001")
    await trader.sound()


async def test_a_cut_before_a_split_has_the_shares_of_then(trader: Trader) -> None:
    """Fails where what is held now is taken for shares of the same kind as what was held."""
    await trader.buys("10", "100", minute=1)
    then, moment = await trader.cut(), stamp(utc_now())
    assert quantities(then) == {trader.symbol: Decimal(10)}
    await trader.splits("4", minute=10)
    assert as_held(await trader.cut(until=moment)) == then
    await trader.sells("6", "25", minute=20)
    await trader.splits("0.5", minute=30)
    assert as_held(await trader.cut(until=moment)) == then
    assert await trader.held() == ("17", "850")
    await trader.sound()


async def test_a_cut_before_a_split_of_a_short_position_and_of_one_closed_since(trader: Trader) -> None:
    await trader.sells("3", "100", minute=1)
    then, moment = await trader.cut(), stamp(utc_now())
    await trader.splits("2", minute=10)
    [line, _] = await trader.lines()
    assert (line.quantity_before, line.quantity_after) == ("-3", "-6")
    assert as_held(await trader.cut(until=moment)) == then
    await trader.buys("6", "50", minute=20)
    assert as_held(await trader.cut(until=moment)) == then
    assert quantities(then) == {trader.symbol: Decimal(-3)}
    await trader.sound()


async def test_a_late_execution_over_a_split_is_a_fill_and_what_the_split_makes_of_it(trader: Trader) -> None:
    """No cost changes by it: its line is about shares alone."""
    await trader.buys("10", "100", minute=1)
    await trader.splits("4", minute=10)
    before, moment = await trader.cut(), stamp(utc_now())
    await trader.buys("5", "100", minute=5)
    after = await trader.cut(before.through)
    lines = await trader.between(before.through, after.through)
    assert [(line.type, line.quantity_before, line.quantity_after) for line in lines] == [
        ("fill", "", ""),
        ("adjustment", "45", "60"),
    ]
    [fill, adjusted] = lines
    assert (adjusted.reason, adjusted.fill, adjusted.cost) == (LATE, fill.fill, "0")
    assert quantities(after) == {trader.symbol: Decimal(60)}
    assert await trader.cut(until=moment) == before
    await trader.sound()


async def test_a_late_split_is_its_line_and_an_adjustment_of_those_after_it(trader: Trader) -> None:
    await trader.buys("10", "100", minute=1)
    await trader.splits("3", minute=20)
    await trader.splits("2", minute=10)
    lines = await trader.lines()
    assert [(line.type, line.ratio, line.quantity_before, line.quantity_after) for line in lines[:2]] in (
        [("adjustment", "", "40", "60"), ("split", "2", "10", "20")],
        [("split", "2", "10", "20"), ("adjustment", "", "40", "60")],
    )
    assert {line.reason for line in lines if line.type == "adjustment"} == {LATE_ACTION}
    assert sum(map(shares, lines)) == Decimal(60)
    await trader.sound()


async def test_an_execution_that_moves_no_money_is_a_line_too(trader: Trader) -> None:
    await trader.buys("0.00000001", "0.1", minute=1)
    then, moment = await trader.cut(), stamp(utc_now())
    await trader.buys("0.00000002", "0.1", minute=2)
    lines = await trader.lines()
    assert [(line.type, line.fill.quantity) for line in lines] == [
        ("fill", "0.00000002"),
        ("fill", "0.00000001"),
    ]
    assert await trader.cut(until=moment) == then
    assert quantities(then) == {trader.symbol: Decimal("0.00000001")}
    await trader.sound()


async def test_at_every_cut_the_lines_before_it_come_to_what_was_held(trader: Trader) -> None:
    """With late executions and late splits, rounding, a short position, and other accounts in between."""
    steps = [
        trader.buys("10", "100", minute=1),
        trader.splits("0.33333333", minute=10),
        trader.buys("1", "90", minute=3),
        trader.sells("7.5", "310", minute=12),
        trader.splits("5", minute=30),
        trader.splits("2", minute=20),
        trader.sells("2", "100", minute=2),
        apply_to_all(trader.world, dividend(trader.symbol, "0.5", minute=25)),
        trader.world.move(trader.owner, MovementKind.DEPOSIT, "1"),
        trader.buys("40", "30", minute=40),
        trader.splits("0.1", minute=50),
        trader.buys("3", "100", minute=4),
    ]
    cuts, moments = [await trader.cut()], [stamp(utc_now())]
    for step in steps:
        await step
        cuts.append(await trader.cut(cuts[-1].through))
        moments.append(stamp(utc_now()))
        await trader.sound()
    for before, after in pairwise(cuts):
        rolled = quantities(before).get(trader.symbol, Decimal(0))
        rolled += sum(map(shares, await trader.between(before.through, after.through)))
        assert rolled == quantities(after).get(trader.symbol, Decimal(0))
    assert [as_held(await trader.cut(until=moment)) for moment in moments] == list(map(as_held, cuts))
    lines = await trader.lines(symbol="", page_size=100)
    assert [line.activity_id for line in lines] == sorted((x.activity_id for x in lines), reverse=True)
    assert len({line.transaction_id for line in lines}) == len(lines)
    assert lines[::-1] == await trader.between(0, cuts[-1].through)


async def test_splits_are_on_their_pages_and_in_their_times(trader: Trader) -> None:
    await trader.buys("10", "100", minute=1)
    middle = utc_now()
    await trader.splits("2", minute=10)
    await trader.buys("1", "50", minute=20)
    await trader.splits("3", minute=30)
    whole = await trader.lines(symbol="")
    read = list[Activity]()
    token = ""
    for _ in whole:
        [one] = await trader.lines(symbol="", page_size=1, page_token=token)
        read.append(one)
        token = f"activity-{one.activity_id}"
    assert read == whole
    assert [line.type for line in whole] == ["split", "fill", "split", "fill", "deposit"]
    since = await trader.lines(posted_from=stamp(middle))
    assert since == whole[:3]
    assert await trader.lines(posted_before=stamp(utc_now())) == whole[:4]
    assert await trader.lines(posted_before=stamp(middle)) == whole[3:4]


async def test_a_split_applied_in_pages_has_one_line_in_each_account(
    trader: Trader, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = [await trader.house.owner() for _ in range(2)]
    traders = [trader, *(Trader(trader.house, user, owner, trader.symbol) for user, owner in others)]
    for each in traders:
        await each.buys("10", "100", minute=1)
    monkeypatch.setattr(usecase, "ACCOUNTS_AT_ONCE", 1)
    action = split(trader.symbol, "4", minute=10)
    await apply_to_all(trader.world, action)
    await apply_to_all(trader.world, action)
    for each in traders:
        assert [line.type for line in await each.lines()] == ["split", "fill"]
        await each.sound()


async def test_lines_about_shares_are_only_ever_added(trader: Trader) -> None:
    await trader.buys("10", "100", minute=1)
    await trader.splits("4", minute=10)
    for change in ("UPDATE share_postings SET quantity_after = 1", "DELETE FROM share_postings"):
        with pytest.raises(Exception, match="only ever added"):
            await trader.world.pool.execute(change)


async def test_executions_of_before_that_moved_no_money_become_lines_when_the_table_is_made(
    trader: Trader,
) -> None:
    await trader.buys("1", "100", minute=1)
    old = uuid4()
    await trader.world.pool.execute(
        "INSERT INTO trades SELECT (jsonb_populate_record(trades, $1::jsonb)).* FROM trades"
        " WHERE account_id = $2",
        json.dumps({"trade_id": str(old), "quantity": "0.00000001", "price": "0.1", "gross": "0"}),
        trader.owner.account_id,
    )
    assert [line.type for line in await trader.lines()] == ["fill"]
    text = resources.files("hub_position").joinpath("migrations/0005_corporate_actions.sql").read_text()
    [backfill] = re.findall(r"^INSERT INTO share_postings.*?;", text, re.DOTALL | re.MULTILINE)
    # What other tests have booked is there already.
    await trader.world.pool.execute(backfill.removesuffix(";") + " ON CONFLICT DO NOTHING")
    [line, _] = await trader.lines()
    assert (line.type, line.transaction_id, line.fill.quantity) == ("fill", str(old), "0.00000001")
    assert (line.net_amount, line.quantity_before, line.quantity_after) == ("0", "", "")
