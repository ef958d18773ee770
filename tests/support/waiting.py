"""Waiting for a condition outside of this process, which sends no event."""

import asyncio
from collections.abc import Callable

PAUSE = 0.02


async def eventually(condition: Callable[[], bool], *, limit: float = 20) -> None:
    """Returns when the condition holds; TimeoutError when it never does."""
    async with asyncio.timeout(limit):
        while not condition():  # noqa: ASYNC110 - see above
            await asyncio.sleep(PAUSE)
