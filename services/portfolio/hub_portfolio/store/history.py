"""Who is followed, and what they were worth."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Final
from uuid import UUID

import asyncpg

from hub_portfolio.domain.history import Followed, Point, Recorded, Valuation
from hub_postgres import Pool, acquire, array_parameters, column_arrays, transaction

# ruff: noqa: S608 - statements are put together from constants at import, parameters are parameters

# The longest answer: of daily closes the last twenty years.
MOST_POINTS: Final = 5_000

HEAR: Final = f"""
    INSERT INTO followed_accounts AS known (account_id, heard, holds)
    SELECT account_id, heard, holds
    FROM unnest({array_parameters("uuid bigint boolean")}) AS told (account_id, heard, holds)
    ORDER BY account_id
    ON CONFLICT (account_id) DO UPDATE
    SET heard = greatest(known.heard, excluded.heard), holds = known.holds OR excluded.holds
    WHERE known.heard < excluded.heard OR (excluded.holds AND NOT known.holds)
"""

POINT: Final = "at, day, equity, cash, paid_in, growth"

DUE: Final = f"""
    SELECT account_id, opened_on, valued_at, {POINT.replace("at, ", "", 1)}
    FROM followed_accounts
    WHERE (holds OR heard > valued) AND valued_at < $1
    ORDER BY valued_at, account_id LIMIT $2
"""

# Whoever writes several rows locks them in the order of their ids, as HEAR does.
LOCK: Final = """
    SELECT account_id FROM followed_accounts WHERE account_id = ANY ($1::uuid[])
    ORDER BY account_id FOR UPDATE
"""

MADE: Final = array_parameters(
    "uuid bigint boolean date timestamptz boolean boolean timestamptz date numeric numeric numeric numeric"
)

# A valuation goes on from the one that it was made from, and from no other.
WRITE: Final = f"""
    WITH made AS (
        SELECT * FROM unnest({MADE})
            AS made (account_id, version, holds, opened_on, before, is_point, is_close, {POINT})),
    written AS (
        UPDATE followed_accounts AS known
        SET valued = greatest(known.valued, made.version), holds = made.holds, valued_at = made.at,
            opened_on = coalesce(known.opened_on, made.opened_on), day = made.day, equity = made.equity,
            cash = made.cash, paid_in = made.paid_in, growth = made.growth
        FROM made WHERE known.account_id = made.account_id AND known.valued_at = made.before
        RETURNING known.account_id),
    points AS (
        INSERT INTO equity_points (account_id, {POINT})
        SELECT account_id, {POINT} FROM made JOIN written USING (account_id) WHERE is_point)
    INSERT INTO equity_days AS known (account_id, {POINT})
    SELECT account_id, {POINT} FROM made JOIN written USING (account_id) WHERE is_close
    ON CONFLICT (account_id, day) DO UPDATE
    SET at = excluded.at, equity = excluded.equity, cash = excluded.cash, paid_in = excluded.paid_in,
        growth = excluded.growth
"""

LEAVE_OUT: Final = """
    UPDATE followed_accounts SET valued = greatest(valued, heard), holds = false, valued_at = $2
    WHERE account_id = ANY ($1::uuid[])
"""

# opens_at: the sessions of a day that are over are not told any more.
NOTE_DAYS: Final = f"""
    INSERT INTO session_days AS known (day, opens_at, closes_at)
    SELECT day, opens_at, closes_at
    FROM unnest({array_parameters("date timestamptz timestamptz")}) AS told (day, opens_at, closes_at)
    ORDER BY day
    ON CONFLICT (day) DO UPDATE
    SET opens_at = least(known.opens_at, excluded.opens_at), closes_at = excluded.closes_at
    WHERE (known.opens_at, known.closes_at)
          IS DISTINCT FROM (least(known.opens_at, excluded.opens_at), excluded.closes_at)
"""

DAY_OF: Final = "SELECT day FROM session_days WHERE closes_at >= $1 ORDER BY closes_at LIMIT 1"

# The day before the session day that began last.
BEFORE_SESSION: Final = """
    SELECT coalesce((SELECT day FROM session_days WHERE opens_at <= $2 ORDER BY opens_at DESC LIMIT 1),
                    ($2 AT TIME ZONE 'UTC')::date) - 1 AS start
