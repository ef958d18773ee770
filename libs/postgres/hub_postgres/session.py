"""A single long-lived connection, for what belongs to a session: locks, notifications, migrations."""

from __future__ import annotations

import asyncpg

from hub_postgres.pool import COMMAND_TIMEOUT_S, CONNECT_TIMEOUT_S, Connection

_SERVER_SETTINGS = {
    "timezone": "UTC",
    # The server notices within seconds when the other end has vanished, and drops its locks.
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
}
_CLIENT_FAULTS = (asyncpg.InterfaceError, asyncpg.InternalClientError)


async def open_session(
    url: str, password: str, application_name: str, command_timeout_s: float = COMMAND_TIMEOUT_S
) -> Connection:
    return await asyncpg.connect(
        url,
        password=password or None,
        timeout=CONNECT_TIMEOUT_S,
        command_timeout=command_timeout_s,
        server_settings=_SERVER_SETTINGS | {"application_name": application_name},
    )


async def close_session(connection: Connection) -> None:
    """Never raises and never waits long: an unclean end is an end too."""
    try:
        await connection.close(timeout=1.0)
    except (OSError, TimeoutError, asyncpg.PostgresError, *_CLIENT_FAULTS):
        connection.terminate()
