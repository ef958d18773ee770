"""Books that were found right are held against what came since: what is wrong in that is found, what lawfully
changed of the past is not, and all of the past is for the check from the beginning."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from hub_position.domain.cash import MovementKind
from hub_position.domain.trade import Side
from hub_position.store import Reconciling
from tests.position.acting import (
    apply_to_all,
    bought,
    differences,
    differences_since,
    dividend,
    new_symbol,
    sold,
    split,
    traded,
)
from tests.position.conftest import Damage
from tests.position.world import SETTLES_ON, START, Owner, World, ending, execution, hold_of
from tests.support.servers import Database

Found = set[tuple[str, str]]


async def whole(world: World, owner: Owner) -> Found:
    return {(each.kind, each.id) for each in await differences(world, owner)}


async def since(world: World, owner: Owner) -> Found:
    return {(each.kind, each.id) for each in await differences_since(world, owner)}


async def through(world: World, owner: Owner) -> int:
    query = "SELECT through FROM checked_accounts WHERE account_id = $1"
    return int(await world.pool.fetchval(query, owner.account_id))


async def trade_of(world: World, owner: Owner, minute: int) -> UUID:
    query = "SELECT trade_id FROM trades WHERE account_id = $1 AND executed_at = $2"
    return UUID(str(await world.pool.fetchval(query, owner.account_id, START + timedelta(minutes=minute))))


async def live_on(world: World, owner: Owner, minute: int) -> None:
    """Bought and sold, settled in part, paid in; an open purchase and an open sale that is filled in part."""
    await world.trade(owner, Side.BUY, "10", "33.33", minute=minute)
    await world.trade(owner, Side.SELL, "3.3", "40", minute=minute + 1)
    await world.trade(owner, Side.BUY, "2", "50", minute=minute + 2)
    await world.settle_trades()
    await world.trade(owner, Side.SELL, "1", "41.5", minute=minute + 3)
    await world.move(owner, MovementKind.DEPOSIT, "250.00")
    buy, sell = hold_of(owner, Side.BUY, "4", "30"), hold_of(owner, Side.SELL, "2")
    assert all(answer.granted for answer in await world.hold(buy, sell))
    await world.book([execution(sell, "39.99", quantity="0.5", minute=minute + 4, fee="0.12")])


@pytest.fixture
async def owner(world: World) -> Owner:
    """With a past in which everything was found right, and what came since."""
    return await with_a_past(world)


@pytest.fixture(scope="module")
async def damaged(world: World) -> Owner:
    """One of whose damages nothing stays."""
    return await with_a_past(world)


async def with_a_past(world: World) -> Owner:
    owner = await world.owner()
    await live_on(world, owner, 1)
    assert await since(world, owner) == set()
    await live_on(world, owner, 11)
    return owner


class OneConnection:
    """A pool of a connection whose transaction goes on."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    async def acquire(self, *, timeout: float) -> Any:
        return self.connection

    async def release(self, connection: Any, *, timeout: float) -> None:
        pass


@pytest.fixture
async def undone(position_database: Database) -> AsyncIterator[OneConnection]:
    """What is damaged here is as it was afterwards."""
    connection = await asyncpg.connect(position_database.superuser.dsn)
    try:
        await connection.execute("SET session_replication_role = replica")
        transaction = connection.transaction(isolation="repeatable_read")
        await transaction.start()
        yield OneConnection(connection)
        await transaction.rollback()
    finally:
        await connection.close()


async def seen(pool: OneConnection, owner: Owner, *, since: bool) -> Found:
    store: Any = Reconciling(pool)  # type: ignore[arg-type]
    checked = await store.check([owner.account_id], since=since)
    return {(each.kind, each.id) for each in checked.differences}


