"""How PostgreSQL plans a service's statements for good, while its tables are as small as they begin."""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections import Counter
from collections.abc import Collection, Iterator
from types import ModuleType
from typing import Any
from uuid import UUID

from hub_postgres import Connection, Pool

WHOLE = ("Seq Scan on", "Hash Join", "Merge Join")


async def walks(pool: Pool, store: ModuleType) -> dict[str, str]:
    """The plans of a store's statements over many rows that read a table as a whole, by their names."""
    found = {}
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        for name, statement in _statements(store):
            plan = await _plan(connection, statement)
            if any(kind in plan for kind in WHOLE):
                found[name] = plan
    return found


async def plan_of(pool: Pool, statement: str) -> str:
    """As it is made for any parameters."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        return await _plan(connection, statement)


async def rows_read(pool: Pool, statement: str, ids: Collection[UUID]) -> Counter[str]:
    """How many rows of each table the statement looks at, whether it needs them or not. It is not kept."""
    read: Counter[str] = Counter()
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        await connection.execute(f"PREPARE planned AS {statement}")
        named = ", ".join(f"'{each}'" for each in ids)
        rows = await connection.fetch(
            f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE planned (ARRAY[{named}]::uuid[])"
        )
        await connection.execute("DEALLOCATE planned")
        await transaction.rollback()
    for node in _nodes(json.loads(rows[0][0])[0]["Plan"]):
        if "Relation Name" in node:
            removed = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
            read[node["Relation Name"]] += round((node["Actual Rows"] + removed) * node["Actual Loops"])
    return read


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for each in node.get("Plans", ()):
        yield from _nodes(each)


def _statements(store: ModuleType) -> Iterator[tuple[str, str]]:
    for each in pkgutil.iter_modules(store.__path__):
        module = importlib.import_module(f"{store.__name__}.{each.name}")
        for name, value in vars(module).items():
            if name.isupper() and isinstance(value, str) and "unnest(" in value:
                yield f"{each.name}.{name}", value


async def _plan(connection: Connection, statement: str) -> str:
    count = len((await connection.prepare(statement)).get_parameters())
    await connection.execute(f"PREPARE planned AS {statement}")
    rows = await connection.fetch(f"EXPLAIN EXECUTE planned ({', '.join(['NULL'] * count)})")
    await connection.execute("DEALLOCATE planned")
    return "\n".join(row[0] for row in rows)
