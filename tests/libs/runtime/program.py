"""A process for the tests, as services are: `python -m tests.libs.runtime.program`."""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from opentelemetry.trace import SpanKind

from hub_errors import Unavailable
from hub_runtime import (
    Command,
    Process,
    ProcessSettings,
    SettingsError,
    get_logger,
    main,
    one_of,
    setting,
    span,
)

log = get_logger("program")

BEHAVIOURS = (
    "well",
    "task_fails",
    "run_fails",
    "never_wired",
    "own_exit",
    "hangs_at_exit",
    "unready",
    "unfit",
)


@dataclass(frozen=True)
class ProgramSettings(ProcessSettings):
    """What the tests ask of the program."""

    behaviour: str = setting("what goes wrong", default="well", parse=one_of(*BEHAVIOURS))
    shares: int = setting("a number that is required")


async def forever() -> None:
    try:
        await asyncio.Event().wait()
    finally:
        log.info("task_ended")


async def fail() -> None:
    raise ValueError("the task's own fault")


async def hang() -> None:
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            log.info("does_not_care")


async def closed() -> None:
    log.info("closed")


async def run(settings: ProgramSettings, jobs: frozenset[str], process: Process) -> None:
    process.stack.push_async_callback(closed)
    process.spawn(forever(), "forever")
    with span("wiring", kind=SpanKind.SERVER):
        log.info("wired", jobs=sorted(jobs), password="open sesame")
    if settings.behaviour == "unready":
        process.ready("peer", lambda: "peer has not answered")
    if settings.behaviour == "task_fails":
        process.spawn(fail(), "fails")
    if settings.behaviour == "unfit":
        raise SettingsError(["HUB_SHARES: do not fit the jobs"])
    if settings.behaviour == "run_fails":
        raise Unavailable("nothing there", code="nothing")
    if settings.behaviour == "never_wired":
        log.info("waiting_in_run")
        await asyncio.Event().wait()
    if settings.behaviour == "own_exit":
        await process.drained()
        log.info("run_ended")
    if settings.behaviour == "hangs_at_exit":
        process.spawn(hang(), "hangs")


async def migrate(settings: ProgramSettings) -> None:
    if settings.behaviour == "task_fails":
        raise ValueError("the migration's own fault")
    log.info("migrating")


async def count(settings: ProgramSettings, arguments: Sequence[str]) -> int:
    if settings.behaviour == "run_fails":
        raise Unavailable("nothing there", code="nothing")
    sys.stdout.write(f"{settings.shares} {' '.join(arguments)}\n")
    return len(arguments)


if __name__ == "__main__":
    main(
        "program",
        "a process for tests.",
        {"serve": "answers", "work": "works"},
        ProgramSettings,
        run,
        migrate,
        {"count": Command("counts what it is given", count)},
    )
