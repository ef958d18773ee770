"""A program of ours that a test talks to line by line, and can pause or kill."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.jobs import eventually

ROOT = Path(__file__).parents[2]
LIMIT_S = 40.0


@dataclass
class Talking:
    """What it has said so far is in `said`; its errors go to the test's own."""

    process: Process
    said: list[str] = field(default_factory=list)
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())

    async def says(self, line: str, limit_s: float = LIMIT_S) -> None:
        """Waits until it has said that."""
        async with asyncio.timeout(limit_s):
            while line not in self.said:
                self._more.clear()
                await self._more.wait()

    async def pause(self) -> None:
        """Returns when it stands still."""
        self.process.send_signal(signal.SIGSTOP)
        status = Path(f"/proc/{self.process.pid}/stat")
        await eventually(lambda: status.read_text().rpartition(")")[2].split()[0] == "T")

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()

    async def listen(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.said.append(line.decode().rstrip())
            self._more.set()


@asynccontextmanager
async def talking(module: str, *arguments: str, **environment: str) -> AsyncIterator[Talking]:
    """Runs `python -m module`; it is killed at the end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *arguments),
        stdin=PIPE,
        stdout=PIPE,
        cwd=ROOT,
        env={**os.environ, **environment},
    )
    made = Talking(process)
    listening = asyncio.create_task(made.listen())
    try:
        yield made
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await listening
