"""Corporate actions: what is known of them, whom they are to be applied to, and what they did."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

import asyncpg

from hub_position.domain.actions import ActionEffect, ActionType, CorporateAction
from hub_position.domain.position import Position, PositionKey
from hub_position.store.columns import ACTION_EFFECTS, insert
from hub_postgres import Connection

# ruff: noqa: S608 - statements are put together from constants at import, parameters are parameters

ACTION_COLUMNS = {
    "action_id": "uuid",
    "symbol": "text",
    "type": "text",
    "number": "numeric",
    "effective_at": "timestamptz",
    "lieu_price": "numeric",
}
ACTION = ", ".join(ACTION_COLUMNS)
# Whoever books shares it until the end of the transaction, and reads what is known after that: so an action
# becomes known while nobody books, and everybody who books later folds it in.
BARRIER = "hashtextextended('hub_position corporate actions', 0)"

KNOWN = f"SELECT {ACTION}, applied_at IS NOT NULL AS done FROM corporate_actions WHERE action_id = $1"

BAR = f"SELECT pg_advisory_xact_lock({BARRIER})"

LEARN = f"INSERT INTO corporate_actions ({ACTION}) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING"

OPEN_HOLDS = "SELECT count(*) FROM holds WHERE closed_at IS NULL AND symbol = $1"

# One page after the other: whoever comes second waits, and goes on from where the first one ended.
LOCK = "SELECT applied_through FROM corporate_actions WHERE action_id = $1 FOR UPDATE"

NEXT_HOLDERS = """
    SELECT account_id FROM positions WHERE symbol = $1 AND account_id > $2
    ORDER BY account_id LIMIT $3
"""

ADVANCE = "UPDATE corporate_actions SET applied_through = $2 WHERE action_id = $1"

FINISH = "UPDATE corporate_actions SET applied_at = now() WHERE action_id = $1 AND applied_at IS NULL"

OTHERS_UNDER_WAY = """
    SELECT EXISTS (SELECT FROM corporate_actions WHERE symbol = $1 AND action_id <> $2 AND applied_at IS NULL)
"""

OF_SYMBOLS = f"""
    SELECT {ACTION} FROM corporate_actions WHERE symbol = ANY ($1::text[])
"""

EFFECT = ("quantity_before", "quantity_after", "cost_removed", "cash", "fraction", "lieu")
EFFECTS = f"""
    SELECT account_id, symbol, action_id, {", ".join(EFFECT)}
    FROM action_effects WHERE position_id = ANY ($1::uuid[])
"""

# Positions with trades at that time of the market or later.
TRADED_SINCE = """
    SELECT position_id FROM unnest($1::uuid[]) AS asked (position_id)
    WHERE EXISTS (SELECT FROM trades WHERE trades.position_id = asked.position_id AND market_time >= $2)
"""

WRITE_EFFECTS = f"""
    {insert("action_effects", ACTION_EFFECTS)}
    ON CONFLICT (position_id, action_id) DO UPDATE SET
        quantity_before = excluded.quantity_before, quantity_after = excluded.quantity_after,
        cost_removed = excluded.cost_removed, cash = excluded.cash, fraction = excluded.fraction,
        lieu = excluded.lieu
"""


class Actions:
    """Within a transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def known(self, action_id: UUID) -> tuple[CorporateAction, bool] | None:
        """The action as it is known, and whether it was applied to everybody."""
        row = await self._connection.fetchrow(KNOWN, action_id)
        return None if row is None else (action(row), row["done"])

    async def open_holds(self, symbol: str) -> int:
        return int(await self._connection.fetchval(OPEN_HOLDS, symbol))

    async def learn(self, new: CorporateAction) -> None:
        """When nobody books any more that has not heard of it."""
        await self._connection.execute(BAR)
        await self._connection.execute(
            LEARN, new.action_id, new.symbol, new.type.value, new.number, new.effective_at, new.lieu_price
        )

    async def next_holders(self, of: CorporateAction, limit: int) -> list[UUID]:
        """The accounts that come next, whether they hold something or once did."""
        through = await self._connection.fetchval(LOCK, of.action_id)
        found = await self._connection.fetch(NEXT_HOLDERS, of.symbol, through or UUID(int=0), limit)
        return [row["account_id"] for row in found]

    async def advance(self, of: CorporateAction, through: UUID) -> None:
        await self._connection.execute(ADVANCE, of.action_id, through)

    async def finish(self, of: CorporateAction) -> None:
        await self._connection.execute(FINISH, of.action_id)

    async def of_symbols(self, symbols: Collection[str]) -> dict[str, list[CorporateAction]]:
        return by_symbol(await self._connection.fetch(OF_SYMBOLS, list(symbols)))

    async def others_under_way(self, of: CorporateAction) -> bool:
        """Whether another one of its instrument is not applied to everybody."""
        return bool(await self._connection.fetchval(OTHERS_UNDER_WAY, of.symbol, of.action_id))

    async def effects(self, position_ids: Collection[UUID]) -> dict[PositionKey, dict[UUID, ActionEffect]]:
        found: dict[PositionKey, dict[UUID, ActionEffect]] = {}
        for row in await self._connection.fetch(EFFECTS, list(position_ids)):
            effect = ActionEffect(*(row[name] for name in EFFECT))
            found.setdefault((row["account_id"], row["symbol"]), {})[row["action_id"]] = effect
        return found

    async def traded_since(self, positions: Sequence[Position], of: CorporateAction) -> set[UUID]:
        ids = [position.position_id for position in positions]
        found = await self._connection.fetch(TRADED_SINCE, ids, of.effective_at)
        return {row["position_id"] for row in found}


def action(row: asyncpg.Record) -> CorporateAction:
    return CorporateAction(
        action_id=row["action_id"],
        symbol=row["symbol"],
        type=ActionType(row["type"]),
        number=row["number"],
        effective_at=row["effective_at"],
        lieu_price=row["lieu_price"],
    )


def by_symbol(rows: Sequence[asyncpg.Record]) -> dict[str, list[CorporateAction]]:
    """Each in the order in which they take effect."""
    found: dict[str, list[CorporateAction]] = {}
    for row in rows:
        found.setdefault(row["symbol"], []).append(action(row))
    for actions in found.values():
        actions.sort(key=lambda action: action.key)
    return found
