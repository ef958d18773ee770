"""How full the broker is, asked slowly by one; and whether every queue is still there."""

from __future__ import annotations

import asyncio

from hub_events.amqp import Link
from hub_runtime import gauge, get_logger, heed_cancellation

ASK_TIMEOUT_S = 5.0

log = get_logger("depths")


async def watch_depths(link: Link, every_s: float) -> None:
    """Until the link is lost; gives it up when a queue is gone, so that everything is declared anew."""
    ready = gauge("hub_events_queue_ready", "Messages that wait in a queue, dead letters too", ("queue",))
    consumers = gauge("hub_events_queue_consumers", "Consumers of a queue", ("queue",))
    # The client library's own declarations answer from a cache, those of its lower layer ask the broker.
    channel = await link.channel.get_underlay_channel()
    try:
        while not link.lost.is_set():
            for queue in link.topology.queues():
                found = await channel.queue_declare(queue.name, passive=True, timeout=ASK_TIMEOUT_S)
                heed_cancellation()
                if found is not None:
                    ready.labels(queue.name).set(found.message_count or 0)
                    consumers.labels(queue.name).set(found.consumer_count or 0)
            await _lost_within(link, every_s)
    except Exception as error:  # noqa: BLE001 - whatever it was, a new link begins with new declarations
        log.warning("depths_unknown", error=repr(error))
        link.lose()


async def _lost_within(link: Link, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await link.lost.wait()
    except TimeoutError:
        pass
