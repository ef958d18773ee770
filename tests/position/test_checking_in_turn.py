"""Books of many accounts are looked at as long as there is time; one that has too much is passed by."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from hub.position.v1 import reconciliation_pb2, reconciliation_pb2_grpc
from hub_errors import Unavailable
from hub_position.domain.reconciliation import BookDifference, Checked, TookTooLong
from hub_position.domain.trade import Side
from hub_position.store import Reconciling
from hub_position.usecases import check_in_turn, checking
from tests.position.conftest import Damage
from tests.position.house import House, position_house
from tests.position.world import World
from tests.support.tls import Tls

ACCOUNTS = [UUID(int=number) for number in range(1, 101)]


class Slow:
    """Each account takes `each` seconds; what is huge, and whatever is looked at with it, too long."""

    def __init__(self, *huge: UUID, each: float = 0, wrong: int = 0) -> None:
        self.huge, self.each, self.wrong, self.time = set(huge), each, wrong, 0.0
        self.asked: list[int] = []

    async def check(self, account_ids: Sequence[UUID], *, since: bool, limit_s: float) -> Checked:
        self.asked.append(len(account_ids))
        if self.huge & set(account_ids):
            self.time += limit_s
            raise TookTooLong
        self.time += self.each * len(account_ids)
        wrong = [BookDifference("cash_held", account_ids[0], "", Decimal(0), Decimal(1))] * self.wrong
        return Checked(account_ids, wrong, 1 if self.wrong else 0)

    async def all_of(self, account_ids: Sequence[UUID], *, since: bool = False) -> Checked:
        store: Any = self
        return await check_in_turn(account_ids, store=store, since=since, clock=lambda: self.time)


async def test_all_are_looked_at_in_some_steps_while_it_goes_fast() -> None:
    slow = Slow()
    checked = await slow.all_of(ACCOUNTS)
    assert list(checked.account_ids) == ACCOUNTS
    assert (checked.too_long, checked.out_of_time) == ([], False)
    assert slow.asked == [1, 2, 4, 8, 16, 32, 37]


async def test_no_more_are_begun_when_the_time_is_over() -> None:
    slow = Slow(each=2)
    checked = await slow.all_of(ACCOUNTS)
    assert list(checked.account_ids) == ACCOUNTS[:3]
    assert checked.out_of_time


async def test_one_that_is_too_much_is_named_and_the_others_are_looked_at() -> None:
    looked_at, too_long, left = list[UUID](), list[UUID](), list(ACCOUNTS)
    calls = 0
    slow = Slow(ACCOUNTS[40])
    while left:
        checked = await slow.all_of(left)
        looked_at += checked.account_ids
        too_long += checked.too_long
        done = len(checked.account_ids) + len(checked.too_long)
        assert done
        assert checked.out_of_time == (done < len(left))
        left, calls = left[done:], calls + 1
    assert too_long == [ACCOUNTS[40]]
    assert looked_at == [each for each in ACCOUNTS if each != ACCOUNTS[40]]
    assert calls < 8


@pytest.mark.parametrize(("since", "limit"), [(False, checking.WHOLE_S), (True, checking.SINCE_S)])
async def test_one_alone_has_more_time(since: bool, limit: float) -> None:
    slow = Slow(ACCOUNTS[0])
    checked = await slow.all_of(ACCOUNTS, since=since)
    assert (checked.account_ids, checked.too_long, checked.out_of_time) == ([], ACCOUNTS[:1], True)
    assert slow.time == limit


async def test_differences_of_all_steps_are_told_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "MOST_DIFFERENCES", 3)
    checked = await Slow(wrong=2).all_of(ACCOUNTS[:3])
    assert (len(checked.differences), checked.more) == (3, 3)


@pytest.fixture
async def house(world: World, tls: Tls) -> AsyncIterator[House]:
    async with position_house(world, tls) as made:
        yield made


@pytest.fixture
async def stub(house: House) -> AsyncIterator[Any]:
    async with house.channel("order") as channel:
        yield reconciliation_pb2_grpc.ReconciliationServiceStub(channel)


WHOLE, SINCE = reconciliation_pb2.CHECK_KIND_WHOLE, reconciliation_pb2.CHECK_KIND_SINCE


async def test_who_asks_says_from_where_on(stub: Any, world: World, damage: Damage) -> None:
    owner = await world.owner()
    await world.trade(owner, Side.BUY, "10", "33.33", minute=1)
    named = [str(owner.account_id)]

    async def asked(**how: Any) -> set[str]:
        answer = await stub.CheckBooks(reconciliation_pb2.CheckBooksRequest(account_ids=named, **how))
        assert (list(answer.account_ids), answer.out_of_time) == (named, False)
        return {each.kind for each in answer.differences}

    assert await asked(kind=SINCE) == set()
    await damage(
        "UPDATE trades SET cost_removed = 1 WHERE account_id = $1 AND symbol = 'AAPL'", owner.account_id
    )
    assert await asked(kind=SINCE) == set()
    found = {"position_cost", "trade_cost", "trade_realised"}
    assert await asked(kind=WHOLE) == await asked() == found


async def test_statements_over_too_much_are_ended_and_the_account_is_named(
    stub: Any, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = await world.owner()
    monkeypatch.setattr(
        "hub_position.store.reconciling.checks.ALL", ("SELECT pg_sleep(60) FROM unnest($1::uuid[])",)
    )
    monkeypatch.setattr(checking, "WHOLE_S", 0.05)
    named = [str(owner.account_id)]
    answer = await stub.CheckBooks(reconciliation_pb2.CheckBooksRequest(account_ids=named, kind=WHOLE))
    assert (list(answer.account_ids), list(answer.too_long_account_ids)) == ([], named)
    with pytest.raises(TookTooLong):
        await Reconciling(world.pool).check([owner.account_id], limit_s=0.05)
    with pytest.raises(TookTooLong):
        await Reconciling(world.pool).check([owner.account_id], limit_s=0)


async def test_who_does_not_know_of_that_is_told_by_an_error(
    stub: Any, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = await world.owner()

    async def check(*_: object) -> Checked:
        raise TookTooLong

    monkeypatch.setattr(Reconciling, "check", check)
    with pytest.raises(Unavailable) as refused:
        await stub.CheckBooks(reconciliation_pb2.CheckBooksRequest(account_ids=[str(owner.account_id)]))
    assert refused.value.code == "books_too_large"
