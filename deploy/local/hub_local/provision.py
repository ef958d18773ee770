"""Databases and roles: one per service; one role owns and migrates, another reads and writes rows.

Every statement may be run again; passwords are set to what the secret files say.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

import asyncpg

from hub_local.credentials import secret
from hub_local.layout import Service

STATEMENT_LIMIT = 30.0


async def provision(
    services: Iterable[Service],
    *,
    secrets: Path,
    dsn: Callable[[str], str],
    ours: bool,
    ending: str = "",
) -> None:
    """Creates what is missing for every service that has a database.

    `dsn` is the administrator's login to a database ("" the one it starts with); of a server that is not
    ours nothing else is touched. `ending`: of the databases' names, not of the roles'.
    """
    owners = [service for service in services if service.database]
    connection = await _connect(dsn(""))
    try:
        if ours:
            await close_to_strangers(connection)
        for service in owners:
            await create_roles(connection, service.package, secrets)
            if not ours:
                await _join(connection, f"{service.package}_owner")
            await create_database(
                connection,
                f"{service.package}{ending}",
                owner=f"{service.package}_owner",
                user=service.package,
            )
    finally:
        await connection.close(timeout=5)
    for service in owners:
        await grant(dsn(f"{service.package}{ending}"), package=service.package)


async def _join(connection: asyncpg.Connection, owner: str) -> None:
    """Only a superuser may make a database for a role that he is no member of."""
    if not await connection.fetchval("SELECT pg_has_role(current_user, $1, 'USAGE')", owner):
        await connection.execute(f"GRANT {owner} TO CURRENT_USER")


async def close_to_strangers(connection: asyncpg.Connection) -> None:
    """No role may enter the databases that the server brought along."""
    await connection.execute("REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC")


async def create_roles(connection: asyncpg.Connection, package: str, secrets: Path) -> None:
    """The owner and the user of a service's database."""
    for role in (f"{package}_owner", package):
        if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role):
            await connection.execute(f"CREATE ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE")
        # A role's password cannot be a parameter; a secret is hexadecimal, so it can be quoted like this.
        await connection.execute(f"ALTER ROLE {role} PASSWORD '{secret(secrets / role)}'")


async def create_database(
    connection: asyncpg.Connection, name: str, *, owner: str, user: str, template: str = "template0"
) -> None:
    if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
        await connection.execute(f"CREATE DATABASE {name} OWNER {owner} TEMPLATE {template}")
    await connection.execute(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC")
    await connection.execute(f"GRANT CONNECT ON DATABASE {name} TO {user}")


async def grant(dsn: str, *, package: str) -> None:
    """What the service's role may do with what its migrations will create; everybody else may do nothing."""
    owned = f"ALTER DEFAULT PRIVILEGES FOR ROLE {package}_owner"
    connection = await _connect(dsn)
    try:
        await connection.execute(
            f"""
            REVOKE ALL ON SCHEMA public FROM PUBLIC;
            GRANT USAGE ON SCHEMA public TO {package};
            {owned} IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {package};
            {owned} IN SCHEMA public GRANT USAGE ON SEQUENCES TO {package};
            {owned} IN SCHEMA public GRANT EXECUTE ON FUNCTIONS TO {package};
            {owned} REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
            """
        )
    finally:
        await connection.close(timeout=5)


async def _connect(dsn: str) -> asyncpg.Connection:
    return await asyncpg.connect(dsn, timeout=10, command_timeout=STATEMENT_LIMIT)
