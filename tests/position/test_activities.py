"""What happened in an account, as its owner sees it: one line for each event, whatever the ledger has of
it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from hub.order.v1 import order_pb2
from hub.position.v1 import activities_pb2, activities_pb2_grpc
from hub_errors import Denied, Invalid, NotFound
from hub_position.domain.activity import LATE
from hub_position.domain.cash import MovementKind
from hub_position.domain.trade import Side
from hub_position.store import activities, cuts
from hub_postgres import Pool
from hub_rpc import calling_as
from hub_runtime import utc_now
from tests.position.house import House, position_house
from tests.position.world import Owner, World, execution, hold_of
from tests.support.plans import plan_of
from tests.support.tls import Tls
from tests.support.tokens import TokenUser


@pytest.fixture
async def house(world: World, tls: Tls) -> Any:
    async with position_house(world, tls) as made:
        yield made


@dataclass(frozen=True)
class Reader:
    house: House
    user: TokenUser
    owner: Owner

    async def page(self, **wanted: Any) -> activities_pb2.ListActivitiesResponse:
        channel = self.house.channel("gateway")
        async with channel:
            stub: Any = activities_pb2_grpc.ActivityServiceStub(channel)
            with calling_as(self.user.token):
                page: activities_pb2.ListActivitiesResponse = await stub.ListActivities(
                    activities_pb2.ListActivitiesRequest(**wanted)
                )
        return page

    async def all(self, **wanted: Any) -> list[activities_pb2.Activity]:
        return list((await self.page(**wanted)).activities)

    async def post(self, kind: str, lines: dict[str, str], *, symbol: str = "", at: datetime) -> None:
        """As some other part of the books does."""
        pool: Pool = self.house.world.pool
        async with pool.acquire() as connection:
            await connection.execute(
                "INSERT INTO postings"
                " (transaction_id, account_id, kind, ledger_account, amount, symbol, posted_at)"
                " SELECT $1, $2, $3, line, amount, $6, $7"
                " FROM unnest($4::text[], $5::numeric[]) AS new (line, amount)",
                uuid4(),
                self.owner.account_id,
                kind,
                list(lines),
                [Decimal(amount) for amount in lines.values()],
                symbol,
                at,
            )


@pytest.fixture
async def reader(house: House) -> Reader:
    user, owner = await house.owner()
    return Reader(house, user, owner)


def stamp(moment: datetime) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(moment)
    return made


def brief(found: list[activities_pb2.Activity]) -> Iterator[tuple[str, str, str]]:
    return ((each.type, each.symbol, each.net_amount) for each in found)


async def test_every_event_is_one_line_with_what_a_user_understands(reader: Reader) -> None:
    world, owner = reader.house.world, reader.owner
    buy = hold_of(owner, Side.BUY, "10", "100")
    await world.book([execution(buy, "100", fee="1.5")])
    sell = execution(hold_of(owner, Side.SELL, "4"), "110", minute=1, fee="0.5")
    await world.book([sell])
    await world.move(owner, MovementKind.DEPOSIT, "250")
    await world.move(owner, MovementKind.WITHDRAWAL, "-10.5")
    await world.move(owner, MovementKind.ADJUSTMENT, "5", actor="admin:x", reason="=goodwill")
    await world.settle_trades()
    found = await reader.all()
    assert list(brief(found)) == [
        ("adjustment", "", "5"),
        ("withdrawal", "", "-10.5"),
        ("deposit", "", "250"),
        ("fill", "AAPL", "439.5"),
        ("fill", "AAPL", "-1001.5"),
        ("deposit", "", "100000"),
    ]
    adjusted, _, _, sold, bought, opening = found
    assert (adjusted.reason, adjusted.HasField("fill"), opening.reason) == ("=goodwill", False, "")
    assert (bought.cost, bought.fee, bought.realised_pnl, bought.settled) == ("1000", "1.5", "0", "0")
    assert (sold.cost, sold.fee, sold.realised_pnl) == ("-400", "0.5", "40")
    assert (sold.fill.side, sold.fill.quantity, sold.fill.price) == (order_pb2.SIDE_SELL, "4", "110")
    assert (sold.fill.order_id, sold.fill.trade_id) == (str(sell.trade.order_id), str(sell.trade.trade_id))
    assert sold.transaction_id == sold.fill.trade_id
    settled = await reader.all(types=["settlement"])
    assert sorted((each.net_amount, each.settled) for each in settled) == [("0", "-1001.5"), ("0", "439.5")]
    cash = (await world.balance(owner)).account.cash
    assert sum(Decimal(each.net_amount) for each in found) == cash


async def test_a_late_execution_is_a_fill_and_an_adjustment_that_says_why(reader: Reader) -> None:
    world, owner = reader.house.world, reader.owner
    await world.trade(owner, Side.BUY, "10", "100", minute=0)
    await world.trade(owner, Side.SELL, "10", "120", minute=2)
    late = execution(hold_of(owner, Side.BUY, "10", "200"), "200", minute=1)
    await world.book([late])
    bought, adjusted, sold, *_ = await reader.all()
    assert (adjusted.type, adjusted.net_amount, adjusted.reason) == ("adjustment", "0", LATE)
    assert (adjusted.cost, adjusted.realised_pnl) == ("-500", "-500")
    assert adjusted.fill.trade_id == bought.fill.trade_id == str(late.trade.trade_id)
    assert sold.realised_pnl == "200"
    assert await reader.all(symbol="AAPL") == (await reader.all())[:-1]
    page = await reader.page(symbol="AAPL", page_size=1)
    rest = await reader.all(symbol="AAPL", page_token=page.next_page_token)
    assert [*page.activities, *rest] == (await reader.all())[:-1]
    position = await world.position(owner)
    found = await reader.all(types=["fill", "adjustment"])
    assert sum(Decimal(each.realised_pnl) for each in found) == position.holding.realised_pnl
    assert sum(Decimal(each.cost) for each in found) == position.holding.total_cost


async def test_dividends_and_splits_are_told_as_the_ledger_has_them(reader: Reader) -> None:
    now = utc_now()
    await reader.post("dividend", {"dividends": "-12", "cash_settled": "12"}, symbol="AAPL", at=now)
    await reader.post("split", {"securities": "-1.5", "cash_unsettled": "1.5"}, symbol="AAPL", at=now)
    split, dividend = await reader.all(types=["split", "dividend"])
    assert (dividend.type, dividend.symbol, dividend.dividend, dividend.net_amount) == (
        "dividend",
        "AAPL",
        "12",
        "12",
    )
    assert (split.type, split.cost, split.net_amount) == ("split", "-1.5", "1.5")
    assert len(await reader.all(symbol="AAPL")) == 2
    assert await reader.all(symbol="MSFT") == []


async def test_a_sale_whose_fee_is_all_it_brought_is_among_those_of_its_symbol(reader: Reader) -> None:
    """It moves no cash. Fails where trades are found by what they did to it."""
    world, owner = reader.house.world, reader.owner
    await world.book([execution(hold_of(owner, Side.BUY, "10", "100"), "100")])
    await world.book([execution(hold_of(owner, Side.SELL, "2"), "0.75", minute=1, fee="1.5")])
    await world.trade(owner, Side.SELL, "1", "100", minute=2)
    whole = await reader.all()
    assert list(brief(whole[:3])) == [
        ("fill", "AAPL", "100"),
        ("fill", "AAPL", "0"),
        ("fill", "AAPL", "-1000"),
    ]
    assert await reader.all(symbol="AAPL") == whole[:3]
    assert await reader.all(symbol="AAPL", types=["fill"]) == whole[:3]
    page = await reader.page(symbol="AAPL", page_size=1)
    rest = await reader.all(symbol="AAPL", page_token=page.next_page_token)
    assert [*page.activities, *rest] == whole[:3]
    assert await reader.all(symbol="AAPL", types=["dividend"]) == []
    assert await reader.all(symbol="AAPL", posted_from=whole[1].posted_at) == whole[:2]
    assert await reader.all(symbol="AAPL", posted_before=whole[1].posted_at) == whole[2:3]


async def test_pages_go_on_where_the_one_before_ended(reader: Reader) -> None:
    for number in range(4):
        await reader.house.world.trade(reader.owner, Side.BUY, "1", "100", minute=number)
    await reader.house.world.settle_trades()
    whole = await reader.all()
    assert len(whole) == 5
    read, token = list[activities_pb2.Activity](), ""
    for _ in range(3):
        page = await reader.page(page_size=2, page_token=token)
        read += page.activities
        token = page.next_page_token
    assert (read, token) == (whole, "")
    fills = await reader.page(page_size=2, symbol="AAPL", types=["fill"])
    rest = await reader.page(page_size=2, symbol="AAPL", types=["fill"], page_token=fills.next_page_token)
    assert [*fills.activities, *rest.activities] == whole[:4]


async def test_times_are_exact_also_where_postings_waited_for_each_other(reader: Reader) -> None:
    """The second was begun before the first, and posted after it."""
    start = utc_now() + timedelta(days=1)
    for seconds in (10, 9.5, 20, 30):
        moment = start + timedelta(seconds=seconds)
        await reader.post("deposit", {"external": "-1", "cash_settled": "1"}, at=moment)

    async def times(**wanted: float) -> list[float]:
        bounds = {name: stamp(start + timedelta(seconds=each)) for name, each in wanted.items()}
        found = await reader.all(**bounds)
        return [(each.posted_at.ToDatetime(tzinfo=start.tzinfo) - start).total_seconds() for each in found]

    assert await times(posted_from=0) == [30, 20, 9.5, 10]
    assert await times(posted_from=10) == [30, 20, 10]
    assert await times(posted_from=9.5, posted_before=10) == [9.5]
    assert await times(posted_from=0, posted_before=30) == [20, 9.5, 10]
    assert await times(posted_from=31) == []
    assert len(await times(posted_before=0)) == 1


async def test_what_cannot_be_is_refused_with_its_field(reader: Reader) -> None:
    for wanted, code, field in (
        ({"types": ["trade"]}, "invalid_value", "types"),
        ({"types": ["fill"] * 21}, "too_many", "types"),
        ({"page_size": 101}, "too_many", "page_size"),
        ({"page_token": "x"}, "invalid_page_token", "page_token"),
        ({"page_token": "7"}, "invalid_page_token", "page_token"),
        ({"page_token": "posting-7"}, "invalid_page_token", "page_token"),
        ({"page_token": "activity-" + "9" * 30}, "invalid_page_token", "page_token"),
    ):
        with pytest.raises(Invalid) as refused:
            await reader.page(**wanted)
        assert (refused.value.code, refused.value.field) == (code, field)


async def test_a_cut_has_what_was_booked_before_a_time_and_stays_where_it_is(reader: Reader) -> None:
    channel = reader.house.channel("portfolio")
    account, start = str(reader.owner.account_id), utc_now() + timedelta(days=1)

    async def post(seconds: float) -> None:
        moment = start + timedelta(seconds=seconds)
        await reader.post("deposit", {"external": "-7", "cash_settled": "7"}, at=moment)

    async with channel:
        stub: Any = activities_pb2_grpc.ActivityServiceStub(channel)

        async def cut(after: int = 0, seconds: float | None = None) -> activities_pb2.CutLedgerResponse:
            until = None if seconds is None else stamp(start + timedelta(seconds=seconds))
            wanted = activities_pb2.CutLedgerRequest(account_id=account, after=after, until=until)
            found: activities_pb2.CutLedgerResponse = await stub.CutLedger(wanted)
            return found

        opening = await cut()
        assert (opening.currency, opening.settled, opening.unsettled) == ("USD", "100000", "0")
        assert not opening.positions
        await post(1)
        first = await cut(seconds=10)
        await post(11)
        await post(9)
        assert await cut(seconds=10) == first
        assert first.settled == "100007"
        second = await cut(first.through, 20)
        assert (second.settled, (await cut(second.through, 20)).through) == ("100021", second.through)
        wanted = activities_pb2.ListActivitiesBetweenRequest(
            account_id=account, after=first.through, through=second.through, limit=1
        )
        [one] = (await stub.ListActivitiesBetween(wanted)).activities
        wanted.after = one.activity_id
        [two] = (await stub.ListActivitiesBetween(wanted)).activities
        wanted.after = two.activity_id
        assert not (await stub.ListActivitiesBetween(wanted)).activities
        assert (one.posted_at.seconds - two.posted_at.seconds) == 2
        with pytest.raises(NotFound):
            await stub.CutLedger(activities_pb2.CutLedgerRequest(account_id=str(uuid4())))
        with pytest.raises(Denied):
            await stub.ListActivities(activities_pb2.ListActivitiesRequest())


async def test_a_cut_has_the_positions_of_then(reader: Reader) -> None:
    """Also when shares were bought and sold since, of these instruments and others."""
    world, owner = reader.house.world, reader.owner
    await world.trade(owner, Side.BUY, "10", "100")
    await world.trade(owner, Side.SELL, "4", "120", minute=1)
    await world.book([execution(hold_of(owner, Side.BUY, "3", "50", symbol="MSFT"), "50")])
    channel = reader.house.channel("portfolio")
    async with channel:
        stub: Any = activities_pb2_grpc.ActivityServiceStub(channel)
        wanted = activities_pb2.CutLedgerRequest(account_id=str(owner.account_id))
        then = await stub.CutLedger(wanted)
        assert [(each.symbol, each.quantity, each.total_cost) for each in then.positions] == [
            ("AAPL", "6", "600"),
            ("MSFT", "3", "150"),
        ]
        later = stamp(utc_now())
        await world.trade(owner, Side.SELL, "6", "130", minute=2)
        await world.book([execution(hold_of(owner, Side.BUY, "1", "50", symbol="SPY"), "50")])
        wanted.until.CopyFrom(later)
        assert await stub.CutLedger(wanted) == then


@pytest.mark.parametrize("name", ["OF_ALL", "OF_SYMBOL", "BESIDE_TRADES", "BETWEEN"])
async def test_a_page_is_read_in_the_order_of_an_index_and_reads_no_table_whole(
    world: World, name: str
) -> None:
    plan = await plan_of(world.pool, getattr(activities, name))
    assert not any(step in plan for step in ("Seq Scan", "Hash Join", "Merge Join")), plan


@pytest.mark.parametrize(
    "name", ["THROUGH", "KEPT", "KEPT_POSITIONS", "NEXT", "CASH", "OWNED", "SPLITS", "POSTED"]
)
async def test_a_cut_walks_indexes_too(world: World, name: str) -> None:
    plan = await plan_of(world.pool, getattr(cuts, name))
    assert "Seq Scan" not in plan, plan
