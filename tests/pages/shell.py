"""One bash session for the commands of a page, so that a variable set by one is known to the next."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

TIMEOUT_S: Final = 30.0
# What `make` tells its children is not meant for those of a page.
_OF_MAKE: Final = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES")


class CommandError(Exception):
    """A command that ended with something else than 0."""


@dataclass(frozen=True)
class Shell:
    process: asyncio.subprocess.Process

    async def run(self, command: str, timeout_s: float = TIMEOUT_S) -> str:
        """What it prints, errors included."""
        end = f"end-{uuid.uuid4().hex}"
        assert self.process.stdin is not None
        self.process.stdin.write(f"{{ {command}\n}} </dev/null\nprintf '\\n%s %s\\n' {end} $?\n".encode())
        async with asyncio.timeout(timeout_s):
            lines = [line async for line in self._until(end)]
        status = lines.pop().split()[-1]
        output = "\n".join(lines).strip("\n")
        if status != "0":
            raise CommandError(f"it ended with {status}: {output}")
        return output

    async def variable(self, name: str) -> str:
        found = await self.run(f'printf %s "${name}"')
        if not found:
            raise CommandError(f"the variable {name} is not set")
        return found

    async def _until(self, end: str) -> AsyncIterator[str]:
        """Its lines, the one with the end included."""
        assert self.process.stdout is not None
        while line := (await self.process.stdout.readline()).decode():
            yield line.rstrip("\n")
            if line.startswith(end):
                return
        raise CommandError("the shell has ended")


@asynccontextmanager
async def shell(folder: Path) -> AsyncIterator[Shell]:
    environment = {name: value for name, value in os.environ.items() if name not in _OF_MAKE}
    process = await asyncio.create_subprocess_exec(
        *("bash", "--noprofile", "--norc"),
        cwd=folder,
        env=environment | {"no_proxy": "127.0.0.1,localhost"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        limit=16 * 1024 * 1024,
    )
    made = Shell(process)
    try:
        await made.run("shopt -s expand_aliases")
        yield made
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