"""

GIVEN: Final = "SELECT $2::date AS start"

FOUND: Final = ", ".join(f"found.{each}" for each in POINT.split(", "))


def _history(start: str, table: str) -> str:
    """The last close before the period, and the points in it."""
    return f"""
        SELECT known.opened_on, period.start, found.is_before, {FOUND}
        FROM followed_accounts AS known
        CROSS JOIN ({start}) AS period
        CROSS JOIN LATERAL (
            (SELECT true AS is_before, {POINT} FROM equity_days AS earlier
             WHERE earlier.account_id = known.account_id AND earlier.day <= period.start
             ORDER BY earlier.day DESC LIMIT 1)
            UNION ALL
            (SELECT false, {POINT} FROM {table} AS later
             WHERE later.account_id = known.account_id AND later.day > period.start
             ORDER BY later.day DESC, later.at DESC LIMIT {MOST_POINTS})) AS found
        WHERE known.account_id = $1 AND known.opened_on IS NOT NULL
        ORDER BY found.is_before DESC, found.at
    """


WITHIN_DAY: Final = _history(BEFORE_SESSION, "equity_points")
CLOSES: Final = _history(GIVEN, "equity_days")

FORGET: Final = """
    DELETE FROM equity_points WHERE (account_id, day, at) IN
        (SELECT account_id, day, at FROM equity_points WHERE day < $1 ORDER BY day LIMIT $2)
"""


class Histories:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def hear(self, versions: Mapping[UUID, int], holders: Collection[UUID]) -> None:
        """Which versions of accounts there are, and who owns something. An older version changes nothing."""
        told = [(each, versions.get(each, 0), each in holders) for each in sorted({*versions, *holders})]
        if told:
            async with acquire(self._pool) as connection:
                await connection.execute(HEAR, *column_arrays(told))

    async def due(self, before: datetime, most: int) -> list[Followed]:
        """Who holds something or has changed, and was not valued since; who waits longest comes first."""
        async with acquire(self._pool) as connection:
            return [_followed(row) for row in await connection.fetch(DUE, before, most)]

    async def write(
        self, valuations: Sequence[Valuation], *, missing: Collection[UUID], at: datetime
    ) -> None:
        """All of it or nothing. Whoever is `missing` from the books waits until something is heard again."""
        account_ids = [*(each.followed.account_id for each in valuations), *missing]
        async with transaction(self._pool) as connection:
            await connection.execute(LOCK, account_ids)
            if valuations:
                await connection.execute(WRITE, *column_arrays(map(_row, valuations)))
            if missing:
                await connection.execute(LEAVE_OUT, list(missing), at)

    async def note_days(self, days: Mapping[date, tuple[datetime, datetime]]) -> None:
        if days:
            rows = [(day, *hours) for day, hours in sorted(days.items())]
            async with acquire(self._pool) as connection:
                await connection.execute(NOTE_DAYS, *column_arrays(rows))

    async def day_of(self, at: datetime) -> date:
        """The session day that ends next, or ends now; without sessions the day in UTC."""
        async with acquire(self._pool) as connection:
            day: date | None = await connection.fetchval(DAY_OF, at)
        return day or at.date()

    async def within_day(self, account_id: UUID, now: datetime) -> Recorded | None:
        return await self._read(WITHIN_DAY, account_id, now)

    async def closes(self, account_id: UUID, start: date) -> Recorded | None:
        """Daily ones after that day."""
        return await self._read(CLOSES, account_id, start)

    async def forget(self, before: date, most: int) -> int:
        """Points within days that are earlier."""
        async with acquire(self._pool) as connection:
            done: str = await connection.execute(FORGET, before, most)
        return int(done.removeprefix("DELETE "))

    async def _read(self, statement: str, account_id: UUID, since: date | datetime) -> Recorded | None:
        """None where the account was never valued."""
        async with acquire(self._pool) as connection:
            rows = await connection.fetch(statement, account_id, since)
        if not rows:
            return None
        before = [_point(row) for row in rows if row["is_before"]]
        return Recorded(
            opened_on=rows[0]["opened_on"],
            start=rows[0]["start"],
            before=before[0] if before else None,
            points=[_point(row) for row in rows if not row["is_before"]],
        )


def _followed(row: asyncpg.Record) -> Followed:
    last = None
    if row["opened_on"] is not None:
        last = Point(row["valued_at"], *(row[name] for name in POINT.split(", ")[1:]))
    return Followed(row["account_id"], row["valued_at"], last)


def _point(row: asyncpg.Record) -> Point:
    return Point(*(row[name] for name in POINT.split(", ")))


def _row(each: Valuation) -> tuple[object, ...]:
    followed, point = each.followed, each.point
    return (
        followed.account_id,
        each.version,
        each.holds,
        each.opened_on,
        followed.valued_at,
        each.is_point,
        each.is_close,
        point.at,
        point.day,
        point.equity,
        point.cash,
        point.paid_in,
        point.growth,
    )
