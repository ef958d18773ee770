"""The job that carries corporate actions out, one process at a time."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from hub_errors import HubError
from hub_order.usecases.corporate_actions import WAITING, CorporateActions
from hub_postgres import holding_lock
from hub_runtime import get_logger

LOCK: Final = "hub_order actions"

log = get_logger("actor")


@dataclass(frozen=True, slots=True)
class Actor:
    actions: CorporateActions
    database_url: str
    database_password: str
    interval_s: float

    async def run(self) -> None:
        """Until the lock is lost; another instance goes on then from where this one was."""
        async with holding_lock(self.database_url, self.database_password, LOCK) as lock:
            try:
                while not lock.lost.is_set():
                    await self._look()
                    with suppress(TimeoutError):
                        async with asyncio.timeout(self.interval_s):
                            await lock.lost.wait()
            finally:
                WAITING.set(0)

    async def _look(self) -> None:
        try:
            await self.actions.carry_out()
        except HubError as error:
            log.warning("corporate_actions_not_read", code=error.code)
