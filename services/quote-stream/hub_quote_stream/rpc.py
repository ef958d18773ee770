"""QuoteStreamService: one stream per gateway process. Reads the frames, nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from grpc import aio

from hub.quote_stream.v1 import quote_stream_pb2, quote_stream_pb2_grpc
from hub_quote_stream.frames import Frames, Stream


class QuoteStreamRpc(quote_stream_pb2_grpc.QuoteStreamServiceServicer):
    def __init__(self, frames: Frames) -> None:
        self._frames = frames

    async def StreamFrames(
        self, request: quote_stream_pb2.StreamFramesRequest, context: aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[quote_stream_pb2.StreamFramesResponse]:
        with self._frames.stream() as stream:
            while True:
                batch = await stream.next()
                yield quote_stream_pb2.StreamFramesResponse(frames=batch.frames, updates=batch.updates)

    async def FollowFrames(
        self,
        request_iterator: AsyncIterator[quote_stream_pb2.FollowFramesRequest],
        context: aio.ServicerContext[Any, Any],
    ) -> AsyncIterator[quote_stream_pb2.FollowFramesResponse]:
        with self._frames.stream(set()) as stream:
            # Not a task group: this generator is left from outside, in the middle of it.
            listening = asyncio.create_task(_obey(request_iterator, stream), name="interest")
            try:
                while True:
                    batch = await stream.next()
                    yield quote_stream_pb2.FollowFramesResponse(
                        frames=batch.frames, updates=batch.updates, obeyed=batch.obeyed, more=batch.more
                    )
            finally:
                listening.cancel()


async def _obey(requests: AsyncIterator[quote_stream_pb2.FollowFramesRequest], stream: Stream) -> None:
    """Until the gateway has nothing more to say; the stream goes on then."""
    async for request in requests:
        stream.watch(request.watch_accounts, leave=request.leave_accounts)
