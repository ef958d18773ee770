"""The whole platform under test: what `make run` starts, on ports and in a folder of its own."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from hub_local.layout import SERVICES
from hub_local.ports import Ports
from hub_local.stack import Stack
from tests.load.spans import Sink, sink
from tests.load.usage import cpu_us
from tests.support.folders import server_folder

NO_LIMIT = "100000000"
# Nobody is to be refused for the pace of a benchmark: not an account, and not the one address they all have.
LIMITS = {
    "HUB_ORDERS_PER_MINUTE": NO_LIMIT,
    "HUB_READS_PER_MINUTE": NO_LIMIT,
    "HUB_VISITS_PER_MINUTE": NO_LIMIT,
}
TRACE_RATIO = "0.01"
SERVERS = ("postgres", "redis", "rabbitmq")


@dataclass(frozen=True)
class Platform:
    stack: Stack
    spans: Sink
    fsync_ms: float

    @property
    def port(self) -> int:
        return self.stack.ports.http

    def pids(self, *names: str) -> dict[str, int]:
        """Of everything, or of these."""
        found = {name: self.stack.pid(name) for name in names or (*SERVICES, *SERVERS)}
        return {name: pid for name, pid in found.items() if pid is not None}

    def cpu_us(self) -> dict[str, float]:
        """What each of them has used so far."""
        return cpu_us(self.pids())


@asynccontextmanager
async def started() -> AsyncIterator[Platform]:
    """PostgreSQL writes through to the disk here, and has the memory, as everywhere but in tests."""
    with server_folder() as folder:
        async with sink() as spans:
            stack = Stack(
                state=folder / "stack",
                ports=Ports.probe(tuple(SERVICES)),
                overrides={"HUB_OTLP_ENDPOINT": spans.address, "HUB_TRACE_RATIO": TRACE_RATIO, **LIMITS},
                roomy=True,
            )
            try:
                await stack.start()
                yield Platform(stack, spans, _fsync_ms(folder))
            finally:
                await stack.stop()


def _fsync_ms(folder: Path, times: int = 50) -> float:
    file = folder / "fsync"
    with file.open("wb", buffering=0) as opened:
        began = time.perf_counter()
        for _ in range(times):
            opened.write(bytes(8192))
            os.fsync(opened.fileno())
        took = time.perf_counter() - began
    file.unlink()
    return took / times * 1000
