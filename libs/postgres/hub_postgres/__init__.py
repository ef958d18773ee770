"""PostgreSQL: pool with deadlines, transactions, migrations, advisory locks, leadership."""

from hub_postgres.arrays import Uuid, array_parameters, array_text, column_arrays, no_rows
from hub_postgres.faults import database_faults
from hub_postgres.leadership import Leadership, LeadershipLostError, leading
from hub_postgres.locks import HeldLock, holding_lock
from hub_postgres.migrations import Migration, migrate, read_migrations
from hub_postgres.pool import Connection, Pool, acquire, connect_pool, pooled, transaction
from hub_postgres.probe import DatabaseProbe
from hub_postgres.wakeup import Wakeup, listen

__all__ = [
    "Connection",
    "DatabaseProbe",
    "HeldLock",
    "Leadership",
    "LeadershipLostError",
    "Migration",
    "Pool",
    "Uuid",
    "Wakeup",
    "acquire",
    "array_parameters",
    "array_text",
    "column_arrays",
    "connect_pool",
    "database_faults",
    "holding_lock",
    "leading",
    "listen",
    "migrate",
    "no_rows",
    "pooled",
    "read_migrations",
    "transaction",
]
