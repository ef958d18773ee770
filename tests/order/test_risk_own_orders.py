"""What an account has in the market already decides about its next order."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from hub.order.v1 import order_pb2
from hub_order.domain import OrderType, Side, TimeInForce
from hub_order.store import OwnOrders, Question
from hub_order.store.own_orders import OWN_ORDERS
from hub_order.usecases.standing import ON_ITS_WAY_S, REMEMBER_S, OwnOrderMemory
from hub_postgres import column_arrays
from tests.order import build
from tests.order.house import House
from tests.support.tokens import TokenUser as User

BUY, SELL = order_pb2.SIDE_BUY, order_pb2.SIDE_SELL
SOME_RESTING = """
    INSERT INTO orders (id, account_id, user_id, symbol, side, type, time_in_force, quantity, limit_price,
                        hold_id, body_hash, traceparent, status, reason, filled_quantity, filled_value,
                        execution_count, rested, version, chain, accepted_at, updated_at)
    SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'AAPL', 'SELL', 'LIMIT', 'GTC', 10, 100,
           gen_random_uuid(), '', '', 'PROCESSING', '', 0, 0, 0, true, 1, '', now(), now()
    FROM generate_series(1, 2000)
"""
LIMIT, MARKET = build.draft(limit_price="99"), build.draft()


async def refused(house: House, user: User, **fields: Any) -> str:
    return (await house.submit(user, **fields)).refused.code


@pytest.fixture
def seller(house: House, user: User) -> User:
    house.books.shares[str(user.account_id), "AAPL"] = Decimal(1000)
    return user


async def test_a_purchase_that_could_trade_with_an_own_sale_is_refused(house: House, seller: User) -> None:
    await house.resting(seller, side=SELL, limit_price="104")
    await house.resting(seller, side=SELL, limit_price="103")
    assert await refused(house, seller, limit_price="103") == "self_crossing"
    assert await refused(house, seller) == "self_crossing"
    await house.accepted(seller, limit_price="102.99")


async def test_a_sale_that_could_trade_with_an_own_purchase_is_refused(house: House, seller: User) -> None:
    await house.resting(seller, limit_price="95")
    await house.resting(seller, limit_price="96")
    assert await refused(house, seller, side=SELL, limit_price="96") == "self_crossing"
    assert await refused(house, seller, side=SELL) == "self_crossing"
    await house.accepted(seller, side=SELL, limit_price="96.01")


async def test_other_accounts_instruments_and_ended_orders_do_not_matter(house: House, seller: User) -> None:
    order_id = await house.resting(seller, side=SELL, limit_price="103")
    await house.accepted(house.keys.user(), limit_price="103")
    await house.cancel(seller, order_id)
    await house.accepted(seller, limit_price="103")


async def test_a_stop_that_waits_is_not_in_the_market(house: House, seller: User) -> None:
    stop = {"type": order_pb2.ORDER_TYPE_STOP_LOSS, "stop_price": "95", "limit_price": ""}
    await house.execute(await house.accepted(seller, side=SELL, **stop))
    await house.accepted(seller, limit_price="97")
    await house.accepted(seller)


async def answer(house: House, account_id: UUID, side: Side, *, symbol: str = "AAPL") -> Any:
    (found,) = await OwnOrders(house.pool).of([Question(account_id, symbol, side, count=True)])
    return found


async def test_the_nearest_price_and_the_number_of_open_orders(house: House, seller: User) -> None:
    account = seller.account_id
    for price in ("103", "102", "104"):
        await house.resting(seller, side=SELL, limit_price=price)
    for price in ("95", "96", "94"):
        await house.resting(seller, limit_price=price)
    assert (await answer(house, account, Side.BUY)).opposing_price == 102
    assert (await answer(house, account, Side.SELL)).opposing_price == 96
    assert (await answer(house, account, Side.SELL)).open_orders == 6
    assert (await answer(house, account, Side.SELL, symbol="MSFT")).opposing_price is None
    assert (await answer(house, uuid4(), Side.SELL)).open_orders == 0


async def test_a_sale_at_the_market_that_waits_for_the_open_meets_every_purchase(
    house: House, seller: User
) -> None:
    house.tape.hours()
    await house.execute(await house.accepted(seller, side=SELL))
    assert (await answer(house, seller.account_id, Side.BUY)).opposing_price == 0
    assert await refused(house, seller, limit_price="50") == "self_crossing"


async def test_many_are_answered_at_once_each_with_its_own(house: House, seller: User) -> None:
    await house.resting(seller, limit_price="95")
    me, other = seller.account_id, uuid4()
    questions = [
        Question(other, "AAPL", Side.SELL, count=True),
        Question(me, "AAPL", Side.SELL, count=False),
        Question(me, "AAPL", Side.BUY, count=True),
    ]
    found = await OwnOrders(house.pool).of(questions)
    assert [(each.opposing_price, each.open_orders) for each in found] == [(None, 0), (95, None), (None, 1)]


async def test_the_index_answers_without_reading_an_accounts_orders(house: House) -> None:
    await house.tamper(SOME_RESTING)
    await house.tamper("ANALYZE orders")
    asked = column_arrays([(uuid4(), "AAPL", "BUY", True)])
    plan = await house.pool.fetch(f"EXPLAIN {OWN_ORDERS}", *asked)
    _, buy, sell, count = "\n".join(row[0] for row in plan).split("SubPlan")
    for probe in (buy, sell, count):
        assert "Sort" not in probe
        assert "orders_resting_of_account" in probe


def asks(memory: OwnOrderMemory, account: UUID, now: float, *, most: int = 10, draft: Any = MARKET) -> str:
    question = memory.question(account, draft, most=most, now=now)
    return "nothing" if question is None else "counts" if question.count else "looks"


def test_an_account_in_which_nothing_rests_is_asked_about_once_in_a_while() -> None:
    memory, me = OwnOrderMemory(), uuid4()
    assert asks(memory, me, 100.0) == "counts"
    assert memory.learn(me, 0, 100.0) == 0
    assert asks(memory, me, 100.0 + REMEMBER_S - 0.01) == "nothing"
    assert asks(memory, me, 100.0 + REMEMBER_S) == "counts"


def test_who_sent_what_may_rest_is_asked_about_until_it_rests() -> None:
    memory, me = OwnOrderMemory(), uuid4()
    memory.learn(me, 0, 100.0)
    memory.sent(me, LIMIT, traded=True, now=100.0)
    assert asks(memory, me, 100.1) == "looks"
    assert memory.learn(me, None, 100.1) == 1
    memory.learn(me, 0, 102.5)
    assert asks(memory, me, 100.0 + ON_ITS_WAY_S - 6) == "looks"
    memory.learn(me, 0, 100.0 + ON_ITS_WAY_S)
    assert asks(memory, me, 100.0 + ON_ITS_WAY_S) == "nothing"


@pytest.mark.parametrize("draft", [MARKET, build.draft(limit_price="99", time_in_force=TimeInForce.IOC)])
def test_what_never_rests_changes_nothing(draft: Any) -> None:
    memory, me = OwnOrderMemory(), uuid4()
    memory.learn(me, 0, 100.0)
    memory.sent(me, draft, traded=True, now=100.0)
    assert asks(memory, me, 100.1) == "nothing"


def test_open_orders_are_counted_anew_where_the_limit_is_reached_but_not_for_every_order() -> None:
    memory, me = OwnOrderMemory(), uuid4()
    memory.learn(me, 9_999, 100.0)
    assert asks(memory, me, 100.01, most=10_000) == "looks"
    memory.sent(me, LIMIT, traded=True, now=100.01)
    assert asks(memory, me, 100.05, most=10_000) == "looks"
    assert asks(memory, me, 100.11, most=10_000) == "counts"
    assert memory.learn(me, 3, 100.11) == 3


def test_the_memory_is_bounded() -> None:
    memory = OwnOrderMemory(most_accounts=10)
    for _ in range(100):
        asks(memory, uuid4(), 1.0)
    assert len(memory) == 10
    stop = build.draft(type=OrderType.STOP_LOSS, stop_price="101")
    memory.sent(uuid4(), stop, traded=True, now=1.0)
    assert len(memory) == 10


async def test_two_that_cross_and_come_at_the_same_moment_may_both_be_accepted(
    house: House, seller: User
) -> None:
    """It is known, and written in the page: neither sees the other, and they do not trade with each other."""
    both = await asyncio.gather(
        house.submit(seller, side=SELL, limit_price="102"), house.submit(seller, limit_price="103")
    )
    assert all(result.HasField("accepted") for result in both)
