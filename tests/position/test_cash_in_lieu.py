"""What a split leaves of a share, paid out in cash: once, at one price, whatever comes late."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from hub.position.v1 import corporate_actions_pb2, corporate_actions_pb2_grpc
from hub_errors import Conflict, Invalid
from hub_position.domain.activity import IN_LIEU, LATE
from hub_position.domain.position import PositionStatus
from tests.position.acting import apply_once, apply_to_all, at, differences, dividend, effects_of, split
from tests.position.test_activities import stamp
from tests.position.test_split_activities import Trader, house, quantities, trader
from tests.position.world import DEPOSIT

__all__ = ["house", "trader"]

PRICE, THIRD = "33.33", "0.33333333"


async def test_a_part_of_a_share_is_paid_out_with_its_part_of_the_cost(trader: Trader) -> None:
    await trader.buys("10", "100", minute=1)
    await apply_to_all(trader.world, split(trader.symbol, THIRD, minute=10, lieu=PRICE))
    position = await trader.world.position(trader.owner, trader.symbol)
    paid = Decimal("11.10999889")  # 0.3333333 * 33.33
    cost = Decimal("99.9999910")  # 1000 * 0.3333333 / 3.3333333
    assert (position.holding.quantity, position.holding.status) == (Decimal(3), PositionStatus.ACTIVE)
    assert abs(position.holding.total_cost - (1000 - cost)) < Decimal("1e-6")
    assert position.holding.total_cost - position.holding.realised_pnl + paid == 1000
    account = (await trader.world.balance(trader.owner)).account
    assert (account.settled, account.unsettled) == (DEPOSIT + paid, Decimal(-1000))
    [line, _] = await trader.lines()
    assert (line.type, line.quantity_before, line.quantity_after, line.reason) == (
        "split",
        "10",
        "3",
        IN_LIEU,
    )
    assert (line.net_amount, line.settled, line.dividend) == (str(paid), str(paid), "0")
    assert Decimal(line.net_amount) + Decimal(line.cost) == Decimal(line.realised_pnl)
    await trader.sound()


async def test_what_is_less_than_a_share_is_paid_out_and_the_position_closed(trader: Trader) -> None:
    await trader.buys("2", "100", minute=1)
    await apply_to_all(trader.world, split(trader.symbol, "0.1", minute=10, lieu="900"))
    holding = (await trader.world.position(trader.owner, trader.symbol)).holding
    assert (holding.quantity, holding.status) == (Decimal(0), PositionStatus.CLOSED)
    assert not holding.total_cost
    assert holding.realised_pnl == Decimal(-20)
    assert (await trader.world.balance(trader.owner)).account.settled == DEPOSIT + 180
    await trader.sound()


async def test_whole_shares_and_those_that_are_owed_are_only_multiplied(trader: Trader) -> None:
    await trader.buys("6", "100", minute=1)
    await apply_to_all(trader.world, split(trader.symbol, "1.5", minute=10, lieu="66"))
    assert await trader.held() == ("9", "600")
    await trader.sells("10", "70", minute=20)
    await apply_to_all(trader.world, split(trader.symbol, "1.5", minute=30, lieu="44"))
    assert quantities(await trader.cut()) == {trader.symbol: Decimal("-1.5")}
    assert [line.reason for line in await trader.lines()] == [""] * 4
    await trader.sound()


async def test_a_late_trade_restates_it_by_one_transaction(trader: Trader) -> None:
    """Three of one share were paid out; in truth there was nothing left."""
    await trader.buys("3", "100", minute=1)
    await apply_to_all(trader.world, split(trader.symbol, "1.5", minute=10, lieu="60"))
    await apply_to_all(trader.world, dividend(trader.symbol, "1", minute=20))
    before = await trader.cut()
    await trader.buys("1", "100", minute=5)
    after = await trader.cut(before.through)
    fill, adjusted = sorted(
        await trader.between(before.through, after.through), key=lambda line: line.type, reverse=True
    )
    assert (fill.type, adjusted.type, adjusted.reason) == ("fill", "adjustment", LATE)
    # Half a share at 60 comes back, and the dividend of two more shares.
    assert (adjusted.net_amount, adjusted.dividend) == ("-28", "2")
    assert (adjusted.quantity_before, adjusted.quantity_after) == ("5", "6")
    assert await trader.held() == ("6", "400")
    holding = (await trader.world.position(trader.owner, trader.symbol)).holding
    assert holding.realised_pnl == 0
    assert (await trader.world.balance(trader.owner)).account.settled == DEPOSIT + 6
    await trader.sound()


async def test_the_price_that_was_told_first_is_in_force(
    trader: Trader, monkeypatch: pytest.MonkeyPatch
) -> None:
    await trader.buys("3", "100", minute=1)
    action = split(trader.symbol, "1.5", minute=10, lieu="60")
    monkeypatch.setattr("hub_position.usecases.actions.ACCOUNTS_AT_ONCE", 0)
    await apply_once(trader.world, action)
    monkeypatch.undo()
    await apply_to_all(trader.world, replace(action, lieu_price=Decimal(70)))
    await apply_to_all(trader.world, replace(action, lieu_price=None))
    [effect] = (await effects_of(trader.world, trader.owner)).values()
    assert (effect["fraction"], effect["lieu"]) == (Decimal("0.5"), Decimal(30))
    with pytest.raises(Conflict):
        await apply_once(trader.world, replace(action, number=Decimal(2)))
    await trader.sound()


async def test_it_is_asked_for_by_a_price(trader: Trader) -> None:
    await trader.buys("3", "100", minute=1)
    async with trader.house.channel("order") as channel:
        stub: Any = corporate_actions_pb2_grpc.CorporateActionServiceStub(channel)
        wanted = corporate_actions_pb2.ApplyCorporateActionRequest(
            action_id=str(uuid4()), symbol=trader.symbol, ratio="1.5", effective_at=stamp(at(10))
        )
        for price in ("x", "-1", "0", "0.000000001"):
            wanted.cash_in_lieu_price = price
            with pytest.raises(Invalid) as refused:
                await stub.ApplyCorporateAction(wanted)
            assert refused.value.field == "cash_in_lieu_price"
        wanted.cash_in_lieu_price = "60"
        while not (await stub.ApplyCorporateAction(wanted)).done:
            pass
    assert await trader.held() == ("4", "266.66666667")
    await trader.sound()


async def test_another_price_or_part_is_a_difference(trader: Trader) -> None:
    await trader.buys("3", "100", minute=1)
    action = split(trader.symbol, "1.5", minute=10, lieu="60")
    await apply_to_all(trader.world, action)
    change = "UPDATE action_effects SET lieu = 31 WHERE account_id = $1"
    await trader.world.pool.execute(change, trader.owner.account_id)
    kinds = {each.kind for each in await differences(trader.world, trader.owner)}
    assert kinds == {"action_lieu", "position_realised"}
    change = "UPDATE action_effects SET lieu = 24, fraction = 0.4 WHERE account_id = $1"
    await trader.world.pool.execute(change, trader.owner.account_id)
    kinds = {each.kind for each in await differences(trader.world, trader.owner)}
    assert kinds == {"action_split", "action_cost", "position_realised"}
    change = "UPDATE action_effects SET lieu = 90, quantity_after = 3, fraction = 1.5 WHERE account_id = $1"
    await trader.world.pool.execute(change, trader.owner.account_id)
    kinds = {each.kind for each in await differences(trader.world, trader.owner)}
    assert kinds >= {"action_fraction", "action_cost", "position_quantity"}
