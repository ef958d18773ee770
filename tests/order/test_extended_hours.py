"""Limit orders that also work outside of the regular session: when they are filled, when they end, and that
no other order is touched by it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from hub.order.v1 import order_pb2
from hub_order.domain import Status
from hub_order.store import RESTING_CHANNEL
from hub_order.usecases.execute import execute
from hub_order.usecases.plan import Task
from hub_order.usecases.sweep import expire, fail_stale
from hub_postgres import Leadership, Wakeup
from hub_runtime import utc_now
from tests.order import build
from tests.order.conftest import emptied
from tests.order.house import House, order_house
from tests.order.test_hours import FRIDAY, MONDAY, OFFERED, at, session
from tests.order.test_jobs import running, until
from tests.order.test_market_hours import Watch
from tests.order.test_replace import code_of
from tests.order.test_trigger import insert
from tests.support.servers import Database
from tests.support.tls import Tls
from tests.support.tokens import TokenUser as User

GTC = order_pb2.TIME_IN_FORCE_GTC
EXTENDED: dict[str, Any] = {"extended_hours": True}


@pytest.fixture
async def house(order_database: Database, tls: Tls) -> AsyncIterator[House]:
    """Friday, 8 o'clock in New York: the exchange opens at half past nine, and again on Monday."""
    async with order_house(order_database, tls, extended_hours=OFFERED) as made:
        await emptied(made)
        keeps(made, FRIDAY, MONDAY)
        move(made, "2036-03-07", "08:00")
        yield made


def keeps(house: House, *sessions: Any) -> None:
    """These sessions of New York's exchange, and no others."""
    hours = ((each.opens_at, each.closes_at) for each in sessions)
    house.tape.exchange("XNYS", "America/New_York", *hours)


def move(house: House, day: str, clock: str) -> datetime:
    """The market's clock is there, and the last price has gone by."""
    moment = at(day, clock)
    house.tape.time(moment)
    return moment


async def rests(house: House, user: User, **fields: Any) -> UUID:
    """A limit purchase at 95, as the worker leaves it where the market is above that."""
    order_id = await house.resting(user, **fields)
    assert (await house.order(order_id)).status is Status.PROCESSING
    return order_id


async def status(house: House, order_id: UUID) -> tuple[Status, str]:
    order = await house.order(order_id)
    return order.status, order.reason


async def expired(house: House, *order_ids: UUID) -> list[bool]:
    await expire(orders=house.orders, market=house.market)
    found = [await status(house, order_id) for order_id in order_ids]
    assert {each for each in found if each[0] is not Status.PROCESSING} <= {(Status.EXPIRED, "SESSION_ENDED")}
    return [each[0] is Status.EXPIRED for each in found]


@asynccontextmanager
async def watching(house: House, *order_ids: UUID, epoch: int = 1) -> AsyncIterator[Watch]:
    """A trigger that knows these orders."""
    login = house.database.runtime
    watch = Watch(house, Wakeup(login.url, login.password, RESTING_CHANNEL))
    trigger = watch.trigger()

    async def known() -> bool:
        return set(trigger.memory.order_ids()) == set(order_ids)

    async with running(watch.wakeup.run(), trigger.lead(Leadership("test", epoch))):
        await until(known)
        yield watch


async def test_before_the_open_the_trigger_fills_it_and_at_the_same_price_no_other_order(
    house: House, user: User
) -> None:
    house.tape.quote("AAPL", "99", "100")
    extended, limit = await rests(house, user, **EXTENDED), await rests(house, user)
    at_market, stop = await house.accepted(user), await house.accepted(user, **STOP)
    await house.execute(at_market, stop)
    async with watching(house, extended, limit, at_market, stop) as watch:
        await watch.quote("93", "94")
        assert await watch.ends(extended) is Status.EXECUTED
        await watch.quote("119", "120")
        await watch.quote("93", "94")
        assert watch.handed == [extended]
        move(house, "2036-03-07", "09:30")
        house.tape.quote("AAPL", "92", "93")
        assert await watch.ends(limit) is Status.EXECUTED
        assert await watch.ends(at_market) is Status.EXECUTED
    assert [(await house.order(each)).average_price for each in (extended, limit)] == [94, 93]


