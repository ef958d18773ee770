"""A container's health check asks the process beside it."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping

import pytest

from hub_runtime import healthcheck
from hub_runtime.admin import AdminServer
from hub_runtime.settings import Address


async def check(address: str, *arguments: str) -> tuple[int, str]:
    """As a container runs it: without anybody's packages."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-S", healthcheck.__file__, *arguments,
        env={"HUB_ADMIN_ADDRESS": address, "PATH": os.environ["PATH"]},
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(30):
        said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


def admin(states: Mapping[str, str]) -> AdminServer:
    return AdminServer(Address("127.0.0.1", 0), lambda: states)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])  # of one that listens everywhere
async def test_a_process_that_is_ready_is_healthy(host: str) -> None:
    async with admin({"database": "ok"}) as server:
        assert await check(f"{host}:{server.port}") == (0, "")


async def test_one_that_is_not_ready_says_why_and_is_still_alive() -> None:
    async with admin({"database": "database_unavailable"}) as server:
        code, said = await check(f"127.0.0.1:{server.port}")
        assert code == 1
        assert '"database": "database_unavailable"' in said
        assert await check(f"127.0.0.1:{server.port}", "/livez") == (0, "")


async def test_a_path_that_does_not_exist_is_not_healthy() -> None:
    async with admin({}) as server:
        assert (await check(f"127.0.0.1:{server.port}", "/readiness"))[0] == 1


@pytest.mark.parametrize("address", ["", "127.0.0.1", "127.0.0.1:1"])
async def test_nobody_there_is_not_healthy(address: str) -> None:
    code, said = await check(address)
    assert code == 1
    assert "does not answer" in said
