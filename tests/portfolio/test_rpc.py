"""PortfolioService over the wire, over a real position service: whose it is, and what if others fail."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from hub.market_data.v1 import market_data_pb2
from hub.portfolio.v1 import portfolio_pb2, portfolio_pb2_grpc
from hub_errors import Denied, Unauthenticated, Unavailable
from hub_market_client import QuoteCache
from hub_portfolio.__main__ import CALL_TABLE
from hub_portfolio.clients import LivePrices, PositionBooks
from hub_portfolio.rpc import PortfolioRpc
from hub_position.domain.trade import Side
from hub_postgres import connect_pool
from hub_rpc import Server, calling_as, connect
from hub_runtime import Address, utc_now
from tests.position.house import House, position_house
from tests.position.world import World
from tests.support.servers import Database
from tests.support.tls import Tls
from tests.support.tokens import Signer


@dataclass(frozen=True)
class Front:
    """The portfolio service, its prices, and the books behind it."""

    books: House
    cache: QuoteCache
    target: str
    gateway: Any

    def quote(self, symbol: str, last: str, *, age_s: float = 0.0, seq: int = 1) -> None:
        received = Timestamp()
        received.FromDatetime(utc_now() - timedelta(seconds=age_s))
        quote = market_data_pb2.Quote(
            symbol=symbol,
            epoch=1,
            seq=seq,
            bid=last,
            ask=last,
            last=last,
            market_time=received,
            received_at=received,
        )
        self.cache.apply(market_data_pb2.StreamQuotesResponse(quotes=[quote], market_time=received))


def instruments() -> market_data_pb2.StreamQuotesResponse:
    stock = market_data_pb2.ASSET_CLASS_STOCK
    apple = market_data_pb2.Instrument(symbol="AAPL", name="Apple Inc.", asset_class=stock)
    snapshot = market_data_pb2.Snapshot(instruments=[apple], epoch=1)
    return market_data_pb2.StreamQuotesResponse(snapshot=snapshot)


@pytest.fixture
async def front(database: Callable[[str], Awaitable[Database]], tls: Tls) -> AsyncIterator[Front]:
    login = (await database("hub_position")).runtime
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        pool = await enter(await connect_pool(login.url, login.password, size=4))
        books = await enter(position_house(World(pool), tls))
        cache = QuoteCache()
        cache.apply(instruments())
        yield await _serve(stack, books, books.target, cache, tls)


async def _serve(stack: AsyncExitStack, books: House, position: str, cache: QuoteCache, tls: Tls) -> Front:
    enter = stack.enter_async_context
    channel = await enter(connect(position, tls.files("portfolio"), "position"))
    service = PortfolioRpc(
        trust=books.signer.trust(),
        books=PositionBooks(channel),
        prices=LivePrices(cache, fresh_for_s=15),
        clock=utc_now,
    )
    register = partial(portfolio_pb2_grpc.add_PortfolioServiceServicer_to_server, service)
    address = Address("127.0.0.1", 0)
    server = await enter(
        Server(address, tls.files("portfolio"), CALL_TABLE, [register], drain_s=0, grace_s=0.5)
    )
    target = f"127.0.0.1:{server.port}"
    gateway = await enter(connect(target, tls.files("gateway"), "portfolio"))
    return Front(books, cache, target, portfolio_pb2_grpc.PortfolioServiceStub(gateway))


async def test_the_summary_of_what_a_user_owns_at_current_prices(front: Front) -> None:
    user, owner = await front.books.owner()
    await front.books.world.trade(owner, Side.BUY, "10", "100")
    await front.books.world.trade(owner, Side.SELL, "4", "110", minute=1)
    front.quote("AAPL", "120")
    with calling_as(user.token):
        found = await front.gateway.GetSummary(portfolio_pb2.GetSummaryRequest())
    assert (found.currency, found.cash, found.invested) == ("USD", "99440", "600")
    assert (found.market_value, found.unrealised_pnl, found.realised_pnl) == ("720", "120", "40")
    assert (found.total, found.buying_power, found.fees) == ("100160", "99440", "0")
    assert not found.stale
    [position] = found.positions
    assert (position.symbol, position.name, position.asset_class) == ("AAPL", "Apple Inc.", "STOCK")
    assert (position.quantity, position.average_price, position.price) == ("6", "100", "120")
    assert (position.market_value, position.weight, position.status) == ("720", "100.00", "PARTIAL")
    assert position.HasField("price_at")
    paid_in = Decimal(100_000)
    assert Decimal(found.cash) + Decimal(found.invested) == paid_in + Decimal(found.realised_pnl)


async def test_an_old_or_a_missing_price_makes_the_answer_partial(front: Front) -> None:
    user, owner = await front.books.owner()
    await front.books.world.trade(owner, Side.BUY, "10", "100")
    with calling_as(user.token):
        missing = await front.gateway.GetSummary(portfolio_pb2.GetSummaryRequest())
        front.quote("AAPL", "120", age_s=60)
        old = await front.gateway.GetSummary(portfolio_pb2.GetSummaryRequest())
        front.quote("AAPL", "120", seq=2)
        fresh = await front.gateway.GetSummary(portfolio_pb2.GetSummaryRequest())
    assert (missing.stale, missing.market_value, missing.positions[0].market_value) == (True, "0", "")
    assert (missing.positions[0].price, missing.positions[0].HasField("price_at")) == ("", False)
    assert (old.stale, old.positions[0].stale, old.market_value) == (True, True, "1200")
    assert (fresh.stale, fresh.positions[0].stale) == (False, False)


async def test_closed_positions_are_listed_when_asked_for(front: Front) -> None:
    user, owner = await front.books.owner()
    await front.books.world.trade(owner, Side.BUY, "10", "100")
    await front.books.world.trade(owner, Side.SELL, "10", "110", minute=1)
    request = portfolio_pb2.ListValuedPositionsRequest
    with calling_as(user.token):
        open_ones = await front.gateway.ListValuedPositions(request())
        all_of_them = await front.gateway.ListValuedPositions(request(include_closed=True))
    assert not open_ones.positions
    [closed] = all_of_them.positions
    assert (closed.status, closed.quantity, closed.average_price) == ("CLOSED", "0", "")
    assert closed.realised_pnl == "100"


async def test_whose_portfolio_it_is_the_token_says(front: Front) -> None:
    _, owner = await front.books.owner()
    stranger, _ = await front.books.owner()
    await front.books.world.trade(owner, Side.BUY, "10", "100")
    with calling_as(stranger.token):
        assert not (await front.gateway.GetSummary(portfolio_pb2.GetSummaryRequest())).positions
    for token in ("", "x.y.z", Signer().user().token):
        with calling_as(token), pytest.raises(Unauthenticated):
            await front.gateway.GetSummary(portfolio_pb2.GetSummaryRequest())


async def test_without_the_position_service_the_answer_is_unavailable(front: Front, tls: Tls) -> None:
    nobody = "127.0.0.1:1"
    async with AsyncExitStack() as stack:
        alone = await _serve(stack, front.books, nobody, front.cache, tls)
        with calling_as(front.books.signer.user().token):
            for call, request in (
                (alone.gateway.GetSummary, portfolio_pb2.GetSummaryRequest()),
                (alone.gateway.ListValuedPositions, portfolio_pb2.ListValuedPositionsRequest()),
            ):
                with pytest.raises(Unavailable):
                    await call(request)


async def test_only_the_gateway_may_ask(front: Front, tls: Tls) -> None:
    async with connect(front.target, tls.files("order"), "portfolio") as channel:
        stub = portfolio_pb2_grpc.PortfolioServiceStub(channel)
        with calling_as(front.books.signer.user().token), pytest.raises(Denied):
            await stub.GetSummary(portfolio_pb2.GetSummaryRequest())
