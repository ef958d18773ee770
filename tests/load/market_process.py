"""The market-data that `make bench-market-data` measures: one process with board, cache and database, on the
loop that services have.

It says `serving <port>`; to `figures` it answers what it has counted so far, as one JSON object; to `tick` it
publishes a price of every symbol that has `T` as its beginning.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
import time
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import uvloop
from prometheus_client import REGISTRY

from hub_local.certificates import Authority
from hub_market_data.domain.ticks import quoted
from hub_market_data.synthetic import Random
from hub_runtime import utc_now
from tests.market_data.house import House
from tests.support.servers import Login
from tests.support.tls import Tls
from tests.support.tokens import Signer

RESULTS = ("hit", "hit_nothing", "miss", "away")


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def rss_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 1e6


class Process:
    def __init__(self, house: House) -> None:
        self._house = house
        self._seq = 0
        self._lag_s = 0.0

    async def watch(self) -> None:
        """How late the loop is, at its worst since the last look."""
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.05)
            self._lag_s = max(self._lag_s, time.perf_counter() - before - 0.05)

    def figures(self) -> str:
        lag, self._lag_s = self._lag_s, 0.0
        found = {
            result: REGISTRY.get_sample_value("hub_market_cache_total", {"result": result}) or 0
            for result in RESULTS
        }
        return json.dumps(
            {
                "streams": self._house.board.streams,
                "rss_mb": rss_mb(),
                "descriptors": len(list(Path("/proc/self/fd").iterdir())),
                "cpu_s": time.process_time(),
                "loop_lag_s": lag,
                **found,
            }
        )

    def prices(self) -> None:
        """One of every symbol, so that whatever is asked has an answer."""
        self.publish(list(self._house.board.instruments))

    def publish(self, symbols: list[str]) -> None:
        self._seq += 1
        groups = Random(symbols, rate=1, seed=self._seq, clock=utc_now).groups(1)
        (template,) = next(iter(groups))
        tick = replace(template, volume=Decimal(self._seq), market_time=utc_now())
        quotes = [
            quoted(replace(tick, symbol=symbol), epoch=1, seq=self._seq, received_at=utc_now())
            for symbol in symbols
        ]
        self._house.board.publish(quotes, tick.market_time)


async def main() -> None:
    known = os.environ
    # Its certificates are there already.
    tls = Tls(Path(known["TLS"]), Authority.create("nobody's"))
    login = Login(known["DATABASE"], Path(known["PASSWORD_FILE"]))
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async with House.open(
        database=login, redis_dsn=known["REDIS"], tls=tls, signer=Signer(), caller="gateway"
    ) as house:
        process = Process(house)
        house.board.begin(1, utc_now())
        process.prices()
        watching = asyncio.create_task(process.watch())
        say(f"serving {house.port}")
        async for line in lines:
            if line.strip() == b"figures":
                say(process.figures())
            elif line.strip() == b"tick":
                process.publish([symbol for symbol in house.board.instruments if symbol.startswith("T")])
        watching.cancel()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
