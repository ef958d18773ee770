"""Concurrent submits leave as few SubmitOrders calls. An order keeps its id through every re-send."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import grpc

from hub.order.v1 import order_pb2
from hub.order.v1.order_pb2_grpc import OrderServiceStub
from hub_batching import Batcher
from hub_errors import Denied, HubError, Invalid, Timeout, Unauthenticated, Unavailable
from hub_gateway.problems import InDoubt
from hub_rpc import error_from
from hub_runtime.backoff import Backoff
from hub_runtime.log import get_logger
from hub_runtime.tracing import span

log = get_logger("submissions")

BATCH: Final = 64  # as many as the order service takes in a call
IN_FLIGHT: Final = 2
QUEUE: Final = 10_000
_BEFORE: Final = (Invalid, Denied, Unauthenticated)  # a call that ends so did nothing
# After these the accepting transaction may have been done, or not.
_UNKNOWN: Final = frozenset({"database_unavailable", "stopping"})
LEAST_S: Final = 0.1  # with less time left nothing is sent: the answer could not come in time


@dataclass(slots=True)
class _Item:
    message: order_pb2.OrderSubmission
    deadline: float  # of the loop's clock
    sent: bool = False


class Submissions:
    """Use as a context manager: leaving it finishes what is under way."""

    def __init__(self, stub: OrderServiceStub, *, timeout_s: float = 5.0) -> None:
        self._stub = stub
        self.timeout_s = timeout_s
        self._batcher: Batcher[_Item, order_pb2.Accepted] = Batcher(
            self._send, limit=BATCH, in_flight=IN_FLIGHT, queue_limit=QUEUE, name="submit_orders"
        )

    async def __aenter__(self) -> Submissions:
        await self._batcher.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._batcher.__aexit__(None, None, None)

    async def submit(self, message: order_pb2.OrderSubmission) -> order_pb2.Accepted:
        """The accepted order; InDoubt when it was sent and nobody could say what became of it."""
        message.deadline.FromNanoseconds(time.time_ns() + int(self.timeout_s * 1e9))
        item = _Item(message, asyncio.get_running_loop().time() + self.timeout_s)
        try:
            return await self._batcher.submit(item, deadline_s=self.timeout_s)
        except _Refusal as refusal:
            raise refusal.error from None
        except HubError as error:
            if item.sent:
                log.warning("order_in_doubt", order_id=message.order_id, code=error.code)
                raise InDoubt(message.order_id, keyed=bool(message.idempotency_key)) from error
            raise

    async def _send(self, items: Sequence[_Item]) -> Sequence[order_pb2.Accepted | Exception]:
        now = asyncio.get_running_loop().time()
        late = Timeout("The order was not sent in time; it does not exist.", code="not_sent")
        going = [item for item in items if item.deadline - now >= LEAST_S]
        results: dict[str, order_pb2.Accepted | Exception] = {}
        if going:
            links = [item.message.traceparent for item in going]
            with span("gateway.submit_batch", links=links, attributes={"batch.size": len(going)}):
                results = await self._deliver(going)
        return [results.get(item.message.order_id, late) for item in items]

    async def _deliver(self, items: Sequence[_Item]) -> dict[str, order_pb2.Accepted | Exception]:
        """Sends until there is an answer or the last of the items has no time left."""
        loop = asyncio.get_running_loop()
        last = max(item.deadline for item in items)
        ids = [item.message.order_id for item in items]
        request = order_pb2.SubmitOrdersRequest(items=[item.message for item in items])
        backoff = Backoff(0.05, 0.5)
        while True:
            try:
                answer = await self._call(items, request, last - loop.time())
            except Unavailable as error:
                outcomes: dict[str, order_pb2.Accepted | Exception] = dict.fromkeys(ids, error)
                if _never_left(error):
                    return outcomes
            else:
                outcomes = {result.order_id: _outcome(result) for result in answer.results}
            # Neighbours are not kept waiting: only a batch that failed as a whole is sent again.
            pause_s = backoff.next_s()
            failed = all(isinstance(outcome, Unavailable) for outcome in outcomes.values())
            if not failed or loop.time() + pause_s + LEAST_S > last:
                return outcomes
            await asyncio.sleep(pause_s)

    async def _call(
        self, items: Sequence[_Item], request: order_pb2.SubmitOrdersRequest, timeout_s: float
    ) -> order_pb2.SubmitOrdersResponse:
        before = [item.sent for item in items]
        for item in items:
            item.sent = True
        try:
            return await self._stub.SubmitOrders(request, timeout=timeout_s)
        except HubError as error:
            if _never_left(error) or isinstance(error, _BEFORE):
                for item, sent in zip(items, before, strict=True):
                    item.sent = sent
            raise


def _never_left(error: HubError) -> bool:
    """Raised by our own end of the channel: an open breaker, no time left."""
    return not isinstance(error.__cause__, grpc.RpcError)


class _Refusal(Exception):  # noqa: N818 - it carries an answer
    """The order service's own word: the order does not exist."""

    def __init__(self, error: HubError) -> None:
        super().__init__(error.code)
        self.error = error


def _outcome(result: order_pb2.SubmissionResult) -> order_pb2.Accepted | Exception:
    """A refusal is final, unless it is of a kind that leaves open what the database did."""
    if result.HasField("accepted"):
        return result.accepted
    refused = result.refused
    error = error_from(
        refused.status,
        message=refused.message,
        code=refused.code,
        field=refused.field,
        retry_after_s=refused.retry_after_s or 1.0,
    )
    unknown = type(error) is HubError or isinstance(error, Timeout) or error.code in _UNKNOWN
    return error if unknown else _Refusal(error)
