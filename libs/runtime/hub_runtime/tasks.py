"""Jobs that must go on for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from hub_errors import HubError
from hub_runtime.backoff import Backoff
from hub_runtime.log import get_logger

log = get_logger("tasks")


async def supervised(name: str, job: Callable[[], Awaitable[None]], backoff: Backoff | None = None) -> None:
    """Runs the job again whenever it fails or ends, later each time, at once again after a long good run."""
    backoff = backoff or Backoff()
    clock = asyncio.get_running_loop().time
    while True:
        started = clock()
        try:
            await job()
        except Exception as error:
            expected = isinstance(error, HubError)  # a dependency that is away needs no traceback
            log.warning("job_failed", job=name, error=repr(error), exc_info=None if expected else error)
        if clock() - started > 2 * backoff.max_s:
            backoff.reset()
        await backoff.wait()
