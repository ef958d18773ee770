"""What a ledger comes to at its postings: added up once, kept, held against the postings, and with the splits
that its shares are of."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from hub_position.domain.cash import MovementKind
from hub_position.store import Cuts, cuts
from hub_position.usecases import actions as usecase
from hub_runtime import utc_now
from tests.position.acting import (
    apply_once,
    apply_to_all,
    bought,
    differences,
    new_symbol,
    sold,
    split,
    traded,
)
from tests.position.test_activities import stamp
from tests.position.test_split_activities import Trader, house, included, trader
from tests.position.world import Owner, World

__all__ = ["house", "trader"]


async def busy(world: World, owner: Owner, symbol: str) -> None:
    for minute in range(4):
        await traded(world, owner, bought(owner, symbol, "10", "100", minute=minute))
        await traded(world, owner, sold(owner, symbol, "3", "120", minute=minute))
    await traded(world, owner, bought(owner, symbol, "0.00000001", "0.1", minute=5))
    await apply_to_all(world, split(symbol, "0.33333333", minute=2))
    await world.move(owner, MovementKind.WITHDRAWAL, "-1")
    await world.settle_trades()


async def kept(world: World, owner: Owner) -> list[Any]:
    query = "SELECT * FROM ledger_cuts WHERE account_id = $1 ORDER BY through"
    return list(await world.pool.fetch(query, owner.account_id))


@pytest.mark.parametrize("at_once", [1, 2, 3, 7, 50_000])
async def test_a_cut_is_what_is_there_however_many_postings_are_added_up_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(cuts, "AT_ONCE", at_once)
    owner, symbol = await world.owner(), new_symbol()
    await busy(world, owner, symbol)
    found = await Cuts(world.pool).cut(owner.account_id, 0, None)
    assert found is not None
    account = (await world.balance(owner)).account
    assert (found.sums.settled, found.sums.unsettled) == (account.settled, account.unsettled)
    [position] = await world.reads.positions(owner.account_id)
    assert found.sums.owned == {symbol: (position.holding.quantity, position.holding.total_cost)}
    assert await differences(world, owner) == []


async def test_a_cut_of_a_time_that_is_over_is_kept_and_the_next_goes_on_from_it(world: World) -> None:
    """Fails where all of the past is added up again: what is kept here is wrong on purpose."""
    owner, symbol, store = await world.owner(), new_symbol(), Cuts(world.pool)
    await traded(world, owner, bought(owner, symbol, "10", "100", minute=0))
    assert await store.cut(owner.account_id, 0, None) is not None
    assert await kept(world, owner) == []
    moment = utc_now()
    first = await store.cut(owner.account_id, 0, moment)
    assert first is not None
    await world.move(owner, MovementKind.DEPOSIT, "5")
    [row] = await kept(world, owner)
    assert (row["through"], row["cash_settled"], row["cash_unsettled"]) == (
        first.sums.through,
        Decimal(100_000),
        Decimal(-1000),
    )
    assert await store.cut(owner.account_id, 0, moment) == first
    assert len(await kept(world, owner)) == 1
    await world.pool.execute(
        "INSERT INTO ledger_cuts (account_id, through, cash_settled, cash_unsettled) VALUES ($1, $2, 7, 1)",
        owner.account_id,
        first.sums.through + 1,
    )
    later = await store.cut(owner.account_id, first.sums.through, None)
    assert later is not None
    assert (later.sums.settled, later.sums.owned) == (Decimal(12), {})


async def test_a_kept_cut_that_is_wrong_is_a_difference_and_the_next_ones_are_held_against_it(
    world: World,
) -> None:
    owner, symbol = await world.owner(), new_symbol()
    await traded(world, owner, bought(owner, symbol, "10", "100", minute=0))
    [last] = await world.pool.fetch(
        "SELECT max(posting_id) AS id FROM postings WHERE account_id = $1", owner.account_id
    )
    place = (owner.account_id, last["id"])
    await world.pool.execute("INSERT INTO ledger_cuts VALUES ($1, $2, 99999, -1000)", *place)
    await world.pool.execute("INSERT INTO ledger_cut_positions VALUES ($1, $2, $3, 11, 1000)", *place, symbol)
    await traded(world, owner, bought(owner, symbol, "1", "100", minute=1))
    await Cuts(world.pool).cut(owner.account_id, 0, utc_now())
    found = [(each.kind, each.id, each.expected, each.found) for each in await differences(world, owner)]
    assert sorted(found) == [
        ("cut_quantity", f"{last['id']}/{symbol}", Decimal(10), Decimal(11)),
        ("cut_settled", str(last["id"]), Decimal(100_000), Decimal(99_999)),
    ]


async def test_cuts_at_once_keep_one(world: World) -> None:
    owner, symbol = await world.owner(), new_symbol()
    await busy(world, owner, symbol)
    moment, store = utc_now(), Cuts(world.pool)
    found = await asyncio.gather(*(store.cut(owner.account_id, 0, moment) for _ in range(4)))
    assert found == found[:1] * 4
    assert len(await kept(world, owner)) == 1
    assert await differences(world, owner) == []


async def test_kept_cuts_never_change(world: World) -> None:
    owner = await world.owner()
    await busy(world, owner, new_symbol())
    await Cuts(world.pool).cut(owner.account_id, 0, utc_now())
    for table in ("ledger_cuts", "ledger_cut_positions"):
        for change in (f"UPDATE {table} SET through = 1", f"DELETE FROM {table}"):
            with pytest.raises(asyncpg.RestrictViolationError):
                await world.pool.execute(change)


async def test_a_cut_says_of_which_splits_its_shares_are(trader: Trader) -> None:
    await trader.buys("10", "100", minute=1)
    first = stamp(utc_now())
    await trader.splits("4", minute=10)
    second = stamp(utc_now())
    await trader.splits("3", minute=5)
    assert included(await trader.cut(until=first)) == [("3", False), ("4", False)]
    assert included(await trader.cut(until=second)) == [("3", False), ("4", True)]
    assert included(await trader.cut()) == [("3", True), ("4", True)]
    await trader.buys("5", "100", minute=4)
    assert included(await trader.cut(until=second)) == [("3", False), ("4", True)]
    assert included(await trader.cut()) == [("3", True), ("4", True)]


async def test_a_split_that_found_nothing_counts_from_when_it_became_known(trader: Trader) -> None:
    """Sold before it, and bought again after it."""
    await trader.buys("10", "100", minute=1)
    before = stamp(utc_now())
    await trader.sells("10", "100", minute=2)
    await trader.splits("4", minute=10)
    await trader.buys("8", "25", minute=20)
    assert included(await trader.cut(until=before)) == [("4", False)]
    assert included(await trader.cut(until=stamp(utc_now()))) == [("4", True)]
    assert included(await trader.cut()) == [("4", True)]


async def test_a_split_that_has_not_come_to_an_account_yet_is_not_in_its_shares(
    trader: Trader, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, owner = await trader.house.owner()
    traders = [trader, Trader(trader.house, user, owner, trader.symbol)]
    traders.sort(key=lambda each: each.owner.account_id)
    for each in traders:
        await each.buys("10", "100", minute=1)
    monkeypatch.setattr(usecase, "ACCOUNTS_AT_ONCE", 1)
    action = split(trader.symbol, "4", minute=10)
    await apply_once(trader.world, action)
    assert [included(await each.cut()) for each in traders] == [[("4", True)], [("4", False)]]
    await apply_to_all(trader.world, action)
    assert [included(await each.cut()) for each in traders] == [[("4", True)]] * 2
