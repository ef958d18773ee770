"""What HTTP and gRPC alone can do on this machine, now: measured with the load that the platform gets."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass

from hub_local.ports import free_ports
from tests.load.closed import CHECKOUT, Closed
from tests.load.usage import cpu_us, less
from tests.support.tokens import Signer

READY_S = 60.0
WARM_S = 1


@dataclass(frozen=True)
class Ceiling:
    per_s: float
    cpu_us: float  # of both processes, for a request


async def measure(*, coalesced: bool, connections: int, seconds: int, users: int) -> Ceiling:
    signer = Signer()
    tokens = [signer.user().token for _ in range(users)]
    async with bare(signer, coalesced=coalesced) as (port, pids):
        await Closed(port, tokens, connections, WARM_S).run()
        before = cpu_us(pids)
        load = await Closed(port, tokens, connections, seconds).run()
        used = sum(less(cpu_us(pids), before).values())
    if load.refused or load.broken:
        raise RuntimeError(f"the echo failed: {load}")
    return Ceiling(load.per_s, used / load.answered)


@contextlib.asynccontextmanager
async def bare(signer: Signer, *, coalesced: bool) -> AsyncIterator[tuple[int, dict[str, int]]]:
    front, service = free_ports(2)
    kind = "coalesced" if coalesced else "front"
    processes = [_start("service", service), _start(kind, front, service)]
    try:
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(signer.public_pem().encode())
            process.stdin.close()
        await _listening(service)
        await _listening(front)
        yield front, {"service": processes[0].pid, "front": processes[1].pid}
    finally:
        # Who asks goes first: wrk leaves requests under way, and a front end that outlives its service says
        # of each that its call was cut off.
        for process in reversed(processes):
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def _start(*arguments: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.load.echo", *map(str, arguments)]
    return subprocess.Popen(command, cwd=CHECKOUT, stdin=subprocess.PIPE)


async def _listening(port: int) -> None:
    async with asyncio.timeout(READY_S):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.1)
            else:
                writer.close()
                return
