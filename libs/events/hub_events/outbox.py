"""The outbox: an event is a row of the transaction that causes it. Never speaks to the broker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hub.event.v1 import event_pb2
from hub_events.topology import shard_of
from hub_postgres import Connection, Uuid

CHANNEL: Final = "outbox"

OUTBOX_SQL: Final = """
CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    shard smallint NOT NULL,
    exchange text NOT NULL,
    routing_key text NOT NULL,
    event_id uuid NOT NULL,
    envelope bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
"""

TOLD: Final = f"pg_notify('{CHANNEL}', '')"


def inserting_outbox(first: int = 1, where: str = "true") -> str:
    """For a larger statement, which selects TOLD in the end. Its parameters from `first` on are those of
    `outbox_arrays`; `where` is about rows `new`, of which `about` is the event's aggregate."""
    kinds = enumerate(("smallint", "text", "text", "uuid", "bytea", "text"), first)
    parameters = ", ".join(f"${number}::{kind}[]" for number, kind in kinds)
    return f"""
    INSERT INTO outbox (shard, exchange, routing_key, event_id, envelope)
    SELECT shard, exchange, routing_key, event_id, envelope
    FROM unnest({parameters}) WITH ORDINALITY
         AS new (shard, exchange, routing_key, event_id, envelope, about, position)
    WHERE {where} ORDER BY position
    """  # noqa: S608 - constants


_ENQUEUE: Final = f"WITH added AS ({inserting_outbox()}) SELECT {TOLD}"


@dataclass(frozen=True)
class OutboxRow:
    """One event for one exchange; the broker's bindings decide who else hears it."""

    exchange: str
    routing_key: str
    envelope: event_pb2.Envelope

    @property
    def shard(self) -> int:
        return shard_of(self.envelope.account_id)


async def enqueue(connection: Connection, rows: Sequence[OutboxRow]) -> None:
    """One statement inside the caller's transaction; the relay is woken by its commit."""
    if not rows:
        return
    await connection.execute(_ENQUEUE, *outbox_arrays(rows))


def outbox_arrays(rows: Sequence[OutboxRow]) -> list[list[object]]:
    """What `inserting_outbox` takes."""
    return [
        [row.shard for row in rows],
        [row.exchange for row in rows],
        [row.routing_key for row in rows],
        [Uuid(row.envelope.event_id) for row in rows],
        [row.envelope.SerializeToString() for row in rows],
        [row.envelope.aggregate_id for row in rows],
    ]
