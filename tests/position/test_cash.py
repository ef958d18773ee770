"""Deposits, withdrawals and adjustments: once each, never more out than may go, always in the ledger."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from uuid import UUID

import pytest

from hub_errors import Conflict, NotFound, Refused
from hub_position.domain.account import AccountStatus, TradingState
from hub_position.domain.cash import MovementKind
from hub_position.domain.trade import Side
from hub_position.usecases import set_account_state
from hub_runtime import utc_now
from tests.position.world import Owner, World, hold_of

DEPOSIT, WITHDRAWAL, ADJUSTMENT = MovementKind.DEPOSIT, MovementKind.WITHDRAWAL, MovementKind.ADJUSTMENT


async def set_state(world: World, owner: Owner, **state: AccountStatus | TradingState) -> None:
    wanted: dict[str, AccountStatus | TradingState | None] = {"status": None, "trading_state": None, **state}
    await set_account_state(
        owner.account_id,
        **wanted,  # type: ignore[arg-type]
        reason="a test",
        actor="admin:test",
        pool=world.pool,
        now=utc_now(),
    )


async def test_a_deposit_can_be_spent_and_withdrawn_at_once(world: World) -> None:
    owner = await world.owner()
    moved = await world.move(owner, DEPOSIT, "250.25")
    assert (moved.movement.amount, moved.replayed) == (Decimal("250.25"), False)
    balance = await world.balance(owner)
    assert balance.account.settled == balance.account.buying_power == balance.withdrawable
    assert balance.withdrawable == Decimal("100250.25")
    await world.assert_balanced(owner)


async def test_what_is_held_for_orders_cannot_be_withdrawn(world: World) -> None:
    owner = await world.owner()
    await world.hold(hold_of(owner, Side.BUY, "999", "100"))
    with pytest.raises(Refused) as refused:
        await world.move(owner, WITHDRAWAL, "-100.01")
    assert (refused.value.code, refused.value.field) == ("insufficient_withdrawable", "amount")
    assert "At most 100 can be withdrawn" in refused.value.message
    assert "99900 are held" in refused.value.message
    await world.move(owner, WITHDRAWAL, "-100")
    assert (await world.balance(owner)).withdrawable == 0
    await world.assert_balanced(owner)


async def test_all_that_is_told_as_withdrawable_can_be_withdrawn(world: World) -> None:
    owner = await world.owner()
    await world.trade(owner, Side.BUY, "0.33333333", "433.33")
    balance = await world.balance(owner)
    assert balance.account.cash == Decimal("99855.55666811")
    assert balance.withdrawable == Decimal("99855.55")
    await world.move(owner, WITHDRAWAL, f"-{balance.withdrawable}")
    assert (await world.balance(owner)).withdrawable == 0
    await world.assert_balanced(owner)


async def test_proceeds_can_be_spent_at_once_and_withdrawn_when_they_have_settled(world: World) -> None:
    owner = await world.owner()
    await world.trade(owner, Side.BUY, "100", "900")
    await world.trade(owner, Side.SELL, "50", "1000", minute=1)
    balance = await world.balance(owner)
    assert balance.account.buying_power == 60_000
    assert balance.withdrawable == 10_000
    with pytest.raises(Refused, match="90000 are still to be paid"):
        await world.move(owner, WITHDRAWAL, "-10000.01")
    await world.settle_trades()
    assert await world.cash(owner) == (60_000, 0)
    await world.move(owner, WITHDRAWAL, "-60000")
    assert (await world.balance(owner)).account.cash == 0
    await world.assert_balanced(owner)


async def test_fifty_equal_withdrawals_at_once_are_one(world: World) -> None:
    owner = await world.owner()
    moved = await asyncio.gather(*(world.move(owner, WITHDRAWAL, "-60000", key="once") for _ in range(50)))
    assert len({each.movement.movement_id for each in moved}) == 1
    assert sum(not each.replayed for each in moved) == 1
    assert (await world.balance(owner)).account.cash == 40_000
    await world.assert_balanced(owner)


async def test_withdrawals_at_once_never_take_more_than_there_is(world: World) -> None:
    owner = await world.owner()
    done = await asyncio.gather(
        *(world.move(owner, WITHDRAWAL, "-30000") for _ in range(10)), return_exceptions=True
    )
    refused = [each for each in done if isinstance(each, Refused)]
    assert [each.code for each in refused] == ["insufficient_withdrawable"] * 7
    assert (await world.balance(owner)).account.cash == 10_000
    await world.assert_balanced(owner)


async def test_a_withdrawal_and_a_hold_at_once_do_not_spend_the_same_cash(world: World) -> None:
    for _ in range(5):
        owner = await world.owner()
        outcomes = await asyncio.gather(
            world.move(owner, WITHDRAWAL, "-60000"),
            world.hold(hold_of(owner, Side.BUY, "600", "100")),
            return_exceptions=True,
        )
        account = (await world.balance(owner)).account
        assert account.buying_power >= 0
        withdrawn = not isinstance(outcomes[0], BaseException)
        assert account.cash == (40_000 if withdrawn else 100_000)
        assert account.held == (0 if withdrawn else 60_000)


@pytest.mark.parametrize("change", [{"amount": "5.01"}, {"kind": ADJUSTMENT}, {"reason": "other"}])
async def test_a_key_that_was_used_for_something_else_is_refused(
    world: World, change: dict[str, str]
) -> None:
    owner = await world.owner()
    first = {"kind": DEPOSIT, "amount": "5", "key": "k", "reason": ""}
    await world.move(owner, **first)  # type: ignore[arg-type]
    with pytest.raises(Conflict) as refused:
        await world.move(owner, **(first | change))  # type: ignore[arg-type]
    assert refused.value.code == "idempotency_key_reused"
    assert (await world.balance(owner)).account.cash == 100_005


async def test_the_first_answer_comes_again_although_the_account_could_not_do_it_twice(world: World) -> None:
    owner = await world.owner()
    first = await world.move(owner, WITHDRAWAL, "-100000", key="all")
    again = await world.move(owner, WITHDRAWAL, "-100000", key="all")
    assert again.movement.movement_id == first.movement.movement_id
    assert again.replayed


async def test_two_equal_deposits_without_a_key_are_two(world: World) -> None:
    owner = await world.owner()
    for _ in range(2):
        await world.move(owner, DEPOSIT, "10")
    assert (await world.balance(owner)).account.cash == 100_020


async def test_a_key_of_the_owner_and_one_of_an_administrator_do_not_meet(world: World) -> None:
    owner = await world.owner()
    await world.move(owner, DEPOSIT, "10", key="k")
    moved = await world.move(owner, ADJUSTMENT, "-3", key="k", actor="admin:a", reason="a fee")
    assert not moved.replayed
    assert (await world.balance(owner)).account.cash == 100_007


async def test_an_adjustment_that_takes_more_than_there_is_restricts_the_account(world: World) -> None:
    owner = await world.owner()
    await world.hold(hold_of(owner, Side.BUY, "10", "100"))
    await world.move(owner, ADJUSTMENT, "-99000", actor="admin:a", reason="a mistake of May")
    assert (await world.balance(owner)).account.status is AccountStatus.ACTIVE
    await world.move(owner, ADJUSTMENT, "-0.01", actor="admin:a", reason="its cents")
    found = await world.reads.account_state(owner.account_id)
    assert found is not None
    assert (found.account.status, found.reason) == (AccountStatus.RESTRICTED, "ADJUSTMENT")
    assert (await world.balance(owner)).withdrawable == 0
    await world.assert_balanced(owner)


@pytest.mark.parametrize(
    ("state", "kind", "amount", "code"),
    [
        ({"status": AccountStatus.CLOSED}, DEPOSIT, "1", "account_closed"),
        ({"status": AccountStatus.CLOSED}, WITHDRAWAL, "-1", ""),
        ({"status": AccountStatus.RESTRICTED}, DEPOSIT, "1", ""),
        ({"status": AccountStatus.RESTRICTED}, WITHDRAWAL, "-1", "account_restricted"),
        ({"trading_state": TradingState.HALTED}, DEPOSIT, "1", ""),
        ({"trading_state": TradingState.HALTED}, WITHDRAWAL, "-1", "account_halted"),
        ({"trading_state": TradingState.REDUCING}, WITHDRAWAL, "-1", ""),
        ({"status": AccountStatus.CLOSED}, ADJUSTMENT, "-1", ""),
        ({}, DEPOSIT, "499999900000", "balance_too_large"),
        ({}, ADJUSTMENT, "-500000100000", "balance_too_large"),
    ],
)
async def test_what_an_account_may_do_with_its_cash(
    world: World, state: dict[str, AccountStatus | TradingState], kind: MovementKind, amount: str, code: str
) -> None:
    owner = await world.owner()
    if state:
        await set_state(world, owner, **state)
    before = await world.books(owner)
    if not code:
        await world.move(owner, kind, amount)
        assert (await world.balance(owner)).account.cash == 100_000 + Decimal(amount)
        return
    with pytest.raises(Refused) as refused:
        await world.move(owner, kind, amount)
    assert refused.value.code == code
    assert await world.books(owner) == before


async def test_nothing_moves_in_an_account_that_is_not_there(world: World) -> None:
    with pytest.raises(NotFound):
        await world.move(Owner(), DEPOSIT, "1")


async def test_movements_are_listed_newest_first_in_pages(world: World) -> None:
    owner = await world.owner()
    for number in range(1, 6):
        await world.move(owner, DEPOSIT, str(number))
    found, before = list[str](), UUID(int=2**128 - 1)
    while page := await world.reads.movements(owner.account_id, before=before, limit=2):
        found += [str(each.amount.normalize()) for each in page]
        before = page[-1].movement_id
    assert found == ["5", "4", "3", "2", "1"]


async def test_movements_are_never_changed(world: World) -> None:
    owner = await world.owner()
    await world.move(owner, DEPOSIT, "1")
    for statement in ("UPDATE cash_movements SET amount = 2", "DELETE FROM cash_movements"):
        async with world.pool.acquire() as connection:
            with pytest.raises(Exception, match=r"only ever added|permission denied"):
                await connection.execute(statement)
