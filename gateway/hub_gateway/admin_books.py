"""/admin/reconciliation: whether orders and the books fit together. order checks the role once more."""

from __future__ import annotations

from collections.abc import Sequence

from hub.order.v1 import order_pb2
from hub_gateway import render
from hub_gateway.admin import ADMIN_TIME_S
from hub_gateway.exchange import Request, Response, answer
from hub_gateway.gate import Gate
from hub_gateway.operation import Access, Operation, Resource
from hub_gateway.peers import Peers
from hub_gateway.types.reconciliation import BooksCounted, BooksDifference, BooksState
from hub_rpc import calling_as


class AdminBooks:
    def __init__(self, *, peers: Peers, gate: Gate) -> None:
        self._order = peers.order_admin
        self._gate = gate

    def resources(self) -> Sequence[Resource]:
        operation = Operation(
            handler=self.reconciliation,
            summary="How orders and the books fit together",
            tag="admin",
            description="The newest pass of those that are made all the time. They mend nothing.",
            access=Access.ADMIN,
            answers={200: BooksState},
        )
        return [Resource("/api/v1/admin/reconciliation", GET=operation)]

    async def reconciliation(self, request: Request) -> Response:
        request.query()
        caller = await self._gate.admin(request)
        with calling_as(caller.token):
            found = await self._order.GetReconciliation(
                order_pb2.GetReconciliationRequest(), timeout=ADMIN_TIME_S
            )
        return answer(_state(found.reconciliation, known=found.HasField("reconciliation")))


def _state(message: order_pb2.Reconciliation, *, known: bool) -> BooksState:
    return BooksState(
        finished_at=render.when(message.finished_at),
        since=render.when(message.since),
        cut=render.when(message.cut),
        counts=_counted(message) if known else None,
        differences=[_difference(each) for each in message.differences],
        more=message.more,
    )


def _counted(message: order_pb2.Reconciliation) -> BooksCounted:
    counts = message.counts
    return BooksCounted(
        accounts=counts.get("accounts", 0),
        executions=counts.get("executions", 0),
        trades=counts.get("trades", 0),
        holds=counts.get("holds", 0),
        orders=counts.get("orders", 0),
        too_long=counts.get("too_long", 0),
    )


def _difference(message: order_pb2.Difference) -> BooksDifference:
    return BooksDifference(
        kind=message.kind,
        account_id=message.account_id,
        id=message.id or None,
        order_id=message.order_id or None,
        expected=message.expected,
        found=message.found,
        first_seen_at=render.when(message.first_seen_at),
    )