STOP: dict[str, Any] = {"type": order_pb2.ORDER_TYPE_STOP_LOSS, "stop_price": "110"}


async def test_the_worker_fills_a_new_one_from_the_quote_of_the_hour_and_no_other_order(
    house: House, user: User
) -> None:
    house.tape.quote("AAPL", "99", "100")
    extended = await house.accepted(user, limit_price="101", **EXTENDED)
    limit = await house.accepted(user, limit_price="101")
    at_market = await house.accepted(user)
    await house.execute(extended, limit, at_market)
    assert await status(house, extended) == (Status.EXECUTED, "")
    assert [await status(house, each) for each in (limit, at_market)] == 2 * [(Status.PROCESSING, "")]
    handed = replace(build.quote("93", "94", seq=9), market_time=house.tape.cache.market_time())
    await execute([Task(each, "", handed) for each in (limit, at_market)], floor=house.floor)
    assert [await status(house, each) for each in (limit, at_market)] == 2 * [(Status.PROCESSING, "")]


@pytest.mark.parametrize(
    ("quoted", "looked", "filled"),
    [
        ("03:59", "03:59", False),
        ("03:59", "04:00", False),
        ("04:00", "04:00", True),
        ("09:29", "09:30", True),
        ("12:00", "12:00", True),
        ("15:59", "16:00", True),
        ("16:00", "19:59", True),
        ("19:59", "20:00", False),
        ("20:00", "20:00", False),
    ],
)
async def test_only_a_quote_of_its_day_fills_it_and_only_within_its_day(
    house: House, user: User, quoted: str, looked: str, *, filled: bool
) -> None:
    keeps(house, session("2036-03-10"), session("2036-03-11"))
    house.tape.quote("AAPL", "99", "100")
    move(house, "2036-03-10", quoted)
    house.tape.quote("AAPL", "99", "100")
    move(house, "2036-03-10", looked)
    order_id = await house.accepted(user, limit_price="101", time_in_force=GTC, **EXTENDED)
    await house.execute(order_id)
    assert (await house.order(order_id)).status is (Status.EXECUTED if filled else Status.PROCESSING)


async def test_an_old_quote_fills_it_not(house: House, user: User) -> None:
    house.tape.quote("AAPL", "99", "100", age_s=11)
    order_id = await house.accepted(user, limit_price="101", **EXTENDED)
    await house.execute(order_id)
    assert (await house.order(order_id)).status is Status.PROCESSING


async def test_a_day_order_ends_with_the_extended_hours_of_its_day(house: House, user: User) -> None:
    house.tape.quote("AAPL", "99", "100")
    extended, limit = await rests(house, user, **EXTENDED), await rests(house, user)
    until_cancelled = await rests(house, user, time_in_force=GTC, **EXTENDED)
    assert (await house.order(extended)).expires_at == at("2036-03-07", "20:00")
    orders = (extended, limit, until_cancelled)
    assert await expired(house, *orders) == [False, False, False]
    move(house, "2036-03-07", "16:00")
    assert await expired(house, *orders) == [False, True, False]
    move(house, "2036-03-07", "19:59")
    assert await expired(house, *orders) == [False, True, False]
    move(house, "2036-03-07", "20:00")
    assert await expired(house, *orders) == [True, True, False]


async def test_in_the_evening_it_is_for_the_day_that_is_ending(house: House, user: User) -> None:
    move(house, "2036-03-07", "18:00")
    house.tape.quote("AAPL", "99", "100")
    extended, limit = await rests(house, user, **EXTENDED), await rests(house, user)
    ends = [(await house.order(order_id)).expires_at for order_id in (extended, limit)]
    assert ends == [at("2036-03-07", "20:00"), at("2036-03-10", "16:00")]
    async with watching(house, extended, limit) as watch:
        await watch.quote("93", "94")
        assert await watch.ends(extended) is Status.EXECUTED
        assert watch.handed == [extended]


