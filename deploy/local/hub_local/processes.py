"""Processes of ours: started tied to us, awaited, and found again when we were killed."""

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hub_local.layout import MARKER, Account

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, kw_only=True)
class Program:
    """What to start and how to end it."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    directory: Path
    # Where its output goes; None: to our own terminal.
    log: Path | None
    account: Account | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    # What the kernel sends it when we die without a word; a server that must write something is asked gently.
    orphan_signal: signal.Signals = signal.SIGKILL


def spawn(program: Program) -> subprocess.Popen[bytes]:
    """Starts the program in a session of its own (a Ctrl-C reaches only us); it ends when we end."""
    parent = os.getpid()

    def tie_to_parent() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(program.orphan_signal), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    identity: dict[str, object] = {}
    if program.account is not None:
        identity = {"user": program.account.uid, "group": program.account.gid, "extra_groups": []}
    with contextlib.ExitStack() as opened:
        output = opened.enter_context(program.log.open("ab")) if program.log else None
        process: subprocess.Popen[bytes] = subprocess.Popen(
            program.command,
            env=dict(program.environment),
            cwd=program.directory,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=tie_to_parent,  # noqa: PLW1509 - one system call; set after the change of user, which clears it
            **identity,  # type: ignore[call-overload]
        )
        return process


async def ended(process: subprocess.Popen[bytes]) -> int:
    """Waits without a thread; answers the exit code (negative: the signal)."""
    if process.poll() is not None:
        return process.returncode
    loop = asyncio.get_running_loop()
    gone = asyncio.Event()
    descriptor = os.pidfd_open(process.pid)
    loop.add_reader(descriptor, gone.set)
    try:
        await gone.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
    return process.wait()


async def run_once(program: Program, *, limit: float) -> int:
    """Runs a program that ends by itself; one that does not in time is killed and counts as failed."""
    process = spawn(program)
    try:
        async with asyncio.timeout(limit):
            return await ended(process)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def send(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Signals a child that is still there."""
    if process.poll() is None:
        process.send_signal(number)


def sweep_session(leader: int) -> None:
    """Kills what a dead child left in its session's process group."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def leftovers(state: Path) -> list[int]:
    """Processes of this stack that outlived their supervisor, known by the marker in their environment."""
    return [int(process.name) for process in _others() if _is_ours(process, state)]


async def end_leftovers(state: Path, *, patience: float = 5.0) -> int:
    """Ends them, gently first; answers how many there were."""
    found = leftovers(state)
    for number, limit in ((signal.SIGTERM, patience), (signal.SIGKILL, 2.0)):
        for process in leftovers(state):
            _signal(process, number)
        try:
            async with asyncio.timeout(limit):
                while leftovers(state):  # noqa: ASYNC110 - they are no children of ours, nothing tells us of their end
                    await asyncio.sleep(0.05)
        except TimeoutError:
            continue
        break
    return len(found)


def _others() -> Iterator[Path]:
    for process in Path("/proc").glob("[0-9]*"):
        if int(process.name) != os.getpid():
            yield process


def _is_ours(process: Path, state: Path) -> bool:
    """Only what carries the marker, sees the same file system root, and is not dead already."""
    try:
        variables = (process / "environ").read_bytes().split(b"\0")
        dead = (process / "stat").read_text().rpartition(")")[2].split()[0] in "ZX"
        same_root = (process / "root").samefile("/")
    except OSError:
        return False
    return f"{MARKER}={state}".encode() in variables and same_root and not dead


def _signal(process: int, number: signal.Signals) -> None:
    try:
        os.kill(process, number)
    except ProcessLookupError:
        return
