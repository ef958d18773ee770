"""Which orders of an account: queries whose conditions fit the indexes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from hub_order.domain import OPEN, Status
from hub_order.mapping import Filter
from hub_order.store import rows

# An id carries the time it was minted, by the clock of a gateway: orders of a time are near it in the index.
MARGIN = timedelta(hours=1)
ENDED = frozenset(Status) - OPEN - {Status.EXECUTED}


def page_query(account_id: UUID, wanted: Filter, *, before: UUID | None, limit: int) -> tuple[str, list[Any]]:
    """Newest first, those before an id; with its parameters."""
    conditions, values = _conditions(account_id, wanted)
    if before is not None:
        values.append(before)
        conditions.append(f"id < ${len(values)}")
    values.append(limit)
    query = f"""
        SELECT {rows.ORDER} FROM orders WHERE {" AND ".join(conditions)}
        ORDER BY id DESC LIMIT ${len(values)}
    """  # noqa: S608 - constant conditions, values are parameters
    return query, values


def count_query(account_id: UUID, wanted: Filter) -> tuple[str, list[Any]]:
    conditions, values = _conditions(account_id, wanted)
    return f"SELECT count(*) FROM orders WHERE {' AND '.join(conditions)}", values  # noqa: S608


def _conditions(account_id: UUID, wanted: Filter) -> tuple[list[str], list[Any]]:
    """Conditions, and their parameters from $1 on."""
    conditions, values = ["account_id = $1"], list[Any]([account_id])

    def also(condition: str, value: object) -> None:
        values.append(value)
        conditions.append(condition.format(f"${len(values)}"))

    if wanted.statuses is not None:
        # As literals, so that the partial indexes are found.
        if wanted.statuses <= OPEN:
            conditions.append(_among(OPEN))
        elif wanted.statuses <= ENDED:
            conditions.append(_among(ENDED))
        if wanted.statuses not in {OPEN, ENDED}:
            also("status = ANY ({}::text[])", sorted(wanted.statuses))
    if wanted.symbol is not None:
        also("symbol = {}", wanted.symbol)
    if wanted.side is not None:
        also("side = {}", wanted.side)
    if wanted.accepted_from is not None:
        also("id >= {}", first_id(wanted.accepted_from - MARGIN))
        also("accepted_at >= {}", wanted.accepted_from)
    if wanted.accepted_before is not None:
        also("id < {}", first_id(wanted.accepted_before + MARGIN))
        also("accepted_at < {}", wanted.accepted_before)
    return conditions, values


def first_id(at: datetime) -> UUID:
    """The lowest UUIDv7 of a time."""
    milliseconds = max(int(at.timestamp() * 1000), 0)
    return UUID(int=milliseconds << 80)


def _among(statuses: frozenset[Status]) -> str:
    words = ", ".join(f"'{status}'" for status in Status if status in statuses)
    return f"status IN ({words})"