async def test_what_came_since_is_right_and_the_next_check_begins_after_it(
    world: World, owner: Owner
) -> None:
    before = await through(world, owner)
    assert await since(world, owner) == set()
    last = "SELECT max(posting_id) FROM postings WHERE account_id = $1"
    assert before < await through(world, owner) == await world.pool.fetchval(last, owner.account_id)
    assert await since(world, owner) == set()


def executed(minute: int) -> str:
    return f"executed_at = '{(START + timedelta(minutes=minute)).isoformat()}'"


BUY, SALE = (f"(SELECT trade_id FROM trades WHERE account_id = $1 AND {executed(at)})" for at in (13, 14))
SALE_LINES = f"postings WHERE account_id = $1 AND transaction_id = {SALE}"
BUY_LINES = f"account_id = $1 AND trade_id = {BUY}"
DAMAGES = [
    "UPDATE accounts SET cash_settled = cash_settled + 0.00000001 WHERE account_id = $1",
    "UPDATE accounts SET cash_unsettled = cash_unsettled - 1 WHERE account_id = $1",
    "UPDATE accounts SET held = held + 1 WHERE account_id = $1",
    "UPDATE positions SET quantity = quantity + 1 WHERE account_id = $1",
    "UPDATE positions SET total_cost = total_cost - 0.01 WHERE account_id = $1",
    "UPDATE positions SET realised_pnl = realised_pnl + 1 WHERE account_id = $1",
    "UPDATE positions SET fees = 0 WHERE account_id = $1",
    "UPDATE positions SET held = 0 WHERE account_id = $1",
    "DELETE FROM holds WHERE account_id = $1 AND side = 'BUY' AND closed_at IS NULL",
    f"DELETE FROM {SALE_LINES}",
    f"DELETE FROM {SALE_LINES} AND ledger_account = 'securities'",
    f"UPDATE postings SET amount = amount + 1 WHERE {BUY_LINES} AND ledger_account = 'securities'",
    f"UPDATE postings SET amount = amount - 1 WHERE {BUY_LINES} AND kind = 'settlement'",
    """DELETE FROM postings WHERE account_id = $1 AND kind = 'deposit'
       AND posting_id > (SELECT through FROM checked_accounts WHERE account_id = $1)""",
    f"DELETE FROM trades WHERE trade_id = {SALE}",
    f"UPDATE trades SET cost_removed = cost_removed + 0.01 WHERE trade_id = {SALE}",
    f"UPDATE trades SET gross = gross + 0.00000001 WHERE trade_id = {SALE}",
    f"UPDATE trades SET net_cash = net_cash - 1 WHERE trade_id = {SALE}",
    f"UPDATE trades SET realised_net = 1 WHERE trade_id = {SALE}",
    f"UPDATE trades SET settled_at = now() WHERE trade_id = {SALE}",
    f"UPDATE trades SET settled_at = NULL WHERE trade_id = {BUY}",
    f"""INSERT INTO trades (trade_id, account_id, position_id, order_id, hold_id, symbol, side, quantity,
                            price, gross, fee, net_cash, cost_removed, realised_gross, realised_net,
                            executed_at, market_time, settles_on)
        SELECT gen_random_uuid(), account_id, position_id, order_id, hold_id, symbol, 'BUY', 1,
               10, 10, 0, -10, 0, 0, 0, executed_at + interval '1 hour', market_time, settles_on
        FROM trades WHERE trade_id = {SALE}""",
]


@pytest.mark.parametrize("statement", DAMAGES)
async def test_what_is_wrong_in_it_is_found_as_it_is_from_the_beginning(
    damaged: Owner, undone: OneConnection, statement: str
) -> None:
    assert (await undone.connection.execute(statement, damaged.account_id))[-2:] != " 0"
    found = await seen(undone, damaged, since=True)
    assert found
    assert found == await seen(undone, damaged, since=True)
    assert found == await seen(undone, damaged, since=False)


async def test_a_position_that_is_gone_is_found(damaged: Owner, undone: OneConnection) -> None:
    await undone.connection.execute("DELETE FROM positions WHERE account_id = $1", damaged.account_id)
    assert ("ledger_securities", "AAPL") in await seen(undone, damaged, since=True)


