"""Minute and day bars, splits and dividends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Final

import asyncpg

from hub_market_data.domain.actions import ActionType, CorporateAction, Effect
from hub_market_data.domain.bars import Bar, midnight
from hub_market_data.history import Series
from hub_market_data.rolling import Running, Unsaved
from hub_market_data.store.seeding import SEED_LOCK
from hub_postgres import Connection, Pool, acquire, transaction

_MINUTES: Final = """
    SELECT starts_at, day, open, high, low, close, volume
      FROM minute_bars
     WHERE symbol = $1 AND starts_at >= $2 AND starts_at < $3
     ORDER BY starts_at
     LIMIT $4
"""
_DAYS: Final = """
    SELECT day, open, high, low, close, volume
      FROM day_bars
     WHERE symbol = $1 AND day >= $2 AND day < $3
     ORDER BY day
     LIMIT $4
"""
_ACTIONS: Final = """
    SELECT symbol, ex_date, type, ratio, amount, currency, added, effective_at, applied_at
      FROM corporate_actions
     WHERE symbol = $1 AND (ex_date, type) > ($2, $3)
     ORDER BY ex_date, type
     LIMIT $4
"""
# An action has happened when there is a price without it.
_EFFECTS: Final = """
    SELECT a.symbol, a.ex_date, a.type, a.ratio, a.amount, a.currency, b.close
      FROM corporate_actions a
     CROSS JOIN LATERAL (
           SELECT close FROM day_bars WHERE symbol = a.symbol AND day >= a.ex_date ORDER BY day LIMIT 1) b
     WHERE a.symbol = $1 AND a.ex_date > $2
     ORDER BY a.ex_date, a.type
"""
_LAST_MINUTES: Final = """
    SELECT i.symbol, q.volume AS counted, m.starts_at, m.day, m.open, m.high, m.low, m.close, m.volume
      FROM instruments i
      JOIN quotes_latest q ON q.symbol = i.symbol
     CROSS JOIN LATERAL (
           SELECT * FROM minute_bars WHERE symbol = i.symbol ORDER BY starts_at DESC LIMIT 1) m
"""
_LAST_DAYS: Final = """
    SELECT i.symbol, d.day, d.open, d.high, d.low, d.close, d.volume
      FROM instruments i
     CROSS JOIN LATERAL (SELECT * FROM day_bars WHERE symbol = i.symbol ORDER BY day DESC LIMIT 1) d
     WHERE NOT d.seeded
"""
_PLAYED: Final = """
    SELECT b.symbol, b.day, b.open, b.high, b.low, b.close, b.volume
      FROM instruments i
      JOIN day_bars b ON b.symbol = i.symbol AND b.seeded
       AND b.day >= coalesce((
           SELECT max(a.ex_date)
             FROM corporate_actions a
             JOIN day_bars s ON s.symbol = a.symbol AND s.day = a.ex_date AND s.seeded
            WHERE a.symbol = i.symbol AND a.type = 'SPLIT'), '-infinity')
     ORDER BY b.symbol, b.day
"""
_KEEP_MINUTES: Final = """
    INSERT INTO minute_bars (symbol, starts_at, day, open, high, low, close, volume)
    SELECT symbol, starts_at, day, open, high, low, close, volume
      FROM unnest($1::text[], $2::timestamptz[], $3::date[], $4::numeric[], $5::numeric[], $6::numeric[],
                  $7::numeric[], $8::numeric[]) AS b (symbol, starts_at, day, open, high, low, close, volume)
     ORDER BY symbol, starts_at
    ON CONFLICT (symbol, starts_at) DO UPDATE
       SET open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close,
           volume = excluded.volume
"""
_KEEP_DAYS: Final = """
    INSERT INTO day_bars (symbol, day, open, high, low, close, volume, seeded)
    SELECT symbol, day, open, high, low, close, volume, $8
      FROM unnest($1::text[], $2::date[], $3::numeric[], $4::numeric[], $5::numeric[], $6::numeric[],
                  $7::numeric[]) AS b (symbol, day, open, high, low, close, volume)
     ORDER BY symbol, day
    ON CONFLICT (symbol, day) DO UPDATE
       SET open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close,
           volume = excluded.volume
     WHERE NOT day_bars.seeded
"""
_FORGET_MINUTES: Final = """
    DELETE FROM minute_bars m
     USING unnest($1::text[]) AS s (symbol)
     CROSS JOIN LATERAL (
           SELECT symbol, starts_at FROM minute_bars
            WHERE symbol = s.symbol AND starts_at < $2 ORDER BY starts_at LIMIT $3) old
     WHERE m.symbol = old.symbol AND m.starts_at = old.starts_at
"""
_HAS_DAYS: Final = "SELECT EXISTS (SELECT FROM day_bars WHERE symbol = $1)"
_SEED_ACTION: Final = """
    INSERT INTO corporate_actions (symbol, ex_date, type, ratio, amount, currency)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT DO NOTHING
