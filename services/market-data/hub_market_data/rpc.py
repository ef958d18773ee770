"""The service's RPCs: message -> values -> use case -> message. Decides nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final
from uuid import UUID

from grpc import aio

from hub.market_data.v1 import market_data_admin_pb2 as admin_pb
from hub.market_data.v1 import market_data_admin_pb2_grpc, market_data_pb2_grpc
from hub.market_data.v1 import market_data_pb2 as pb
from hub_identity import Trust, current_principal
from hub_market_data.board import Board
from hub_market_data.domain.instruments import Search
from hub_market_data.mapping.bars import (
    action_to_proto,
    bar_to_proto,
    read_action_type,
    read_adjustment,
    read_timeframe,
)
from hub_market_data.mapping.catalogue import (
    clock_to_proto,
    instrument_to_proto,
    read_asset_class,
    session_to_proto,
    statistics_to_proto,
)
from hub_market_data.mapping.encoding import StreamEncoder
from hub_market_data.mapping.quotes import quote_to_proto
from hub_market_data.mapping.times import read_moment, timestamp
from hub_market_data.store import Bars, Catalogue
from hub_market_data.usecases import administering, asking
from hub_market_data.usecases.administering import Market
from hub_market_data.usecases.announcing import Announcing, add_action
from hub_market_data.usecases.bars import list_bars, list_corporate_actions
from hub_market_data.usecases.looking_up import Lookups, get_instrument
from hub_rpc import CallTable
from hub_runtime import Clock

SIGN_OF_LIFE_S: Final = 1.0
# So that signs of life alone do not fill a process with very many streams. Followers wait for five seconds.
SIGNS_A_SECOND: Final = 2000
LONGEST_SILENCE_S: Final = 4.0

CALL_TABLE: Final[CallTable] = {
    "hub.market_data.v1.MarketDataService": {
        # market-data itself: replicas that follow the active feeder.
        "StreamQuotes": frozenset({"order", "position", "portfolio", "quote-stream", "market-data"}),
        "ListBars": frozenset({"gateway", "portfolio"}),
        "*": frozenset({"gateway"}),
    },
    "hub.market_data.v1.MarketDataAdminService": {"*": frozenset({"gateway"})},
    "hub.market_data.v1.CorporateActionService": {"*": frozenset({"order"})},
}
Context = aio.ServicerContext[Any, Any]


def silence_s(streams: int) -> float:
    """How long a stream may have nothing to say before it says that it lives."""
    return min(LONGEST_SILENCE_S, max(SIGN_OF_LIFE_S, streams / SIGNS_A_SECOND))


def register(servicer: MarketDataRpc, server: aio.Server) -> None:
    """With StreamQuotes as a method whose handler has encoded its messages itself."""
    market_data_pb2_grpc.add_MarketDataServiceServicer_to_server(servicer, _Encoded(server))  # type: ignore[arg-type]


class _Encoded:
    """Passes handlers on to the server."""

    def __init__(self, server: aio.Server) -> None:
        self.add_generic_rpc_handlers = server.add_generic_rpc_handlers
        self._server = server

    def add_registered_method_handlers(self, service_name: str, method_handlers: Mapping[str, Any]) -> None:
        """These are asked before the generic ones."""
        stream = method_handlers["StreamQuotes"]._replace(response_serializer=bytes)
        self._server.add_registered_method_handlers(service_name, {**method_handlers, "StreamQuotes": stream})


class MarketDataRpc(market_data_pb2_grpc.MarketDataServiceServicer):
    def __init__(
        self,
        *,
        board: Board,
        catalogue: Catalogue,
        bars: Bars,
        lookups: Lookups,
        clock: Clock,
        market_hours: str,
    ) -> None:
        self._board = board
        self._encoder = StreamEncoder(board.quotes)
        self._catalogue = catalogue
        self._bars = bars
        self._lookups = lookups
        self._clock = clock
        self._market_hours = market_hours

    async def ListInstruments(
        self, request: pb.ListInstrumentsRequest, context: Context
    ) -> pb.ListInstrumentsResponse:
        search = Search(query=request.query, asset_class=read_asset_class(request.asset_class))
        page, token = asking.list_instruments(
            self._board, search, size=request.page_size, token=request.page_token
        )
        return pb.ListInstrumentsResponse(instruments=map(instrument_to_proto, page), next_page_token=token)

    async def GetInstrument(
        self, request: pb.GetInstrumentRequest, context: Context
    ) -> pb.GetInstrumentResponse:
        instrument, statistics = await get_instrument(self._board, request.symbol, lookups=self._lookups)
        return statistics_to_proto(instrument, statistics)

    async def GetQuotes(self, request: pb.GetQuotesRequest, context: Context) -> pb.GetQuotesResponse:
        quotes, unknown, unpriced = asking.get_quotes(self._board, request.symbols)
        return pb.GetQuotesResponse(quotes=map(quote_to_proto, quotes), unknown=unknown, unpriced=unpriced)

    async def StreamQuotes(self, request: pb.StreamQuotesRequest, context: Context) -> AsyncIterator[bytes]:  # type: ignore[override]
        """Already encoded: see `register`."""
        symbols = asking.followed_symbols(self._board, request.symbols)
        with self._board.subscribed(symbols) as subscription:
            while True:
                yield self._encoder.message(await subscription.next(timeout_s=silence_s(self._board.streams)))

    async def GetClock(self, request: pb.GetClockRequest, context: Context) -> pb.GetClockResponse:
        calendar = request.calendar or self._market_hours
        return clock_to_proto(asking.get_clock(self._board, calendar, clock=self._clock))

    async def ListSessions(
        self, request: pb.ListSessionsRequest, context: Context
    ) -> pb.ListSessionsResponse:
        calendar, sessions = await asking.list_sessions(
            self._board,
            request.calendar or self._market_hours,
            first_day=request.first_day,
            last_day=request.last_day,
            catalogue=self._catalogue,
        )
        return pb.ListSessionsResponse(
            calendar=calendar.calendar,
            timezone=calendar.timezone,
            sessions=map(session_to_proto, sessions),
        )

    async def ListBars(self, request: pb.ListBarsRequest, context: Context) -> pb.ListBarsResponse:
        bars, token = await list_bars(
            self._board,
            self._bars,
            symbol=request.symbol,
            timeframe=read_timeframe(request.timeframe),
            adjustment=read_adjustment(request.adjustment),
            start=read_moment(request.start, "start") if request.HasField("start") else None,
            end=read_moment(request.end, "end") if request.HasField("end") else None,
            size=request.page_size,
            token=request.page_token,
        )
        return pb.ListBarsResponse(bars=map(bar_to_proto, bars), next_page_token=token)

    async def ListCorporateActions(
        self, request: pb.ListCorporateActionsRequest, context: Context
    ) -> pb.ListCorporateActionsResponse:
        actions, token = await list_corporate_actions(
            self._board, self._bars, symbol=request.symbol, size=request.page_size, token=request.page_token
        )
        return pb.ListCorporateActionsResponse(actions=map(action_to_proto, actions), next_page_token=token)


class MarketDataAdminRpc(market_data_admin_pb2_grpc.MarketDataAdminServiceServicer):
    """Each call is checked for the role before anything else is looked at."""

    def __init__(self, *, market: Market, announcing: Announcing, trust: Trust) -> None:
        self._market = market
        self._announcing = announcing
        self._trust = trust

    def _actor(self) -> UUID:
        return administering.administrator(current_principal(self._trust))

    async def HaltInstrument(
        self, request: admin_pb.HaltInstrumentRequest, context: Context
    ) -> admin_pb.HaltInstrumentResponse:
        halted = await administering.halt(self._market, self._actor(), request.symbol, request.reason)
        return admin_pb.HaltInstrumentResponse(instrument=instrument_to_proto(halted))

    async def ResumeInstrument(
        self, request: admin_pb.ResumeInstrumentRequest, context: Context
    ) -> admin_pb.ResumeInstrumentResponse:
        resumed = await administering.resume(self._market, self._actor(), request.symbol)
        return admin_pb.ResumeInstrumentResponse(instrument=instrument_to_proto(resumed))

    async def CreateCalendar(
        self, request: admin_pb.CreateCalendarRequest, context: Context
    ) -> admin_pb.CreateCalendarResponse:
        created = await administering.create_calendar(
            self._market, self._actor(), request.calendar, request.timezone
        )
        return admin_pb.CreateCalendarResponse(calendar=created.calendar, timezone=created.timezone)

    async def SetTradingHours(
        self, request: admin_pb.SetTradingHoursRequest, context: Context
    ) -> admin_pb.SetTradingHoursResponse:
        sessions = await administering.set_trading_hours(
            self._market,
            self._actor(),
            request.calendar,
            first_day=request.first_day,
            last_day=request.last_day,
            weekdays=request.weekdays,
            hours=[(each.opens, each.closes) for each in request.hours],
        )
        return admin_pb.SetTradingHoursResponse(sessions=map(session_to_proto, sessions))

    async def InvalidateCache(
        self, request: admin_pb.InvalidateCacheRequest, context: Context
    ) -> admin_pb.InvalidateCacheResponse:
        count = await administering.invalidate_cache(self._market, self._actor(), request.symbols)
        return admin_pb.InvalidateCacheResponse(count=count)

    async def WarmCache(
        self, request: admin_pb.WarmCacheRequest, context: Context
    ) -> admin_pb.WarmCacheResponse:
        count = await administering.warm_cache(self._market, self._actor(), request.symbols)
        return admin_pb.WarmCacheResponse(count=count)

    async def MoveMarketTime(
        self, request: admin_pb.MoveMarketTimeRequest, context: Context
    ) -> admin_pb.MoveMarketTimeResponse:
        actor = self._actor()
        wanted = read_moment(request.market_time, "market_time")
        moved = await administering.move_market_time(self._market, actor, wanted)
        return admin_pb.MoveMarketTimeResponse(market_time=timestamp(moved))

    async def AddCorporateAction(
        self, request: admin_pb.AddCorporateActionRequest, context: Context
    ) -> admin_pb.AddCorporateActionResponse:
        added = await add_action(
            self._announcing,
            self._actor(),
            symbol=request.symbol,
            type_=read_action_type(request.type),
            ex_date=request.ex_date,
            ratio=request.ratio,
            amount=request.amount,
        )
        return admin_pb.AddCorporateActionResponse(action=action_to_proto(added))
