"""The stack on a terminal: Ctrl-C and SIGTERM leave nothing, and a killed supervisor is cleaned up after."""

import asyncio
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hub_local.processes import ended, leftovers
from tests.local.dummies.table import CHECKOUT
from tests.support.servers import Login

START_LIMIT = 60
STOP_LIMIT = 10


class Terminal:
    """A pseudo terminal with the stack in its foreground."""

    def __init__(self, process: subprocess.Popen[bytes], descriptor: int) -> None:
        self.process = process
        self.text = ""
        self._descriptor = descriptor
        self._news = asyncio.Event()
        asyncio.get_running_loop().add_reader(descriptor, self._read)

    def press_control_c(self) -> None:
        os.write(self._descriptor, b"\x03")

    async def shows(self, text: str) -> None:
        async with asyncio.timeout(START_LIMIT):
            while text not in self.text:
                self._news.clear()
                await self._news.wait()

    async def ends(self) -> int:
        async with asyncio.timeout(STOP_LIMIT):
            code = await ended(self.process)
        await self.shows("stopped (")
        return code

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._descriptor)
        os.close(self._descriptor)

    def _read(self) -> None:
        try:
            data = os.read(self._descriptor, 65536)
        except OSError:  # the other side is closed
            asyncio.get_running_loop().remove_reader(self._descriptor)
            data = b""
        self.text += data.decode(errors="replace")
        self._news.set()


@asynccontextmanager
async def foreground(state: Path, **settings: str) -> AsyncIterator[Terminal]:
    ours, theirs = pty.openpty()
    command = f"exec {sys.executable} -m tests.local.foreground {state}"
    process = subprocess.Popen(  # noqa: ASYNC220 - it only starts it
        ["setsid", "--ctty", "--wait", "sh", "-c", command],
        cwd=CHECKOUT,
        env={**os.environ, **settings, "PYTHONPATH": str(CHECKOUT)},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    terminal = Terminal(process, ours)
    try:
        yield terminal
    finally:
        terminal.close()
        process.kill()
        process.wait()


@pytest.fixture
def state(folder_for_servers: Path, request: pytest.FixtureRequest) -> Path:
    return folder_for_servers / str(request.node.name)


@pytest.fixture
def given(amqp_vhost: Login) -> dict[str, str]:
    """A broker that runs, for what is not about the broker: it is the slowest to start and to stop."""
    return {"HUB_LOCAL_AMQP_URL": amqp_vhost.dsn}


def supervisor(state: Path) -> int:
    return int((state / "supervisor.lock").read_text())


def pid_of(name: str, state: Path) -> int:
    rows = json.loads((state / "processes.json").read_text())["processes"]
    return int(next(row["pid"] for row in rows if row["name"] == name))


async def test_after_a_kill_9_the_next_run_cleans_up_and_control_c_leaves_nothing(state: Path) -> None:
    async with foreground(state) as first:
        await first.shows("Ready")
        os.kill(supervisor(state), signal.SIGKILL)
        await ended(first.process)
    async with foreground(state) as second:
        await second.shows("Ready")
        os.kill(pid_of("ledger", state), signal.SIGKILL)
        await second.shows("ended (SIGKILL), starting again")
        await second.shows("ledger says hello")
        second.press_control_c()
        assert await second.ends() == 0
    assert leftovers(state) == []


async def test_sigterm_stops_even_a_process_that_does_not_listen(state: Path, given: dict[str, str]) -> None:
    async with foreground(state, HUB_STUBBORN="ledger", **given) as terminal:
        await terminal.shows("Ready")
        os.kill(supervisor(state), signal.SIGTERM)
        assert await terminal.ends() == 0
    assert leftovers(state) == []


async def test_a_start_that_fails_says_why_and_leaves_nothing(state: Path, given: dict[str, str]) -> None:
    async with foreground(state, HUB_BROKEN="ledger", **given) as terminal:
        await terminal.shows("the migrations of ledger failed")
        await terminal.shows("HUB_BROKEN: says that this process is broken")
        assert await terminal.ends() == 1
    assert leftovers(state) == []


async def test_control_c_while_it_starts_leaves_nothing(state: Path, given: dict[str, str]) -> None:
    async with foreground(state, **given) as terminal:
        await terminal.shows("databases")
        terminal.press_control_c()
        assert await terminal.ends() == 0
    assert leftovers(state) == []


async def test_secrets_that_do_not_fit_the_data_are_explained(state: Path, given: dict[str, str]) -> None:
    async with foreground(state, **given) as first:
        await first.shows("databases")
        first.press_control_c()
        assert await first.ends() == 0
    (state / "secrets" / "postgres").unlink()
    async with foreground(state, **given) as second:
        await second.shows("the databases were made with other secrets; `make reset` starts anew")
        assert await second.ends() == 1
    assert leftovers(state) == []
