"""Places where a test makes a process die."""

from __future__ import annotations

import ast
import asyncio
import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub_runtime import CrashPointError, ProcessSettings, SettingsError, crash_point
from hub_runtime.crash_points import armed
from hub_runtime.settings import load
from tests.support.crash_points import crash_points, listed

ROOT = Path(__file__).parents[3]


def passes(name: str, times: int) -> list[int]:
    """At which passes it failed."""
    failed = []
    for number in range(1, times + 1):
        try:
            crash_point(name)
        except CrashPointError:
            failed.append(number)
    return failed


def test_a_point_acts_only_where_it_is_armed() -> None:
    assert passes("a.b", 3) == []
    with armed("a.b=error"):
        assert passes("a.b", 3) == [1, 2, 3]
        assert passes("a.c", 3) == []
    assert passes("a.b", 3) == []


def test_a_point_can_act_at_one_pass_alone() -> None:
    with armed("a.b=error@3, c=error"):
        assert passes("a.b", 5) == [3]
        assert passes("c", 2) == [1, 2]


def test_a_point_can_stall_the_process() -> None:
    with armed("a=sleep:0.05"):
        before = time.perf_counter()
        crash_point("a")
        assert time.perf_counter() - before >= 0.05


async def child(text: str) -> asyncio.subprocess.Process:
    program = (
        "import sys; from hub_runtime import crash_point; from hub_runtime.crash_points import arm;"
        "arm(sys.argv[1]); crash_point('here'); print('went on', flush=True)"
    )
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, text, stdout=asyncio.subprocess.PIPE
    )


async def test_kill_leaves_no_time_for_anything() -> None:
    process = await child("here=kill")
    said, _ = await process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert b"went on" not in said


async def test_stop_freezes_until_it_is_continued() -> None:
    process = await child("here=stop")
    _, status = await asyncio.to_thread(os.waitpid, process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    process.send_signal(signal.SIGCONT)
    assert process.stdout is not None
    assert b"went on" in await process.stdout.read()


ADMIN = {"HUB_ADMIN_ADDRESS": "127.0.0.1:1"}


@pytest.mark.parametrize("text", ["a", "a=die", "a=kill@0", "a=sleep", "=kill", "a=kill;b=kill"])
def test_what_cannot_be_understood_is_refused_at_the_start(text: str) -> None:
    with pytest.raises(SettingsError, match="HUB_CRASH_POINTS"):
        load(ProcessSettings, ADMIN | {"HUB_CRASH_POINTS": text})


def test_production_does_not_start_with_them() -> None:
    text = {"HUB_CRASH_POINTS": "a=kill"}
    assert load(ProcessSettings, ADMIN | text).crash_points == "a=kill"
    with pytest.raises(SettingsError, match="production"):
        load(ProcessSettings, ADMIN | text | {"HUB_ENVIRONMENT": "production"})


def in_source() -> Iterator[str]:
    """The names in the code; what a name is made of is <...>."""
    for folder in ("services", "libs", "gateway"):
        for file in (ROOT / folder).rglob("hub_*/**/*.py"):
            text = file.read_text(encoding="utf-8")
            if "crash_point(" not in text or file.name == "crash_points.py":
                continue
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.Call) and ast.unparse(node.func) == "crash_point":
                    yield _pattern(node.args[0])


def _pattern(name: ast.expr) -> str:
    if isinstance(name, ast.Constant):
        return str(name.value)
    assert isinstance(name, ast.JoinedStr), f"{ast.unparse(name)}: must be a string or an f-string"
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "<>" for part in name.values)


def test_the_table_lists_every_point_of_the_code() -> None:
    assert sorted(re.sub("<[^>]*>", "<>", name) for name in listed()) == sorted(set(in_source()))


def test_every_point_can_be_armed() -> None:
    names = crash_points()
    assert "relay.position.before_delete" in names
    assert "consume.orders.after_ack" in names
    with armed(",".join(f"{name}=error" for name in names)):
        assert [passes(name, 1) for name in names] == [[1]] * len(names)
