"""When executions settled, as position says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from hub_postgres import Pool, transaction

# Rows are locked in the order of their ids; one that is stamped already stays as it is.
STAMP = """
    WITH found AS (
        SELECT executions.id, told.settled_at
        FROM unnest($1::uuid[], $2::timestamptz[]) AS told (id, settled_at) JOIN executions USING (id)
        ORDER BY executions.id FOR UPDATE OF executions
    ), stamped AS (
        UPDATE executions SET settled_at = found.settled_at
        FROM found WHERE executions.id = found.id AND executions.settled_at IS NULL
    )
    SELECT id FROM found
"""


@dataclass(frozen=True, slots=True)
class Settlements:
    pool: Pool

    async def stamp(self, times: Mapping[UUID, datetime]) -> set[UUID]:
        """By execution. Which of them exist; these are stamped, with this time or one told earlier."""
        async with transaction(self.pool) as connection:
            found = await connection.fetch(STAMP, list(times), list(times.values()))
        return {row["id"] for row in found}
