"""Jobs that must go on for ever, and end when they are told to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from hub_errors import HubError
from hub_runtime.backoff import Backoff
from hub_runtime.log import get_logger

log = get_logger("tasks")


def cancelled() -> bool:
    """Whether somebody cancelled us: client libraries also cancel their own waits when a connection dies."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def heed_cancellation() -> None:
    """After a call of a client library: some swallow a cancellation that comes while a connection is made or
    given up."""
    if cancelled():
        raise asyncio.CancelledError


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
