"""A stack whose market keeps the hours of New York: what is sent on a Saturday is filled at the next open,
and what has extended hours an hour before that."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from hub.market_data.v1 import market_data_admin_pb2, market_data_admin_pb2_grpc, market_data_pb2_grpc
from hub.market_data.v1 import market_data_pb2 as pb
from hub_local.layout import ADMIN_EMAIL, SERVICES
from hub_local.ports import Ports
from hub_local.stack import Stack
from hub_rpc import calling_as, connect
from hub_runtime import TlsFiles
from tests.system.places import database, grpc_target
from tests.system.user import User, register, until


@pytest.fixture(scope="module")
async def stack(folder_for_servers: Path) -> AsyncIterator[Stack]:
    """One of its own: nothing else can live with a clock that jumps."""
    running = Stack(
        state=folder_for_servers / "hours",
        ports=Ports.probe(tuple(SERVICES)),
        overrides={"HUB_MARKET_HOURS": "XNYS", "HUB_EXTENDED_HOURS": "04:00-20:00"},
    )
    try:
        await running.start()
        yield running
    finally:
        await running.stop()


@dataclass
class Market:
    """Its clock, in an administrator's hands."""

    asking: Any
    admin: Any
    token: str

    async def clock(self) -> pb.GetClockResponse:
        answer: pb.GetClockResponse = await self.asking.GetClock(pb.GetClockRequest(calendar="XNYS"))
        return answer

    async def move_to(self, moment: datetime) -> None:
        """And two seconds on, so that everybody has heard of it."""
        request = market_data_admin_pb2.MoveMarketTimeRequest()
        request.market_time.FromDatetime(moment)
        with calling_as(self.token):
            await self.admin.MoveMarketTime(request)
        passed = moment + timedelta(seconds=2)
        await until(self.clock, lambda clock: time(clock.market_time) >= passed)

    async def quoted(self, symbol: str) -> pb.Quote:
        """A price; without one an order is not taken even while the market is closed."""
        clock = await self.clock()
        if not clock.is_open:
            await self.move_to(time(clock.next_open))

        async def ask() -> pb.GetQuotesResponse:
            answer: pb.GetQuotesResponse = await self.asking.GetQuotes(pb.GetQuotesRequest(symbols=[symbol]))
            return answer

        return (await until(ask, lambda answer: len(answer.quotes) == 1)).quotes[0]


def time(stamp: Any) -> datetime:
    moment: datetime = stamp.ToDatetime(tzinfo=UTC)
    return moment


@pytest.fixture
async def market(stack: Stack) -> AsyncIterator[Market]:
    folder = stack.layout.certificates
    tls = TlsFiles(ca=folder / "ca.pem", cert=folder / "gateway.pem", key=folder / "gateway.key")
    password = stack.layout.admin_password.read_text().strip()
    async with httpx.AsyncClient(base_url=stack.gateway_url, timeout=10) as http:
        body = {"email": ADMIN_EMAIL, "password": password}
        login = await http.post("/api/v1/auth/login", json=body)
    assert login.status_code == 200, login.text
    async with connect(grpc_target(stack, "market-data"), tls, "market-data", timeout_s=5) as channel:
        yield Market(
            market_data_pb2_grpc.MarketDataServiceStub(channel),
            market_data_admin_pb2_grpc.MarketDataAdminServiceStub(channel),
            login.json()["access_token"],
        )


@pytest.fixture
async def user(stack: Stack) -> AsyncIterator[User]:
    made = await register(stack.gateway_url)
    yield made
    await made.http.aclose()


async def status(user: User, order_id: str) -> str:
    found: str = (await user.get(f"/api/v1/orders/{order_id}"))["order"]["status"]
    return found


async def resting(user: User, order_id: str) -> None:
    await until(lambda: status(user, order_id), lambda found: found == "PROCESSING")


async def value(dsn: str, query: str, *args: object) -> Any:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(query, *args)
    finally:
        await connection.close()


def cents(amount: str) -> str:
    return str(Decimal(amount).quantize(Decimal("0.01"), ROUND_DOWN))


def a_saturday(after: datetime) -> datetime:
    day = after.date() + timedelta(days=1 + (4 - after.date().weekday()) % 7)
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


