"""A gateway whose peers are all away: enough for everything that is decided before anybody is asked."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.gateway.world import Gateway, running_gateway
from tests.support.servers import Login
from tests.support.tls import Tls


@pytest.fixture(scope="session")
async def lonely(tls: Tls, redis_server: Login) -> AsyncIterator[Gateway]:
    async with running_gateway(tls, redis_server.dsn, submit_timeout_s=1.0) as gateway:
        yield gateway
