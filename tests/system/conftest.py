"""The whole platform on ports of its own, and a receiver for the traces that its processes send."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub_local.layout import SERVICES
from hub_local.ports import Ports
from hub_local.stack import Stack
from tests.system.traces import Traces, receiving_traces
from tests.system.user import NewUser, User, log_in_admin, register


@pytest.fixture(scope="session")
async def traces() -> AsyncIterator[Traces]:
    """What the stack's processes report; every order is sampled."""
    async with receiving_traces() as receiver:
        yield receiver


@pytest.fixture(scope="session")
async def stack(folder_for_servers: Path, traces: Traces) -> AsyncIterator[Stack]:
    """Started once, with the processes, settings and certificates of `make run`."""
    running = Stack(
        state=folder_for_servers / "stack",
        ports=Ports.probe(tuple(SERVICES)),
        overrides={
            "HUB_OTLP_ENDPOINT": traces.address,
            "HUB_TRACE_RATIO": "1",
            "HUB_SNAPSHOT_STEP": "1",
            "HUB_SOCKET_HEARTBEAT": "1",
        },
    )
    try:
        await running.start()
        yield running
    finally:
        await running.stop()


@pytest.fixture
async def new_user(stack: Stack) -> AsyncIterator[NewUser]:
    """Makes users who take their open orders with them, because other tests count those, and end
    their connections."""
    made: list[User] = []

    async def make() -> User:
        made.append(await register(stack.gateway_url))
        return made[-1]

    yield make
    for user in made:
        await user.cancel_all()
        await user.http.aclose()


@pytest.fixture
async def admin(stack: Stack) -> AsyncIterator[User]:
    """The stack's administrator, logged in."""
    user = await log_in_admin(stack)
    yield user
    await user.http.aclose()
