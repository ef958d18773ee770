"""What a database is filled with, again and again, and the code of yesterday on it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial

import pytest

from hub_market_data import exchange
from hub_market_data.store import Bars, Catalogue, Seeding
from hub_market_data.usecases.seeding import seed
from hub_postgres import Pool
from hub_runtime import utc_now
from tests.market_data.house import House
from tests.market_data.test_admin import hours

# As the release before the catalogue has them.
OLD_INSERT = """
    INSERT INTO instruments (symbol, name, asset_class, exchange, currency, tick_size, lot_size, fractionable,
                             tradable, halted, calendar)
    VALUES ('OLD', 'Old Inc.', 'STOCK', 'XNYS', 'USD', 0.01, 1, true, true, false, 'XNYS')
    ON CONFLICT (symbol) DO NOTHING
"""
OLD_SESSIONS = """
    SELECT s.calendar, s.opens_at, s.closes_at
      FROM calendars c
     CROSS JOIN LATERAL (
           SELECT calendar, opens_at, closes_at
             FROM sessions
            WHERE calendar = c.calendar AND closes_at > $1
            ORDER BY closes_at
            LIMIT 2) s
     WHERE NOT c.always_open
     ORDER BY s.calendar, s.opens_at
"""


async def seeded(pool: Pool) -> list[object]:
    tables = ("calendars", "sessions", "settlement_days", "instruments", "administered_days", "day_bars")
    return [await pool.fetch(f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables]


async def test_the_exchanges_sessions_and_settlement_days_are_there(catalogue: Catalogue, pool: Pool) -> None:
    found = await catalogue.sessions("XNYS", date(1999, 1, 1), date(2040, 1, 1))
    assert found == exchange.sessions()
    days = [row["day"] for row in await pool.fetch("SELECT day FROM settlement_days WHERE calendar = 'US'")]
    assert len(days) == 9233
    assert {date(2024, 10, 15), date(2025, 11, 12)} <= set(days)
    assert not {date(2024, 10, 14), date(2025, 11, 11), date(2025, 1, 9), date(2025, 7, 4)} & set(days)
    assert await pool.fetchval("SELECT timezone FROM calendars WHERE calendar = 'XNYS'") == "America/New_York"


async def test_seeding_again_changes_nothing(pool: Pool, owner_pool: Pool) -> None:
    before = await seeded(pool)
    for days in (0, 3):
        later = utc_now() + timedelta(days=days)
        await seed(
            Seeding(owner_pool),
            Bars(owner_pool),
            clock=partial(datetime.fromtimestamp, later.timestamp(), UTC),
        )
    assert await seeded(pool) == before


async def test_seeding_adds_what_is_missing_and_keeps_what_administrators_have_set(
    house: House, catalogue: Catalogue, pool: Pool, owner_pool: Pool
) -> None:
    with house.administered():
        await house.admin.SetTradingHours(hours(last_day="2030-01-07"))  # closed
        await house.admin.SetTradingHours(
            hours(first_day="2030-01-08", last_day="2030-01-08", hours=[("10:00", "11:00")])
        )
    await pool.execute("DELETE FROM sessions WHERE day = '2030-01-09'")
    await pool.execute("UPDATE instruments SET sector = 'Mine', tick_size = 0.05 WHERE symbol = 'IBM'")
    await pool.execute("UPDATE instruments SET sector = '', description = '' WHERE symbol = 'AAPL'")
    await seed(Seeding(owner_pool), Bars(owner_pool), clock=utc_now)
    week = await catalogue.sessions("XNYS", date(2030, 1, 7), date(2030, 1, 9))
    assert [(session.day.day, session.closes_at.hour) for session in week] == [(8, 16), (9, 21)]
    instruments = {each.symbol: each for each in (await catalogue.load(utc_now())).instruments}
    assert (instruments["IBM"].sector, instruments["IBM"].tick_size) == ("Mine", Decimal("0.05"))
    assert instruments["AAPL"].sector == "Information Technology", "a database from before there were sectors"


async def test_the_code_of_yesterday_runs_on_the_tables_of_today(
    catalogue: Catalogue, pool: Pool, owner_pool: Pool
) -> None:
    await owner_pool.execute(OLD_INSERT)
    late = datetime(2030, 6, 7, 1, 30, tzinfo=UTC)  # still the day before in New York
    await pool.execute(
        "INSERT INTO sessions (calendar, opens_at, closes_at) VALUES ('XNYS', $1, $2)",
        late,
        late + timedelta(hours=1),
    )
    rows = await pool.fetch(OLD_SESSIONS, late)
    assert [row["opens_at"] for row in rows] == [late, datetime(2030, 6, 7, 13, 30, tzinfo=UTC)]
    loaded = await catalogue.load(late)
    old = next(each for each in loaded.instruments if each.symbol == "OLD")
    assert (old.max_quantity, old.settlement_calendar, old.halt_reason) == (Decimal(1_000_000), "US", "")
    assert loaded.sessions[0].day == date(2030, 6, 6)


@pytest.mark.parametrize("day", [date(2001, 9, 12), date(2025, 1, 9), date(2024, 6, 19)])
async def test_a_closed_day_has_no_session(catalogue: Catalogue, day: date) -> None:
    assert await catalogue.sessions("XNYS", day, day) == []
