"""The one stream of frames that a gateway process keeps open, whatever the number of its sockets."""

from __future__ import annotations

import asyncio
import random
from typing import Final

from hub.quote_stream.v1 import quote_stream_pb2
from hub.quote_stream.v1.quote_stream_pb2_grpc import QuoteStreamServiceStub
from hub_errors import HubError
from hub_gateway.frames import Frames
from hub_gateway.interest import Line
from hub_rpc import reading
from hub_runtime.backoff import Backoff
from hub_runtime.log import get_logger

log = get_logger("upstream")

FIRST_ANSWER_S: Final = 5.0
SILENCE_S: Final = 12.0  # it answers what the line says, and that is something every few seconds


class Upstream:
    """Renews the stream before its connection grows old: the new one is read before the old one is left."""

    def __init__(self, stub: QuoteStreamServiceStub, frames: Frames, *, lifetime_s: float = 300.0) -> None:
        self._stub = stub
        self._frames = frames
        self._lifetime_s = lifetime_s

    async def follow(self) -> None:
        """For ever."""
        backoff = Backoff(0.1, 1.0)  # it is one call of one process, and all sockets wait for it
        while True:
            try:
                async with asyncio.TaskGroup() as group:
                    await self._follow(group, backoff)
            except Exception as error:  # noqa: BLE001 - whatever ended the stream, the next one is tried
                log.warning("frames_interrupted", error=_name(error))
            await backoff.wait()

    async def _follow(self, group: asyncio.TaskGroup, backoff: Backoff) -> None:
        """From the first answer of a stream to the failure of one."""
        current = await self._open(group)
        try:
            backoff.reset()
            with self._frames.up():
                self._frames.gap()
                while True:
                    life_s = self._lifetime_s * random.uniform(0.7, 1.0)  # noqa: S311 - spreads load
                    await current.ended_within(life_s)
                    following = await self._open(group)
                    if current.ended.is_set():
                        self._frames.gap()
                    current.close()
                    current = following
        finally:
            current.close()

    async def _open(self, group: asyncio.TaskGroup) -> _Stream:
        stream = _Stream(self._stub, self._frames, group)
        try:
            async with asyncio.timeout(FIRST_ANSWER_S):
                await stream.began.wait()
            stream.check()
        except BaseException:
            stream.close()
            raise
        return stream


class _Stream:
    """One call, and the task that reads it."""

    def __init__(self, stub: QuoteStreamServiceStub, frames: Frames, group: asyncio.TaskGroup) -> None:
        self._stub = stub
        self._frames = frames
        self._error: Exception | None = None
        self.began = asyncio.Event()
        self.ended = asyncio.Event()
        self._task = group.create_task(self._read(), name="frames")

    async def _read(self) -> None:
        line = self._frames.interest.open()
        try:
            try:
                await self._follow(line)
            except HubError as error:
                if error.code != "not_implemented":
                    raise
                line.everything = True  # quote-stream is of the release before
                await self._stream()
        except Exception as error:  # noqa: BLE001 - whoever waits for the stream raises it
            self._error = error
        finally:
            self._frames.interest.close(line)
            self.ended.set()
            self.began.set()

    async def _follow(self, line: Line) -> None:
        loop = asyncio.get_running_loop()
        async with (
            asyncio.timeout(SILENCE_S) as silence,
            reading(self._stub.FollowFrames(line.requests())) as responses,
        ):
            try:
                async for response in responses:
                    silence.reschedule(loop.time() + SILENCE_S)
                    self._frames.apply(response.frames, more=response.more)
                    self._frames.update(response.updates)
                    self._frames.watched(self._frames.interest.obeyed(line, response.obeyed))
                    if response.obeyed:
                        self.began.set()
            finally:
                line.close()

    async def _stream(self) -> None:
        async with reading(self._stub.StreamFrames(quote_stream_pb2.StreamFramesRequest())) as responses:
            async for response in responses:
                self._frames.apply(response.frames)
                self._frames.update(response.updates)
                self.began.set()

    async def ended_within(self, seconds: float) -> None:
        """Returns when the stream is old enough; raises what ended it before."""
        try:
            async with asyncio.timeout(seconds):
                await self.ended.wait()
        except TimeoutError:
            return
        self.check()

    def check(self) -> None:
        if self.ended.is_set():
            raise self._error or ConnectionError("the stream ended")

    def close(self) -> None:
        self._task.cancel()


def _name(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__} {getattr(error, 'code', '')}".strip()