OLD = [
    f"UPDATE trades SET cost_removed = cost_removed + 1 WHERE account_id = $1 AND {executed(2)}",
    f"UPDATE trades SET settled_at = NULL WHERE account_id = $1 AND {executed(1)}",
    "UPDATE postings SET amount = amount * 2 WHERE account_id = $1 AND kind = 'deposit' AND posting_id <= {}",
    "DELETE FROM postings WHERE account_id = $1 AND ledger_account = 'fees' AND posting_id <= {}",
]


@pytest.mark.parametrize("statement", OLD)
async def test_what_is_wrong_in_the_past_is_found_from_the_beginning(
    damaged: Owner, undone: OneConnection, statement: str
) -> None:
    old = statement.format("(SELECT through FROM checked_accounts WHERE account_id = $1)")
    assert (await undone.connection.execute(old, damaged.account_id))[-2:] != " 0"
    assert await seen(undone, damaged, since=True) == set()
    assert await seen(undone, damaged, since=False)


async def test_a_late_trade_restates_the_past_and_nothing_is_wrong(world: World, owner: Owner) -> None:
    assert await since(world, owner) == set()
    await world.trade(owner, Side.BUY, "5", "20", minute=0)
    assert await since(world, owner) == set()
    await world.trade(owner, Side.SELL, "2", "61", minute=30)
    assert await since(world, owner) == set()


async def test_what_a_late_trade_restated_wrongly_is_found_from_the_beginning(
    world: World, owner: Owner, damage: Damage
) -> None:
    assert await since(world, owner) == set()
    await world.trade(owner, Side.BUY, "5", "20", minute=0)
    wrong = (
        "UPDATE trades SET cost_removed = cost_removed + 1, realised_gross = realised_gross - 1, "
        "realised_net = realised_net - 1 WHERE trade_id = $1"
    )
    await damage(wrong, await trade_of(world, owner, 14))
    assert await since(world, owner) == set()
    assert ("position_cost", "AAPL") in await whole(world, owner)


async def test_trades_that_come_in_another_order_go_on_with_the_fold(
    world: World, owner: Owner, damage: Damage
) -> None:
    await world.trade(owner, Side.BUY, "5", "20", minute=31)
    await world.trade(owner, Side.SELL, "2", "61", minute=30)
    await damage("UPDATE trades SET cost_removed = 0 WHERE trade_id = $1", await trade_of(world, owner, 30))
    found = await since(world, owner)
    assert ("trade_cost", str(await trade_of(world, owner, 30))) in found
    assert found == await whole(world, owner)


async def test_splits_dividends_and_what_comes_late_over_them(world: World, damage: Damage) -> None:
    owner, symbol = await world.owner(), new_symbol()
    await traded(world, owner, bought(owner, symbol, "10", "100", minute=1))
    assert await since(world, owner) == set()
    for action in (split(symbol, "4.5", minute=10, lieu="7"), dividend(symbol, "0.5", minute=20)):
        await apply_to_all(world, action)
        assert await since(world, owner) == set()
    await traded(world, owner, sold(owner, symbol, "7", "26", minute=30))
    assert await since(world, owner) == set()
    await traded(world, owner, bought(owner, symbol, "1.1", "50", minute=5))
    assert await since(world, owner) == set()
    before = await through(world, owner)
    await apply_to_all(world, dividend(symbol, "0.25", minute=25))
    await damage(
        """WITH paid AS (UPDATE accounts SET cash_settled = cash_settled - amount FROM postings
                         WHERE postings.account_id = accounts.account_id AND accounts.account_id = $1
                           AND posting_id > $2 AND ledger_account = 'cash_settled')
           DELETE FROM postings WHERE account_id = $1 AND posting_id > $2""",
        owner.account_id,
        before,
    )
    assert await since(world, owner) == {("ledger_dividends", symbol)} == await whole(world, owner)


