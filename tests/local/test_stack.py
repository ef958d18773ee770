"""The stack as a library: it starts, keeps alive and stops what its table says."""

import os
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from hub_local.faults import AlreadyRunningError, StartError
from hub_local.ports import HOST
from hub_local.processes import leftovers
from hub_local.servers import superuser_dsn
from hub_local.stack import Stack
from tests.local.dummies.table import stack_of_dummies


@pytest.fixture(scope="module")
async def dummies(folder_for_servers: Path) -> AsyncIterator[Stack]:
    """A running stack of stand-ins; leaves no process."""
    stack = stack_of_dummies(folder_for_servers / "dummies", overrides={"HUB_COLOUR": "blue"})
    try:
        await stack.start()
        yield stack
    finally:
        await stack.stop()
    assert leftovers(stack.layout.state) == []


def environment_of(pid: int) -> dict[str, str]:
    variables = Path(f"/proc/{pid}/environ").read_text().split("\0")
    return dict(variable.split("=", 1) for variable in variables if variable)


async def test_a_process_gets_its_table_and_the_callers_settings(dummies: Stack) -> None:
    pid = dummies.pid("ledger")
    assert pid is not None
    found = environment_of(pid)
    assert found["HUB_COLOUR"] == "blue"
    assert found["HUB_GRPC_ADDRESS"] == f"{HOST}:{dummies.ports.grpc['ledger']}"
    assert found["HUB_DATABASE_URL"] == f"postgresql://hub_ledger@{HOST}:{dummies.ports.postgres}/hub_ledger"
    files = [path for name, path in found.items() if re.fullmatch(r"HUB_(TLS_.*|.*_FILE)", name)]
    assert len(files) == 5
    assert all(os.access(path, os.R_OK) for path in files)


@pytest.mark.parametrize("name", ["ledger", "gateway", "redis", "postgres", "rabbitmq", "epmd"])
async def test_a_killed_process_is_started_again(dummies: Stack, name: str) -> None:
    await dummies.wait_replaced(name, dummies.kill(name))
    await dummies.wait_ready()


async def test_the_migrations_ran_as_the_owner(dummies: Stack) -> None:
    connection = await asyncpg.connect(superuser_dsn(dummies.layout, dummies.ports, "hub_ledger"))
    assert (
        await connection.fetchval("SELECT tableowner FROM pg_tables WHERE tablename = 'run'")
        == "hub_ledger_owner"
    )
    await connection.close()


async def test_a_second_supervisor_is_turned_away(dummies: Stack) -> None:
    second = stack_of_dummies(dummies.layout.state)
    with pytest.raises(AlreadyRunningError):
        await second.prepare()
    await second.stop()
    await dummies.wait_ready()


async def test_a_taken_port_is_named_with_its_holder(tmp_path: Path) -> None:
    stack = stack_of_dummies(tmp_path / "state")
    with socket.create_server((HOST, stack.ports.http)):
        with pytest.raises(
            StartError, match=rf"port {stack.ports.http} \(gateway http\) is taken by .*process \d+"
        ):
            await stack.prepare()
        await stack.stop()


async def test_migrations_that_fail_stop_the_start_and_say_why(dummies: Stack) -> None:
    broken = stack_of_dummies(dummies.layout.state, overrides={"HUB_BROKEN": "ledger"})
    broken.ports = dummies.ports
    with pytest.raises(StartError, match=r"(?s)migrations of ledger failed.*HUB_BROKEN: says that"):
        await broken.make_databases()
