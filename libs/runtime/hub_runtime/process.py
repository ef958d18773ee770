"""The life of a process: ready when its checks say so, ended by a signal or by a task that fails."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from typing import Any, TypeVar

import uvloop

from hub_runtime.admin import AdminServer
from hub_runtime.command_line import Command, parse_command_line
from hub_runtime.common_settings import ProcessSettings
from hub_runtime.crash_points import arm
from hub_runtime.log import flush_log, get_logger, set_up_logging
from hub_runtime.metrics import gauge
from hub_runtime.settings import SettingsError
from hub_runtime.tracing import set_up_tracing

P = TypeVar("P", bound=ProcessSettings)

RUN_LIMIT_S = 4.0  # what `run` has to come to its end once the process is to stop
STOP_LIMIT_S = 7.5  # after this the process ends as it is
_LOOK_S = 0.25

log = get_logger("process")


class Process:
    """What `run` gets. At the stop the tasks are cancelled, then `stack` is closed, last entered first."""

    def __init__(
        self, name: str, group: asyncio.TaskGroup, stack: AsyncExitStack, drain_s: float = 0.0
    ) -> None:
        self.name = name
        self.group = group
        self.stack = stack
        self.stopping = asyncio.Event()
        self._drain_s = drain_s
        self._checks: dict[str, Callable[[], str]] = {}
        self._started = False
        self._drained = False
        self._in_run = False
        self._run_limit = asyncio.timeout(None)
        self._tasks: set[asyncio.Task[Any]] = set()

    def ready(self, name: str, check: Callable[[], str]) -> None:
        """Ready means that every check answers "ok"; another answer is the reason why not."""
        self._checks[name] = check

    def spawn(self, job: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Runs until the process stops. Its failure ends the process; its end does not."""
        task = self.group.create_task(self._guarded(job, name), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: job.close())  # cancelled before its start it was never awaited
        return task

    async def drained(self) -> None:
        """The last line of `run`: all is wired. Returns when it is time to stop and callers have noticed."""
        self._started = True
        await self.stopping.wait()
        if not self._drained:
            await asyncio.sleep(self._drain_s)
            self._drained = True

    def stop(self) -> None:
        """Turns unready and lets `run` and `drained` come to their end; a second call changes nothing."""
        if self.stopping.is_set():
            return
        self.stopping.set()
        loop = asyncio.get_running_loop()
        loop.call_later(STOP_LIMIT_S, _give_up)
        if self._in_run:
            self._run_limit.reschedule(loop.time() + RUN_LIMIT_S)

    async def run(self, work: Awaitable[None]) -> None:
        """Awaits the service's wiring, and no longer than the stop allows."""
        try:
            async with self._run_limit:
                self._in_run = True
                await work
        except TimeoutError:
            if not self._run_limit.expired():
                raise
            log.warning("run_cancelled_at_stop")
        finally:
            self._in_run = False

    def readiness(self) -> Mapping[str, str]:
        if self.stopping.is_set():
            return {"process": "stopping"}
        if not self._checks:
            return {"process": "ok" if self._started else "starting"}
        return {name: _answer(check) for name, check in self._checks.items()}

    def cancel_tasks(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _guarded(self, job: Coroutine[Any, Any, Any], name: str) -> None:
        try:
            await job
        except Exception as error:
            if self.stopping.is_set():  # what it used is being closed
                log.info("task_ended_while_stopping", task=name, error=repr(error))
                return
            log.error("task_failed", task=name, error=repr(error))
            self.stop()
            raise


def main(  # noqa: PLR0917 - reads as one table in every `__main__`
    name: str,
    description: str,
    jobs: Mapping[str, str],
    settings_type: type[P],
    run: Callable[[P, frozenset[str], Process], Awaitable[None]],
    migrate: Callable[[P], Awaitable[None]] | None = None,
    commands: Mapping[str, Command] | None = None,
) -> None:
    """A service's whole life. `run` wires everything and returns, or ends with `process.drained()`."""
    chosen = parse_command_line(
        name, description, jobs, settings_type, can_migrate=migrate is not None, commands=commands
    )
    settings: P = chosen.settings
    set_up_logging(name, level=settings.log_level, style=settings.log_format)
    arm(settings.crash_points)
    tracing = set_up_tracing(
        name, endpoint=settings.otlp_endpoint, ratio=settings.trace_ratio, environment=settings.environment
    )
    if chosen.command is not None:
        work = _once(chosen.command.run(settings, chosen.arguments), "command_failed")
    elif migrate is not None and chosen.migrate:
        work = _once(_done(migrate(settings)), "migration_failed")
    else:
        work = _serve(name, settings, chosen.jobs, run)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        code = runner.run(work)
    tracing.close()
    raise SystemExit(code)


async def _once(work: Awaitable[int], event: str) -> int:
    """What has an end. Its exit code."""
    try:
        return await work
    except Exception as error:  # noqa: BLE001 - explained in the log and the exit code
        return _explain(event, error)


async def _done(work: Awaitable[None]) -> int:
    await work
    return 0


async def _serve(
    name: str,
    settings: P,
    jobs: frozenset[str],
    run: Callable[[P, frozenset[str], Process], Awaitable[None]],
) -> int:
    log.info("starting", jobs=sorted(jobs), admin=str(settings.admin_address))
    code = 0
    try:
        async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
            process = Process(name, group, stack, settings.drain_s)
            _stop_on_signals(process)
            await stack.enter_async_context(AdminServer(settings.admin_address, process.readiness))
            process.spawn(_watch(process), "watch")
            try:
                await process.run(run(settings, jobs, process))
                await process.drained()
            finally:
                process.stop()
                process.cancel_tasks()
    except Exception as error:  # noqa: BLE001 - explained in the log and the exit code
        code = _explain("process_failed", error)
    log.info("stopped", code=code)
    return code


def _explain(event: str, error: Exception) -> int:
    """Says what went wrong, and answers the exit code."""
    causes = _causes(error)
    for cause in causes:
        if isinstance(cause, SettingsError):
            sys.stderr.write("".join(f"{fault}\n" for fault in cause.faults))
        else:
            log.error(event, error=repr(cause), exc_info=cause)
    return 2 if all(isinstance(cause, SettingsError) for cause in causes) else 1


def _stop_on_signals(process: Process) -> None:
    def stop(number: signal.Signals) -> None:
        if process.stopping.is_set():
            return
        log.info("stopping", signal=number.name)
        process.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop, number)


