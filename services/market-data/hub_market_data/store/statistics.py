"""What the daily history says about instruments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

from hub_market_data.domain.instruments import Statistics
from hub_postgres import Pool, acquire

# Prices as they were traded, in shares of today: `splits` is what one share of that day has become.
_STATISTICS: Final = """
    SELECT i.symbol, y.high AS high_52_weeks, y.low AS low_52_weeks, v.volume AS average_volume,
           d.amount AS dividends_52_weeks, c.close AS previous_close
      FROM unnest($1::text[]) AS i (symbol)
     CROSS JOIN LATERAL (
           SELECT round(max(b.high / s.splits), 8) AS high, round(min(b.low / s.splits), 8) AS low
             FROM day_bars b CROSS JOIN LATERAL (
                  SELECT coalesce(exp(sum(ln(ratio))), 1) AS splits
                    FROM corporate_actions
                   WHERE symbol = b.symbol AND type = 'SPLIT' AND ex_date > b.day AND ex_date <= $2) s
            WHERE b.symbol = i.symbol AND b.day > $2::date - 364 AND b.day <= $2) y
     CROSS JOIN LATERAL (
           SELECT round(avg(l.volume * s.splits), 2) AS volume
             FROM (SELECT day, volume FROM day_bars WHERE symbol = i.symbol AND day < $2
                    ORDER BY day DESC LIMIT 30) l CROSS JOIN LATERAL (
                  SELECT coalesce(exp(sum(ln(ratio))), 1) AS splits
                    FROM corporate_actions
                   WHERE symbol = i.symbol AND type = 'SPLIT' AND ex_date > l.day AND ex_date <= $2) s) v
     CROSS JOIN LATERAL (
           SELECT round(sum(a.amount / s.splits), 8) AS amount
             FROM corporate_actions a CROSS JOIN LATERAL (
                  SELECT coalesce(exp(sum(ln(ratio))), 1) AS splits
                    FROM corporate_actions
                   WHERE symbol = a.symbol AND type = 'SPLIT' AND ex_date > a.ex_date AND ex_date <= $2) s
            WHERE a.symbol = i.symbol AND a.type = 'DIVIDEND'
              AND a.ex_date > $2::date - 364 AND a.ex_date <= $2) d
     CROSS JOIN LATERAL (
           SELECT round(max(l.close / s.splits), 8) AS close
             FROM (SELECT day, close FROM day_bars WHERE symbol = i.symbol AND day < $2
                    ORDER BY day DESC LIMIT 1) l CROSS JOIN LATERAL (
                  SELECT coalesce(exp(sum(ln(ratio))), 1) AS splits
                    FROM corporate_actions
                   WHERE symbol = i.symbol AND type = 'SPLIT' AND ex_date > l.day AND ex_date <= $2) s) c
"""


class DailyStatistics:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def of(self, symbols: Sequence[str], today: date) -> Mapping[str, Statistics | None]:
        """None for those without any history."""
        async with acquire(self._pool) as connection:
            rows = await connection.fetch(_STATISTICS, symbols, today)
        found: dict[str, Statistics | None] = dict.fromkeys(symbols)
        for row in rows:
            fields = dict(row)
            symbol = fields.pop("symbol")
            if any(value is not None for value in fields.values()):
                found[symbol] = Statistics(**fields)
        return found
