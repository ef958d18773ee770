"""MarketDataService: message -> values -> use case -> message. Decides nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

from grpc import aio

from hub.market_data.v1 import market_data_pb2 as pb
from hub.market_data.v1 import market_data_pb2_grpc
from hub_market_data import mapping, usecases
from hub_market_data.board import Board
from hub_rpc import CallTable

SIGN_OF_LIFE_S: Final = 1.0

CALL_TABLE: Final[CallTable] = {
    "hub.market_data.v1.MarketDataService": {
        "ListInstruments": frozenset({"gateway"}),
        "GetQuotes": frozenset({"gateway"}),
        # market-data itself: replicas that follow the active feeder.
        "StreamQuotes": frozenset({"order", "position", "portfolio", "quote-stream", "market-data"}),
    }
}
Context = aio.ServicerContext[Any, Any]


class MarketDataRpc(market_data_pb2_grpc.MarketDataServiceServicer):
    def __init__(self, board: Board) -> None:
        self._board = board

    async def ListInstruments(
        self, request: pb.ListInstrumentsRequest, context: Context
    ) -> pb.ListInstrumentsResponse:
        instruments = usecases.list_instruments(self._board)
        return pb.ListInstrumentsResponse(instruments=map(mapping.instrument_to_proto, instruments))

    async def GetQuotes(self, request: pb.GetQuotesRequest, context: Context) -> pb.GetQuotesResponse:
        quotes, unknown = usecases.get_quotes(self._board, request.symbols)
        return pb.GetQuotesResponse(quotes=map(mapping.quote_to_proto, quotes), unknown=unknown)

    async def StreamQuotes(
        self, request: pb.StreamQuotesRequest, context: Context
    ) -> AsyncIterator[pb.StreamQuotesResponse]:
        symbols = usecases.followed_symbols(self._board, request.symbols)
        with self._board.subscribed(symbols) as subscription:
            while True:
                yield mapping.message(await subscription.next(timeout_s=SIGN_OF_LIFE_S))
