"""Where stretches of an account's ledger end, and what it comes to there. What was added up once is kept:
sums go on from the last kept ones."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from hub_position.domain.cuts import Cut, KnownSplit, LedgerSums, Owned, positions_of
from hub_position.domain.ledger import action_id
from hub_position.store.actions import ACTION_COLUMNS, action
from hub_postgres import Pool, acquire, transaction

# ruff: noqa: S608 - statements are put together from constants at import, parameters are parameters

# Postings that are added up in one go. A call that ends before the last of them leaves what it has added up.
AT_ONCE: Final = 50_000
# By how much postings of an account can be out of the order of their time: as long as a transaction may wait.
WAITED: Final = "interval '1 minute'"

ACCOUNT: Final = "SELECT currency, opened_at FROM accounts WHERE account_id = $1"

# What is posted after the first posting of a later time is of that later time as well, whatever it says: so a
# cut stays where it is.
THROUGH: Final = f"""
    SELECT greatest($2, coalesce(
        least(
            (SELECT posting_id - 1 FROM postings
             WHERE account_id = $1 AND posting_id > $2 AND posted_at >= $3::timestamptz
               AND posting_id >= posting_at($1, $3 - {WAITED})
             ORDER BY posting_id LIMIT 1),
            (SELECT posting_id - 1 FROM share_postings
             WHERE account_id = $1 AND posting_id > $2 AND posted_at >= $3
             ORDER BY posting_id LIMIT 1)),
        greatest(
            (SELECT posting_id FROM postings WHERE account_id = $1 ORDER BY posting_id DESC LIMIT 1),
            (SELECT posting_id FROM share_postings WHERE account_id = $1 ORDER BY posting_id DESC LIMIT 1)),
        0))
"""

KEPT: Final = """
    SELECT through, cash_settled, cash_unsettled FROM ledger_cuts
    WHERE account_id = $1 AND through <= $2 ORDER BY through DESC LIMIT 1
"""
KEPT_POSITIONS: Final = """
    SELECT symbol, quantity, total_cost FROM ledger_cut_positions WHERE account_id = $1 AND through = $2
"""

# Where so many postings end and the last of their transactions, whose lines are of one trade; or all do.
NEXT: Final = """
    SELECT coalesce((
        SELECT max(line.posting_id) FROM postings AS line
        WHERE line.transaction_id = (
            SELECT transaction_id FROM postings WHERE posting_id = (
                SELECT posting_id FROM postings WHERE account_id = $1 AND posting_id > $2 AND posting_id <= $3
                ORDER BY posting_id OFFSET $4 LIMIT 1))), $3)
"""

_STRETCH: Final = "account_id = $1 AND posting_id > $2 AND posting_id <= $3"
CASH: Final = f"""
    SELECT coalesce(sum(amount) FILTER (WHERE ledger_account = 'cash_settled'), 0) AS settled,
           coalesce(sum(amount) FILTER (WHERE ledger_account = 'cash_unsettled'), 0) AS unsettled
    FROM postings WHERE {_STRETCH}
"""
# What was traded, what splits and late facts made of it, and what it cost.
OWNED: Final = f"""
    SELECT symbol, sum(quantity) AS quantity, sum(cost) AS total_cost FROM (
        SELECT symbol, 0 AS quantity, amount AS cost FROM postings
        WHERE {_STRETCH} AND ledger_account = 'securities'
        UNION ALL
        SELECT symbol, quantity_after - quantity_before, 0 FROM share_postings WHERE {_STRETCH}
        UNION ALL
        SELECT symbol, CASE side WHEN 'BUY' THEN quantity ELSE -quantity END, 0
        FROM (SELECT trade_id FROM postings WHERE {_STRETCH} AND kind = 'trade'
              UNION SELECT trade_id FROM share_postings WHERE {_STRETCH} AND kind = 'trade') AS booked
        CROSS JOIN LATERAL (SELECT symbol, side, quantity FROM trades
                            WHERE trades.trade_id = booked.trade_id LIMIT 1) AS trade
    ) AS moved GROUP BY symbol
"""

# Who adds up the same at once has the same.
KEEP: Final = """
    INSERT INTO ledger_cuts (account_id, through, cash_settled, cash_unsettled) VALUES ($1, $2, $3, $4)
    ON CONFLICT (account_id, through) DO NOTHING RETURNING through