async def test_after_the_extended_hours_it_waits_for_those_of_the_next_trading_day(
    house: House, user: User
) -> None:
    """The clocks go forward on the Sunday in between."""
    move(house, "2036-03-07", "20:00")
    house.tape.quote("AAPL", "99", "100")
    order_id = await rests(house, user, **EXTENDED)
    assert (await house.order(order_id)).expires_at == at("2036-03-10", "20:00")
    async with watching(house, order_id) as watch:
        for day, clock in (("2036-03-07", "20:01"), ("2036-03-08", "12:00"), ("2036-03-10", "03:59")):
            move(house, day, clock)
            await watch.quote("93", "94")
        assert watch.handed == []
        move(house, "2036-03-10", "04:00")
        house.tape.quote("AAPL", "93", "94")
        assert await watch.ends(order_id) is Status.EXECUTED


async def test_on_a_holiday_it_does_not_work_and_on_a_day_that_closes_early_all_day_long(
    house: House, user: User
) -> None:
    """Thanksgiving, and the Friday after it."""
    keeps(house, session("2036-11-26"), session("2036-11-28", closes="13:00"))
    move(house, "2036-11-26", "20:00")
    house.tape.quote("AAPL", "99", "100")
    order_id = await rests(house, user, **EXTENDED)
    assert (await house.order(order_id)).expires_at == at("2036-11-28", "20:00")
    async with watching(house, order_id) as watch:
        move(house, "2036-11-27", "12:00")
        await watch.quote("93", "94")
        assert watch.handed == []
        move(house, "2036-11-28", "13:30")
        house.tape.quote("AAPL", "93", "94")
        assert await watch.ends(order_id) is Status.EXECUTED


async def test_a_trigger_that_starts_anew_knows_which_orders_have_extended_hours(
    house: House, user: User
) -> None:
    house.tape.quote("AAPL", "99", "100")
    extended, limit = await rests(house, user, **EXTENDED), await rests(house, user)
    async with watching(house, extended, limit) as first:
        await first.quote("98", "99")
        assert first.handed == []
    async with watching(house, extended, limit, epoch=2) as second:
        await second.quote("93", "94")
        assert await second.ends(extended) is Status.EXECUTED
        assert second.handed == [extended]


async def test_prices_that_were_left_out_across_the_open_count_for_it_and_for_no_other_order(
    house: House, user: User
) -> None:
    house.tape.quote("AAPL", "99", "100")
    extended, limit = await rests(house, user, **EXTENDED), await rests(house, user)
    async with watching(house, extended, limit) as watch:
        await watch.quote("98", "99")
        move(house, "2036-03-07", "09:30")
        await watch.quote("98", "99", low_ask="94")
        assert await watch.ends(extended) is Status.EXECUTED
        assert watch.handed == [extended]
        house.tape.quote("AAPL", "98", "99", low_ask="94")
        assert await watch.ends(limit) is Status.EXECUTED
    assert (await house.order(extended)).average_price == 94


async def test_prices_of_before_its_hours_do_not_count(house: House, user: User) -> None:
    move(house, "2036-03-07", "20:00")
    house.tape.quote("AAPL", "99", "100")
    order_id = await rests(house, user, **EXTENDED)
    async with watching(house, order_id) as watch:
        move(house, "2036-03-10", "04:00")
        await watch.quote("98", "99", low_ask="94")
        assert watch.handed == []
        house.tape.quote("AAPL", "98", "99", low_ask="94")
        assert await watch.ends(order_id) is Status.EXECUTED


