"""A history beside an instrument, from the bars of the real market-data service."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial

import pytest

from hub.portfolio.v1 import history_pb2
from hub_market_data.board import Board
from hub_market_data.domain.bars import Bar, midnight
from hub_market_data.rolling import Unsaved
from hub_market_data.rpc import register
from hub_market_data.seed import INSTRUMENTS
from hub_market_data.store import Catalogue, Seeding
from hub_market_data.store.bars import keep_bars
from hub_market_data.usecases.keeping import refresh
from hub_position.domain.trade import Side
from hub_postgres import Pool, connect_pool, transaction
from hub_rpc import Server
from hub_runtime import Address, utc_now
from tests.market_data.house import TABLE_OF_READERS, market_data_rpc
from tests.portfolio.front import portfolio_front
from tests.portfolio.street import FRIDAY, MONDAY, TUESDAY, WEDNESDAY, Street, at
from tests.position.house import House
from tests.support.servers import Database
from tests.support.tls import Tls

DAY, WEEK = history_pb2.PERIOD_1D, history_pb2.PERIOD_1W


@pytest.fixture
async def market_pool(database: Callable[[str], Awaitable[Database]]) -> AsyncIterator[Pool]:
    login = (await database("hub_market_data")).runtime
    async with await connect_pool(login.url, login.password, 5, "test") as made:
        yield made


@pytest.fixture
async def street(books: House, pool: Pool, market_pool: Pool, tls: Tls) -> AsyncIterator[Street]:
    await Seeding(market_pool).instruments([replace(INSTRUMENTS[0], symbol="SPY")])
    board = Board()
    await refresh(board, catalogue=Catalogue(market_pool), clock=utc_now, market_hours="exchange")
    board.loaded.set()
    serving = partial(register, market_data_rpc(board, market_pool))
    server = Server(
        Address("127.0.0.1", 0),
        tls.files("market-data"),
        TABLE_OF_READERS,
        [serving],
        drain_s=0,
        grace_s=0.5,
    )
    async with server, portfolio_front(books, pool, tls, market_data=f"127.0.0.1:{server.port}") as front:
        yield Street(front)


def bar(starts_at: datetime, close: str, symbol: str = "SPY") -> tuple[str, Bar]:
    price = Decimal(close)
    prices = {"open": price, "high": price, "low": price, "close": price}
    return symbol, Bar(starts_at=starts_at, day=starts_at.date(), volume=Decimal(1), **prices)


async def with_bars(
    pool: Pool,
    *,
    days: Mapping[date, str] | None = None,
    minutes: Mapping[datetime, str] | None = None,
    symbol: str = "SPY",
) -> None:
    unsaved = Unsaved(
        minutes=tuple(bar(moment, close, symbol) for moment, close in (minutes or {}).items()),
        days=tuple(bar(midnight(day), close, symbol) for day, close in (days or {}).items()),
    )
    async with transaction(pool) as connection:
        await keep_bars(connection, unsaved)


async def test_closes_are_compared_with_those_of_the_benchmark(street: Street, market_pool: Pool) -> None:
    user, owner = await street.front.books.owner()
    await street.front.books.world.trade(owner, Side.BUY, "1000", "100")
    await street.heard(owner)
    for day, price in ((MONDAY, "100"), (TUESDAY, "110"), (WEDNESDAY, "99")):
        await street.step(at(day), AAPL=price)
    await with_bars(market_pool, days={MONDAY: "400", TUESDAY: "410", WEDNESDAY: "404"})
    points = await street.history(user, WEEK, "SPY")
    assert [point.return_percent for point in points] == ["0.00", "10.00", "-1.00"]
    assert [point.benchmark_percent for point in points] == ["0.00", "2.50", "1.00"]
    assert [point.benchmark_percent for point in await street.history(user, WEEK)] == ["", "", ""]


async def test_points_within_a_day_are_compared_with_bars_that_were_over_then(
    street: Street, market_pool: Pool
) -> None:
    user, owner = await street.front.books.owner()
    await street.front.books.world.trade(owner, Side.BUY, "1", "100")
    await street.heard(owner)
    await street.step(at(MONDAY, 21), AAPL="100")
    await street.step(at(TUESDAY, 15), AAPL="101")
    await street.step(at(TUESDAY, 15, 5), AAPL="102")
    minutes = {
        at(MONDAY, 20, 59): "200",
        at(TUESDAY, 14, 57): "202",
        at(TUESDAY, 15, 4): "204",
        at(TUESDAY, 15, 6): "999",
    }
    await with_bars(market_pool, minutes=minutes)
    points = await street.history(user, DAY, "SPY")
    assert [point.benchmark_percent for point in points] == ["0.00", "1.00", "2.00"]


async def test_where_there_are_no_bars_the_history_is_told_without(street: Street, market_pool: Pool) -> None:
    user, owner = await street.front.books.owner()
    await street.front.books.world.trade(owner, Side.BUY, "1", "100")
    await street.heard(owner)
    await street.step(at(MONDAY), AAPL="100")
    await street.step(at(TUESDAY), AAPL="101")
    await with_bars(market_pool, days={TUESDAY: "400", FRIDAY + timedelta(days=90): "500"})
    points = await street.history(user, WEEK, "SPY")
    assert [(point.profit_loss, point.benchmark_percent) for point in points] == [("0", ""), ("1", "")]
    assert await street.history(user, WEEK, "NONE") == points, "an instrument that is not known has none"


async def test_while_market_data_is_away_the_history_is_told_without(
    books: House, pool: Pool, tls: Tls
) -> None:
    user, owner = await books.owner()
    await books.world.trade(owner, Side.BUY, "1", "100")
    async with portfolio_front(books, pool, tls) as front:
        street = Street(front)
        await street.heard(owner)
        await street.step(at(MONDAY), AAPL="100")
        [point] = await street.history(user, WEEK, "SPY")
    assert (point.equity, point.benchmark_percent) == ("100000", "")
