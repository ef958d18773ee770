"""The demonstration, over all processes."""

from __future__ import annotations

import asyncio
import sys

import pytest

from hub_local.stack import Stack


@pytest.mark.timeout(300)
async def test_the_demonstration_ends_with_ok(stack: Stack) -> None:
    demo = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "hub_local.demo", "--gateway", stack.gateway_url),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(demo.communicate(), timeout=280)
    assert output.decode().rstrip().splitlines()[-1] == "demo: OK", output.decode()
    assert demo.returncode == 0
