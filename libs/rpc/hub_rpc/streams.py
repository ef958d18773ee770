"""Reading a server's stream without leaving it open behind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from grpc import aio

M = TypeVar("M")


@asynccontextmanager
async def reading(
    call: aio.UnaryStreamCall[Any, M] | aio.StreamStreamCall[Any, M],
) -> AsyncIterator[AsyncIterator[M]]:
    """`async with reading(stub.Watch(request)) as messages: async for ...`: leaving the block ends the call,
    which merely leaving the loop would not."""
    try:
        yield call.__aiter__()
    finally:
        call.cancel()
