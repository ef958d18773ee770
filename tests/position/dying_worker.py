"""A position worker that SIGKILLs itself once its first batch is committed, before it acknowledges.

Run by a test as a process of its own: `python -m tests.position.dying_worker`, with settings as the service has.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass

from hub.event.v1 import event_pb2
from hub_events import POSITIONS, Amqp, consume
from hub_position.worker import handle
from hub_postgres import connect_pool
from hub_runtime import AmqpSettings, DatabaseSettings, load, utc_now
from tests.position.world import DEPOSIT

LIFE_S = 30.0


@dataclass(frozen=True)
class DyingSettings(DatabaseSettings, AmqpSettings):
    """Where it finds its database and its broker."""


async def work(settings: DyingSettings) -> None:
    """Ends with a TimeoutError when nothing comes that it could die of."""
    amqp = Amqp(settings.amqp_url, settings.amqp_password, name="dying")
    async with asyncio.timeout(LIFE_S), await connect_pool(settings) as pool:

        async def commit_and_die(events: Sequence[event_pb2.Envelope]) -> None:
            await handle(events, pool=pool, deposit=DEPOSIT, clock=utc_now)
            os.kill(os.getpid(), signal.SIGKILL)

        await consume(amqp, POSITIONS.queues_of("updates"), commit_and_die, family=POSITIONS.name)


if __name__ == "__main__":
    asyncio.run(work(load(DyingSettings)))
