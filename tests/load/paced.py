"""The open loop: an order every so often, whether the ones before are answered or not.

Times run from when an order was due, so that a generator that is late makes nothing look better.
"""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from tests.load.client import Client
from tests.load.traders import Trader, order, orders_of, shares

POLL_S = 0.004
VISIBLE_LIMIT_S = 20.0
WATCHED_SYMBOL = "MSFT"
WATCHED_PER_S = 5.0


@dataclass
class Paced:
    """What came of it. Times in milliseconds."""

    accept_ms: list[float] = field(default_factory=list)
    visible_ms: list[float] = field(default_factory=list)
    late_ms: list[float] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def quantile(values: Sequence[float], part: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else math.nan


async def pace(
    client: Client,
    traders: Sequence[Trader],
    *,
    rate: float,
    seconds: float,
    watched: Sequence[Trader] = (),
) -> Paced:
    """`traders` send `rate` orders a second; beside them `watched`, who do nothing else, buy now and then and
    ask for their positions until they see the share."""
    found = Paced()
    run = secrets.token_hex(6)
    async with asyncio.TaskGroup() as group:
        if watched:
            group.create_task(_watch_some(client, watched, seconds, found))
        async for number, due in _ticks(rate, seconds):
            found.late_ms.append((time.perf_counter() - due) * 1000)
            group.create_task(_submit(client, orders_of(traders, number, run), due, found))
    return found


async def _ticks(rate: float, seconds: float) -> AsyncIterator[tuple[int, float]]:
    """Numbers, each with the time at which it is due."""
    began = time.perf_counter()
    for number in range(int(rate * seconds)):
        due = began + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        yield number, due


async def _submit(client: Client, sent: bytes, due: float, found: Paced) -> bool:
    answer = await client.send(sent)
    if answer.status != 202:
        found.refused.append(f"{answer.status} {answer.body.decode()}")
        return False
    found.accept_ms.append((time.perf_counter() - due) * 1000)
    found.accepted.append(answer.document()["order_id"])
    return True


async def _watch_some(client: Client, watched: Sequence[Trader], seconds: float, found: Paced) -> None:
    """One at a time of each account: what it sees next is what it did last."""
    free = [asyncio.Lock() for _ in watched]

    async def one(number: int) -> None:
        async with free[number % len(watched)]:
            await _watch(client, watched[number % len(watched)], found)

    async with asyncio.TaskGroup() as group:
        async for number, _ in _ticks(WATCHED_PER_S, seconds):
            group.create_task(one(number))


async def _watch(client: Client, trader: Trader, found: Paced) -> None:
    before = await shares(client, trader, WATCHED_SYMBOL)
    sent = order(trader, WATCHED_SYMBOL, "BUY", key=secrets.token_hex(8))
    if not await _submit(client, sent, time.perf_counter(), found):
        return
    began = time.perf_counter()
    async with asyncio.timeout(VISIBLE_LIMIT_S):
        # Nothing tells an outsider of the change, and how soon it can be read is the question.
        while await shares(client, trader, WATCHED_SYMBOL) == before:  # noqa: ASYNC110
            await asyncio.sleep(POLL_S)
    found.visible_ms.append((time.perf_counter() - began) * 1000)
