"""What everybody hears: a queue of each instance's own that lives as long as its connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hub_events.amqp import Amqp, Link
from hub_events.consumer import CONSUME_TIMEOUT_S, Handle, Inbox
from hub_runtime import get_logger

QUEUE_LIMIT: Final = 10_000

log = get_logger("fanout")


async def fanout(
    amqp: Amqp,
    exchange: str,
    handle: Handle,
    *,
    prefetch: int = 64,
    linger_s: float = 0.01,
    most_events: int = 512,
    connected: Callable[[], None] | None = None,
) -> None:
    """A forever-job. What was said while nobody listened, or what `handle` fails on, is lost, so `connected`
    is called whenever listening begins anew, for whoever has to catch up from the owner."""

    async def use(link: Link) -> None:
        queue = await link.channel.declare_queue(
            exclusive=True,
            auto_delete=True,
            arguments={"x-max-length": QUEUE_LIMIT, "x-overflow": "drop-head"},
            timeout=CONSUME_TIMEOUT_S,
        )
        await queue.bind(exchange, timeout=CONSUME_TIMEOUT_S)
        inbox = Inbox(link, room=prefetch, called=exchange)
        await inbox.open([queue.name], prefetch)
        if connected is not None:
            connected()
        while True:
            taken = await inbox.take(linger_s, most_events)
            events = [event for _, events in taken for event in events if event.WhichOneof("payload")]
            try:
                await handle(events)
            except Exception as error:  # whoever missed it reads the owner's truth
                log.warning("update_lost", exchange=exchange, events=len(events), exc_info=error)
            await inbox.acknowledge([delivery for delivery, _ in taken])

    await amqp.keep(f"fanout {exchange}", use)
