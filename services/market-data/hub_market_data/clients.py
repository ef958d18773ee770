"""Following the active feeder from a replica that does not feed."""

from __future__ import annotations

import asyncio

from grpc import aio

from hub.market_data.v1 import market_data_pb2 as pb
from hub.market_data.v1 import market_data_pb2_grpc
from hub_errors import Unavailable
from hub_market_data.board import Board
from hub_market_data.mapping.quotes import life_from_proto, quote_from_proto
from hub_market_data.mapping.times import moment
from hub_rpc import reading

SILENCE_S = 5.0


class FeederClient:
    """Passes the feeder's quotes on, with their epoch and seq as they are."""

    def __init__(self, channel: aio.Channel, board: Board) -> None:
        self._stub = market_data_pb2_grpc.MarketDataServiceStub(channel)
        self._board = board
        self._following = False

    def state(self) -> str:
        return "ok" if self._following else "no feeder to follow"

    async def follow(self) -> None:
        """Until the stream ends or is silent; to be called again then."""
        await self._board.loaded.wait()
        call = self._stub.StreamQuotes(pb.StreamQuotesRequest())
        try:
            async with asyncio.timeout(SILENCE_S) as silence, reading(call) as messages:
                async for message in messages:
                    silence.reschedule(asyncio.get_running_loop().time() + SILENCE_S)
                    self._take(message)
        finally:
            self._following = False

    def _take(self, message: pb.StreamQuotesResponse) -> None:
        market_time = moment(message.market_time) if message.HasField("market_time") else None
        quotes = message.quotes
        if message.HasField("snapshot"):
            if message.snapshot.epoch < self._board.epoch:
                raise Unavailable("The feeder has been replaced.", code="feed_unavailable")
            if self._board.market_time is None:  # what was read so far was read for another time
                self._board.outdated.set()
            self._board.begin(message.snapshot.epoch, market_time)
            quotes = message.snapshot.quotes
        life = life_from_proto(message.feed_life) if message.HasField("feed_life") else None
        if life != self._board.life:  # the same one is encoded once
            self._board.life = life
        self._board.publish(map(quote_from_proto, quotes), market_time)
        self._following = True
