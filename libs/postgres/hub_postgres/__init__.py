"""PostgreSQL: pool with deadlines, transactions, migrations, advisory locks."""

from uuid import UUID

from asyncpg.pgproto import pgproto

from hub_postgres.faults import database_faults
from hub_postgres.locks import HeldLock, holding_lock
from hub_postgres.migrations import Migration, migrate, read_migrations
from hub_postgres.pool import Connection, Pool, acquire, connect_pool, pooled, transaction
from hub_postgres.probe import DatabaseProbe
from hub_postgres.wakeup import Wakeup, listen

Uuid: type[UUID] = pgproto.UUID
"""A `uuid.UUID` that is read, written and compared in a fraction of the time; rows have these."""

__all__ = [
    "Connection",
    "DatabaseProbe",
    "HeldLock",
    "Migration",
    "Pool",
    "Uuid",
    "Wakeup",
    "acquire",
    "connect_pool",
    "database_faults",
    "holding_lock",
    "listen",
    "migrate",
    "pooled",
    "read_migrations",
    "transaction",
]
