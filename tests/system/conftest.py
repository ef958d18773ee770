"""The whole platform on ports of its own, and a receiver for the traces that its processes send."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub_local.layout import SERVICES
from hub_local.ports import Ports
from hub_local.stack import Stack
from tests.system.traces import Traces, receiving_traces


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
        overrides={"HUB_OTLP_ENDPOINT": traces.address, "HUB_TRACE_RATIO": "1"},
    )
    try:
        await running.start()
        yield running
    finally:
        await running.stop()
