"""While the market is closed or an instrument is halted orders wait; the open brings them to the venue."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from hub.order.v1 import order_pb2
from hub_market_client import Quote as MarketQuote
from hub_order.clients import Market
from hub_order.domain import Status
from hub_order.resting import Hand
from hub_order.store import RESTING_CHANNEL, Resting
from hub_order.trigger import Trigger
from hub_order.usecases.execute import execute
from hub_order.usecases.plan import Task
from hub_order.usecases.sweep import fail_stale
from hub_postgres import Leadership, Wakeup
from hub_runtime import utc_now
from tests.order import build
from tests.order.house import House
from tests.order.test_jobs import running, until
from tests.support.tokens import TokenUser as User

HOUR = timedelta(hours=1)
TIMES_IN_FORCE = (order_pb2.TIME_IN_FORCE_DAY, order_pb2.TIME_IN_FORCE_GTC)


@dataclass
class Days:
    """The house's market, closed until `opens_at`."""

    house: House
    opens_at: datetime

    def open(self) -> None:
        self.house.tape.time(self.opens_at)

    @property
    def session(self) -> tuple[datetime, datetime]:
        return self.opens_at, self.opens_at + 6 * HOUR


@pytest.fixture
def days(house: House) -> Days:
    made = Days(house, utc_now() + HOUR)
    house.tape.hours(made.session)
    return made


async def status(house: House, order_id: UUID) -> tuple[Status, str]:
    order = await house.order(order_id)
    return order.status, order.reason


@pytest.mark.parametrize("time_in_force", TIMES_IN_FORCE)
async def test_an_order_waits_for_the_open_and_its_first_quote(
    days: Days, house: House, user: User, time_in_force: int
) -> None:
    house.tape.quote("AAPL", "109", "110", age_s=9000)
    order_id = await house.accepted(user, time_in_force=time_in_force)
    # A pause on the spot would never end.
    await execute([Task(order_id, "")], floor=house.floor_with(pauses_s=(3600,)))
    order = await house.order(order_id)
    assert (order.status, order.rested, order.protection_price) == (Status.PROCESSING, True, Decimal("115.5"))
    assert house.books.held(user.account_id) == Decimal(1155)
    house.tape.quote("AAPL", "109", "110")
    assert house.market.usable("AAPL") is None
    days.open()
    assert house.market.usable("AAPL") is None, "the last quote from before the open is fresh, and not used"
    house.tape.quote("AAPL", "111", "112")
    quote = house.market.usable("AAPL")
    await execute([Task(order_id, "", quote)], floor=house.floor)
    order = await house.order(order_id)
    assert (order.status, order.average_price) == (Status.EXECUTED, Decimal(112))
    assert [event.type for event in await house.events("positions")] == ["order.executed"]


async def test_an_order_that_waited_is_priced_and_held_anew_at_an_open_30_percent_higher(
    days: Days, house: House, user: User
) -> None:
    order_id = await house.accepted(user)
    await house.execute(order_id)
    days.open()
    house.tape.quote("AAPL", "129", "130")
    await execute([Task(order_id, "", house.market.usable("AAPL"))], floor=house.floor)
    order = await house.order(order_id)
    assert (order.status, order.average_price) == (Status.EXECUTED, Decimal(130))
    assert order.protection_price == Decimal("136.5")
    assert house.books.held(user.account_id) == Decimal(1365)
    kinds = [record.kind for record, _ in await house.orders.records(order_id)]
    assert kinds == ["accepted", "working", "repriced", "executed"]


async def test_an_open_that_the_account_cannot_pay_ends_what_waited(
    days: Days, house: House, user: User
) -> None:
    house.books.cash = Decimal(1200)
    order_id = await house.accepted(user)
    await house.execute(order_id)
    days.open()
    house.tape.quote("AAPL", "129", "130")
    await execute([Task(order_id, "", house.market.usable("AAPL"))], floor=house.floor)
    assert await status(house, order_id) == (Status.FAILED, "INSUFFICIENT_FUNDS")
    assert [event.type for event in await house.events("positions")] == ["order.closed"]


