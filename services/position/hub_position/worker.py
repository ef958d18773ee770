"""Which events are booked. A batch is one transaction; each order has its own span and log line of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from uuid import UUID

from opentelemetry.trace import SpanKind

from hub.event.v1 import event_pb2
from hub.order.v1 import order_pb2
from hub_events import UnknownEvent
from hub_money import to_text
from hub_position import mapping
from hub_position.clients import Market
from hub_position.domain.batch import Entry
from hub_position.domain.trade import Side
from hub_position.usecases import Ended, Executed, Facts, Replaced, book
from hub_postgres import Pool
from hub_runtime import Clock, counter, current_traceparent, get_logger, span, use_traceparent

BOOKED = counter("hub_position_trades_booked_total", "Executions booked, each once")
SAMPLED = "-01"

log = get_logger("worker")


async def handle(
    events: Sequence[event_pb2.Envelope], *, pool: Pool, market: Market, deposit: Decimal, clock: Clock
) -> None:
    """Books them all or nothing. Until settlement days are known nothing is: the consumer tries it again."""
    with _spans(events) as traceparents:
        facts = _read(events, traceparents, market)
        entries = await book(facts, pool=pool, deposit=deposit, now=clock())
    causes = facts.causes
    for entry in entries:
        _tell(entry, causes)


def _read(events: Sequence[event_pb2.Envelope], traceparents: dict[str, str], market: Market) -> Facts:
    """An execution that fills its order is an end as well: it counts all executions that there are."""
    executed, ended, replaced = list[Executed](), list[Ended](), list[Replaced]()
    for event in events:
        if event.HasField("order_executed"):
            payload = event.order_executed
            executed.append(_executed(payload, traceparents[event.event_id], market))
            if payload.order.status == order_pb2.ORDER_STATUS_EXECUTED:
                ended.append(Ended(mapping.read_ending(payload), event.traceparent))
        elif event.HasField("order_closed"):
            ended.append(Ended(mapping.read_ending(event.order_closed), event.traceparent))
        elif event.HasField("order_replaced"):
            replacement = mapping.read_replacement(event.order_replaced)
            user_id = mapping.read_uuid(event.order_replaced.user_id, "user_id")
            replaced.append(Replaced(replacement, user_id, event.traceparent))
        else:
            raise UnknownEvent("this release does not book such events")
    return Facts(executed, ended, replaced)


def _executed(event: event_pb2.OrderExecuted, traceparent: str, market: Market) -> Executed:
    trade = mapping.read_trade(event, market.settles_on, market.fee_rate)
    return Executed(trade, mapping.read_uuid(event.user_id, "user_id"), traceparent)


@contextmanager
def _spans(events: Sequence[event_pb2.Envelope]) -> Iterator[dict[str, str]]:
    """A span for every sampled execution, as long as the batch; answers what their effects follow from."""
    with ExitStack() as spans:
        traceparents = {}
        for event in events:
            traceparents[event.event_id] = event.traceparent
            if event.traceparent.endswith(SAMPLED) and event.HasField("order_executed"):
                spans.enter_context(use_traceparent(event.traceparent))
                about = {"hub.order_id": event.aggregate_id, "messaging.system": "rabbitmq"}
                spans.enter_context(span("position.book", kind=SpanKind.CONSUMER, attributes=about))
                traceparents[event.event_id] = current_traceparent() or event.traceparent
        yield traceparents


def _tell(entry: Entry, causes: dict[UUID, str]) -> None:
    trade = entry.trade
    verb = "bought" if trade.side is Side.BUY else "sold"
    BOOKED.inc()
    with use_traceparent(causes[trade.trade_id]):
        log.info(
            "trade_booked",
            trade_id=trade.trade_id,
            order_id=trade.order_id,
            account_id=trade.account_id,
            realised=to_text(entry.effect.realised),
            highlight=True,
            text=f"booked: {verb} {to_text(trade.quantity)} {trade.symbol} at {to_text(trade.price)}",
        )