"""
KEEP_POSITIONS: Final = """
    INSERT INTO ledger_cut_positions (account_id, through, symbol, quantity, total_cost)
    SELECT $1, $2, symbol, quantity, total_cost
    FROM unnest($3::text[], $4::numeric[], $5::numeric[]) AS new (symbol, quantity, total_cost)
"""

# Actions of an instrument become known one after the other, and a position folds in all that are known: so
# how many it knows says which.
_COLUMNS: Final = ", ".join(ACTION_COLUMNS)
SPLITS: Final = f"""
    SELECT {_COLUMNS}, known_at, place <= positions.actions AS folded
    FROM (SELECT {_COLUMNS}, known_at,
                 row_number() OVER (PARTITION BY symbol ORDER BY known_at, action_id) AS place
          FROM corporate_actions WHERE symbol = ANY ($2::text[])) AS known
    JOIN positions USING (symbol)
    WHERE positions.account_id = $1 AND type = 'SPLIT'
    ORDER BY effective_at, action_id
"""
POSTED: Final = """
    SELECT transaction_id, posting_id FROM share_postings WHERE transaction_id = ANY ($1::uuid[])
"""


class Cuts:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def cut(self, account_id: UUID, after: int, until: datetime | None) -> Cut | None:
        """None where there is no such account. What is posted up to a posting that is there is all there, and
        stays: so it need not be read at once. Sums of a time that is over are kept."""
        async with acquire(self._pool) as connection:
            account = await connection.fetchrow(ACCOUNT, account_id)
            if account is None:
                return None
            through: int = await connection.fetchval(THROUGH, account_id, after, until)
        sums = await self._kept(account_id, through)
        while sums.through < through:
            more = await self._next(account_id, sums.through, through)
            sums = sums.plus(more)
            if until is not None or sums.through < through:
                await self._keep(account_id, sums)
        known = await self._splits(account_id, sums.owned)
        return Cut(**account, sums=sums, positions=positions_of(sums, known, until))

    async def _kept(self, account_id: UUID, through: int) -> LedgerSums:
        async with acquire(self._pool) as connection:
            row = await connection.fetchrow(KEPT, account_id, through)
            if row is None:
                return LedgerSums()
            owned = await connection.fetch(KEPT_POSITIONS, account_id, row["through"])
        return LedgerSums(
            through=row["through"],
            settled=row["cash_settled"],
            unsettled=row["cash_unsettled"],
            owned={each["symbol"]: Owned(each["quantity"], each["total_cost"]) for each in owned},
        )

    async def _next(self, account_id: UUID, after: int, through: int) -> LedgerSums:
        """Of a part of what comes after."""
        async with acquire(self._pool) as connection:
            end = await connection.fetchval(NEXT, account_id, after, through, AT_ONCE)
            [cash] = await connection.fetch(CASH, account_id, after, end)
            owned = await connection.fetch(OWNED, account_id, after, end)
        return LedgerSums(
            through=end,
            settled=cash["settled"],
            unsettled=cash["unsettled"],
            owned={each["symbol"]: Owned(each["quantity"], each["total_cost"]) for each in owned},
        )

    async def _keep(self, account_id: UUID, sums: LedgerSums) -> None:
        async with transaction(self._pool) as connection:
            added = await connection.fetchval(KEEP, account_id, sums.through, sums.settled, sums.unsettled)
            if added is None:
                return
            owned = sums.owned.values()
            await connection.execute(
                KEEP_POSITIONS,
                account_id,
                sums.through,
                list(sums.owned),
                [each.quantity for each in owned],
                [each.total_cost for each in owned],
            )

    async def _splits(self, account_id: UUID, symbols: Collection[str]) -> Mapping[str, list[KnownSplit]]:
        """In the order in which they take effect."""
        async with acquire(self._pool) as connection:
            rows = await connection.fetch(SPLITS, account_id, list(symbols))
            if not rows:
                return {}
            names = [action_id(action(row), account_id) for row in rows]
            lines = await connection.fetch(POSTED, names)
        posted = {line["transaction_id"]: line["posting_id"] for line in lines}
        found: dict[str, list[KnownSplit]] = {}
        for row, name in zip(rows, names, strict=True):
            split = KnownSplit(action(row), row["known_at"], row["folded"], posted.get(name))
            found.setdefault(row["symbol"], []).append(split)
        return found