def _give_up() -> None:
    log.error("stop_took_too_long", limit_s=STOP_LIMIT_S)
    flush_log()
    os._exit(1)


async def _watch(process: Process) -> None:
    """Measures how late the loop is, tells when the process becomes ready, and why it is not."""
    lag = gauge("hub_event_loop_lag_seconds", "How late the event loop runs what is due")
    ready = gauge("hub_ready", "1 when every readiness check says ok")
    was_missing: list[str] | None = None
    settled = False
    while True:
        before = time.perf_counter()
        await asyncio.sleep(_LOOK_S)
        lag.set(max(0.0, time.perf_counter() - before - _LOOK_S))
        checks = process.readiness()
        missing = sorted(name for name, state in checks.items() if state != "ok")
        ready.set(not missing)
        if missing != was_missing and not process.stopping.is_set():
            if missing:
                log.info("not_ready", reasons={name: checks[name] for name in missing})
            else:
                log.info("ready", highlight=True, text=f"{process.name} is ready")
        if not missing and not settled:
            settled = True
            _settle_memory()
        was_missing = missing


def _settle_memory() -> None:
    """What is there at the start stays; the collector need not look at it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def _answer(check: Callable[[], str]) -> str:
    try:
        return check()
    except Exception as error:
        log.error("readiness_check_failed", error=repr(error), exc_info=error)
        return "check failed"


def _causes(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [cause for part in error.exceptions for cause in _causes(part)]
    return [error]
