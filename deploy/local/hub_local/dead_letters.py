"""Dead letters of the stack that runs: `hub_events dlq` with the settings of a service that has events."""

import asyncio
import sys
from collections.abc import Sequence
from typing import Final

from hub_local.commands import as_it_runs
from hub_local.holding import running_pid
from hub_local.report import Report
from hub_local.stack import Stack

ANYONE: Final = "order"


async def dlq(stack: Stack, arguments: Sequence[str], *, report: Report) -> int:
    """What it prints may be piped on; its exit code is the command's."""
    if running_pid(stack.layout) is None:
        report.failure("nothing runs; `make run` starts the stack")
        return 1
    as_it_runs(stack)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hub_events", "dlq", *arguments), env=stack.environment(ANYONE)
    )
    return await process.wait()
