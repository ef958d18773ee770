"""`make bench-summary`: how long a portfolio's summary takes while 10, 50, 100 and 500 users ask at once,
each again when the answer is there.

Prints for people; the last line is one JSON object. The users share fewer accounts than there are of them:
opening an account is made to cost time, and every summary is composed anew, whoever asked before.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import uvloop

# gRPC would restart its threads in whatever is forked here; it reads this when its library starts.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")

from hub_local.faults import StackError
from tests.load.books import Ledgers
from tests.load.client import Client, connected, request
from tests.load.paced import quantile
from tests.load.platform import started
from tests.load.traders import SYMBOLS, Trader, register, stock_up

PATH = "/api/v1/portfolio/summary"
AT_ONCE = (10, 50, 100, 500)
ACCOUNTS = 40
SECONDS = 10.0
WARM_S = 2.0


@dataclass
class Asked:
    """How long each answer took; what was no good answer."""

    took_ms: list[float] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def say(text: str) -> None:
    print(text, flush=True)


async def ask(client: Client, traders: Sequence[Trader], *, users: int, seconds: float) -> Asked:
    """So many users at once, for so long."""
    asked, end = Asked(), time.perf_counter() + seconds

    async def one(trader: Trader) -> None:
        sent = request("GET", PATH, token=trader.token)
        while (began := time.perf_counter()) < end:
            answer = await client.send(sent)
            asked.took_ms.append((time.perf_counter() - began) * 1000)
            if answer.status != 200:
                asked.refused.append(f"{answer.status} {answer.body.decode()}")

    await asyncio.gather(*(one(traders[number % len(traders)]) for number in range(users)))
    return asked


async def run() -> dict[str, float]:
    figures: dict[str, float] = {}
    async with started() as platform, connected(platform.port) as client:
        traders = await register(client, ACCOUNTS)
        await stock_up(client, traders)
        if unequal := await Ledgers(platform.stack).settled():
            raise RuntimeError(f"the books do not balance before the load: {unequal}")
        owned = len((await client.call("GET", PATH, token=traders[0].token))["positions"])
        if owned != len(SYMBOLS):
            raise RuntimeError(f"{len(SYMBOLS)} instruments were bought, and {owned} are owned")
        say(f"\n{ACCOUNTS} accounts of {owned} positions each; {SECONDS:g} s for each number of users\n")
        await ask(client, traders, users=AT_ONCE[0], seconds=WARM_S)
        for users in AT_ONCE:
            figures |= tell(users, await ask(client, traders, users=users, seconds=SECONDS))
    return figures


def tell(users: int, asked: Asked) -> dict[str, float]:
    p50, p99 = (round(quantile(asked.took_ms, part), 1) for part in (0.5, 0.99))
    per_s = round(len(asked.took_ms) / SECONDS)
    say(f"  {users:>4} users   p50 {p50:>7.1f} ms   p99 {p99:>7.1f} ms   {per_s:>5} a second")
    for refusal in asked.refused[:3]:
        say(f"       refused: {refusal}")
    return {
        f"p50_ms_{users}": p50,
        f"p99_ms_{users}": p99,
        f"per_s_{users}": per_s,
        f"refused_{users}": len(asked.refused),
    }


def main() -> int:
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            figures = runner.run(run())
    except StackError as error:
        say(f"the platform did not start: {error}")
        return 1
    say(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
