"""Flame graphs of the Python processes while they are under load."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

START_S = 2.0
RATE = 100
END_S = 30.0


@asynccontextmanager
async def recorded(folder: Path | None, pids: Mapping[str, int], seconds: int) -> AsyncIterator[None]:
    """Records while the block runs, `seconds` at most; the names of the files are those of the processes."""
    if folder is None:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 - before anything is measured
    async with asyncio.TaskGroup() as group:
        for name, pid in pids.items():
            group.create_task(_record(folder / name, pid, max(1, seconds - int(START_S) - 1)))
        yield


async def _record(file: Path, pid: int, seconds: int) -> None:
    await asyncio.sleep(START_S)
    spy = Path(sys.executable).with_name("py-spy")
    options = ["--nonblocking", "--rate", str(RATE), "--duration", str(seconds), "--pid", str(pid)]
    with file.with_suffix(".log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            str(spy),
            "record",
            *options,
            "--format",
            "flamegraph",
            "--output",
            str(file.with_suffix(".svg")),
            stdout=log,
            stderr=log,
        )
        try:
            async with asyncio.timeout(seconds + END_S):
                await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
