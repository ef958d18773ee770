"""A corporate action is applied to each account once, whatever is delivered when."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from hub_errors import Conflict
from hub_position.domain.actions import CorporateAction
from hub_position.domain.position import PositionStatus
from hub_position.domain.trade import Side
from hub_position.usecases import actions as usecase
from hub_position.usecases import apply_action
from hub_position.usecases.writing import write
from hub_runtime import CrashPointError, utc_now
from hub_runtime.crash_points import armed
from tests.position.acting import (
    apply_once,
    apply_to_all,
    at,
    bought,
    differences,
    dividend,
    dividends_of,
    effects_of,
    new_symbol,
    sold,
    split,
    traded,
)
from tests.position.world import DEPOSIT, Owner, World, ending, execution, hold_of

POSITION_EVENTS = "SELECT count(*) FROM outbox WHERE position($1::bytea IN envelope) > 0"


@pytest.fixture
async def owner(world: World) -> Owner:
    return await world.owner()


@pytest.fixture
def symbol() -> str:
    return new_symbol()


async def sound(world: World, *owners: Owner) -> None:
    for owner in owners:
        await world.assert_balanced(owner)
    assert await differences(world, *owners) == []


async def test_a_split_multiplies_shares_and_moves_no_money(world: World, owner: Owner, symbol: str) -> None:
    await traded(world, owner, bought(owner, symbol, "10", "100", minute=1))
    before = await world.position(owner, symbol)
    cash = await world.cash(owner)
    progress = await apply_to_all(world, split(symbol, "4", minute=10))
    after = await world.position(owner, symbol)
    assert progress.done
    assert (after.holding.quantity, after.holding.total_cost) == (Decimal(40), Decimal(1000))
    assert (after.average_price, after.holding.realised_pnl) == (Decimal(25), Decimal(0))
    assert after.version == before.version + 1
    assert (after.split_at, after.split_ratio) == (at(10), Decimal(4))
    assert await world.cash(owner) == cash
    await sound(world, owner)


async def test_a_split_is_told_as_one(world: World, owner: Owner, symbol: str) -> None:
    await traded(world, owner, bought(owner, symbol, "10", "100", minute=1))
    position = await world.position(owner, symbol)
    await apply_to_all(world, split(symbol, "4", minute=10))
    query = """SELECT count(*) FROM outbox
               WHERE position('split'::bytea IN envelope) > 0 AND position($1::bytea IN envelope) > 0"""
    assert await world.pool.fetchval(query, str(position.position_id).encode()) == 1


async def test_a_split_applied_twice_is_applied_once(world: World, owner: Owner, symbol: str) -> None:
    await traded(world, owner, bought(owner, symbol, "10", "100", minute=1))
    action = split(symbol, "4", minute=10)
    await apply_to_all(world, action)
    once = await world.books(owner)
    assert (await apply_to_all(world, action)).done
    assert await world.books(owner) == once


async def test_pages_asked_for_at_the_same_time_apply_it_once(world: World, symbol: str) -> None:
    owners = [await world.owner() for _ in range(5)]
    for owner in owners:
        await traded(world, owner, bought(owner, symbol, "3", "100", minute=1))
    action = dividend(symbol, "0.5", minute=10)
    await asyncio.gather(*(apply_once(world, action) for _ in range(6)))
    await apply_to_all(world, action)
    assert [await dividends_of(world, owner) for owner in owners] == [Decimal("1.5")] * 5
    await sound(world, *owners)


async def test_accounts_are_taken_in_pages_and_counted(
    world: World, symbol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    owners = [await world.owner() for _ in range(5)]
    for owner in owners:
        await traded(world, owner, bought(owner, symbol, "3", "100", minute=1))
    monkeypatch.setattr(usecase, "ACCOUNTS_AT_ONCE", 2)
    action = split(symbol, "2", minute=10)
    pages = [await apply_once(world, action) for _ in range(4)]
    assert [(page.accounts, page.left, page.done) for page in pages] == [
        (2, 3, False),
        (2, 1, False),
        (1, 0, True),
        (0, 0, True),
    ]
    held = [(await world.position(owner, symbol)).holding.quantity for owner in owners]
    assert held == [Decimal(6)] * 5
    await sound(world, *owners)


@pytest.mark.parametrize("point", ["after_known", "before_commit", "after_commit"])
async def test_whoever_dies_between_two_steps_leaves_what_can_be_gone_on_from(
    world: World, owner: Owner, symbol: str, point: str
) -> None:
    await traded(world, owner, bought(owner, symbol, "3", "100", minute=1))
    action = dividend(symbol, "0.5", minute=10)
    with armed(f"position.action.{point}=error"), pytest.raises(CrashPointError):
        await apply_once(world, action)
    assert (await apply_to_all(world, action)).done
    assert await dividends_of(world, owner) == Decimal("1.5")
    await sound(world, owner)


async def test_a_split_waits_for_open_holds_of_its_instrument(
    world: World, owner: Owner, symbol: str
) -> None:
    await traded(world, owner, bought(owner, symbol, "10", "100", minute=1))
    sale = hold_of(owner, Side.SELL, "4", symbol=symbol)
    [answer] = await world.hold(sale)
    assert answer.granted
    action = split(symbol, "4", minute=10)
    waiting = await apply_once(world, action)
    assert (waiting.open_holds, waiting.done) == (1, False)
    assert (await world.position(owner, symbol)).holding.quantity == 10
    await world.book([execution(sale, "110", quantity="1", minute=5)])
    assert (await apply_once(world, action)).open_holds == 1
    await world.book(ended=[ending(sale, quantity="1", count=1)])
    assert (await apply_to_all(world, action)).done
    position = await world.position(owner, symbol)
    assert (position.holding.quantity, position.held) == (Decimal(36), Decimal(0))
    assert position.holding.total_cost == Decimal(900)
    await sound(world, owner)


async def test_a_dividend_waits_for_nobody(world: World, owner: Owner, symbol: str) -> None:
    await traded(world, owner, bought(owner, symbol, "10", "100", minute=1))
    [answer] = await world.hold(hold_of(owner, Side.SELL, "4", symbol=symbol))
    assert answer.granted
    assert (await apply_to_all(world, dividend(symbol, "0.2", minute=10))).done
    position = await world.position(owner, symbol)
    assert (position.held, position.holding.quantity) == (Decimal(4), Decimal(10))
    assert await dividends_of(world, owner) == Decimal(2)
    await sound(world, owner)


async def test_a_dividend_is_settled_cash_and_income(world: World, owner: Owner, symbol: str) -> None:
    await traded(world, owner, bought(owner, symbol, "3", "100", minute=1))
    action = dividend(symbol, "0.33333333", minute=10)
    await apply_to_all(world, action)
    await apply_to_all(world, action)
    assert await world.cash(owner) == (DEPOSIT + Decimal("0.99999999"), Decimal(-300))
    query = """SELECT kind, ledger_account, amount, symbol FROM postings
               WHERE account_id = $1 AND kind = 'dividend'"""
    rows = [tuple(row) for row in await world.pool.fetch(query, owner.account_id)]
    income = Decimal("0.99999999")
    assert sorted(rows) == [
        ("dividend", "cash_settled", income, symbol),
        ("dividend", "dividends", -income, symbol),
    ]
    await sound(world, owner)


async def test_who_owes_shares_owes_their_dividend(world: World, owner: Owner, symbol: str) -> None:
    await traded(world, owner, sold(owner, symbol, "2", "100", minute=1))
    await apply_to_all(world, dividend(symbol, "0.5", minute=10))
    assert await dividends_of(world, owner) == Decimal(-1)
    assert (await world.cash(owner))[0] == DEPOSIT - 1
    await sound(world, owner)


async def test_what_was_sold_beyond_the_holding_is_split_too(world: World, owner: Owner, symbol: str) -> None:
    await traded(world, owner, bought(owner, symbol, "2", "100", minute=1))
    await traded(world, owner, sold(owner, symbol, "5", "100", minute=2))
    await apply_to_all(world, split(symbol, "3", minute=10))
    assert (await world.position(owner, symbol)).holding.quantity == -9
    await traded(world, owner, bought(owner, symbol, "10", "30", minute=20))
    holding = (await world.position(owner, symbol)).holding
    assert (holding.quantity, holding.total_cost) == (Decimal(1), Decimal(30))
    await sound(world, owner)


async def test_a_late_trade_is_split_like_those_in_time(world: World, owner: Owner, symbol: str) -> None:
    late = bought(owner, symbol, "5", "120", minute=2)
    await traded(world, owner, bought(owner, symbol, "10", "100", minute=1))
    await apply_to_all(world, split(symbol, "4", minute=10))
    await traded(world, owner, sold(owner, symbol, "20", "31", minute=20))
    await traded(world, owner, late)
    holding = (await world.position(owner, symbol)).holding
    # 60 shares that cost 1600, of which a third was sold.
    assert (holding.quantity, holding.total_cost) == (Decimal(40), Decimal("1066.66666667"))
    await sound(world, owner)


async def test_a_dividend_with_a_late_trade_is_made_good_by_one_transaction(
    world: World, owner: Owner, symbol: str
) -> None:
    late = bought(owner, symbol, "5", "120", minute=2)
    await traded(world, owner, bought(owner, symbol, "10", "100", minute=1))
    await apply_to_all(world, dividend(symbol, "0.5", minute=10))
    await traded(world, owner, sold(owner, symbol, "3", "130", minute=20))
    await traded(world, owner, late)
    query = "SELECT ledger_account, amount FROM postings WHERE trade_id = $1 AND kind = 'adjustment'"
    rows = await world.pool.fetch(query, late.trade.trade_id)
    assert {row["ledger_account"]: row["amount"] for row in rows} == {
        "cash_settled": Decimal("2.5"),
        "dividends": Decimal("-2.5"),
        "securities": Decimal(-20),
        "realised_pnl": Decimal(20),
    }
    assert await dividends_of(world, owner) == Decimal("7.5")
    await sound(world, owner)
    once = await world.books(owner)
    await world.book([late])
    assert await world.books(owner) == once


async def test_a_trade_of_who_held_nothing_is_late_for_an_action_that_is_over(
    world: World, owner: Owner, symbol: str
) -> None:
    """Nobody will come back to apply it: the booking does."""
    await apply_to_all(world, split(symbol, "4", minute=10))
    await apply_to_all(world, dividend(symbol, "0.25", minute=20))
    await traded(world, owner, bought(owner, symbol, "10", "100", minute=1))
    assert (await world.position(owner, symbol)).holding.quantity == 40
    assert await dividends_of(world, owner) == 10
    await sound(world, owner)


async def test_who_buys_after_an_action_has_no_part_in_it(world: World, owner: Owner, symbol: str) -> None:
    await apply_to_all(world, split(symbol, "4", minute=10))
    await apply_to_all(world, dividend(symbol, "0.25", minute=10))
    await traded(world, owner, bought(owner, symbol, "10", "25", minute=30))
    assert (await world.position(owner, symbol)).holding.quantity == 10
    assert await effects_of(world, owner) == {}
    await sound(world, owner)


async def test_a_trade_that_meets_an_action_half_applied_folds_it_in(
    world: World, symbol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    owners = sorted([await world.owner() for _ in range(2)], key=lambda owner: owner.account_id)
    for owner in owners:
        await traded(world, owner, bought(owner, symbol, "10", "100", minute=1))
    monkeypatch.setattr(usecase, "ACCOUNTS_AT_ONCE", 1)
    action = dividend(symbol, "0.5", minute=10)
    await apply_once(world, action)
    # The second one is not reached yet, and sells on the ex-date already.
    await traded(world, owners[1], sold(owners[1], symbol, "4", "101", minute=15))
    assert await dividends_of(world, owners[1]) == 5
    await apply_to_all(world, action)
    assert [await dividends_of(world, owner) for owner in owners] == [Decimal(5)] * 2
    await sound(world, *owners)


async def test_an_action_that_is_known_late_is_folded_in_before_the_trades_of_its_day(
    world: World, owner: Owner, symbol: str
) -> None:
    await traded(world, owner, bought(owner, symbol, "10", "100", minute=1))
    await traded(world, owner, sold(owner, symbol, "4", "101", minute=15))
    await traded(world, owner, bought(owner, symbol, "1", "99", minute=16))
    await apply_to_all(world, dividend(symbol, "0.5", minute=10))
    assert await dividends_of(world, owner) == 5
    await sound(world, owner)


async def test_an_earlier_dividend_counts_the_shares_from_before_a_split(
    world: World, owner: Owner, symbol: str
) -> None:
    await traded(world, owner, bought(owner, symbol, "10", "100", minute=1))
    await apply_to_all(world, split(symbol, "4", minute=20))
    await apply_to_all(world, dividend(symbol, "0.5", minute=10))
    assert await dividends_of(world, owner) == 5
    await sound(world, owner)


async def test_a_split_that_is_known_late_changes_the_dividend_after_it(
    world: World, owner: Owner, symbol: str
) -> None:
    await traded(world, owner, bought(owner, symbol, "10", "100", minute=1))
    await apply_to_all(world, dividend(symbol, "0.5", minute=20))
    await traded(world, owner, sold(owner, symbol, "8", "26", minute=30))
    await apply_to_all(world, split(symbol, "4", minute=10))
    assert await dividends_of(world, owner) == 20
    holding = (await world.position(owner, symbol)).holding
    assert (holding.quantity, holding.total_cost) == (Decimal(32), Decimal(800))
    await sound(world, owner)


async def test_on_one_day_the_split_comes_first(world: World, owner: Owner, symbol: str) -> None:
    await traded(world, owner, bought(owner, symbol, "10", "100", minute=1))
    await apply_to_all(world, dividend(symbol, "0.5", minute=10))
    await apply_to_all(world, split(symbol, "4", minute=10))
    assert await dividends_of(world, owner) == 20
    await sound(world, owner)


async def test_a_fraction_is_kept_to_eight_places_half_to_even(
    world: World, owner: Owner, symbol: str
) -> None:
    await traded(world, owner, bought(owner, symbol, "0.00000005", "100", minute=1))
    await apply_to_all(world, split(symbol, "0.5", minute=10))
    assert (await world.position(owner, symbol)).holding.quantity == Decimal("0.00000002")
    await sound(world, owner)


async def test_what_a_split_leaves_nothing_of_is_closed_at_a_loss(
    world: World, owner: Owner, symbol: str
) -> None:
    await traded(world, owner, bought(owner, symbol, "0.00000001", "100", minute=1))
    await apply_to_all(world, split(symbol, "0.01", minute=10))
    position = await world.position(owner, symbol)
    assert (position.holding.quantity, position.holding.status) == (Decimal(0), PositionStatus.CLOSED)
    assert position.holding.realised_pnl == Decimal("-0.000001")
    await sound(world, owner)


async def test_a_position_that_was_closed_before_stays_as_it_is(
    world: World, owner: Owner, symbol: str
) -> None:
    await traded(world, owner, bought(owner, symbol, "5", "100", minute=1))
    await traded(world, owner, sold(owner, symbol, "5", "101", minute=2))
    before = await world.position(owner, symbol)
    await apply_to_all(world, split(symbol, "4", minute=10))
    after = await world.position(owner, symbol)
    assert (after.holding, after.version) == (before.holding, before.version)
    await traded(world, owner, bought(owner, symbol, "2", "25", minute=12))
    await sound(world, owner)


async def test_an_instrument_that_nobody_holds_is_done_at_once(world: World, symbol: str) -> None:
    assert (await apply_once(world, split(symbol, "4", minute=10))).done


async def test_an_id_means_one_action_for_ever(world: World, symbol: str) -> None:
    action = split(symbol, "4", minute=10)
    await apply_to_all(world, action)
    other = CorporateAction(action.action_id, symbol, action.type, Decimal(5), action.effective_at)
    with pytest.raises(Conflict) as error:
        await apply_action(other, pool=world.pool, now=utc_now())
    assert error.value.code == "corporate_action_conflict"


async def test_who_books_meanwhile_is_waited_for(
    world: World, owner: Owner, symbol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its trade is not seen yet by who looks for holders, and it has not heard of the action."""
    booking_began, may_end = asyncio.Event(), asyncio.Event()

    async def write_later(*what: Any, **more: Any) -> None:
        booking_began.set()
        await may_end.wait()
        await write(*what, **more)

    monkeypatch.setattr("hub_position.usecases.booking.write", write_later)
    async with asyncio.TaskGroup() as group:
        group.create_task(world.book([bought(owner, symbol, "10", "100", minute=1)]))
        await booking_began.wait()
        applying = group.create_task(apply_to_all(world, split(symbol, "4", minute=10)))
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        while not await world.pool.fetchval(waiting):
            assert not applying.done()
        may_end.set()
    assert (await world.position(owner, symbol)).holding.quantity == 40
    await sound(world, owner)
