"""The life of a process, seen from outside."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest


@dataclass
class Running:
    """A started program, and what it has said so far."""

    process: asyncio.subprocess.Process
    admin: str
    lines: list[dict[str, Any]] = field(default_factory=list)

    async def said(self, event: str) -> dict[str, Any]:
        """Waits for the event."""
        async with asyncio.timeout(20):
            while True:
                found = [line for line in self.lines if line["event"] == event]
                if found:
                    return found[0]
                await self._read_line()

    async def end(self, limit_s: float = 20) -> int:
        async with asyncio.timeout(limit_s):
            while await self._read_line():
                pass
            return await self.process.wait()

    def events(self) -> list[str]:
        return [line["event"] for line in self.lines]

    async def _read_line(self) -> bool:
        assert self.process.stderr is not None
        line = await self.process.stderr.readline()
        if line:
            self.lines.append(json.loads(line))
        return bool(line)

    async def get(self, path: str) -> httpx.Response:
        async with httpx.AsyncClient(trust_env=False, timeout=5) as http:
            return await http.get(f"http://{self.admin}{path}")


Start = Callable[..., Any]


@pytest.fixture
def start(free_port: Callable[[], int]) -> Start:
    """`async with start("serve", behaviour="well") as running`."""

    @asynccontextmanager
    async def started(*jobs: str, **settings: str) -> AsyncIterator[Running]:
        admin = f"127.0.0.1:{free_port()}"
        variables = {"admin_address": admin, "shares": "3", **settings}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tests.libs.runtime.program", *jobs),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=os.environ | {f"HUB_{name.upper()}": text for name, text in variables.items()},
        )
        try:
            yield Running(process, admin)
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()

    return started


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_in_order_with_code_0(start: Start, number: signal.Signals) -> None:
    async with start() as running:
        await running.said("ready")
        running.process.send_signal(number)
        assert await running.end(8) == 0
    tail = running.events()[-4:]
    assert tail == ["stopping", "task_ended", "closed", "stopped"], "tasks end before what they use is closed"


async def test_run_may_end_with_an_order_of_its_own(start: Start) -> None:
    async with start(behaviour="own_exit") as running:
        await running.said("ready")
        running.process.terminate()
        assert await running.end(8) == 0
    assert running.events()[-5:] == ["stopping", "run_ended", "task_ended", "closed", "stopped"]


async def test_a_signal_ends_it_while_it_still_waits_for_something_in_run(start: Start) -> None:
    async with start(behaviour="never_wired") as running:
        await running.said("waiting_in_run")
        running.process.terminate()
        assert await running.end(8) == 0
    assert "closed" in running.events()


async def test_it_ends_in_8_seconds_even_when_a_task_ignores_its_cancellation(start: Start) -> None:
    async with start(behaviour="hangs_at_exit") as running:
        await running.said("ready")
        running.process.terminate()
        assert await running.end(10) == 1
    assert running.events()[-1] == "stop_took_too_long"


async def test_a_task_that_fails_ends_the_process_with_its_reason_in_the_log(start: Start) -> None:
    async with start(behaviour="task_fails") as running:
        assert await running.end() == 1
    assert (await running.said("task_failed"))["task"] == "fails"
    failed = await running.said("process_failed")
    assert failed["error"] == 'ValueError("the task\'s own fault")'
    assert "Traceback" in failed["exception"]
    assert "closed" in running.events()


async def test_wiring_that_fails_ends_the_process_with_its_reason_in_the_log(start: Start) -> None:
    async with start(behaviour="run_fails") as running:
        assert await running.end() == 1
    assert "nothing there" in (await running.said("process_failed"))["error"]
    assert "closed" in running.events()


async def test_the_admin_endpoint_answers_probes_and_scrapes(start: Start) -> None:
    async with start() as running:
        ready = await running.said("ready")
        assert (ready["highlight"], ready["text"], ready["service"]) == (True, "program is ready", "program")
        assert (await running.get("/livez")).status_code == 200
        readyz = await running.get("/readyz")
        assert (readyz.status_code, readyz.json()) == (200, {"ready": True, "checks": {"process": "ok"}})
        metrics = (await running.get("/metrics")).text
        assert "hub_ready 1.0" in metrics
        assert "hub_event_loop_lag_seconds" in metrics


async def test_it_is_not_ready_while_a_check_says_why(start: Start) -> None:
    async with start(behaviour="unready") as running:
        assert (await running.said("not_ready"))["reasons"] == {"peer": "peer has not answered"}
        readyz = await running.get("/readyz")
        assert (readyz.status_code, readyz.json()["ready"]) == (503, False)
        assert readyz.json()["checks"] == {"peer": "peer has not answered"}


async def test_it_is_unready_from_the_signal_on_and_still_answers_meanwhile(start: Start) -> None:
    async with start(drain_s="3") as running:
        await running.said("ready")
        running.process.terminate()
        await running.said("stopping")
        readyz = await running.get("/readyz")
        assert (readyz.status_code, readyz.json()["checks"]) == (503, {"process": "stopping"})
        assert (await running.get("/livez")).status_code == 200


@pytest.mark.parametrize(("jobs", "expected"), [((), ["serve", "work"]), (("work",), ["work"])])
async def test_it_runs_the_jobs_it_is_told_to_or_all(
    start: Start, jobs: tuple[str, ...], expected: list[str]
) -> None:
    async with start(*jobs) as running:
        assert (await running.said("wired"))["jobs"] == expected


async def test_logs_carry_a_trace_id_and_no_secret(start: Start) -> None:
    async with start() as running:
        wired = await running.said("wired")
    assert list(wired)[:4] == ["time", "level", "service", "event"]
    assert len(wired["trace_id"]) == 32
    assert wired["password"] == "***"


async def test_migrate_does_its_work_and_leaves(start: Start) -> None:
    async with start("migrate") as running:
        assert await running.end() == 0
    assert running.events() == ["migrating"]


async def test_a_migration_that_fails_leaves_with_code_1(start: Start) -> None:
    async with start("migrate", behaviour="task_fails") as running:
        assert await running.end() == 1
    assert "the migration's own fault" in (await running.said("migration_failed"))["error"]


@pytest.mark.parametrize("arguments", [(), ("--all", "serve")])
async def test_a_command_gets_what_follows_it_and_says_how_it_ends(
    start: Start, arguments: tuple[str, ...]
) -> None:
    code, out, _ = await said_and_left(start, "count", *arguments)
    assert (code, out) == (len(arguments), f"3 {' '.join(arguments)}\n")


async def test_a_command_that_fails_leaves_with_code_1(start: Start) -> None:
    async with start("count", behaviour="run_fails") as running:
        assert await running.end() == 1
    assert "nothing there" in (await running.said("command_failed"))["error"]


async def said_and_left(start: Start, *jobs: str, **settings: str) -> tuple[int, str, str]:
    async with start(*jobs, **settings) as running:
        out, err = await asyncio.wait_for(running.process.communicate(), 20)
        return running.process.returncode or 0, out.decode(), err.decode()


async def test_wrong_settings_leave_with_code_2_and_a_line_for_each(start: Start) -> None:
    code, _, err = await said_and_left(start, admin_address="nowhere", shares="many", log_level="loud")
    assert code == 2
    assert err.splitlines() == [
        "HUB_ADMIN_ADDRESS: must be host:port",
        "HUB_LOG_LEVEL: must be one of debug, info, warning, error",
        "HUB_SHARES: must be a whole number",
    ]


async def test_settings_that_only_the_wiring_can_judge_leave_with_code_2_too(start: Start) -> None:
    code, _, err = await said_and_left(start, behaviour="unfit")
    assert code == 2
    assert "HUB_SHARES: do not fit the jobs" in err.splitlines()


async def test_a_collector_that_is_gone_neither_stops_nor_holds_it(
    start: Start, free_port: Callable[[], int]
) -> None:
    async with start(otlp_endpoint=f"http://127.0.0.1:{free_port()}", trace_ratio="1") as running:
        await running.said("ready")
        running.process.terminate()
        assert await running.end(8) == 0


@pytest.mark.parametrize(
    ("jobs", "fault"),
    [
        (("dance",), "dance: no such job; there are serve, work, migrate, count (see --help)\n"),
        (("migrate", "serve"), "migrate: goes alone\n"),
    ],
)
async def test_wrong_jobs_leave_with_code_2(start: Start, jobs: tuple[str, ...], fault: str) -> None:
    assert await said_and_left(start, *jobs) == (2, "", fault)


async def test_help_says_what_it_is_its_jobs_and_every_setting(start: Start) -> None:
    code, out, _ = await said_and_left(start, "--help", shares="")
    assert code == 0
    assert out.startswith("program: a process for tests.\n")
    for words in (
        "  serve    answers",
        "  migrate ",
        "  count    counts what it is given",
        "HUB_SHARES         required",
        "HUB_TRACE_RATIO    0.01",
    ):
        assert words in out
