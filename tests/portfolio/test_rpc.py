"""PortfolioService over the wire, over a real position service: whose it is, and what if others fail."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from decimal import Decimal

import pytest
from prometheus_client import REGISTRY

from hub.portfolio.v1 import portfolio_pb2, portfolio_pb2_grpc
from hub_errors import Denied, Unauthenticated, Unavailable
from hub_market_client import QuoteCache
from hub_position.domain.trade import Side
from hub_postgres import Pool
from hub_rpc import calling_as, connect
from hub_runtime import utc_now
from tests.libs.market_client.test_cache import MarketData
from tests.portfolio.front import Front, instruments, portfolio_front, quoted
from tests.position.house import House, position_house
from tests.position.world import execution, hold_of
from tests.support.jobs import running
from tests.support.tls import Tls
from tests.support.tokens import Signer
from tests.support.waiting import eventually


async def test_the_summary_of_what_a_user_owns_at_current_prices(front: Front) -> None:
    user, owner = await front.books.owner()
    await front.books.world.trade(owner, Side.BUY, "10", "100")
    await front.books.world.trade(owner, Side.SELL, "4", "110", minute=1)
    front.quote("AAPL", "120", close="125")
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
    assert (position.day_change, position.day_change_percent) == ("-30", "-4.00")
    assert position.unrealised_pnl_percent == "20.00"
    assert (found.day_change, found.day_change_percent) == ("-30", "-4.00")
    assert found.unrealised_pnl_percent == "20.00"
    [stocks] = found.categories
    assert (stocks.asset_class, stocks.market_value, stocks.weight) == ("STOCK", "720", "100.00")
    assert (stocks.position_count, len(stocks.positions), stocks.stale) == (1, 0, False)
    assert position.HasField("price_at")
    paid_in = Decimal(100_000)
    assert Decimal(found.cash) + Decimal(found.invested) == paid_in + Decimal(found.realised_pnl)


async def test_the_allocation_has_every_class_with_its_positions(front: Front) -> None:
    user, owner = await front.books.owner()
    await front.books.world.book(
        [
            execution(hold_of(owner, Side.BUY, quantity, price, symbol=symbol), price)
            for symbol, quantity, price in (("AAPL", "10", "100"), ("SPY", "2", "50"), ("MSFT", "1", "200"))
        ]
    )
    front.quote("AAPL", "90")
    front.quote("SPY", "50")
    with calling_as(user.token):
        found = await front.portfolio.GetAllocation(portfolio_pb2.GetAllocationRequest())
    assert (found.currency, found.invested, found.market_value) == ("USD", "1300", "1000")
    assert (found.unrealised_pnl, found.unrealised_pnl_percent) == ("-100", "-9.09")
    assert found.stale
    funds, stocks = found.categories
    assert (funds.asset_class, funds.weight, funds.unrealised_pnl) == ("ETF", "10.00", "0")
    assert (stocks.asset_class, stocks.weight, stocks.unrealised_pnl_percent) == ("STOCK", "90.00", "-10.00")
    assert [(each.symbol, each.weight) for each in stocks.positions] == [("AAPL", "90.00"), ("MSFT", "")]


async def test_one_question_to_position_answers_a_summary(front: Front) -> None:
    user, _ = await front.books.owner()
    before, alone = asked("BooksService"), asked()
    with calling_as(user.token):
        await front.portfolio.GetSummary(portfolio_pb2.GetSummaryRequest())
    assert asked("BooksService") - before == Counter({"ListFullBooks": 1})
    assert asked() == alone


async def test_who_asks_at_the_same_time_shares_a_question_and_sees_his_own_books_alone(front: Front) -> None:
    users = [(await front.books.owner(), number) for number in range(1, 13)]
    for (_, owner), number in users:
        await front.books.world.trade(owner, Side.BUY, str(number), "100")
    front.quote("AAPL", "120")
    newcomer = front.books.signer.user()

    async def ask(token: str) -> portfolio_pb2.GetSummaryResponse:
        with calling_as(token):
            answer: portfolio_pb2.GetSummaryResponse = await front.portfolio.GetSummary(
                portfolio_pb2.GetSummaryRequest()
            )
            return answer

    before = asked("BooksService")
    tokens = [user.token for (user, _), _ in users] * 4
    *found, opened = await asyncio.gather(*(ask(token) for token in [*tokens, newcomer.token]))
    assert [each.invested for each in found] == [str(number * 100) for _, number in users] * 4
    assert [each.cash for each in found] == [str(100_000 - number * 100) for _, number in users] * 4
    assert (opened.cash, opened.invested) == ("100000", "0"), "an account is opened on first touch here, too"
    calls = (asked("BooksService") - before)["ListFullBooks"]
    assert 1 <= calls < len(tokens) / 2


async def test_a_position_service_of_the_release_before_is_asked_for_each_account(
    books: House, pool: Pool, tls: Tls
) -> None:
    async with (
        position_house(books.world, tls, has_books=False) as house,
        portfolio_front(house, pool, tls) as front,
    ):
        user, owner = await house.owner()
        await books.world.trade(owner, Side.BUY, "10", "100")
        with calling_as(user.token):
            found = await front.portfolio.GetSummary(portfolio_pb2.GetSummaryRequest())
    assert (found.cash, found.invested) == ("99000", "1000")


def asked(service: str = "PositionService") -> Counter[str]:
    """How often each RPC of a service was served in this process, whatever became of it."""
    found = Counter[str]()
    for metric in REGISTRY.collect():
        for sample in metric.samples:
            if sample.name == "hub_rpc_server_handled_total" and service in sample.labels["service"]:
                found[sample.labels["method"]] += int(sample.value)
    return found


async def test_a_summary_opens_the_account_on_first_touch(front: Front) -> None:
    user = front.books.signer.user()
    with calling_as(user.token):
        found = await front.portfolio.GetSummary(portfolio_pb2.GetSummaryRequest())
    assert (found.total, found.stale, list(found.categories)) == ("100000", False, [])
    assert (found.day_change, found.day_change_percent) == ("0", "")


async def test_when_market_data_stops_the_summary_goes_on_at_the_last_prices_and_says_so(
    front: Front, tls: Tls
) -> None:
    user, owner = await front.books.owner()
    await front.books.world.trade(owner, Side.BUY, "10", "100")
    now = utc_now()
    cache = QuoteCache(lambda: now)
    feeder = MarketData(instruments(), quoted("AAPL", "120", close="110"))
    async with (
        feeder.server(tls) as server,
        connect(f"127.0.0.1:{server.port}", tls.files("portfolio"), "market-data") as channel,
        running(cache.follow(channel)),
        portfolio_front(front.books, front.pool, tls, cache=cache) as here,
    ):
        await eventually(lambda: cache.quote("AAPL") is not None)
        with calling_as(user.token):
            fresh = await here.portfolio.GetSummary(portfolio_pb2.GetSummaryRequest())
            await server.__aexit__(None, None, None)
            await eventually(lambda: not cache.connected)
            now += timedelta(minutes=1)
            old = await here.portfolio.GetSummary(portfolio_pb2.GetSummaryRequest())
    assert (fresh.stale, fresh.market_value, fresh.day_change) == (False, "1200", "100")
    assert (old.stale, old.market_value, old.day_change) == (True, "1200", "100")
    assert (old.positions[0].stale, old.positions[0].price) == (True, "120")
    assert old.positions[0].price_at == fresh.positions[0].price_at


async def test_where_market_data_never_was_the_summary_has_cash_and_cost(front: Front, tls: Tls) -> None:
    user, owner = await front.books.owner()
    await front.books.world.trade(owner, Side.BUY, "10", "100")
    async with portfolio_front(front.books, front.pool, tls, cache=QuoteCache()) as early:
        with calling_as(user.token):
            found = await early.portfolio.GetSummary(portfolio_pb2.GetSummaryRequest())
    assert (found.stale, found.cash, found.invested, found.total) == (True, "99000", "1000", "99000")
    [unknown] = found.categories
    assert (unknown.asset_class, unknown.weight, unknown.stale) == ("", "", True)


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
                (alone.portfolio.GetAllocation, portfolio_pb2.GetAllocationRequest()),
                (alone.portfolio.ListValuedPositions, portfolio_pb2.ListValuedPositionsRequest()),
            ):
                with pytest.raises(Unavailable):
                    await call(request)


async def test_only_the_gateway_may_ask(front: Front, tls: Tls) -> None:
    async with connect(front.target, tls.files("order"), "portfolio") as channel:
        stub = portfolio_pb2_grpc.PortfolioServiceStub(channel)
        with calling_as(front.books.signer.user().token), pytest.raises(Denied):
            await stub.GetSummary(portfolio_pb2.GetSummaryRequest())
