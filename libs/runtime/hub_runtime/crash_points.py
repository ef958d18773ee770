"""Named places where a test makes a process die, stop, fail or stall. Nothing happens where none is set."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from hub_runtime.log import get_logger

_ENTRY: Final = re.compile(
    r"(?P<name>[a-z0-9_.-]+)=(?P<action>kill|stop|error|sleep:(?P<seconds>\d+(\.\d+)?))(@(?P<turn>[1-9]\d*))?"
)

log = get_logger("crash_points")


class CrashPointError(RuntimeError):
    """What `error` raises: a fault that nobody foresaw."""


@dataclass
class _Armed:
    action: str
    turn: int | None
    passes: int = 0


# Looked at on hot paths: empty in every process but those of tests.
_armed: dict[str, _Armed] = {}


def crash_point(name: str) -> None:
    """Marks a place. The names are listed in libs/runtime/README.md."""
    if _armed:
        _pass(name)


def parse_crash_points(text: str) -> str:
    """The text as it is; raises ValueError for one that `arm` would not understand."""
    _parse(text)
    return text


def arm(text: str) -> None:
    """From now on these points act, and no others; an empty text disarms all."""
    armed = _parse(text)
    _armed.clear()
    _armed.update(armed)


@contextmanager
def armed(text: str) -> Iterator[None]:
    """For a test inside of one process."""
    arm(text)
    try:
        yield
    finally:
        arm("")


def _parse(text: str) -> dict[str, _Armed]:
    points: dict[str, _Armed] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        match = _ENTRY.fullmatch(entry)
        if match is None:
            raise ValueError(f"{entry}: must be name=kill, stop, error or sleep:seconds, perhaps with @pass")
        turn = match["turn"]
        points[match["name"]] = _Armed(match["action"], int(turn) if turn else None)
    return points


def _pass(name: str) -> None:
    point = _armed.get(name)
    if point is None:
        return
    point.passes += 1
    if point.turn is not None and point.passes != point.turn:
        return
    log.warning("crash_point", point=name, action=point.action, passes=point.passes)
    if point.action == "error":
        raise CrashPointError(name)
    _ACTIONS[point.action.partition(":")[0]](point.action)


def _send(number: signal.Signals) -> Callable[[str], None]:
    return lambda _: os.kill(os.getpid(), number)


def _stall(action: str) -> None:
    """The whole process: its event loop, too."""
    time.sleep(float(action.partition(":")[2]))


_ACTIONS: Final = {"kill": _send(signal.SIGKILL), "stop": _send(signal.SIGSTOP), "sleep": _stall}
