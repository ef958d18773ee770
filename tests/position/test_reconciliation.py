"""The books are held against themselves: every kind of damage is found and named, and nothing else is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from grpc import aio

from hub.position.v1 import reconciliation_pb2, reconciliation_pb2_grpc
from hub_errors import Denied, Invalid
from hub_position.domain.cash import MovementKind
from hub_position.domain.trade import Side
from hub_position.mapping.values import timestamp
from tests.position.acting import apply_to_all, bought, dividend, new_symbol, sold, split, traded
from tests.position.conftest import Damage
from tests.position.house import House, position_house
from tests.position.world import START, Owner, World, ending, execution, hold_of, replacing
from tests.support.tls import Tls


@pytest.fixture
async def house(world: World, tls: Tls) -> AsyncIterator[House]:
    async with position_house(world, tls) as made:
        yield made


@pytest.fixture
async def stub(house: House) -> AsyncIterator[Any]:
    async with house.channel("order") as channel:
        yield reconciliation_pb2_grpc.ReconciliationServiceStub(channel)


@pytest.fixture
async def owner(world: World) -> Owner:
    """Bought twice and sold a third, some of it settled and one of it late; an open purchase and an open
    sale; a deposit."""
    owner = await world.owner()
    await world.trade(owner, Side.BUY, "10", "33.33", minute=1)
    await world.trade(owner, Side.SELL, "3.3", "40", minute=5)
    await world.trade(owner, Side.BUY, "7", "31.07", minute=3)
    await world.settle_trades()
    await world.trade(owner, Side.SELL, "1", "41.5", minute=6)
    await world.move(owner, MovementKind.DEPOSIT, "250.00")
    buy, sell = hold_of(owner, Side.BUY, "4", "30"), hold_of(owner, Side.SELL, "2")
    assert all(answer.granted for answer in await world.hold(buy, sell))
    await world.book([execution(sell, "39.99", quantity="0.5", minute=7, fee="0.12")])
    return owner


async def found(stub: Any, *owners: Owner) -> set[tuple[str, str]]:
    """Kind and id of all differences of these accounts."""
    ids = [str(owner.account_id) for owner in owners]
    answer = await stub.CheckBooks(reconciliation_pb2.CheckBooksRequest(account_ids=ids))
    assert set(answer.account_ids) == set(ids)
    return {(each.kind, each.id) for each in answer.differences}


@pytest.fixture
async def acted(world: World) -> tuple[Owner, str, dict[str, UUID]]:
    """Bought 10, split by 4 and paid a dividend for; the actions by their type."""
    owner, symbol = await world.owner(), new_symbol()
    await traded(world, owner, bought(owner, symbol, "10", "100", minute=1))
    actions = split(symbol, "4", minute=10), dividend(symbol, "0.5", minute=20)
    for action in actions:
        await apply_to_all(world, action)
    await traded(world, owner, sold(owner, symbol, "7", "26", minute=30))
    return owner, symbol, {action.type.value: action.action_id for action in actions}


ACTION_DAMAGES = {
    "a split that was not applied to the position": (
        "UPDATE positions SET quantity = quantity - 30 WHERE account_id = $1",
        {("position_quantity", "symbol")},
    ),
    "a split by another ratio": (
        """WITH wrong AS (UPDATE positions SET quantity = quantity - 20 WHERE account_id = $1)
           UPDATE action_effects SET quantity_after = 20
           WHERE account_id = $1 AND quantity_after > quantity_before""",
        {
            ("action_split", "SPLIT"),
            ("action_held", "DIVIDEND"),
            ("action_cash", "DIVIDEND"),
            ("action_split", "DIVIDEND"),
            ("ledger_shares", "symbol"),
            ("trade_cost", "trade"),
        },
    ),
    "a split that was forgotten": (
        "DELETE FROM action_effects WHERE account_id = $1 AND quantity_after > quantity_before",
        {
            ("position_quantity", "symbol"),
            ("action_held", "SPLIT"),
            ("action_cost", "SPLIT"),
            ("action_split", "SPLIT"),
            ("action_held", "DIVIDEND"),
            ("action_cash", "DIVIDEND"),
            ("action_split", "DIVIDEND"),
            ("ledger_shares", "symbol"),
            ("trade_cost", "trade"),
        },
    ),
    "a split of which users see nothing": (
        "DELETE FROM share_postings WHERE account_id = $1 AND kind = 'split'",
        {("ledger_shares", "symbol")},
    ),
    "a dividend that was posted twice": (
        """WITH paid AS (UPDATE accounts SET cash_settled = cash_settled + 20 WHERE account_id = $1)
           INSERT INTO postings (transaction_id, account_id, kind, ledger_account, amount, symbol)
           SELECT $1, account_id, kind, ledger_account, amount, symbol FROM postings
           WHERE account_id = $1 AND kind = 'dividend'""",
        {("ledger_dividends", "symbol")},
    ),
    "a dividend that was not paid": (
        """WITH paid AS (UPDATE accounts SET cash_settled = cash_settled - 20 WHERE account_id = $1)
           DELETE FROM postings WHERE account_id = $1 AND kind = 'dividend'""",
        {("ledger_dividends", "symbol")},
    ),
    "a dividend of another amount": (
        "UPDATE action_effects SET cash = 19.99 WHERE account_id = $1 AND cash > 0",
        {("action_cash", "DIVIDEND"), ("ledger_dividends", "symbol")},
    ),
}


@pytest.mark.parametrize("what", ACTION_DAMAGES)
async def test_what_an_action_did_wrongly_is_named(
    stub: Any, world: World, acted: tuple[Owner, str, dict[str, UUID]], damage: Damage, what: str
) -> None:
    owner, symbol, actions = acted
    assert await found(stub, owner) == set()
    statement, expected = ACTION_DAMAGES[what]
    await damage(statement, owner.account_id)
    trade = await trade_of(world, owner, 30)
    names = {"symbol": symbol, "trade": str(trade)} | {name: str(each) for name, each in actions.items()}
    assert await found(stub, owner) == {(kind, names[name]) for kind, name in expected}


async def trade_of(world: World, owner: Owner, minute: int) -> UUID:
    rows = (await world.books(owner))["trades"]
    [trade] = [row for row in rows if row["executed_at"] == START + timedelta(minutes=minute)]
    return UUID(str(trade["trade_id"]))


async def test_healthy_books_have_no_differences(stub: Any, owner: Owner, world: World) -> None:
    assert await found(stub, owner, await world.owner()) == set()


async def test_oversold_replaced_and_bought_by_value_is_healthy_too(stub: Any, world: World) -> None:
    owner = await world.owner()
    bought, old, new = (hold_of(owner, Side.BUY, "9", "11.11") for _ in range(3))
    await world.hold(bought, old)
    await world.book([execution(bought, "11.11", minute=1)], [ending(bought, quantity="9", count=1)])
    oversold = hold_of(owner, Side.SELL, "12")
    await world.book([execution(oversold, "10.07", minute=4)])
    await world.book([execution(hold_of(owner, Side.BUY, "7", "3"), "3.3333", minute=5)])
    await world.book(replaced=[replacing(old, new, quantity="0", count=0)])
    assert await found(stub, owner) == set()


DAMAGES: list[tuple[str, set[tuple[str, str]]]] = [
    ("UPDATE accounts SET cash_settled = cash_settled + 1 WHERE account_id = $1", {("cash_settled", "")}),
    ("UPDATE accounts SET cash_unsettled = -7 WHERE account_id = $1", {("cash_unsettled", "")}),
    ("UPDATE accounts SET held = held + 0.00000001 WHERE account_id = $1", {("cash_held", "")}),
    ("UPDATE positions SET quantity = quantity + 1 WHERE account_id = $1", {("position_quantity", "AAPL")}),
    (
        "UPDATE positions SET total_cost = total_cost - 0.01 WHERE account_id = $1",
        {("position_cost", "AAPL"), ("ledger_securities", "AAPL")},
    ),
    (
        "UPDATE positions SET realised_pnl = realised_pnl + 1 WHERE account_id = $1",
        {("position_realised", "AAPL"), ("ledger_realised", "AAPL")},
    ),
    (
        "UPDATE positions SET fees = 0 WHERE account_id = $1",
        {("position_fees", "AAPL"), ("ledger_fees", "AAPL")},
    ),
    ("UPDATE positions SET held = 0 WHERE account_id = $1", {("position_held", "AAPL")}),
    ("DELETE FROM holds WHERE account_id = $1 AND side = 'BUY' AND closed_at IS NULL", {("cash_held", "")}),
    (
        "DELETE FROM holds WHERE account_id = $1 AND side = 'SELL' AND closed_at IS NULL",
        {("position_held", "AAPL")},
    ),
    (
        """INSERT INTO holds (hold_id, order_id, account_id, side, symbol, quantity, unit_price, remaining)
           VALUES (gen_random_uuid(), gen_random_uuid(), $1, 'SELL', 'MSFT', 3, 0, 3)""",
        {("position_held", "MSFT")},
    ),
]


@pytest.mark.parametrize(("statement", "expected"), DAMAGES, ids=[statement for statement, _ in DAMAGES])
async def test_what_was_changed_is_named(
    stub: Any, owner: Owner, damage: Damage, statement: str, expected: set[tuple[str, str]]
) -> None:
    await damage(statement, owner.account_id)
    assert await found(stub, owner) == expected


@pytest.mark.parametrize(
    "case",
    [
        ("cost_removed = cost_removed + 0.01", {"trade_cost", "trade_realised"}),
        ("gross = gross + 0.00000001", {"trade_gross", "trade_net", "trade_realised"}),
        ("net_cash = net_cash - 1", {"trade_net", "trade_cash"}),
        ("realised_net = 1", {"trade_realised"}),
        ("settled_at = now()", {"trade_settlement"}),
    ],
)
async def test_a_trade_that_was_changed_is_named(
    house: House, stub: Any, owner: Owner, damage: Damage, case: tuple[str, set[str]]
) -> None:
    change, kinds = case
    trade_id = await trade_of(house.world, owner, 6)
    await damage(f"UPDATE trades SET {change} WHERE trade_id = $1", trade_id)
    differences = await found(stub, owner)
    assert {kind for kind, id_ in differences if id_ == str(trade_id)} == kinds


async def test_a_trade_that_was_deleted_is_named_by_its_postings(
    stub: Any, world: World, owner: Owner, damage: Damage
) -> None:
    trade_id = await trade_of(world, owner, 6)
    await damage("DELETE FROM trades WHERE trade_id = $1", trade_id)
    differences = await found(stub, owner)
    assert ("trade_cash", str(trade_id)) in differences
    assert {
        ("position_quantity", "AAPL"),
        ("position_cost", "AAPL"),
        ("position_realised", "AAPL"),
    } <= differences


async def test_a_posting_that_is_gone_is_named(stub: Any, world: World, owner: Owner, damage: Damage) -> None:
    trade_id = await trade_of(world, owner, 1)
    await damage(
        "DELETE FROM postings WHERE transaction_id = $1 AND ledger_account = 'cash_unsettled'", trade_id
    )
    assert await found(stub, owner) == {
        ("trade_cash", str(trade_id)),
        ("ledger_transaction", str(trade_id)),
        ("cash_unsettled", ""),
    }


async def test_a_whole_transaction_that_is_gone_is_named(stub: Any, owner: Owner, damage: Damage) -> None:
    await damage("DELETE FROM postings WHERE account_id = $1 AND amount IN (250, -250)", owner.account_id)
    assert await found(stub, owner) == {("cash_settled", "")}


async def test_a_difference_says_both_sides(stub: Any, owner: Owner, damage: Damage) -> None:
    await damage("UPDATE accounts SET held = 121 WHERE account_id = $1", owner.account_id)
    wanted = reconciliation_pb2.CheckBooksRequest(account_ids=[str(owner.account_id)])
    [difference] = (await stub.CheckBooks(wanted)).differences
    assert (difference.expected, difference.found) == ("120", "121")


async def test_books_are_healthy_at_every_moment_while_they_are_written(stub: Any, world: World) -> None:
    owner = await world.owner()

    async def trade(number: int) -> None:
        hold = hold_of(owner, Side.BUY, "1.37", "33.1", symbol=f"S{number % 3}")
        await world.hold(hold)
        minute = 100 - number
        await world.book([execution(hold, "33.07", minute=minute)], [ending(hold, quantity="1.37", count=1)])

    async def look(until: asyncio.Event) -> int:
        looks = 0
        while not (until.is_set() and looks):
            assert await found(stub, owner) == set()
            looks += 1
        return looks

    done = asyncio.Event()
    looking = asyncio.create_task(look(done))
    for start in range(0, 30, 3):
        await asyncio.gather(*(trade(start + number) for number in range(3)))
    done.set()
    assert await looking


async def test_all_accounts_are_walked_by_id(stub: Any, world: World) -> None:
    owners = sorted([(await world.owner()).account_id for _ in range(3)])
    walked, after = list[UUID](), ""
    while True:
        request = reconciliation_pb2.CheckBooksRequest(after_account_id=after, limit=2)
        page = list((await stub.CheckBooks(request)).account_ids)
        walked += map(UUID, page)
        if len(page) < 2:
            break
        after = page[-1]
    assert walked == sorted(walked)
    assert [account for account in walked if account in owners] == owners


async def test_trades_are_listed_over_page_borders_and_by_id(stub: Any, world: World) -> None:
    owners = [await world.owner() for _ in range(2)]
    for owner in owners:
        for number in range(5):
            hold = hold_of(owner, Side.BUY, "1", "10", symbol=f"S{number % 2}")
            await world.hold(hold)
            await world.book([execution(hold, "10", minute=number)])
    request = reconciliation_pb2.ListTradesRequest(
        account_ids=[str(owner.account_id) for owner in owners],
        executed_from=timestamp(START + timedelta(minutes=1)),
        executed_until=timestamp(START + timedelta(minutes=4)),
        limit=4,
    )
    first = (await stub.ListTrades(request)).trades
    request.after_trade_id = first[-1].trade_id
    second = (await stub.ListTrades(request)).trades
    assert (len(first), len(second)) == (4, 2)
    ids = {trade.trade_id for trade in [*first, *second]}
    expected = {await trade_of(world, owner, minute) for owner in owners for minute in (1, 2, 3)}
    assert set(map(UUID, ids)) == expected
    found = (await stub.GetTrades(reconciliation_pb2.GetTradesRequest(trade_ids=ids))).trades
    assert sorted(trade.trade_id for trade in found) == sorted(ids)
    assert {(trade.symbol, trade.quantity, trade.price) for trade in found} <= {
        ("S0", "1", "10"),
        ("S1", "1", "10"),
    }


async def test_open_holds_are_walked_though_they_are_closed_meanwhile(stub: Any, world: World) -> None:
    owner = await world.owner()
    holds = [hold_of(owner, Side.BUY, "1", "10", symbol=symbol) for symbol in ("A", "B", "B", "C", "D")]
    await world.hold(*holds)
    walked = dict[str, reconciliation_pb2.HeldOrder]()
    after = ""
    while True:
        request = reconciliation_pb2.ListOpenHoldsRequest(after_hold_id=after, limit=2)
        page = (await stub.ListOpenHolds(request)).holds
        walked |= {hold.hold_id: hold for hold in page}
        if len(page) < 2:
            break
        after = page[-1].hold_id
        mine = [hold for hold in holds if str(hold.hold_id) == after]
        await world.book(
            [execution(hold, "10") for hold in mine], [ending(hold, quantity="1", count=1) for hold in mine]
        )
    assert {str(hold.hold_id) for hold in holds} <= walked.keys()
    assert all(hold.open for hold in walked.values())


async def test_a_hold_says_what_of_it_is_booked(stub: Any, world: World) -> None:
    owner = await world.owner()
    hold = hold_of(owner, Side.BUY, "5", "10")
    await world.hold(hold)
    await world.book([execution(hold, "9", quantity="1.5")])
    [told] = (await stub.GetHolds(reconciliation_pb2.GetHoldsRequest(hold_ids=[str(hold.hold_id)]))).holds
    assert (told.open, told.booked_count, Decimal(told.booked_quantity)) == (True, 1, Decimal("1.5"))
    assert (told.order_id, told.account_id) == (str(hold.order_id), str(owner.account_id))


async def test_only_the_order_service_may_ask(house: House) -> None:
    for caller in ("gateway", "portfolio"):
        channel: aio.Channel
        async with house.channel(caller) as channel:
            stub = reconciliation_pb2_grpc.ReconciliationServiceStub(channel)
            with pytest.raises(Denied):
                await stub.CheckBooks(reconciliation_pb2.CheckBooksRequest(limit=1))


async def test_what_is_too_much_is_refused(stub: Any, owner: Owner) -> None:
    many = [str(owner.account_id)] * 1001
    with pytest.raises(Invalid):
        await stub.CheckBooks(reconciliation_pb2.CheckBooksRequest(account_ids=many[:101]))
    with pytest.raises(Invalid):
        await stub.GetTrades(reconciliation_pb2.GetTradesRequest(trade_ids=many))
    with pytest.raises(Invalid):
        await stub.ListOpenHolds(reconciliation_pb2.ListOpenHoldsRequest(limit=1001))