async def test_in_the_first_seconds_of_a_session_the_last_price_is_still_the_reference(
    days: Days, house: House, user: User
) -> None:
    house.tape.quote("AAPL", "109", "110", age_s=9000)
    days.open()
    order_id = await house.accepted(user)
    await house.execute(order_id)
    assert (await house.order(order_id)).status is Status.PROCESSING
    house.tape.time(days.opens_at + timedelta(seconds=10))
    assert (await house.submit(user)).refused.code == "market_data_stale"


async def test_a_closed_market_needs_a_last_price(days: Days, house: House, user: User) -> None:
    house.tape.quote("AAPL", "0", "0")
    refused = (await house.submit(user)).refused
    assert (refused.code, refused.field) == ("market_data_stale", "symbol")


async def test_a_halted_instrument_takes_no_orders_even_while_closed(
    days: Days, house: House, user: User
) -> None:
    house.tape.halt("AAPL")
    assert (await house.submit(user)).refused.code == "halted"


async def test_a_quote_that_was_handed_over_before_the_close_fills_nothing_after_it(
    days: Days, house: House, user: User
) -> None:
    order_id = await house.accepted(user)
    await house.execute(order_id)
    before = build.quote(bid="99", ask="100", seq=9, market_time=utc_now())
    for _ in ("closed", "open"):
        await execute([Task(order_id, "", before)], floor=house.floor_with(pauses_s=(3600,)))
        assert (await house.order(order_id)).status is Status.PROCESSING
        days.open()


async def test_a_quote_of_the_open_counts_for_a_worker_that_is_a_moment_behind(
    days: Days, house: House, user: User
) -> None:
    order_id = await house.accepted(user)
    await house.execute(order_id)
    first = build.quote(seq=9, market_time=days.opens_at)
    await execute([Task(order_id, "", first)], floor=house.floor)
    assert (await house.order(order_id)).status is Status.EXECUTED


async def test_a_halt_stops_what_rests_until_it_is_over(house: House, user: User) -> None:
    order_id = await house.resting(user)
    house.tape.halt("AAPL")
    crossing = build.quote(bid="93", ask="94", seq=9, market_time=house.tape.cache.market_time())
    await execute([Task(order_id, "", crossing)], floor=house.floor)
    assert (await house.order(order_id)).status is Status.PROCESSING
    house.tape.halt("AAPL", halted=False)
    await execute([Task(order_id, "", crossing)], floor=house.floor)
    assert (await house.order(order_id)).status is Status.EXECUTED


async def test_hours_without_trading_make_no_market_order_stale(days: Days, house: House, user: User) -> None:
    order_id = await house.accepted(user)
    await house.execute(order_id)
    query = "UPDATE orders SET accepted_at = accepted_at - interval '2 days', version = version + 1"
    await house.pool.execute(query)

    async def swept() -> int:
        return await fail_stale(
            orders=house.orders,
            sweeping=house.sweeping,
            market=house.floor.market,
            max_age=timedelta(seconds=120),
        )

    assert await swept() == 0
    days.open()
    house.floor.market.trades("AAPL")
    assert await swept() == 0
    house.tape.quote("AAPL", "99", "100")
    await execute([Task(order_id, "", house.market.usable("AAPL"))], floor=house.floor)
    assert (await house.order(order_id)).status is Status.EXECUTED


async def test_two_minutes_into_the_session_a_market_order_is_stale(
    days: Days, house: House, user: User
) -> None:
    order_ids = [await house.accepted(user), await house.accepted(user)]
    await house.execute(*order_ids)
    await house.pool.execute(
        "UPDATE orders SET accepted_at = now() - interval '2 days', version = version + 1"
    )
    house.tape.time(days.opens_at + timedelta(seconds=121))
    # A process that starts now counts from the open.
    market = house.market
    await execute([Task(order_ids[0], "", build.quote())], floor=house.floor_with(market=market))
    assert await status(house, order_ids[0]) == (Status.FAILED, "STALE")
    max_age = timedelta(seconds=120)
    assert await fail_stale(orders=house.orders, sweeping=house.sweeping, market=market, max_age=max_age) == 1
    assert await status(house, order_ids[1]) == (Status.FAILED, "STALE")


