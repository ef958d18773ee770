"""A past for the platform: millions of old orders beside which today's must not become slower."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

import asyncpg

CHUNK = 250_000
OLDEST_DAYS = 365
STRANGERS = 10_000  # accounts beside the traders' own

# The columns of a finished order that differ from one to the next; the others are those of the pattern.
OWN = {
    "id": """(lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint - $3::bigint * (1 + $2 - n) / $2),
                   12, '0') || '7' || substr(md5(n::text), 1, 3)
              || '8' || substr(md5(n::text), 4, 15))::uuid""",
    "account_id": """CASE WHEN n % 2 = 0 THEN ($4::uuid[])[1 + n / 2 % cardinality($4::uuid[])]
                     ELSE md5((n % 20011 % $5::int)::text)::uuid END""",
    "hold_id": "md5('hold' || n)::uuid",
    "client_order_id": "NULL",
    "accepted_at": "now() - make_interval(secs => $3::bigint / 1000.0 * (1 + $2 - n) / $2)",
    "updated_at": "now() - make_interval(secs => $3::bigint / 1000.0 * (1 + $2 - n) / $2)",
}


async def preload(
    dsn: str, *, count: int, accounts: Sequence[str], told: Callable[[int], None] = lambda _: None
) -> None:
    """Half of them belong to `accounts`. Made after the pattern of an order that was executed today."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("SET synchronous_commit = off")
        pattern = await connection.fetchval("SELECT id FROM orders WHERE status = 'EXECUTED' LIMIT 1")
        statement = await _statement(connection)
        wanted = [UUID(account) for account in accounts]
        for start in range(0, count, CHUNK):
            last = min(start + CHUNK, count)
            arguments = (start, count, OLDEST_DAYS * 86_400_000, wanted, STRANGERS, last, pattern)
            await connection.execute(statement, *arguments)
            told(last)
        # As after a year, not as after a flood: statistics and visibility are known, the disk has everything.
        await connection.execute("VACUUM (ANALYZE) orders")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


async def _statement(connection: asyncpg.Connection) -> str:
    names = await connection.fetch(
        "SELECT column_name FROM information_schema.columns WHERE table_name = 'orders' "
        "AND is_generated = 'NEVER' ORDER BY ordinal_position"
    )
    columns = [row["column_name"] for row in names]
    values = ", ".join(OWN.get(name, f"pattern.{name}") for name in columns)
    return f"""
        INSERT INTO orders ({", ".join(columns)})
        SELECT {values}
        FROM generate_series($1::bigint + 1, $6::bigint) AS series (n),
             (SELECT * FROM orders WHERE id = $7) AS pattern
    """
