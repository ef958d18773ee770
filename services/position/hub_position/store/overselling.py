"""Which accounts have a holding that stays negative."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Final
from uuid import UUID

from hub_postgres import Connection

# Who frees an account whose holding is negative has decided on it: until that holding is cured and negative
# anew, it is left alone.
OVERSOLD: Final = """
    SELECT account_id FROM positions JOIN accounts USING (account_id)
    WHERE positions.negative_since <= $1 AND positions.quantity < 0 AND accounts.status = 'ACTIVE'
      AND NOT EXISTS (
          SELECT FROM account_state_log AS log
          WHERE log.account_id = positions.account_id AND log.changed_at >= positions.negative_since
            AND log.from_status <> 'ACTIVE' AND log.to_status = 'ACTIVE')
"""
DUE: Final = f"{OVERSOLD} ORDER BY positions.negative_since LIMIT $2"
STILL: Final = f"{OVERSOLD} AND positions.account_id = ANY ($2::uuid[])"


class Overselling:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def due(self, before: datetime, most: int) -> set[UUID]:
        """Those whose holding has been negative since then, or for longer. Nothing is locked."""
        return {row["account_id"] for row in await self._connection.fetch(DUE, before, most)}

    async def still(self, before: datetime, account_ids: Collection[UUID]) -> set[UUID]:
        """Those of them, whose rows are locked, that it is still so of."""
        found = await self._connection.fetch(STILL, before, list(account_ids))
        return {row["account_id"] for row in found}
