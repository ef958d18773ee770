"""Commands for a stack that runs in another terminal, or no more: stop, status, logs, reset, demo."""

import asyncio
import json
import os
import shutil
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hub_local import compose, probe
from hub_local.faults import StackError
from hub_local.holding import hold, running_pid
from hub_local.layout import SERVICES, Layout, state_directory
from hub_local.outside import POSTGRES, place
from hub_local.ports import Ports
from hub_local.processes import end_leftovers, leftovers
from hub_local.report import Follower, Report, highlight
from hub_local.running import CHECKOUT, demonstration, short
from hub_local.stack import Stack

STOP_PATIENCE = 15.0
LOG_TAIL = 20


@dataclass(frozen=True)
class Row:
    """A process as the supervisor noted it."""

    name: str
    pid: int | None
    state: str
    deaths: int
    admin: int | None


async def stop(*, report: Report) -> int:
    """Stops the stack of this checkout, and what a killed supervisor left."""
    layout = _layout()
    pid = running_pid(layout)
    if pid is None:
        left = await end_leftovers(layout.state)
        report.say(f"ended {left} left processes" if left else "nothing runs")
        return 0
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_PATIENCE
    while running_pid(layout) is not None:
        if time.monotonic() > deadline:
            report.failure(f"process {pid} does not stop")
            return 1
        await asyncio.sleep(0.1)
    report.say("stopped")
    return 0


async def status(*, report: Report) -> int:
    """One line per process; exit code 0 when all are ready, 3 when nothing runs."""
    layout = _layout()
    pid = running_pid(layout)
    if pid is None:
        left = leftovers(layout.state)
        report.say(
            "nothing runs"
            + (f", but {len(left)} processes of a killed run are left (make stop)" if left else "")
        )
        return 3
    report.say(f"process {pid} supervises:")
    code = 0
    for row in _rows(layout):
        health = row.state
        if row.admin is not None and row.pid is not None:
            health = await probe.not_ready(row.admin) or "ready"
        code = code if health in ("ready", "running") else 1
        again = f", started again {row.deaths} times" if row.deaths else ""
        report.say(f"  {row.name:<13} {row.pid or '-':>7}  {health}{again}")
    return code


async def logs(names: Sequence[str], *, report: Report) -> int:
    """Follows logs: of the named processes, or the events of all."""
    layout = _layout()
    paths = [layout.log(name) for name in names or SERVICES]
    missing = [path for path in paths if not path.exists()]
    if missing:
        known = ", ".join(sorted(path.stem for path in layout.logs.glob("*.log"))) or "none"
        report.failure(f"no log {short(missing[0])}; there are: {known}")
        return 1
    for path in paths if names else []:
        for line in path.read_text(errors="replace").splitlines()[-LOG_TAIL:]:
            report.say(line)
    follower = Follower(paths)
    while True:
        for _, line in follower.lines():
            found = highlight(line)
            if names:
                report.say(line)
            elif found:
                report.event(*found)
        await asyncio.sleep(0.2)


async def reset(*, report: Report) -> int:
    """Deletes data, secrets, certificates and logs of the stack of this checkout."""
    layout = _layout()
    if layout.state.exists():
        # Held to the end, so that nobody starts meanwhile.
        with hold(layout):
            if foreign := _foreign(layout.state):
                report.failure(f"{short(foreign)} is another user's; nothing was deleted")
                return 1
            await end_leftovers(layout.state)
            shutil.rmtree(layout.state)
    report.say(f"deleted {short(layout.state)}")
    if given := os.environ.get(POSTGRES):
        report.say(
            f"the databases at {place(given)} are kept; drop hub_auth there before the next run, "
            "as its keys can be read only with a secret that is deleted now"
        )
    return 0


async def compose_secrets(folder: Path, *, check: bool = False, report: Report) -> int:
    """What docker-compose.yml needs and must not be in the repository; or only whether it is all there."""
    if check:
        missing = compose.missing(folder)
        for path in missing:
            report.failure(f"there is no {path}")
        if missing:
            report.failure("`make compose-secrets` makes what is missing (see deploy/README.md, Secrets)")
        return 1 if missing else 0
    made = compose.make(folder)
    compose.tell_compose(CHECKOUT, folder)
    report.say(f"  {folder}: made {len(made.new)} files" if made.new else f"  {folder}: complete")
    for file in made.expiring:
        report.failure(f"{file.name} expires soon: deploy/README.md says how certificates are replaced")
    return 0


async def demo(gateway: str | None = None, *, report: Report) -> int:
    """The demonstration against that gateway, or the one of the stack that runs."""
    layout = _layout()
    if gateway is not None:
        return await demonstration(CHECKOUT, gateway)
    gateway = noted(layout).get("gateway")
    if running_pid(layout) is None or gateway is None:
        report.failure("nothing runs; `make run` starts the stack (and shows the demonstration)")
        return 1
    return await demonstration(layout.state, gateway)


def _foreign(state: Path) -> Path | None:
    """A folder whose files we may not delete, such as of a stack that root has run."""
    places = [Path(place) / name for place, names, _ in os.walk(state) for name in names]
    allowed = os.R_OK | os.W_OK | os.X_OK
    return next((place for place in (state.parent, state, *places) if not os.access(place, allowed)), None)


def _layout() -> Layout:
    return Layout(state_directory(CHECKOUT))


def _rows(layout: Layout) -> list[Row]:
    return [Row(**row) for row in noted(layout).get("processes", [])]


def as_it_runs(stack: Stack) -> Stack:
    """The same with the ports that it was started with in the other terminal, if it runs there."""
    found = noted(stack.layout) if running_pid(stack.layout) is not None else {}
    if "ports" in found:
        stack.ports = Ports(**found["ports"])
        given = str(found["outside"]["postgres"])
        if given != stack.outside.without_passwords().postgres:
            what = f"the PostgreSQL at {place(given)}" if given else "a PostgreSQL of its own"
            raise StackError(f"the stack that runs uses {what}: set {POSTGRES} here as it is set there")
    return stack


def noted(layout: Layout) -> dict[str, Any]:
    """What the supervisor last wrote; nothing before everything was ready."""
    try:
        found: dict[str, Any] = json.loads(layout.processes.read_text())
    except FileNotFoundError:
        return {}
    return found