"""
# What the code before this one plays.
_SEED_DAILY_BARS: Final = """
    INSERT INTO daily_bars (symbol, day, open, high, low, close, volume)
    SELECT symbol, day, round(open, 2), round(high, 2), round(low, 2), round(close, 2), volume
      FROM day_bars
     WHERE symbol = $1 AND seeded AND NOT EXISTS (SELECT FROM daily_bars WHERE symbol = $1)
       AND day >= coalesce((SELECT max(ex_date) FROM corporate_actions
                             WHERE symbol = $1 AND type = 'SPLIT'), '-infinity')
"""
_PRICES: Final = ("open", "high", "low", "close", "volume")


class Bars:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def minutes(self, symbol: str, first: datetime, end: datetime, *, limit: int) -> Sequence[Bar]:
        async with acquire(self._pool) as connection:
            rows = await connection.fetch(_MINUTES, symbol, first, end, limit)
        return [Bar(**row) for row in rows]

    async def days(self, symbol: str, first: date, end: date, *, limit: int) -> Sequence[Bar]:
        async with acquire(self._pool) as connection:
            rows = await connection.fetch(_DAYS, symbol, first, end, limit)
        return [_day(row) for row in rows]

    async def actions(
        self, symbol: str, *, after: tuple[date, str] = (date.min, ""), limit: int
    ) -> Sequence[CorporateAction]:
        async with acquire(self._pool) as connection:
            rows = await connection.fetch(_ACTIONS, symbol, *after, limit)
        return [_action(dict(row)) for row in rows]

    async def effects(self, symbol: str, *, after: date) -> Sequence[Effect]:
        """Of the actions that happened after that day."""
        async with acquire(self._pool) as connection:
            rows = await connection.fetch(_EFFECTS, symbol, after)
        found = [dict(row) for row in rows]
        return [Effect(close=fields.pop("close"), action=_action(fields)) for fields in found]

    async def running(self) -> Mapping[str, Running]:
        """Where the last feeder's bars ended."""
        async with acquire(self._pool) as connection:
            minutes = [dict(row) for row in await connection.fetch(_LAST_MINUTES)]
            days = {row["symbol"]: row for row in await connection.fetch(_LAST_DAYS)}
        running = {}
        for fields in minutes:
            symbol, counted = fields.pop("symbol"), fields.pop("counted")
            if symbol in days:
                day = _day(days[symbol])
                running[symbol] = Running(minute=Bar(**fields), day=day, counted=counted)
        return running

    async def played(self) -> Mapping[str, Sequence[Bar]]:
        """The committed history of each symbol after its last split, oldest first."""
        async with acquire(self._pool) as connection:
            rows = await connection.fetch(_PLAYED)
        histories: dict[str, list[Bar]] = {}
        for row in rows:
            histories.setdefault(row["symbol"], []).append(_day(row))
        return histories

    async def forget_minutes(self, symbols: Sequence[str], *, before: datetime, most: int) -> int:
        """At most so many of each symbol, the oldest first; answers how many of all."""
        async with acquire(self._pool) as connection:
            answer = await connection.execute(_FORGET_MINUTES, symbols, before, most)
        return int(answer.split()[-1])

    async def seed(self, histories: Mapping[str, Series]) -> int:
        """Of the symbols that have no day yet; answers how many days."""
        added = 0
        async with transaction(self._pool) as connection:
            await connection.execute(SEED_LOCK)
            for symbol, series in histories.items():
                if not await connection.fetchval(_HAS_DAYS, symbol):
                    await _keep_days(connection, [(symbol, bar) for bar in series.bars], seeded=True)
                    await connection.executemany(_SEED_ACTION, [_columns(each) for each in series.actions])
                    await connection.execute(_SEED_DAILY_BARS, symbol)
                    added += len(series.bars)
        return added


async def keep_bars(connection: Connection, bars: Unsaved) -> None:
    """As they are now. The caller's transaction decides who may."""
    if bars.minutes:
        symbols = [symbol for symbol, _ in bars.minutes]
        columns = [[getattr(bar, name) for _, bar in bars.minutes] for name in ("starts_at", "day", *_PRICES)]
        await connection.execute(_KEEP_MINUTES, symbols, *columns)
    await _keep_days(connection, bars.days, seeded=False)


async def _keep_days(connection: Connection, days: Sequence[tuple[str, Bar]], *, seeded: bool) -> None:
    if days:
        columns = [[getattr(bar, name) for _, bar in days] for name in ("day", *_PRICES)]
        await connection.execute(_KEEP_DAYS, [symbol for symbol, _ in days], *columns, seeded)


def _day(row: asyncpg.Record) -> Bar:
    return Bar(
        starts_at=midnight(row["day"]),
        day=row["day"],
        open=row["open"],
        high=row["high"],
        low=row["low"],
        close=row["close"],
        volume=row["volume"],
    )


def _action(fields: dict[str, object]) -> CorporateAction:
    return CorporateAction(**fields | {"type": ActionType(fields["type"])})  # type: ignore[arg-type]


def _columns(action: CorporateAction) -> tuple[str, date, str, Decimal | None, Decimal | None, str | None]:
    return (
        action.symbol,
        action.ex_date,
        action.type.value,
        action.ratio,
        action.amount,
        action.currency,
    )
