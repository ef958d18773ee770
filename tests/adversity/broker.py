"""The broker is the test: it moves what the outboxes say, and decides what arrives when, and how often."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from hub.event.v1 import event_pb2
from hub_errors import HubError
from hub_events import ORDERS, POSITIONS
from hub_postgres import Pool
from hub_runtime import CrashPointError

Handle = Callable[[Sequence[event_pb2.Envelope]], Awaitable[None]]

TAKE = "SELECT id, exchange, envelope FROM outbox ORDER BY id"
DELETE = "DELETE FROM outbox WHERE id = ANY ($1::bigint[])"


@dataclass
class Broker:
    """Two lines of events: what order's worker is to handle, and what position's is."""

    lines: dict[str, list[event_pb2.Envelope]] = field(
        default_factory=lambda: {ORDERS.name: [], POSITIONS.name: []}
    )
    told: dict[str, event_pb2.Envelope] = field(default_factory=dict)
    """Every event that ever left an outbox, by its id."""

    def put(self, exchange: str, *events: event_pb2.Envelope) -> None:
        """What goes to the fan-outs only, nobody of this test hears."""
        for event in events:
            self.told[event.event_id] = event
        if exchange in self.lines:
            self.lines[exchange] += events

    async def relay(self, pool: Pool, *, dies: bool = False) -> int:
        """Moves an outbox. A relay that dies has published, and its rows are still there."""
        found = await pool.fetch(TAKE)
        for row in found:
            self.put(row["exchange"], event_pb2.Envelope.FromString(row["envelope"]))
        if found and not dies:
            await pool.execute(DELETE, [row["id"] for row in found])
        return len(found)

    async def deliver(
        self, exchange: str, handle: Handle, *, count: int, chance: random.Random | None, acked: bool = True
    ) -> int:
        """One batch, the oldest first, or by `chance` any events in any order. What fails, or what is not
        acknowledged, stays where it was."""
        line = self.lines[exchange]
        places = list(range(len(line)))
        if chance is not None:
            chance.shuffle(places)
        places = places[:count]
        batch = [line[place] for place in places]
        if not batch:
            return 0
        try:
            await handle(batch)
        except (HubError, CrashPointError):
            return 0
        if acked:
            self.lines[exchange] = [event for place, event in enumerate(line) if place not in set(places)]
        return len(batch)