class ReadMarket(Market):
    """Knows which quotes its reader is done with."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.done: dict[str, int] = {}

    async def updates(self) -> AsyncGenerator[MarketQuote, None]:
        async with aclosing(super().updates()) as quotes:
            async for quote in quotes:
                yield quote
                self.done[quote.symbol] = quote.seq


@dataclass
class Watch:
    """The trigger over the house's rows and quotes; what it hands over is executed at once."""

    house: House
    wakeup: Wakeup
    handed: list[UUID] = field(default_factory=list)

    def __post_init__(self) -> None:
        house = self.house
        self.market = ReadMarket(house.tape.cache, max_age_s=60, extended=house.extended_hours)

    async def hand_over(self, hands: Sequence[Hand], epoch: int) -> None:
        self.handed += [hand.order_id for hand in hands]
        tasks = [Task(hand.order_id, "", hand.quote, hand.stop_price, epoch) for hand in hands]
        await execute(tasks, floor=self.house.floor)

    def trigger(self) -> Trigger:
        return Trigger(
            resting=Resting(self.house.pool), market=self.market, wakeup=self.wakeup, hand_over=self.hand_over
        )

    async def quote(self, bid: str, ask: str, **extremes: str) -> None:
        """A quote that the trigger has held against what rests."""
        self.house.tape.quote("AAPL", bid, ask, **extremes)  # type: ignore[arg-type]

        async def read() -> bool:
            return self.market.done.get("AAPL") == self.house.tape.seq["AAPL"]

        await until(read)

    async def ends(self, order_id: UUID) -> Status:
        async def final() -> bool:
            return (await self.house.order(order_id)).final

        await until(final)
        return (await self.house.order(order_id)).status


@pytest.fixture
async def watch(house: House) -> AsyncIterator[Watch]:
    login = house.database.runtime
    made = Watch(house, Wakeup(login.url, login.password, RESTING_CHANNEL))
    async with running(made.wakeup.run(), made.trigger().lead(Leadership("test", 1))):
        yield made


async def test_the_first_quote_of_the_session_brings_what_rests_to_the_venue(
    watch: Watch, days: Days, house: House, user: User
) -> None:
    at_market, limit = await house.accepted(user), await house.accepted(user, limit_price="95")
    await house.execute(at_market, limit)
    house.tape.quote("AAPL", "93", "94")
    days.open()
    house.tape.quote("AAPL", "98", "99")
    assert await watch.ends(at_market) is Status.EXECUTED
    assert (await house.order(at_market)).average_price == 99
    assert (await house.order(limit)).status is Status.PROCESSING
    assert watch.handed == [at_market]


async def test_what_a_quote_missed_before_the_open_does_not_count(
    watch: Watch, days: Days, house: House, user: User
) -> None:
    limit, other = await house.accepted(user, limit_price="95"), await house.accepted(user)
    await house.execute(limit, other)
    days.open()
    house.tape.quote("AAPL", "98", "99", low_ask="94")
    assert await watch.ends(other) is Status.EXECUTED
    assert (await house.order(limit)).status is Status.PROCESSING
    house.tape.quote("AAPL", "98", "99", low_ask="94")
    assert await watch.ends(limit) is Status.EXECUTED
    assert (await house.order(limit)).average_price == 94


async def test_when_the_hours_are_moved_the_quote_of_now_is_enough(
    watch: Watch, days: Days, house: House, user: User
) -> None:
    order_id = await house.accepted(user)
    await house.execute(order_id)
    await watch.quote("98", "99")
    assert watch.handed == []
    house.tape.hours((utc_now() - HOUR, utc_now() + HOUR))
    assert await watch.ends(order_id) is Status.EXECUTED
    assert (await house.order(order_id)).average_price == 99


async def test_after_a_halt_the_quote_of_now_is_enough(watch: Watch, house: House, user: User) -> None:
    order_id = await house.resting(user)
    house.tape.halt("AAPL")
    await watch.quote("93", "94")
    assert watch.handed == []
    house.tape.halt("AAPL", halted=False)
    assert await watch.ends(order_id) is Status.EXECUTED
