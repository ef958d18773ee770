"""Numbered .sql files of a package, applied once each, in order, by one process at a time."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from importlib import resources

from hub_errors import Conflict
from hub_postgres.locks import holding_lock
from hub_postgres.pool import Connection
from hub_postgres.session import close_session, open_session
from hub_runtime import get_logger

STATEMENT_TIMEOUT_S = 120.0
_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
_TABLE = """
    CREATE TABLE IF NOT EXISTS schema_migrations (
        version integer PRIMARY KEY,
        name text NOT NULL,
        checksum text NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
    )
"""

log = get_logger("postgres")


@dataclass(frozen=True)
class Migration:
    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def read_migrations(package: str, folder: str = "migrations") -> list[Migration]:
    """Raises ValueError for a file whose name or number does not fit."""
    found = []
    for file in resources.files(package).joinpath(folder).iterdir():
        if not file.name.endswith(".sql"):
            continue
        match = _NAME.fullmatch(file.name)
        if match is None:
            raise ValueError(f"{file.name}: a migration is named like 0001_what_it_does.sql")
        found.append(Migration(int(match.group(1)), file.name, file.read_text(encoding="utf-8")))
    found.sort(key=lambda migration: migration.version)
    if [migration.version for migration in found] != list(range(1, len(found) + 1)):
        raise ValueError(f"{package}: migrations must be numbered 1, 2, 3 without gaps")
    return found


async def migrate(url: str, password: str, package: str, folder: str = "migrations") -> list[str]:
    """Answers the names of what it applied; waits for the database, and for another process that migrates."""
    migrations = read_migrations(package, folder)
    async with holding_lock(url, password, "schema_migrations"):
        connection = await open_session(url, password, "migrate", STATEMENT_TIMEOUT_S)
        try:
            await connection.execute("SET lock_timeout = '10s'")
            return await _apply(connection, migrations)
        finally:
            await close_session(connection)


async def _apply(connection: Connection, migrations: list[Migration]) -> list[str]:
    await connection.execute(_TABLE)
    rows = await connection.fetch("SELECT version, checksum FROM schema_migrations")
    applied = {row["version"]: row["checksum"] for row in rows}
    names = []
    for migration in migrations:
        if migration.version in applied:
            if applied[migration.version] != migration.checksum:
                raise Conflict(
                    f"{migration.name} was changed after it had been applied.", code="migration_changed"
                )
            continue
        async with connection.transaction():
            await connection.execute(migration.sql)
            await connection.execute(
                "INSERT INTO schema_migrations (version, name, checksum) VALUES ($1, $2, $3)",
                migration.version,
                migration.name,
                migration.checksum,
            )
        log.info("migrated", migration=migration.name)
        names.append(migration.name)
    return names
