"""A position worker that SIGKILLs itself once its first batch is committed, before it acknowledges.

A process of its own: a test awaits `work_until_killed`, which runs this module.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from hub.event.v1 import event_pb2
from hub_events import POSITIONS, Amqp, consume
from hub_position.worker import handle
from hub_postgres import connect_pool
from hub_runtime import AmqpSettings, DatabaseSettings, load, utc_now
from tests.position.days import market
from tests.position.world import DEPOSIT
from tests.support.servers import Login

LIFE_S = 30.0
START_S = 20.0


@dataclass(frozen=True)
class DyingSettings(DatabaseSettings, AmqpSettings):
    """Where it finds its database and its broker."""


async def work_until_killed(database: Login, broker: Login) -> None:
    """Fails with what the process said when it ends in another way."""
    settings = {
        "HUB_DATABASE_URL": database.url,
        "HUB_DATABASE_PASSWORD_FILE": str(database.password_file),
        "HUB_AMQP_URL": broker.url,
        "HUB_AMQP_PASSWORD_FILE": str(broker.password_file),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.position.dying_worker"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=os.environ | settings,
    )
    try:
        async with asyncio.timeout(START_S + LIFE_S):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
    assert process.returncode == -signal.SIGKILL, output.decode()


async def _work(settings: DyingSettings) -> None:
    """Ends with a TimeoutError when nothing comes that it could die of."""
    amqp = Amqp(settings.amqp_url, settings.amqp_password, name="dying")
    async with asyncio.timeout(LIFE_S), await connect_pool(settings) as pool:

        async def commit_and_die(events: Sequence[event_pb2.Envelope]) -> None:
            await handle(events, pool=pool, market=market(), deposit=DEPOSIT, clock=utc_now)
            os.kill(os.getpid(), signal.SIGKILL)

        await consume(amqp, POSITIONS.queues_of("updates"), commit_and_die, family=POSITIONS.name)


if __name__ == "__main__":
    asyncio.run(_work(load(DyingSettings)))
