"""Programs are kept alive with back-off, stopped in order, and die with whoever started them."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from hub_local.processes import Program, leftovers, run_once
from hub_local.supervisor import LONGEST_DELAY, Child, State, stop_in_order
from tests.support.waiting import eventually

SLEEP = "import time; time.sleep(600)"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); signal.pause()"


def program(tmp_path: Path, code: str, *, name: str = "some") -> Program:
    return Program(
        name=name,
        command=(sys.executable, "-c", code),
        environment={**os.environ, "HUB_LOCAL_STATE": str(tmp_path)},
        directory=tmp_path,
        log=tmp_path / f"{name}.log",
    )


def is_up(program: Program) -> bool:
    return program.log is not None and program.log.exists() and "up" in program.log.read_text()


async def test_a_program_that_keeps_dying_is_started_ever_more_slowly(tmp_path: Path) -> None:
    deaths: list[tuple[int, float]] = []
    enough = asyncio.Event()

    def note(_name: str, code: int, delay: float) -> None:
        deaths.append((code, delay))
        if len(deaths) == 4:
            enough.set()

    child = Child(program(tmp_path, "raise SystemExit(3)"), on_death=note)
    child.start()
    async with asyncio.timeout(30):
        await enough.wait()
    await child.stop(limit=5)
    delays = [delay for _, delay in deaths]
    assert {code for code, _ in deaths} == {3}
    assert delays == sorted(delays)
    assert delays[0] < delays[-1] <= LONGEST_DELAY
    assert child.state is State.STOPPED


async def test_a_program_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    child = Child(program(tmp_path, DEAF), on_death=lambda *_: None)
    child.start()
    await eventually(lambda: is_up(child.program))
    await child.stop(limit=0.2)
    assert leftovers(tmp_path) == []


async def test_groups_stop_one_after_the_other(tmp_path: Path) -> None:
    record = tmp_path / "order"
    code = (
        "import pathlib, signal, sys\n"
        "def end(*_):\n"
        f"    pathlib.Path({str(record)!r}).open('a').write(sys.argv[1] + ' ')\n"
        "    sys.exit()\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "print('up', flush=True)\n"
        "signal.pause()"
    )
    children = []
    for name in ("first", "second", "third"):
        base = program(tmp_path, code, name=name)
        named = Program(**{**vars(base), "command": (*base.command, name)})
        children.append(Child(named, on_death=lambda *_: None))
        children[-1].start()
    await eventually(lambda: all(is_up(child.program) for child in children))
    await stop_in_order([(1.0, [child]) for child in children], limit=20)
    assert record.read_text().split() == ["first", "second", "third"]


async def test_children_die_with_their_supervisor(tmp_path: Path) -> None:
    log = tmp_path / "child.log"
    code = (
        "import os, pathlib, signal, sys\n"
        "from hub_local.processes import Program, spawn\n"
        f"command = (sys.executable, '-c', {SLEEP!r})\n"
        f"log = pathlib.Path({str(log)!r})\n"
        "environment = dict(os.environ)\n"
        "spawn(Program(name='x', command=command, environment=environment, directory=log.parent, log=log))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert await run_once(program(tmp_path, code), limit=20) == -signal.SIGKILL
    assert log.exists()
    await eventually(lambda: leftovers(tmp_path) == [])


async def test_a_program_that_should_end_is_killed_when_it_does_not(tmp_path: Path) -> None:
    with pytest.raises(TimeoutError):
        await run_once(program(tmp_path, SLEEP), limit=0.2)
    assert leftovers(tmp_path) == []
