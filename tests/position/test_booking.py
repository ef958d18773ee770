"""Booking: every execution once, books that always balance, holds that shrink with what is booked."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal

import asyncpg
import pytest

from hub_position.domain.position import PositionStatus
from hub_position.domain.trade import Side
from tests.position.world import DEPOSIT, SETTLES_ON, Owner, World, ending, execution, hold_of


async def test_buy_10_sell_4_buy_5_sell_11_and_buy_again(world: World) -> None:
    owner = await world.owner()
    steps = [
        (Side.BUY, "10", "100", "10", "1000", "0", PositionStatus.ACTIVE, "99000"),
        (Side.SELL, "4", "110", "6", "600", "40", PositionStatus.PARTIAL, "99440"),
        (Side.BUY, "5", "120", "11", "1200", "40", PositionStatus.PARTIAL, "98840"),
        (Side.SELL, "11", "130", "0", "0", "270", PositionStatus.CLOSED, "100270"),
        (Side.BUY, "3", "90", "3", "270", "270", PositionStatus.ACTIVE, "100000"),
    ]
    versions = []
    for minute, (side, traded, price, quantity, cost, realised, status, cash) in enumerate(steps):
        position = await world.trade(owner, side, traded, price, minute=minute)
        holding = position.holding
        assert (holding.quantity, holding.total_cost) == (Decimal(quantity), Decimal(cost))
        assert (holding.realised_pnl, holding.status) == (Decimal(realised), status)
        assert (await world.balance(owner)).account.cash == Decimal(cash)
        versions.append(position.version)
    assert versions == sorted(set(versions))
    assert (await world.balance(owner)).account.held == 0


async def test_the_same_execution_is_booked_once(world: World) -> None:
    owner = await world.owner()
    hold = hold_of(owner, Side.BUY, "10", "105")
    await world.hold(hold)
    executed = execution(hold, "100", fee="1")
    assert len(await world.book([executed, executed])) == 1
    assert await world.book([executed]) == []
    raced = await asyncio.gather(*(world.book([executed]) for _ in range(4)))
    assert raced == [[], [], [], []]
    balance = await world.balance(owner)
    assert [balance.account.cash, balance.account.held] == [DEPOSIT - 1001, 0]
    assert (await world.position(owner)).holding.fees == 1
    await world.assert_balanced(owner)


async def test_one_execution_that_two_workers_book_at_once_is_booked_once(world: World) -> None:
    for _ in range(10):
        owner = Owner()
        hold = hold_of(owner, Side.BUY, "10", "105")
        await world.hold(hold)
        executed = execution(hold, "100")
        booked = await asyncio.gather(*(world.book([executed]) for _ in range(4)))
        assert sum(len(entries) for entries in booked) == 1
        await world.assert_balanced(owner)


async def test_a_hold_shrinks_with_every_execution_and_ends_with_the_last(world: World) -> None:
    owner = await world.owner()
    hold = hold_of(owner, Side.BUY, "10", "105")
    await world.hold(hold)
    held = []
    for quantity in ("4", "5", "1"):
        await world.book([execution(hold, "100", quantity=quantity)])
        held.append((await world.balance(owner)).account.held)
        await world.assert_balanced(owner)
    assert held == [630, 105, 0]


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
async def test_an_end_that_comes_first_releases_the_unfilled_part_only(world: World, side: Side) -> None:
    owner = await world.owner()
    await world.trade(owner, Side.BUY, "10", "100", minute=-1)
    hold = hold_of(owner, side, "10", "100" if side is Side.BUY else "0")
    await world.hold(hold)

    async def held() -> Decimal:
        balance, position = await world.balance(owner), await world.position(owner)
        await world.assert_balanced(owner)
        return balance.account.held / 100 if side is Side.BUY else position.held

    await world.book(ended=[ending(hold, quantity="7", count=2)])
    assert await held() == 7
    await world.book([execution(hold, "100", quantity="3", minute=1)])
    assert await held() == 4
    await world.book([execution(hold, "100", quantity="4", minute=2)], [ending(hold, quantity="7", count=2)])
    assert await held() == 0


async def test_an_order_that_ends_without_executions_gives_everything_back(world: World) -> None:
    owner = await world.owner()
    hold = hold_of(owner, Side.BUY, "10", "100")
    await world.hold(hold)
    await world.book(ended=[ending(hold, quantity="0", count=0)])
    balance = await world.balance(owner)
    assert [balance.account.held, balance.account.buying_power] == [0, DEPOSIT]
    await world.book([execution(hold, "100", quantity="2")])  # a fill that arrives after the cancel is a fact
    assert (await world.position(owner)).holding.quantity == 2
    assert (await world.balance(owner)).account.held == 0
    await world.assert_balanced(owner)


async def test_an_execution_without_a_hold_is_booked_all_the_same(world: World) -> None:
    owner = Owner()
    await world.book([execution(hold_of(owner, Side.BUY, "2", "50"), "50")])
    assert (await world.position(owner)).holding.quantity == 2
    await world.assert_balanced(owner)


async def test_a_hold_is_drawn_on_by_its_own_account_and_symbol_only(world: World) -> None:
    owner, other = await world.owner(), await world.owner()
    hold = hold_of(owner, Side.BUY, "10", "100")
    await world.hold(hold)
    foreign = hold_of(other, Side.BUY, "10", "100")
    wrong = [
        execution(hold_of(owner, Side.BUY, "10", "100", symbol="MSFT"), "100"),
        execution(foreign, "100"),
    ]
    await world.book([replace(item, trade=replace(item.trade, hold_id=hold.hold_id)) for item in wrong])
    assert (await world.balance(owner)).account.held == 1000
    await world.assert_balanced(owner)
    await world.assert_balanced(other)


async def test_shares_sold_before_they_were_bought_get_their_cost_when_the_purchase_arrives(
    world: World,
) -> None:
    owner = await world.owner()
    bought = execution(hold_of(owner, Side.BUY, "10", "100"), "100", minute=1)
    sold = execution(hold_of(owner, Side.SELL, "4"), "110", minute=2)
    await world.book([sold])
    early = await world.position(owner)
    assert [early.holding.quantity, early.holding.total_cost, early.holding.realised_pnl] == [-4, 0, 440]
    await world.assert_balanced(owner)
    await world.book([bought])
    refolded = await world.position(owner)
    holding = refolded.holding
    assert [holding.quantity, holding.total_cost, holding.realised_pnl] == [6, 600, 40]
    assert holding.status is PositionStatus.PARTIAL
    await world.assert_balanced(owner)
    page = await world.reads.postings(owner.account_id, before=2**62, limit=50)
    adjusting = [line.posting for line in page.lines if line.posting.kind.value == "adjustment"]
    assert {(p.ledger_account.value, p.amount, p.trade_id) for p in adjusting} == {
        ("securities", Decimal(-400), bought.trade.trade_id),
        ("realised_pnl", Decimal(400), bought.trade.trade_id),
    }


async def test_trades_settle_on_the_next_business_day_and_payments_cannot_be_withdrawn_before(
    world: World,
) -> None:
    owner = await world.owner()
    await world.trade(owner, Side.BUY, "10", "100")
    await world.trade(owner, Side.SELL, "5", "200", minute=1)
    balance = await world.balance(owner)
    assert [balance.account.settled, balance.account.unsettled] == [DEPOSIT, 0]
    assert balance.withdrawable == DEPOSIT - 1000
    page = await world.reads.postings(owner.account_id, before=2**62, limit=50)
    cash = [line.posting for line in page.lines if line.posting.ledger_account.value == "cash_unsettled"]
    assert {posting.settles_on for posting in cash} == {SETTLES_ON}


async def test_totals_are_added_up_from_the_postings_and_pages_do_not_overlap(world: World) -> None:
    owner = await world.owner()
    await world.trade(owner, Side.BUY, "10", "100")
    await world.trade(owner, Side.SELL, "4", "110", minute=1)
    first = await world.reads.postings(owner.account_id, before=2**62, limit=3)
    rest = await world.reads.postings(owner.account_id, before=first.lines[-1].posting_id, limit=50)
    numbers = [line.posting_id for line in [*first.lines, *rest.lines]]
    assert numbers == sorted(set(numbers), reverse=True)
    assert len(numbers) == 2 + 2 + 3
    assert {name.value: amount for name, amount in first.totals.items()} == {
        "external": -100_000,
        "cash_settled": 100_000,
        "cash_unsettled": -560,
        "securities": 600,
        "realised_pnl": -40,
    }
    assert first.totals == rest.totals


async def test_the_database_refuses_postings_that_do_not_add_up_or_are_changed(world: World) -> None:
    owner = await world.owner()
    lopsided = """
        INSERT INTO postings (transaction_id, account_id, kind, ledger_account, amount)
        SELECT gen_random_uuid(), $1, 'deposit', name, 5 FROM unnest(ARRAY['external', 'cash_settled']) name
    """
    async with world.pool.acquire() as connection:
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute(lopsided, owner.account_id)
        for change in ("UPDATE postings SET amount = 1", "DELETE FROM postings"):
            with pytest.raises(asyncpg.RestrictViolationError):
                await connection.execute(f"{change} WHERE account_id = $1", owner.account_id)
    await world.assert_balanced(owner)
