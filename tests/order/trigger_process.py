"""A trigger as a process of its own, whose market is told line by line: `quote AAPL 93 94`.

It says when it leads and has read all orders, how many it hands over, and when it leads no more.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial

from hub_events import Amqp, Publisher
from hub_order.clients import Market
from hub_order.handover import hand_over
from hub_order.resting import Hand
from hub_order.store import LEADERSHIP, RESTING_CHANNEL, Resting
from hub_order.trigger import Trigger
from hub_postgres import Wakeup, connect_pool, leading
from tests.order.peers import Tape


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def hand(hands: Sequence[Hand], epoch: int, *, publisher: Publisher) -> None:
    await hand_over(hands, epoch, publisher=publisher)
    say(f"handed {len(hands)} epoch {epoch}")


async def listen(tape: Tape) -> None:
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async for line in lines:
        _, symbol, bid, ask = line.decode().split()
        tape.quote(symbol, bid, ask)
        say(f"heard {bid} {ask}")


async def watch(made: Callable[[], Trigger], url: str, password: str) -> None:
    while True:
        say("waits")
        async with leading(url, password, LEADERSHIP) as leadership:
            say(f"leads {leadership.epoch}")
            await made().lead(leadership)
            say(f"ended {leadership.epoch}")


async def main() -> None:
    url, password = os.environ["DATABASE"], os.environ["DATABASE_PASSWORD"]
    tape = Tape()
    publisher = Publisher(Amqp(os.environ["AMQP"], os.environ["AMQP_PASSWORD"]), "trigger")
    wakeup = Wakeup(url, password, RESTING_CHANNEL)
    made = partial(
        Trigger,
        resting=Resting(await connect_pool(url, password, 4)),
        market=Market(tape.cache, max_age_s=1000),
        wakeup=wakeup,
        hand_over=partial(hand, publisher=publisher),
    )
    async with asyncio.TaskGroup() as group:
        for job in (publisher.run(), wakeup.run(), listen(tape), watch(made, url, password)):
            group.create_task(job)


if __name__ == "__main__":
    asyncio.run(main())
