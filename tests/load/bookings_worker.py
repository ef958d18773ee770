"""The position worker of `make bench-books`: a process that books what waits at the broker, then ends."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import uvloop

from hub.event.v1 import event_pb2
from hub_events import POSITIONS, Amqp, consume
from hub_position.worker import handle
from hub_postgres import connect_pool
from hub_runtime import AmqpSettings, DatabaseSettings, load, set_up_logging, utc_now
from tests.position.days import market

LIMIT_S = 300.0


@dataclass(frozen=True)
class WorkerSettings(DatabaseSettings, AmqpSettings):
    """Where it finds its database and its broker."""


async def work(settings: WorkerSettings, count: int) -> dict[str, float]:
    """From the first batch that came to the last that is committed."""
    amqp = Amqp(settings.amqp_url, settings.amqp_password, name="bench")
    booked, batches, started = 0, 0, 0.0
    done, calendar = asyncio.Event(), market()
    async with asyncio.timeout(LIMIT_S), await connect_pool(settings) as pool:

        async def book(events: Sequence[event_pb2.Envelope]) -> None:
            nonlocal booked, batches, started
            started = started or time.perf_counter()
            await handle(events, pool=pool, market=calendar, deposit=Decimal(0), clock=utc_now)
            booked, batches = booked + len(events), batches + 1
            if booked >= count:
                done.set()

        consuming = asyncio.create_task(
            consume(amqp, POSITIONS.queues_of("updates"), book, family=POSITIONS.name)
        )
        await done.wait()
        elapsed = time.perf_counter() - started
        consuming.cancel()
    return {
        "per_s": booked / elapsed,
        "batch": booked / batches,
        "cpu_us": time.process_time() / booked * 1e6,
    }


if __name__ == "__main__":
    # Its log goes to standard output as it does in the service; the answer to standard error.
    set_up_logging("position")
    found = json.dumps(uvloop.run(work(load(WorkerSettings), int(sys.argv[1]))))
    print(found, file=sys.stderr, flush=True)
