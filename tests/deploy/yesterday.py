"""Yesterday's code on today's schema: python -m tests.deploy.yesterday (make check-upgrade).

The newest commit that knows fewer migrations is exported; today's code migrates the databases, and that
commit's own stack and demonstration run on them.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

from hub_local.faults import StackError
from hub_local.layout import SERVICES
from hub_local.ports import Ports
from hub_local.processes import Program, run_once
from hub_local.report import last_lines
from hub_local.stack import Stack
from tests.support.folders import server_folder

CHECKOUT = Path(__file__).resolve().parents[2]
DRIVER = Path(__file__).with_name("yesterdays_stack.py")
MIGRATIONS = "services/*/hub_*/migrations/*.sql"
ROOTS = ("proto/gen", "libs/*", "services/*", "gateway", "deploy/local")
LIMIT = 240.0


class NoYesterdayError(Exception):
    """This checkout's history has no such commit; the text says what to do."""


def find_yesterday(checkout: Path) -> str:
    """The newest commit of this branch whose migrations are fewer than those of the working tree, and the
    same to the letter: one that was changed since then never reached anybody."""
    paths = sorted(str(path.relative_to(checkout)) for path in checkout.glob(MIGRATIONS))
    today = (
        set(zip(paths, _git(checkout, "hash-object", "--", *paths).split(), strict=True)) if paths else set()
    )
    touching = _git(checkout, "log", "--format=%H", "HEAD", "--", f":(glob){MIGRATIONS}").split()
    for candidate in ("HEAD", *(f"{commit}^" for commit in touching)):
        if _exists(checkout, candidate) and _migrations(checkout, candidate) < today:
            return _git(checkout, "rev-parse", candidate).strip()
    raise NoYesterdayError(
        "the history of this checkout has no commit with fewer migrations;"
        " a shallow clone gets the rest with `git fetch --unshallow`"
    )


def export(checkout: Path, commit: str, folder: Path) -> None:
    """The whole tree of the commit."""
    archive = subprocess.run(
        ["git", "-C", str(checkout), "archive", commit], check=True, capture_output=True, timeout=60
    )
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive.stdout, check=True, timeout=60)


async def run_yesterday(exported: Path, state: Path) -> str:
    """Answers what the old demonstration printed last; raises StackError when anything failed."""
    today = Stack(state=state, ports=Ports.probe(tuple(SERVICES)))
    try:
        await today.prepare(wanted={})
        await today.start_servers(("postgres",))
        await today.wait_servers("postgres")
        await today.make_databases()
    finally:
        await today.stop()
    log = today.layout.log("yesterday")
    program = Program(
        name="yesterday",
        command=(sys.executable, "-P", str(DRIVER), str(exported), str(state)),
        environment=_environment(exported),
        directory=exported,
        log=log,
    )
    code = await run_once(program, limit=LIMIT)
    if code != 0:
        raise StackError(f"yesterday's code fails on today's schema (exit code {code})\n{_why(log, state)}")
    return log.read_text().rstrip().splitlines()[-1]


def _environment(exported: Path) -> dict[str, str]:
    """Nothing of today's settings; yesterday's packages before those that are installed."""
    roots = [exported, *(folder for root in ROOTS for folder in sorted(exported.glob(root)))]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HUB_", "PYTHON"))}
    return kept | {"PYTHONPATH": os.pathsep.join(map(str, roots)), "PYTHONUNBUFFERED": "1"}


def _why(log: Path, state: Path) -> str:
    """The end of what it printed, and of each service's errors."""
    parts = [last_lines(log, 30)]
    for service in SERVICES:
        path = state / "logs" / f"{service}.log"
        lines = path.read_text(errors="replace").splitlines() if path.exists() else []
        parts += [
            f"      {service}: {line[:300]}" for line in lines if '"level":"error"' in line.replace(" ", "")
        ][-3:]
    return "\n".join(parts)


def _migrations(checkout: Path, commit: str) -> set[tuple[str, str]]:
    """By path, and by what they are."""
    tree = _git(checkout, "ls-tree", "-r", "--format=%(path) %(objectname)", commit, "--", "services")
    found = (line.split() for line in tree.splitlines())
    return {(path, content) for path, content in found if Path(path).match(MIGRATIONS)}


def _exists(checkout: Path, commit: str) -> bool:
    command = ["git", "-C", str(checkout), "rev-parse", "--quiet", "--verify", f"{commit}^{{commit}}"]
    return subprocess.run(command, capture_output=True, check=False, timeout=30).returncode == 0


def _git(checkout: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(checkout), *words], capture_output=True, text=True, check=False, timeout=60
    )
    if done.returncode != 0:
        reason = done.stderr.strip().partition("\n")[0]
        raise NoYesterdayError(f"this checkout has no history to take yesterday's code from ({reason})")
    return done.stdout


def main() -> int:
    """Says what it does; 0 when the old demonstration ran to its end."""
    began = time.monotonic()
    try:
        commit = find_yesterday(CHECKOUT)
        title = _git(CHECKOUT, "log", "-1", "--format=%h of %cs, %s", commit).strip()
        sys.stdout.write(f"yesterday's code: {title}\n")
        with server_folder() as folder:
            exported = folder / "exported"
            exported.mkdir()
            export(CHECKOUT, commit, exported)
            last = asyncio.run(run_yesterday(exported, folder / "state"))
    except (NoYesterdayError, StackError) as error:
        sys.stderr.write(f"check-upgrade: {error}\n")
        return 1
    sys.stdout.write(f"its demonstration on today's schema: {last} ({time.monotonic() - began:.0f} s)\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
