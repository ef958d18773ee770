"""QuoteStreamService: one stream per gateway process. Reads the frames, nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from grpc import aio

from hub.quote_stream.v1 import quote_stream_pb2, quote_stream_pb2_grpc
from hub_quote_stream.frames import Frames


class QuoteStreamRpc(quote_stream_pb2_grpc.QuoteStreamServiceServicer):
    def __init__(self, frames: Frames) -> None:
        self._frames = frames

    async def StreamFrames(
        self, request: quote_stream_pb2.StreamFramesRequest, context: aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[quote_stream_pb2.StreamFramesResponse]:
        with self._frames.stream() as stream:
            while True:
                yield await stream.next()
