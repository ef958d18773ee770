"""Corporate actions that administrators add, and how far they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Final

import asyncpg

from hub_market_data.domain.actions import ActionType, CorporateAction
from hub_market_data.domain.calendars import Session
from hub_market_data.store.admin import Act, record
from hub_market_data.store.catalogue import CHANNEL, sessions_between
from hub_postgres import Pool, acquire, transaction

ACTION: Final = "symbol, ex_date, type, ratio, amount, currency, added, effective_at, applied_at"
_ADD: Final = """
    INSERT INTO corporate_actions (symbol, ex_date, type, ratio, amount, currency, added)
    VALUES ($1, $2, $3, $4, $5, $6, true)
    ON CONFLICT DO NOTHING RETURNING symbol
"""
_ONE: Final = f"""
    SELECT {ACTION} FROM corporate_actions WHERE symbol = $1 AND ex_date = $2 AND type = $3
"""  # noqa: S608 - constant columns
_ADDED: Final = f"SELECT {ACTION} FROM corporate_actions WHERE added ORDER BY ex_date, symbol, type DESC"  # noqa: S608
_TAKE_EFFECT: Final = """
    UPDATE corporate_actions SET effective_at = $4
     WHERE symbol = $1 AND ex_date = $2 AND type = $3 AND added AND effective_at IS NULL
"""
_COMPLETE: Final = """
    UPDATE corporate_actions SET applied_at = clock_timestamp()
     WHERE symbol = $1 AND ex_date = $2 AND type = $3 AND added AND applied_at IS NULL
"""
_REMEMBER: Final = """
    INSERT INTO corporate_actions (symbol, ex_date, type, ratio, amount, currency)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT DO NOTHING
"""
_FIRST_DAYS: Final = """
    SELECT i.symbol, b.day
      FROM instruments i
     CROSS JOIN LATERAL (SELECT day FROM day_bars WHERE symbol = i.symbol ORDER BY day LIMIT 1) b
"""
_CLOSE_BEFORE: Final = """
    SELECT close FROM day_bars WHERE symbol = $1 AND day < $2 ORDER BY day DESC LIMIT 1
"""
_NOTIFY: Final = f"SELECT pg_notify('{CHANNEL}', '')"


class Actions:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def add(self, new: CorporateAction, *, act: Act) -> CorporateAction:
        """Answers what is there: another one, if that was first."""
        async with transaction(self._pool) as connection:
            values = (new.ratio, new.amount, new.currency)
            if await connection.fetchval(_ADD, *_key(new), *values) is not None:
                await record(connection, act)
            found = await connection.fetchrow(_ONE, *_key(new))
        assert found is not None  # noqa: S101 - it was inserted, or kept from being inserted
        return action_of(found)

    async def added(self) -> Sequence[CorporateAction]:
        """All that were, in the order of their days; a split before the dividend of its day."""
        async with acquire(self._pool) as connection:
            return [action_of(row) for row in await connection.fetch(_ADDED)]

    async def take_effect(self, action: CorporateAction, effective_at: datetime) -> None:
        """Once and for all."""
        async with transaction(self._pool) as connection:
            await connection.execute(_TAKE_EFFECT, *_key(action), effective_at)
            await connection.execute(_NOTIFY)

    async def complete(self, action: CorporateAction) -> None:
        async with transaction(self._pool) as connection:
            await connection.execute(_COMPLETE, *_key(action))
            await connection.execute(_NOTIFY)

    async def remember(self, past: Sequence[CorporateAction]) -> None:
        """As history: from before anybody held anything. What is there stays as it is."""
        rows = [(*_key(each), each.ratio, each.amount, each.currency) for each in past]
        async with transaction(self._pool) as connection:
            await connection.executemany(_REMEMBER, rows)

    async def first_days(self) -> Mapping[str, date]:
        """Of each symbol that has a price: the first day that it had one."""
        async with acquire(self._pool) as connection:
            return {row["symbol"]: row["day"] for row in await connection.fetch(_FIRST_DAYS)}

    async def close_before(self, action: CorporateAction) -> Decimal | None:
        """The last one of a day before it, as it was traded."""
        async with acquire(self._pool) as connection:
            close: Decimal | None = await connection.fetchval(_CLOSE_BEFORE, action.symbol, action.ex_date)
        return close

    async def sessions(self, calendar: str, first_day: date, last_day: date) -> Sequence[Session]:
        async with acquire(self._pool) as connection:
            return await sessions_between(connection, calendar, first_day, last_day)


def action_of(row: asyncpg.Record) -> CorporateAction:
    """A row with the columns ACTION."""
    fields = dict(row)
    return CorporateAction(**fields | {"type": ActionType(fields["type"])})


def _key(action: CorporateAction) -> tuple[str, date, str]:
    return action.symbol, action.ex_date, action.type.value
