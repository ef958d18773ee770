"""The closed loop: so many connections, each of which sends an order when it has the answer to the last.

wrk sends it: it costs about 20 us of CPU for a request where a loop in Python costs 100 or more, and the
machine that is measured is the machine that sends.
"""

from __future__ import annotations

import asyncio
import secrets
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

HERE = Path(__file__).parent
CHECKOUT = HERE.parents[1]
EXTRA_S = 30.0  # what wrk may take beyond the time it was told


class Load(msgspec.Struct, frozen=True):
    """What wrk counted: `refused` are answers that were no success, `broken` connections that failed."""

    answered: int
    seconds: float
    refused: int
    broken: int
    p50_ms: float
    p99_ms: float

    @property
    def accepted(self) -> int:
        return self.answered - self.refused

    @property
    def per_s(self) -> float:
        return self.accepted / self.seconds


@dataclass(frozen=True)
class Closed:
    """`connections` for `seconds`, with these tokens in turn."""

    port: int
    tokens: Sequence[str]
    connections: int
    seconds: int

    async def run(self) -> Load:
        with tempfile.NamedTemporaryFile("w", suffix=".tokens") as tokens:
            tokens.write("\n".join(self.tokens) + "\n")
            tokens.flush()
            command = ["wrk", "-t1", f"-c{self.connections}", f"-d{self.seconds}s", "--timeout", "10s", "-s"]
            command += [str(HERE / "orders.lua"), f"http://127.0.0.1:{self.port}", "--", tokens.name]
            return await _wrk([*command, secrets.token_hex(6)], self.seconds + EXTRA_S)


async def _wrk(command: Sequence[str], limit_s: float) -> Load:
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    try:
        async with asyncio.timeout(limit_s):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise RuntimeError(f"wrk ended with {process.returncode}")
    return msgspec.json.decode(output.splitlines()[-1], type=Load)