async def test_a_new_position_is_added_up_from_its_beginning(
    world: World, owner: Owner, damage: Damage
) -> None:
    assert await since(world, owner) == set()
    await traded(world, owner, bought(owner, "MSFT", "10", "100", minute=40))
    await traded(world, owner, sold(owner, "MSFT", "3", "110", minute=41))
    await damage("UPDATE trades SET cost_removed = 299 WHERE trade_id = $1", await trade_of(world, owner, 41))
    found = await since(world, owner)
    assert ("position_cost", "MSFT") in found
    assert found == await whole(world, owner)


async def test_trades_that_settle_later_are_right(world: World, owner: Owner) -> None:
    assert await since(world, owner) == set()
    await world.settle_trades(SETTLES_ON + timedelta(days=1))
    assert await since(world, owner) == set()


async def test_a_settlement_that_was_posted_of_another_amount_is_found(
    world: World, owner: Owner, damage: Damage
) -> None:
    assert await since(world, owner) == set()
    await world.settle_trades(SETTLES_ON + timedelta(days=1))
    trade_id = await trade_of(world, owner, 14)
    await damage(
        "UPDATE trades SET settled_at = NULL, settles_on = '2999-01-01' WHERE trade_id = $1", trade_id
    )
    assert await since(world, owner) == {("trade_settlement", str(trade_id))} == await whole(world, owner)


async def test_what_is_kept_wrongly_is_put_right_by_a_whole_check(
    world: World, owner: Owner, damage: Damage
) -> None:
    assert await since(world, owner) == set()
    await damage("UPDATE checked_accounts SET cash_settled = 1 WHERE account_id = $1", owner.account_id)
    await damage("UPDATE checked_positions SET fees = 7 WHERE account_id = $1", owner.account_id)
    assert await since(world, owner) == {
        ("cash_settled", ""),
        ("position_fees", "AAPL"),
        ("ledger_fees", "AAPL"),
    }
    assert await whole(world, owner) == set()
    assert await since(world, owner) == set()


async def test_books_are_right_at_every_moment_while_they_are_written(world: World) -> None:
    owner = await world.owner()

    async def trade(number: int) -> None:
        hold = hold_of(owner, Side.BUY, "1.37", "33.1", symbol=f"S{number % 3}")
        await world.hold(hold)
        minute = number if number % 5 else 100 - number
        await world.book([execution(hold, "33.07", minute=minute)], [ending(hold, quantity="1.37", count=1)])

    async def look(until: asyncio.Event) -> int:
        looks = 0
        while not (until.is_set() and looks):
            assert await since(world, owner) == set()
            looks += 1
        return looks

    done = asyncio.Event()
    looking = [asyncio.create_task(look(done)) for _ in range(2)]
    for start in range(0, 30, 3):
        await asyncio.gather(*(trade(start + number) for number in range(3)))
    done.set()
    assert all(await asyncio.gather(*looking))
    assert await whole(world, owner) == set()
    shares = "SELECT sum(quantity) FROM checked_positions WHERE account_id = $1"
    assert await world.pool.fetchval(shares, owner.account_id) == 30 * Decimal("1.37")


async def test_of_more_than_can_be_told_nothing_is_kept(
    world: World, owner: Owner, damage: Damage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub_position.store.reconciling.MOST_DIFFERENCES", 1)
    others = [await world.owner() for _ in range(3)]
    for each in others:
        await damage("UPDATE accounts SET cash_settled = 7 WHERE account_id = $1", each.account_id)
    ids = [each.account_id for each in others]
    checked = await Reconciling(world.pool).check(ids)
    assert (len(checked.differences), checked.more) == (1, 2)
    kept = "SELECT count(*) FROM checked_accounts WHERE account_id = ANY ($1::uuid[])"
    assert await world.pool.fetchval(kept, ids) == 0
