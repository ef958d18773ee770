"""A process that wants to feed, and serves what its board knows, so that it can be paused and killed.

It says `serving <port>` when it can be asked, `feeding <epoch>` when it does, `ended <why>` at its end.
"""

from __future__ import annotations

import asyncio
import os
import sys
from functools import partial
from pathlib import Path

from hub_market_data.board import Board
from hub_market_data.rpc import register
from hub_market_data.store import Bars, Catalogue, Feeding, FeedState
from hub_market_data.synthetic import Random
from hub_market_data.usecases.keeping import refresh, restore
from hub_market_data.worker import Feeder, FeederReplacedError
from hub_postgres import connect_pool
from hub_rpc import Server
from hub_runtime import Address, TlsFiles, utc_now
from tests.market_data.house import TABLE_OF_READERS, market_data_rpc


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def main() -> None:
    known = os.environ
    url, password, files = known["DATABASE"], known["PASSWORD"], Path(known["TLS"])
    tls = TlsFiles(files / "ca.pem", files / "market-data.pem", files / "market-data.key")
    board = Board()
    async with await connect_pool(url, password, 5, "test") as pool:
        catalogue, feeding, bars = Catalogue(pool), Feeding(pool), Bars(pool)
        read = partial(refresh, board, catalogue=catalogue, clock=utc_now, market_hours="24x7")
        await read()
        await restore(board, feeding=feeding)

        async def make(state: FeedState) -> Random:
            say(f"feeding {state.epoch}")
            symbols = list(board.instruments)
            return Random(symbols, rate=500, seed=state.epoch, clock=utc_now, market_time=state.market_time)

        feeder = Feeder(
            kind="random",
            make_feed=make,
            board=board,
            feeding=feeding,
            bars=bars,
            clock=utc_now,
            refresh=read,
        )
        serving = partial(register, market_data_rpc(board, pool))
        async with Server(Address("127.0.0.1", 0), tls, TABLE_OF_READERS, [serving], drain_s=0) as server:
            say(f"serving {server.port}")
            try:
                await feeder.run(url, password)
            except* FeederReplacedError as ended:
                say(f"ended {ended.exceptions[0]!r}")


if __name__ == "__main__":
    asyncio.run(main())
