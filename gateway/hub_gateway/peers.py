"""The services behind the gateway, as typed stubs. Builds nothing: channels come from `__main__`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import grpc

from hub.auth.v1 import auth_pb2_grpc
from hub.market_data.v1 import market_data_admin_pb2_grpc, market_data_pb2_grpc
from hub.order.v1 import order_pb2_grpc
from hub.portfolio.v1 import (
    history_pb2_grpc,
    portfolio_pb2_grpc,
    statements_pb2_grpc,
    watchlist_pb2_grpc,
)
from hub.position.v1 import activities_pb2_grpc, position_pb2_grpc, views_pb2_grpc
from hub.quote_stream.v1 import quote_stream_pb2_grpc


@dataclass(frozen=True, kw_only=True)
class Peers:
    auth: auth_pb2_grpc.AuthServiceStub
    market_data: market_data_pb2_grpc.MarketDataServiceStub
    market_data_admin: market_data_admin_pb2_grpc.MarketDataAdminServiceStub
    order: order_pb2_grpc.OrderServiceStub
    order_admin: order_pb2_grpc.OrderAdminServiceStub
    position: position_pb2_grpc.PositionServiceStub
    activities: activities_pb2_grpc.ActivityServiceStub
    views: views_pb2_grpc.ViewServiceStub
    portfolio: portfolio_pb2_grpc.PortfolioServiceStub
    histories: history_pb2_grpc.HistoryServiceStub
    statements: statements_pb2_grpc.StatementServiceStub
    watchlists: watchlist_pb2_grpc.WatchlistServiceStub
    quote_stream: quote_stream_pb2_grpc.QuoteStreamServiceStub

    @classmethod
    def over(cls, channels: Mapping[str, grpc.aio.Channel]) -> Peers:
        return cls(
            auth=auth_pb2_grpc.AuthServiceStub(channels["auth"]),
            market_data=market_data_pb2_grpc.MarketDataServiceStub(channels["market-data"]),
            market_data_admin=market_data_admin_pb2_grpc.MarketDataAdminServiceStub(channels["market-data"]),
            order=order_pb2_grpc.OrderServiceStub(channels["order"]),
            order_admin=order_pb2_grpc.OrderAdminServiceStub(channels["order"]),
            position=position_pb2_grpc.PositionServiceStub(channels["position"]),
            activities=activities_pb2_grpc.ActivityServiceStub(channels["position"]),
            views=views_pb2_grpc.ViewServiceStub(channels["position"]),
            portfolio=portfolio_pb2_grpc.PortfolioServiceStub(channels["portfolio"]),
            histories=history_pb2_grpc.HistoryServiceStub(channels["portfolio"]),
            statements=statements_pb2_grpc.StatementServiceStub(channels["portfolio"]),
            watchlists=watchlist_pb2_grpc.WatchlistServiceStub(channels["portfolio"]),
            quote_stream=quote_stream_pb2_grpc.QuoteStreamServiceStub(channels["quote-stream"]),
        )
