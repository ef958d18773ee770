"""A user with twenty positions who asks for a summary: portfolio and position behind gRPC, in one process."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from hub.portfolio.v1 import portfolio_pb2
from hub_position.domain.trade import Side
from hub_postgres import Pool
from hub_rpc import calling_as
from tests.load.past import SYMBOLS
from tests.portfolio.front import Front, portfolio_front
from tests.position.house import position_house
from tests.position.world import World, ending, execution, hold_of
from tests.support.tls import Tls


@dataclass(frozen=True)
class Asker:
    front: Front
    token: str

    async def summary(self) -> None:
        with calling_as(self.token):
            found = await self.front.portfolio.GetSummary(portfolio_pb2.GetSummaryRequest())
        if len(found.positions) != SYMBOLS:
            raise AssertionError(found)


@asynccontextmanager
async def asker(pool: Pool) -> AsyncIterator[Asker]:
    async with AsyncExitStack() as stack:
        tls = Tls.create(Path(stack.enter_context(tempfile.TemporaryDirectory())))
        house = await stack.enter_async_context(position_house(World(pool), tls))
        front = await stack.enter_async_context(portfolio_front(house, pool, tls))
        user, owner = await house.owner()
        holds = [
            hold_of(owner, Side.BUY, "1", "100", symbol=f"S{number:02}") for number in range(1, SYMBOLS + 1)
        ]
        await house.world.hold(*holds)
        await house.world.book(
            [execution(hold, "100") for hold in holds],
            [ending(hold, quantity="1", count=1) for hold in holds],
        )
        yield Asker(front, user.token)
