"""A program that wants to lead, and says what it does: `python -m tests.libs.postgres.leader URL NAME`."""

from __future__ import annotations

import asyncio
import os
import sys

from hub_postgres import leading


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def lead(url: str, name: str) -> None:
    while True:
        say("waits")
        async with leading(url, os.environ["PASSWORD"], name) as leadership:
            say(f"leads {leadership.epoch}")
            while leadership.holds:
                say(f"acts {leadership.epoch}")
                await asyncio.sleep(0.05)
            say(f"ended {leadership.epoch}")


if __name__ == "__main__":
    asyncio.run(lead(*sys.argv[1:]))