async def test_an_order_of_saturday_goes_to_the_venue_at_the_next_open(
    stack: Stack, market: Market, user: User
) -> None:
    quote = await market.quoted("AAPL")
    saturday = a_saturday(time(quote.market_time))
    await market.move_to(saturday)
    clock = await market.clock()
    opens_at = time(clock.next_open)
    assert not clock.is_open
    at_market = await user.buy("AAPL", "2", time_in_force="DAY")
    far = (Decimal(quote.ask) / 2).quantize(Decimal("0.01"))
    limit = await user.buy("AAPL", "1", type="LIMIT", time_in_force="GTC", limit_price=str(far))
    orders = [at_market["order_id"], limit["order_id"]]
    for order_id in orders:
        await resting(user, order_id)

    sunday = saturday + timedelta(hours=30)
    await market.move_to(sunday)
    assert [await status(user, order_id) for order_id in orders] == ["PROCESSING", "PROCESSING"]

    await market.move_to(opens_at - timedelta(seconds=1))
    filled = await user.final(at_market["order_id"])
    assert (filled["status"], filled["filled_quantity"]) == ("EXECUTED", "2")
    query = "SELECT min(market_time) FROM executions WHERE order_id = $1"
    quoted_at = await value(database(stack, "order"), query, at_market["order_id"])
    assert quoted_at >= opens_at
    assert await status(user, limit["order_id"]) == "PROCESSING"

    await user.position("AAPL", "2")
    query = "SELECT settles_on FROM trades WHERE order_id = $1"
    settles_on: date = await value(database(stack, "position"), query, at_market["order_id"])
    assert timedelta(days=1) <= settles_on - opens_at.date() <= timedelta(days=5)


async def test_an_hour_before_the_open_only_an_order_with_extended_hours_is_filled(
    stack: Stack, market: Market, user: User
) -> None:
    quote = await market.quoted("AAPL")
    opens_at = time((await market.clock()).next_open)
    await market.move_to(opens_at - timedelta(hours=1))
    assert not (await market.clock()).is_open
    near = (Decimal(quote.ask) * Decimal("1.03")).quantize(Decimal("0.01"))
    wanted: dict[str, Any] = {"type": "LIMIT", "time_in_force": "DAY", "limit_price": str(near)}
    regular = await user.buy("AAPL", "1", **wanted)
    extended = await user.buy("AAPL", "2", extended_hours=True, **wanted)
    filled = await user.final(extended["order_id"])
    assert (filled["status"], filled["filled_quantity"]) == ("EXECUTED", "2")
    await resting(user, regular["order_id"])
    await user.position("AAPL", "2")

    await market.move_to(opens_at - timedelta(seconds=1))
    assert (await user.final(regular["order_id"]))["status"] == "EXECUTED"
    query = "SELECT min(market_time) FROM executions WHERE order_id = $1"
    quoted_at = [
        await value(database(stack, "order"), query, order["order_id"]) for order in (extended, regular)
    ]
    assert quoted_at[0] < opens_at <= quoted_at[1]


async def test_proceeds_can_be_withdrawn_from_the_morning_they_settle(
    stack: Stack, market: Market, user: User
) -> None:
    await market.quoted("AAPL")
    orders = [(await user.buy("AAPL", "10"))["order_id"]]
    await user.position("AAPL", "10")
    orders.append((await user.sell("AAPL", "4"))["order_id"])
    await user.position("AAPL", "6")
    before = await user.get("/api/v1/balance")
    assert Decimal(before["withdrawable"]) < Decimal(before["cash"])
    too_much = await user.http.post("/api/v1/withdrawals", json={"amount": cents(before["cash"])})
    assert (too_much.status_code, too_much.json()["code"]) == (422, "insufficient_withdrawable")

    query = "SELECT max(settles_on) FROM trades WHERE order_id = $1"
    settles_on: date = await value(database(stack, "position"), query, orders[0])
    await market.move_to(datetime(settles_on.year, settles_on.month, settles_on.day, 13, tzinfo=UTC))
    after = await until(
        lambda: user.get("/api/v1/balance"), lambda balance: Decimal(balance["unsettled"]) == 0
    )
    assert after["settled"] == after["cash"] == after["withdrawable"] == before["cash"]

    async def stamped() -> list[object]:
        return [each["settled_at"] for each in (await user.get("/api/v1/executions"))["executions"]]

    times = await until(stamped, all)
    assert len(times) == 2
    for replayed in (None, "true"):
        paid = await user.http.post(
            "/api/v1/withdrawals", json={"amount": cents(after["cash"])}, headers={"Idempotency-Key": "all"}
        )
        assert paid.status_code == 201, paid.text
        assert paid.headers.get("idempotency-replayed") == replayed
    assert Decimal((await user.get("/api/v1/balance"))["cash"]) < Decimal("0.01")
