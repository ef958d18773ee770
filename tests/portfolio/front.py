"""The portfolio service in process: the real servicers, databases, books and certificates."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from hub.market_data.v1 import market_data_pb2
from hub.portfolio.v1 import (
    history_pb2_grpc,
    portfolio_pb2_grpc,
    statements_pb2_grpc,
    watchlist_pb2_grpc,
)
from hub_market_client import QuoteCache
from hub_portfolio.__main__ import CALL_TABLE
from hub_portfolio.clients import (
    LivePrices,
    Market,
    MarketBars,
    PositionAccounts,
    PositionBooks,
    PositionLedger,
)
from hub_portfolio.rpc import HistoryRpc, PortfolioRpc, WatchlistRpc
from hub_portfolio.rpc_statements import StatementRpc
from hub_portfolio.store import Histories, Statements, Watchlists
from hub_portfolio.usecases.histories import Archive
from hub_portfolio.usecases.statements import Office
from hub_portfolio.usecases.valuations import Valuer
from hub_portfolio.usecases.watchlists import Desk
from hub_postgres import Pool
from hub_rpc import Server, connect
from hub_runtime import Address, Clock, utc_now
from tests.position.house import House
from tests.support.tls import Tls

NOBODY = "127.0.0.1:1"
CLASSES = {"AAPL": "STOCK", "MSFT": "STOCK", "SPY": "ETF", "BTC-USD": "CRYPTO"}


@dataclass(frozen=True)
class Front:
    """The portfolio service, its prices, and the books behind it."""

    books: House
    cache: QuoteCache
    pool: Pool
    target: str
    portfolio: Any
    watchlists: Any
    histories: Any
    statements: Any
    valuer: Valuer

    def quote(self, symbol: str, last: str, *, close: str = "", age_s: float = 0.0, seq: int = 1) -> None:
        self.cache.apply(quoted(symbol, last, close=close, age_s=age_s, seq=seq))


def quoted(
    symbol: str, last: str, *, close: str = "", age_s: float = 0.0, seq: int = 1
) -> market_data_pb2.StreamQuotesResponse:
    received = Timestamp()
    received.FromDatetime(utc_now() - timedelta(seconds=age_s))
    quote = market_data_pb2.Quote(
        symbol=symbol,
        epoch=1,
        seq=seq,
        bid=last,
        ask=last,
        last=last,
        previous_close=close,
        market_time=received,
        received_at=received,
    )
    return market_data_pb2.StreamQuotesResponse(quotes=[quote], market_time=received)


def instruments(*more: str) -> market_data_pb2.StreamQuotesResponse:
    """The known ones, and more stocks."""
    classes = {**CLASSES, **dict.fromkeys(more, "STOCK")}
    known = [
        market_data_pb2.Instrument(
            symbol=symbol,
            name="Apple Inc." if symbol == "AAPL" else f"{symbol} by name",
            asset_class=market_data_pb2.AssetClass.Value(f"ASSET_CLASS_{kind}"),
        )
        for symbol, kind in classes.items()
    ]
    snapshot = market_data_pb2.Snapshot(instruments=known, epoch=1)
    return market_data_pb2.StreamQuotesResponse(snapshot=snapshot)


@asynccontextmanager
async def portfolio_front(
    books: House,
    pool: Pool,
    tls: Tls,
    *,
    position: str = "",
    cache: QuoteCache | None = None,
    market_data: str = NOBODY,
    clock: Clock = utc_now,
) -> AsyncIterator[Front]:
    """`position` and `cache` stand in the place of the house's and of one that knows the instruments,
    `clock` in that of the clock of statements."""
    if cache is None:
        cache = QuoteCache()
        cache.apply(instruments())
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        channel = await enter(connect(position or books.target, tls.files("portfolio"), "position"))
        prices, trust = LivePrices(cache, fresh_for_s=15), books.signer.trust()
        market = await enter(connect(market_data, tls.files("portfolio"), "market-data"))
        valuer = Valuer(
            store=Histories(pool),
            books=PositionBooks(channel),
            prices=prices,
            market=Market(cache, "XNYS"),
            clock=utc_now,
            every=timedelta(minutes=5),
            kept=timedelta(days=10),
        )
        archive = Archive(
            store=valuer.store,
            accounts=await enter(PositionAccounts(channel)),
            books=valuer.books,
            prices=prices,
            market=valuer.market,
            bars=MarketBars(market),
            clock=utc_now,
        )
        office = Office(
            store=Statements(pool),
            accounts=archive.accounts,
            books=valuer.books,
            ledger=PositionLedger(channel),
            closes=MarketBars(market),
            prices=prices,
            clock=clock,
        )
        portfolio = PortfolioRpc(trust=trust, accounts=archive.accounts, prices=prices, clock=utc_now)
        watchlists = WatchlistRpc(trust=trust, desk=Desk(Watchlists(pool), prices), clock=utc_now)
        registrations = [
            partial(portfolio_pb2_grpc.add_PortfolioServiceServicer_to_server, portfolio),
            partial(history_pb2_grpc.add_HistoryServiceServicer_to_server, HistoryRpc(trust, archive)),
            partial(statements_pb2_grpc.add_StatementServiceServicer_to_server, StatementRpc(trust, office)),
            partial(watchlist_pb2_grpc.add_WatchlistServiceServicer_to_server, watchlists),
        ]
        address = Address("127.0.0.1", 0)
        server = await enter(
            Server(address, tls.files("portfolio"), CALL_TABLE, registrations, drain_s=0, grace_s=0.5)
        )
        target = f"127.0.0.1:{server.port}"
        gateway = await enter(connect(target, tls.files("gateway"), "portfolio"))
        yield Front(
            books=books,
            cache=cache,
            pool=pool,
            target=target,
            portfolio=portfolio_pb2_grpc.PortfolioServiceStub(gateway),
            watchlists=watchlist_pb2_grpc.WatchlistServiceStub(gateway),
            statements=statements_pb2_grpc.StatementServiceStub(gateway),
            histories=history_pb2_grpc.HistoryServiceStub(gateway),
            valuer=valuer,
        )
