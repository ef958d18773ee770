"""A market whose clock and prices a test sets, as portfolio hears of it, and what accounts come to then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from hub.market_data.v1 import market_data_pb2
from hub.portfolio.v1 import history_pb2
from hub_portfolio.snapshot import snapshot
from hub_rpc import calling_as
from hub_runtime import utc_now
from tests.portfolio.front import Front, instruments
from tests.position.world import Owner
from tests.support.tokens import TokenUser

# Monday to Friday, and the Monday after.
DAYS = [date(2026, 3, day) for day in (2, 3, 4, 5, 6, 9)]
MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY, NEXT_MONDAY = DAYS
OPENS, CLOSES = time(14, 30, tzinfo=UTC), time(21, tzinfo=UTC)
SESSIONS_TOLD = 3


def at(day: date, hour: int = 15, minute: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)


def stamp(moment: datetime) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(moment)
    return made


def news(now: datetime, **prices: str) -> market_data_pb2.StreamQuotesResponse:
    """As market-data tells it: the running session and the next, none that is over."""
    coming = [day for day in DAYS if datetime.combine(day, CLOSES) > now][:SESSIONS_TOLD]
    told = instruments()
    told.snapshot.sessions.extend(
        market_data_pb2.Session(
            calendar="XNYS",
            day=day.isoformat(),
            opens_at=stamp(datetime.combine(day, OPENS)),
            closes_at=stamp(datetime.combine(day, CLOSES)),
        )
        for day in coming
    )
    told.market_time.CopyFrom(stamp(now))
    told.quotes.extend(
        market_data_pb2.Quote(
            symbol=symbol,
            epoch=1,
            seq=int(now.timestamp()),
            bid=price,
            ask=price,
            last=price,
            market_time=stamp(now),
            received_at=stamp(utc_now()),
        )
        for symbol, price in prices.items()
    )
    return told


@dataclass(frozen=True)
class Street:
    front: Front

    async def step(self, now: datetime, **prices: str) -> None:
        """The market's clock and prices move on, and whoever is followed is valued."""
        self.front.cache.apply(news(now, **prices))
        assert await snapshot(self.front.valuer, None) is not None

    async def heard(self, owner: Owner, *, version: int = 2**40) -> None:
        """As after an event of the account."""
        await self.front.valuer.store.hear({owner.account_id: version}, ())

    async def history(
        self, user: TokenUser, period: history_pb2.Period.ValueType, benchmark: str = ""
    ) -> Sequence[history_pb2.EquityPoint]:
        with calling_as(user.token):
            wanted = history_pb2.GetHistoryRequest(period=period, benchmark=benchmark)
            return list((await self.front.histories.GetHistory(wanted)).points)

    async def rows(self, table: str, account_id: UUID) -> list[Any]:
        async with self.front.pool.acquire() as connection:
            statement = f"SELECT * FROM {table} WHERE account_id = $1 ORDER BY day"
            return list(await connection.fetch(statement, account_id))


def moments(points: Sequence[history_pb2.EquityPoint]) -> list[datetime]:
    return [point.at.ToDatetime(tzinfo=UTC) for point in points]


def after(now: datetime, minutes: int) -> datetime:
    return now + timedelta(minutes=minutes)
