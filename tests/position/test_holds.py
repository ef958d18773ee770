"""Holds: decided on locked rows, idempotent by id and by key, never more than there is."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest

from hub_errors import NotFound
from hub_position.domain.trade import Side
from hub_position.usecases import get_balance, place_holds, settle_holds
from hub_postgres import connect_pool
from hub_runtime import utc_now
from tests.position.world import DEPOSIT, Owner, World, ending, execution, hold_of
from tests.support.servers import Database

ROUNDS = 25


async def test_an_account_opens_on_first_touch_with_its_deposit_in_the_ledger(world: World) -> None:
    owner = Owner()
    balance = await world.balance(owner)
    assert [balance.account.cash, balance.account.held] == [DEPOSIT, 0]
    assert (balance.account.buying_power, balance.withdrawable) == (DEPOSIT, DEPOSIT)
    page = await world.reads.postings(owner.account_id, before=2**62, limit=10)
    assert [(line.posting.kind.value, line.posting.ledger_account.value) for line in page.lines] == [
        ("deposit", "cash_settled"),
        ("deposit", "external"),
    ]
    await world.assert_balanced(owner)


async def test_an_account_that_many_touch_at_once_gets_one_deposit(world: World) -> None:
    owner = Owner()
    holds = [hold_of(owner, Side.BUY, "1", "10") for _ in range(4)]
    await asyncio.gather(
        *(world.balance(owner) for _ in range(4)), *(world.hold(request) for request in holds)
    )
    balance = await world.balance(owner)
    assert [balance.account.cash, balance.account.held] == [DEPOSIT, 40]
    await world.assert_balanced(owner)


async def test_the_account_of_another_user_is_not_found(world: World) -> None:
    owner = await world.owner()
    with pytest.raises(NotFound):
        await get_balance(owner.account_id, uuid4(), pool=world.pool, deposit=DEPOSIT)


async def test_a_purchase_holds_cash_and_a_sale_holds_shares(world: World) -> None:
    owner = await world.owner()
    await world.trade(owner, Side.BUY, "10", "100")
    buy, sell = hold_of(owner, Side.BUY, "3", "50.5"), hold_of(owner, Side.SELL, "4")
    answers = await world.hold(buy, sell)
    assert [answer.standing_hold_id for answer in answers] == [buy.hold_id, sell.hold_id]
    assert (await world.balance(owner)).account.held == Decimal("151.5")
    assert (await world.position(owner)).held == 4
    await world.assert_balanced(owner)


async def test_a_hold_beyond_what_is_there_is_refused_with_what_is(world: World) -> None:
    owner = await world.owner()
    fits, too_much, no_shares = await world.hold(
        hold_of(owner, Side.BUY, "600", "100"),
        hold_of(owner, Side.BUY, "401", "100"),
        hold_of(owner, Side.SELL, "1"),
    )
    assert fits.granted
    assert (too_much.granted, too_much.code) == (False, "insufficient_funds")
    assert (too_much.available, too_much.required) == (Decimal(40_000), Decimal(40_100))
    assert [no_shares.code, no_shares.available, no_shares.required] == ["insufficient_shares", 0, 1]
    await world.assert_balanced(owner)


async def test_a_hold_is_idempotent_by_its_id(world: World) -> None:
    owner = await world.owner()
    request = hold_of(owner, Side.BUY, "600", "100")
    for answers in [await world.hold(request, request), await world.hold(request)]:
        assert {(answer.granted, answer.standing_hold_id) for answer in answers} == {(True, request.hold_id)}
    assert (await world.balance(owner)).account.held == 60_000


async def test_a_hold_is_idempotent_by_its_key(world: World) -> None:
    owner = await world.owner()
    first = hold_of(owner, Side.BUY, "600", "100", key="k")
    again = replace(first, hold_id=uuid4(), order_id=uuid4())
    await world.hold(first)
    for answers in [await world.hold(again), await world.hold(again, again)]:
        assert {(answer.granted, answer.standing_hold_id) for answer in answers} == {(True, first.hold_id)}
    assert (await world.balance(owner)).account.held == 60_000
    stranger = await world.owner()
    [other] = await world.hold(hold_of(stranger, Side.BUY, "600", "100", key="k"))
    assert other.granted
    assert other.standing_hold_id != first.hold_id


async def test_a_key_is_free_again_when_its_hold_was_released_or_its_order_is_long_gone(world: World) -> None:
    owner = await world.owner()
    released = hold_of(owner, Side.BUY, "600", "100", key="k")
    await world.hold(released)
    await settle_holds(confirmed=[], released=[released.hold_id], pool=world.pool, now=utc_now())
    filled = hold_of(owner, Side.BUY, "1", "100", key="k")
    [answer] = await world.hold(filled)
    assert answer.standing_hold_id == filled.hold_id
    await world.book([execution(filled, "100")], [ending(filled, quantity="1", count=1)])
    later = hold_of(owner, Side.BUY, "1", "100", key="k")
    [answer] = await world.hold(later)
    assert answer.standing_hold_id == filled.hold_id
    now = utc_now() + timedelta(hours=24)
    [answer] = await place_holds([later], pool=world.pool, deposit=DEPOSIT, now=now)
    assert answer.standing_hold_id == later.hold_id
    await world.assert_balanced(owner)


async def test_the_id_of_another_accounts_hold_is_refused(world: World) -> None:
    owner, other = await world.owner(), await world.owner()
    request = hold_of(owner, Side.BUY, "1", "100")
    await world.hold(request)
    [answer] = await world.hold(replace(request, account_id=other.account_id, user_id=other.user_id))
    assert (answer.granted, answer.code) == (False, "hold_conflict")
    assert (await world.balance(other)).account.held == 0


@pytest.mark.parametrize(
    ("status", "trading_state", "buy", "sell"),
    [
        ("ACTIVE", "ACTIVE", "", ""),
        ("RESTRICTED", "ACTIVE", "account_restricted", ""),
        ("CLOSED", "ACTIVE", "account_closed", "account_closed"),
        ("ACTIVE", "HALTED", "account_halted", "account_halted"),
        ("ACTIVE", "REDUCING", "account_reducing", ""),
        ("RESTRICTED", "HALTED", "account_halted", "account_halted"),
    ],
)
async def test_the_state_of_the_account_binds_holds(
    world: World, status: str, trading_state: str, buy: str, sell: str
) -> None:
    owner = await world.owner()
    await world.trade(owner, Side.BUY, "10", "100")
    async with world.pool.acquire() as connection:
        await connection.execute(
            "UPDATE accounts SET status = $2, trading_state = $3 WHERE account_id = $1",
            owner.account_id,
            status,
            trading_state,
        )
    answers = await world.hold(hold_of(owner, Side.BUY, "1", "1"), hold_of(owner, Side.SELL, "1"))
    assert [answer.code for answer in answers] == [buy, sell]
    assert [answer.granted for answer in answers] == [not buy, not sell]


async def test_two_processes_never_hold_more_than_there_is(world: World, position_database: Database) -> None:
    login = position_database.runtime
    async with await connect_pool(login.url, login.password, size=4) as second_pool:
        for _ in range(ROUNDS):
            owner = await world.owner()
            await world.trade(owner, Side.BUY, "10", "100")
            batches = [
                [hold_of(owner, Side.BUY, "3", "9000"), hold_of(owner, Side.SELL, "3")] for _ in range(8)
            ]
            placed = await asyncio.gather(
                *(
                    place_holds(batch, pool=pool, deposit=DEPOSIT, now=utc_now())
                    for pool, batch in zip([world.pool, second_pool] * 4, batches, strict=True)
                )
            )
            granted = [answer.granted for answers in placed for answer in answers]
            assert sum(granted) == 3 + 3
            balance, position = await world.balance(owner), await world.position(owner)
            assert [balance.account.held, position.held] == [81_000, 9]
            await world.assert_balanced(owner)


async def test_batches_over_the_same_accounts_in_any_order_do_not_block_each_other(world: World) -> None:
    owners = [await world.owner() for _ in range(6)]
    for owner in owners:
        await world.trade(owner, Side.BUY, "100", "1")

    async def work(step: int) -> None:
        turned = owners[step % 6 :] + owners[: step % 6]
        buys = [hold_of(owner, Side.BUY, "1", "1") for owner in turned]
        sells = [hold_of(owner, Side.SELL, "1") for owner in reversed(turned)]
        answers = await world.hold(*buys, *sells)
        assert all(answer.granted for answer in answers)
        await world.book([execution(hold, "1", minute=step) for hold in [*sells, *buys]])

    await asyncio.gather(*(work(step) for step in range(12)))
    for owner in owners:
        await world.assert_balanced(owner)
        assert (await world.balance(owner)).account.held == 0


async def test_holds_without_an_order_are_listed_oldest_first_until_they_are_settled(world: World) -> None:
    await world.vouch_for_all()
    owner = await world.owner()
    await world.trade(owner, Side.BUY, "10", "100")
    vouched, orphan = hold_of(owner, Side.BUY, "1", "100"), hold_of(owner, Side.SELL, "2")
    await world.hold(vouched)
    await world.hold(orphan)

    async def listed() -> list[str]:
        found = await world.reads.unconfirmed_holds(placed_before=utc_now() + timedelta(1), limit=500)
        return [str(each.hold.hold_id) for each in found if each.user_id == owner.user_id]

    assert await listed() == [str(vouched.hold_id), str(orphan.hold_id)]
    both = [vouched.hold_id, orphan.hold_id]
    settled = await settle_holds(confirmed=[vouched.hold_id], released=both, pool=world.pool, now=utc_now())
    assert settled == (1, 1)
    assert await listed() == []
    assert (await world.balance(owner)).account.held == 100
    assert (await world.position(owner)).held == 0
    again = await settle_holds(confirmed=[vouched.hold_id], released=both, pool=world.pool, now=utc_now())
    assert again == (0, 0)
    [answer] = await world.hold(orphan)
    assert (answer.granted, answer.code) == (False, "hold_released")
    await world.assert_balanced(owner)
