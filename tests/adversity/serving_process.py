"""An order service that takes orders as a process of its own, so that it can be stopped where it is told to.

It reads `order <id> <deadline in seconds>` and says what became of that: accepted, or the code of a refusal.
"""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import timedelta

from hub_postgres import connect_pool
from hub_runtime import utc_now
from hub_runtime.crash_points import arm
from tests.adversity.platform import platform
from tests.order.house import submission
from tests.support.tokens import Signer


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def main() -> None:
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    environment = os.environ
    async with (
        await connect_pool(environment["ORDER"], environment["ORDER_PASSWORD"]) as order_pool,
        await connect_pool(environment["POSITION"], environment["POSITION_PASSWORD"]) as position_pool,
        platform(order_pool, position_pool, keys=Signer()) as made,
    ):
        user = await made.user()
        arm(environment["CRASH_POINTS"])
        say(f"account {user.account_id} {user.user_id}")
        async for line in lines:
            _, order_id, deadline_s = line.decode().split()
            made.tape.quote("AAPL", "99", "100")
            item = submission(user, order_id=order_id)
            item.deadline.FromDatetime(utc_now() + timedelta(seconds=float(deadline_s)))
            (result,) = await made.submit(item)
            say(result.refused.code or "accepted")


if __name__ == "__main__":
    asyncio.run(main())
