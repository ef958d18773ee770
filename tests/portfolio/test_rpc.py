"""PortfolioService over the wire, over a real position service: whose it is, and what if others fail."""

from __future__ import annotations

from decimal import Decimal

import pytest

from hub.portfolio.v1 import portfolio_pb2, portfolio_pb2_grpc
from hub_errors import Denied, Unauthenticated, Unavailable
from hub_position.domain.trade import Side
from hub_rpc import calling_as, connect
from tests.portfolio.front import Front, portfolio_front
from tests.support.tls import Tls
from tests.support.tokens import Signer


async def test_the_summary_of_what_a_user_owns_at_current_prices(front: Front) -> None:
    user, owner = await front.books.owner()
    await front.books.world.trade(owner, Side.BUY, "10", "100")
    await front.books.world.trade(owner, Side.SELL, "4", "110", minute=1)
    front.quote("AAPL", "120")
    with calling_as(user.token):
        found = await front.portfolio.GetSummary(portfolio_pb2.GetSummaryRequest())
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
        missing = await front.portfolio.GetSummary(portfolio_pb2.GetSummaryRequest())
        front.quote("AAPL", "120", age_s=60)
        old = await front.portfolio.GetSummary(portfolio_pb2.GetSummaryRequest())
        front.quote("AAPL", "120", seq=2)
        fresh = await front.portfolio.GetSummary(portfolio_pb2.GetSummaryRequest())
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
        open_ones = await front.portfolio.ListValuedPositions(request())
        all_of_them = await front.portfolio.ListValuedPositions(request(include_closed=True))
    assert not open_ones.positions
    [closed] = all_of_them.positions
    assert (closed.status, closed.quantity, closed.average_price) == ("CLOSED", "0", "")
    assert closed.realised_pnl == "100"


async def test_whose_portfolio_it_is_the_token_says(front: Front) -> None:
    _, owner = await front.books.owner()
    stranger, _ = await front.books.owner()
    await front.books.world.trade(owner, Side.BUY, "10", "100")
    with calling_as(stranger.token):
        assert not (await front.portfolio.GetSummary(portfolio_pb2.GetSummaryRequest())).positions
    for token in ("", "x.y.z", Signer().user().token):
        with calling_as(token), pytest.raises(Unauthenticated):
            await front.portfolio.GetSummary(portfolio_pb2.GetSummaryRequest())


async def test_without_the_position_service_the_answer_is_unavailable(front: Front, tls: Tls) -> None:
    nobody = "127.0.0.1:1"
    async with portfolio_front(front.books, front.pool, tls, position=nobody) as alone:
        with calling_as(front.books.signer.user().token):
            for call, request in (
                (alone.portfolio.GetSummary, portfolio_pb2.GetSummaryRequest()),
                (alone.portfolio.ListValuedPositions, portfolio_pb2.ListValuedPositionsRequest()),
            ):
                with pytest.raises(Unavailable):
                    await call(request)


async def test_only_the_gateway_may_ask(front: Front, tls: Tls) -> None:
    async with connect(front.target, tls.files("order"), "portfolio") as channel:
        stub = portfolio_pb2_grpc.PortfolioServiceStub(channel)
        with calling_as(front.books.signer.user().token), pytest.raises(Denied):
            await stub.GetSummary(portfolio_pb2.GetSummaryRequest())
