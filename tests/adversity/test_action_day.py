"""The day of a split, over three services as they are: market-data feeds and halts, order closes orders and
carries the split out, position multiplies. Only the broker and the processes are the test's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from hub.market_data.v1 import market_data_admin_pb2 as admin_pb2
from hub.market_data.v1 import market_data_pb2
from hub_market_client import QuoteCache
from hub_market_data.replay import Replay
from hub_market_data.store import Bars, Feeding, FeedState
from hub_market_data.usecases.bars import playable
from hub_market_data.worker import Feeder
from hub_order.actor import Actor
from hub_order.corporate_actions import ActionBooks, DueActions
from hub_order.domain import Order, Status
from hub_order.usecases.corporate_actions import CorporateActions
from hub_position.rpc_actions import CorporateActionRpc
from hub_position.store import Reconciling
from hub_postgres import connect_pool
from hub_rpc import connect
from hub_runtime import utc_now
from tests.adversity.asking import accepted, resting
from tests.adversity.checks import account, assert_right
from tests.adversity.platform import Databases, Platform, platform, pools
from tests.adversity.wire import Wire
from tests.market_data.house import House
from tests.order.peers import Tape
from tests.support.jobs import eventually, running
from tests.support.servers import Database, Login
from tests.support.tls import Tls
from tests.support.tokens import Signer
from tests.support.tokens import TokenUser as User

SPLIT = market_data_pb2.CORPORATE_ACTION_TYPE_SPLIT
DIVIDEND = market_data_pb2.CORPORATE_ACTION_TYPE_DIVIDEND
QUARTER = Decimal("0.25")


@dataclass
class Street:
    both: Platform
    house: House
    due: DueActions

    @property
    def price(self) -> Decimal:
        quote = self.both.tape.cache.quote("AAPL")
        assert quote is not None
        return quote.last

    async def bought(self, user: User, quantity: str) -> Order:
        order = await self.both.order(await accepted(self.both, user, quantity=quantity))
        await self.both.through()
        return order

    async def add(
        self, kind: market_data_pb2.CorporateActionType.ValueType, day: date, **number: str
    ) -> None:
        request = admin_pb2.AddCorporateActionRequest(
            symbol="AAPL", type=kind, ex_date=day.isoformat(), **number
        )
        with self.house.administered():
            await self.house.admin.AddCorporateAction(request)

    async def move_to(self, moment: datetime) -> None:
        request = admin_pb2.MoveMarketTimeRequest()
        request.market_time.FromDatetime(moment)
        with self.house.administered():
            await self.house.admin.MoveMarketTime(request)

    async def is_done(self) -> bool:
        """Whether nothing is due any more, when all that is under way has arrived."""
        await self.both.through()
        return not await self.due.due()


@pytest.fixture
async def street(
    database: Callable[[str], Awaitable[Database]], redis: Login, tls: Tls
) -> AsyncIterator[Street]:
    keys = Signer()
    login = (await database("hub_market_data")).runtime
    databases = Databases(await database("hub_order"), await database("hub_position"))
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        house = await enter(House.open(database=login, redis_dsn=redis.dsn, tls=tls, signer=keys))
        pool = await enter(await connect_pool(login.url, login.password, 4, "test"))
        bars = Bars(pool)

        async def replay(state: FeedState) -> Replay:
            history = await playable(bars, house.board.instruments)
            time_ = state.market_time
            return Replay(history, seed=1, speed=10.0, clock=utc_now, place=state.place, market_time=time_)

        feeder = Feeder(
            kind="replay",
            make_feed=replay,
            board=house.board,
            feeding=Feeding(pool),
            bars=bars,
            clock=utc_now,
        )
        channel = await enter(connect(f"127.0.0.1:{house.port}", tls.files("order"), "market-data"))
        tape = Tape()
        tape.cache = QuoteCache()  # written by nobody but market-data
        await enter(running(feeder.run(login.url, login.password), tape.cache.follow(channel)))
        order_pool, position_pool = await enter(pools(databases))
        both = await enter(platform(order_pool, position_pool, keys=keys, tape=tape))
        await eventually(lambda: both.market.usable("AAPL") is not None)
        books = ActionBooks(Wire(CorporateActionRpc(position_pool, utc_now)).channel)
        due, own = DueActions(channel), databases.order.runtime
        actions = CorporateActions(both.orders, both.market, due, books)
        await enter(running(Actor(actions, own.url, own.password, 0.05).run()))
        yield Street(both, house, due)


async def test_the_day_of_a_split(street: Street) -> None:
    both, user = street.both, await street.both.user()
    await street.bought(user, "10")
    before = street.price
    orders = [
        await resting(both, user, limit_price=str(round(before * Decimal("0.96"), 2)), quantity="5"),
        await resting(
            both,
            user,
            side="SIDE_SELL",
            limit_price=str(round(before * Decimal("1.04"), 2)),
            quantity="7",
        ),
    ]
    market_time = street.house.board.market_time
    assert market_time is not None
    day = market_time.date() + timedelta(days=2)
    await street.add(SPLIT, day, ratio="4")
    await street.add(DIVIDEND, day, amount="0.5")
    assert await street.is_done()
    assert not await ended(both, orders)

    await street.move_to(datetime.combine(day, time(0, 0, 1), tzinfo=UTC))
    await eventually(lambda: not both.market.trades("AAPL"))
    instrument = street.house.board.instruments["AAPL"]
    assert (instrument.halted, instrument.halt_reason) == (True, "corporate_action")
    # All the others go on to be quoted; this one waits in old shares.
    await eventually(lambda: both.market.usable("MSFT") is not None)
    assert street.price > before * Decimal("0.9")
    assert both.market.usable("AAPL") is None

    await eventually(street.is_done)
    assert await ended(both, orders) == {(Status.CANCELLED, "CORPORATE_ACTION")}
    await eventually(lambda: both.market.trades("AAPL") and both.market.usable("AAPL") is not None)
    assert abs(street.price / (before * QUARTER) - 1) < Decimal("0.1")
    found = await account(both, user)
    assert (found.positions["AAPL"], found.held) == ((Decimal(40), Decimal(0)), Decimal(0))
    [dividend] = await both.books.pool.fetch("SELECT amount FROM postings WHERE ledger_account = 'dividends'")
    assert dividend["amount"] == -20

    await street.bought(user, "2")
    assert (await account(both, user)).positions["AAPL"][0] == 42
    await assert_right(both, [user])
    checked = await Reconciling(both.books.pool).check([user.account_id])
    assert (checked.differences, checked.more) == ([], 0)


async def ended(both: Platform, order_ids: list[UUID]) -> set[tuple[Status, str]]:
    orders = [await both.order(each) for each in order_ids]
    return {(order.status, order.reason) for order in orders if order.final}
