"""Keeps programs running: starts them, starts them again with back-off when they die, stops them in order."""

import asyncio
import signal
import subprocess
import time
from collections.abc import Callable
from enum import StrEnum

from hub_local.processes import Program, ended, send, spawn, sweep_session

FIRST_DELAY = 0.2
LONGEST_DELAY = 10.0
# A program that ran so long was well; its next death starts the back-off anew.
STEADY_AFTER = 20.0


class State(StrEnum):
    IDLE = "idle"
    RUNNING = "running"
    WAITING = "waiting to start again"
    STOPPED = "stopped"


class Child:
    """One supervised program."""

    def __init__(self, program: Program, *, on_death: Callable[[str, int, float], None]) -> None:
        self.program = program
        self.state = State.IDLE
        self.deaths = 0
        self._on_death = on_death
        self._process: subprocess.Popen[bytes] | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()

    @property
    def pid(self) -> int | None:
        """The living process."""
        return self._process.pid if self.state is State.RUNNING and self._process else None

    def start(self) -> None:
        """Starts the program and keeps it running until `stop`."""
        self._stopping.clear()
        self._task = asyncio.create_task(self._keep(), name=f"supervise {self.program.name}")

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """As if it had crashed; it is started again."""
        if self._process is not None:
            send(self._process, number)

    def begin_stop(self) -> None:
        """Asks it to end; `stop` waits for that."""
        self._stopping.set()
        if self._process is not None:
            send(self._process, self.program.stop_signal)

    async def stop(self, *, limit: float) -> None:
        """Asks it to end, kills it after `limit` seconds."""
        self.begin_stop()
        if self._task is None:
            return
        done, _ = await asyncio.wait({self._task}, timeout=limit)
        if not done:
            self.kill()
        await self._task
        self._task = None

    async def _keep(self) -> None:
        delay = FIRST_DELAY
        while not self._stopping.is_set():
            began = time.monotonic()
            code = await self._run()
            if self._stopping.is_set():
                break
            self.deaths += 1
            steady = time.monotonic() - began > STEADY_AFTER
            delay = FIRST_DELAY if steady or self.deaths == 1 else min(delay * 2, LONGEST_DELAY)
            self._on_death(self.program.name, code, delay)
            await self._pause(delay)
        self.state = State.STOPPED

    async def _run(self) -> int:
        self._process = spawn(self.program)
        self.state = State.RUNNING
        try:
            return await ended(self._process)
        finally:
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait()
            sweep_session(self._process.pid)
            self.state = State.WAITING

    async def _pause(self, delay: float) -> None:
        try:
            async with asyncio.timeout(delay):
                await self._stopping.wait()
        except TimeoutError:
            return


async def stop_in_order(groups: list[tuple[float, list[Child]]], *, limit: float) -> None:
    """Stops the groups one after the other within `limit`; each is owed some seconds of it."""
    deadline = time.monotonic() + limit
    owed = sum(seconds for seconds, _ in groups)
    for seconds, group in groups:
        owed -= seconds
        share = max(deadline - time.monotonic() - owed, 0.1)
        for child in group:
            child.begin_stop()
        await asyncio.gather(*(child.stop(limit=share) for child in group))
