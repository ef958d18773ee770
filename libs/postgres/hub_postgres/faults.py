"""Which database errors mean "not now": they become Unavailable, so that consumers pause."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from hub_errors import Unavailable

# Connection, resources, operator's intervention (also a statement's time limit), system.
_CLASSES = ("08", "53", "57", "58")
# Read-only after a failover, idle in transaction, serialization, deadlock, lock not to be had.
_STATES = frozenset({"25006", "25P03", "40001", "40P01", "55P03"})


@contextmanager
def database_faults() -> Iterator[None]:
    """Only statements belong inside: a TimeoutError or OSError in here is taken for the database's."""
    try:
        yield
    except Exception as error:
        if not passes(error):
            raise
        raise Unavailable("The database cannot be reached now.", code="database_unavailable") from error


def passes(error: Exception) -> bool:
    """Whether the same statement may succeed later."""
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        return state.startswith(_CLASSES) or state in _STATES
    if isinstance(error, asyncpg.InterfaceError):  # it stands for misuse as well as for a lost connection
        return "clos" in str(error) or "terminat" in str(error)
    # asyncpg's own state where a server died in the middle of an answer.
    return isinstance(error, OSError | TimeoutError | asyncpg.InternalClientError)
