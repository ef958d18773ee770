"""What a pass over the books found, as messages."""

from __future__ import annotations

from hub.order.v1 import order_pb2
from hub_order.domain.reconciliation import Difference, Pass
from hub_order.mapping.messages import timestamp


def reconciliation_message(newest: Pass) -> order_pb2.Reconciliation:
    return order_pb2.Reconciliation(
        finished_at=timestamp(newest.finished_at),
        since=timestamp(newest.since),
        cut=timestamp(newest.cut),
        counts=dict(newest.counts),
        differences=map(_difference, newest.differences),
        more=newest.more,
    )


def _difference(difference: Difference) -> order_pb2.Difference:
    first = difference.first_seen_at
    return order_pb2.Difference(
        kind=difference.kind,
        account_id=difference.account_id,
        id=difference.id,
        order_id=difference.order_id,
        expected=difference.expected,
        found=difference.found,
        first_seen_at=None if first is None else timestamp(first),
    )
