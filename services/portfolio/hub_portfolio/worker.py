"""Which events are heard, and what of: that an account has changed. What it is like then, its books say."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from hub.event.v1 import event_pb2
from hub_portfolio import mapping
from hub_portfolio.store import Histories


async def handle(events: Sequence[event_pb2.Envelope], *, store: Histories) -> None:
    """All or nothing. What a fan-out tells beside these events is for others."""
    versions, holders = dict[UUID, int](), set[UUID]()
    for event in events:
        if event.HasField("account_changed"):
            account_id = mapping.read_uuid(event.account_id, "account_id")
            versions[account_id] = max(versions.get(account_id, 0), event.account_changed.version)
        elif event.HasField("position_changed"):
            holders.add(mapping.read_uuid(event.account_id, "account_id"))
    await store.hear(versions, holders)