async def test_a_halt_stops_it_and_when_that_is_over_the_quote_of_now_is_enough(
    house: House, user: User
) -> None:
    house.tape.quote("AAPL", "99", "100")
    order_id = await rests(house, user, **EXTENDED)
    async with watching(house, order_id) as watch:
        house.tape.halt("AAPL")
        await watch.quote("93", "94")
        assert watch.handed == []
        house.tape.halt("AAPL", halted=False)
        assert await watch.ends(order_id) is Status.EXECUTED


async def test_extended_hours_make_no_market_order_older(house: House, user: User) -> None:
    house.tape.quote("AAPL", "99", "100")
    order_id = await house.accepted(user)
    await house.execute(order_id)
    await house.pool.execute(
        "UPDATE orders SET accepted_at = accepted_at - interval '1 day', version = version + 1"
    )

    async def swept() -> int:
        """By a process that starts now: it takes a running session as traded from its open."""
        market, max_age = house.market, timedelta(seconds=120)
        return await fail_stale(orders=house.orders, sweeping=house.sweeping, market=market, max_age=max_age)

    assert await swept() == 0
    move(house, "2036-03-07", "09:33")
    assert await swept() == 1


@pytest.mark.parametrize(
    "fields",
    [
        {},
        STOP,
        {"limit_price": "95", "time_in_force": order_pb2.TIME_IN_FORCE_IOC},
        {"limit_price": "95", "time_in_force": order_pb2.TIME_IN_FORCE_FOK},
    ],
    ids=["at the market", "a stop", "IOC", "FOK"],
)
async def test_only_limit_orders_that_can_wait_may_have_extended_hours(
    house: House, user: User, fields: dict[str, Any]
) -> None:
    house.tape.quote("AAPL", "99", "100")
    refused = (await house.submit(user, **fields, **EXTENDED)).refused
    assert (refused.code, refused.field) == ("extended_hours_not_allowed", "extended_hours")


async def test_a_replacement_that_cannot_wait_is_told_of_its_time_in_force(house: House, user: User) -> None:
    house.tape.quote("AAPL", "99", "100")
    order_id = await rests(house, user, **EXTENDED)
    fields = {"quantity": "9", "time_in_force": order_pb2.TIME_IN_FORCE_IOC}
    assert await code_of(house, user, order_id, **fields) == ("extended_hours_not_allowed", "time_in_force")


async def test_where_it_always_trades_there_are_no_extended_hours(house: House, user: User) -> None:
    house.tape.exchange("24x7", "UTC", (utc_now(), at("2037-01-01", "00:00")))
    house.tape.quote("AAPL", "99", "100")
    refused = (await house.submit(user, limit_price="95", **EXTENDED)).refused
    assert refused.code == "extended_hours_not_allowed"


@pytest.fixture
async def plain(order_database: Database, tls: Tls) -> AsyncIterator[House]:
    """Without the setting."""
    async with order_house(order_database, tls) as made:
        await emptied(made)
        keeps(made, FRIDAY, MONDAY)
        move(made, "2036-03-07", "08:00")
        made.tape.quote("AAPL", "99", "100")
        yield made


async def test_without_the_setting_it_is_refused(plain: House) -> None:
    refused = (await plain.submit(plain.keys.user(), limit_price="95", **EXTENDED)).refused
    assert (refused.code, refused.field) == ("extended_hours_not_allowed", "extended_hours")
    assert refused.message == "Orders work in the regular session only, here."


async def test_what_rests_from_before_the_setting_was_taken_away_works_in_the_session(plain: House) -> None:
    order = build.resting(limit_price="95", extended_hours=True, protection_price=None, accepted_at=utc_now())
    await insert(plain, order)
    async with watching(plain, order.order_id) as watch:
        await watch.quote("93", "94")
        assert watch.handed == []
        move(plain, "2036-03-07", "09:30")
        await watch.quote("93", "94")

        async def handed() -> bool:
            return watch.handed == [order.order_id]

        await until(handed)
