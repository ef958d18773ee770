"""Where an order, its records and its executions contradict each other. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from hub_money import money, to_text
from hub_order import audit
from hub_order.audit import Record
from hub_order.domain import LIMITED, ZERO, Execution, Order, execution_id_of
from hub_order.store.audit import OrderFile


def faults_of(file: OrderFile) -> list[str]:
    """Sentences; empty when all of it belongs together."""
    records = [record for record, _ in file.records]
    found = list(_execution_faults(records, file.executions))
    if file.order is None:
        return [_without_order(file), *found]
    order = file.order
    return [
        *audit.faults(file.records, head=order.chain, version=order.version),
        *_row_faults(order, records, file.executions),
        *found,
    ]


def _without_order(file: OrderFile) -> str:
    return (
        f"the order is missing, of which there are {len(file.records)} records and "
        f"{len(file.executions)} executions"
    )


def _row_faults(order: Order, records: Sequence[Record], executions: Sequence[Execution]) -> Iterator[str]:
    """The row says what its last record, its terms and its executions say."""
    if records:
        last = records[-1]
        yield from _differs("status", str(order.status), last.status)
        yield from _differs("reason", order.reason, last.reason)
    filled = sum((each.quantity for each in executions), ZERO)
    value = sum((money(each.quantity * each.price) for each in executions), ZERO)
    yield from _differs("filled quantity", order.filled_quantity, filled)
    yield from _differs("filled value", order.filled_value, value)
    yield from _differs("number of executions", order.execution_count, len(executions))
    accounts = {record.account_id for record in records} | {each.account_id for each in executions}
    if accounts - {order.account_id}:
        yield "a record or an execution names another account"
    terms = [record.detail for record in records if record.kind in {"requested", "accepted"}]
    if terms:
        yield from _term_faults(order, records, terms[-1])


def _term_faults(order: Order, records: Sequence[Record], accepted: Mapping[str, str]) -> Iterator[str]:
    """What was accepted stays, but for a quantity that was computed from an amount or anew at the open."""
    now = {
        "symbol": order.symbol,
        "side": str(order.side),
        "type": str(order.type),
        "time_in_force": str(order.time_in_force),
        "trail_amount": _optional(order.trail_amount),
        "trail_percent": _optional(order.trail_percent),
        "notional": _optional(order.notional),
        "replaces": None if order.replaces is None else str(order.replaces),
    }
    if order.type in LIMITED:
        now["worst_price"] = _optional(order.limit_price)
    if order.notional is None and all(record.kind != "repriced" for record in records):
        now["quantity"] = to_text(order.quantity)
    for name, value in now.items():
        yield from _differs(name.replace("_", " "), value, accepted.get(name))


def _execution_faults(records: Sequence[Record], executions: Sequence[Execution]) -> Iterator[str]:
    """Each execution has one record, each record of an execution has it."""
    told = {}
    times: Counter[str] = Counter()
    for record in records:
        if record.kind == "executed":
            execution_id = record.detail.get("execution_id", "")
            told[execution_id] = record
            times[execution_id] += 1
    for execution in executions:
        execution_id = str(execution.execution_id)
        record_of_it = told.pop(execution_id, None)
        if record_of_it is None:
            yield f"execution {execution_id} has no record"
        elif _says(execution) != _said(record_of_it) or not _times_agree(execution, record_of_it):
            yield f"execution {execution_id} is not what its record says"
    yield from (f"execution {execution_id} is missing" for execution_id in told)
    for execution_id, count in times.items():
        if count > 1:
            yield f"execution {execution_id} has {count} records"


def _says(execution: Execution) -> tuple[object, ...]:
    id_of_it = execution_id_of(execution.order_id, execution.venue_execution_id)
    return (
        *(str(id_of_it), to_text(execution.quantity), to_text(execution.price)),
        *(f"venue:{execution.venue}", execution.executed_at, execution.quote.texts()),
    )


def _said(record: Record) -> tuple[object, ...]:
    detail = record.detail
    return (
        *(detail.get("execution_id"), detail.get("quantity"), detail.get("price")),
        *(record.actor, record.occurred_at, record.quote),
    )


def _times_agree(execution: Execution, record: Record) -> bool:
    """Records of earlier releases do not say them."""
    times = {"market_time": execution.quote.market_time, "venue_time": execution.venue_time}
    said = ((record.detail.get(name), time) for name, time in times.items())
    return all(text is None or datetime.fromisoformat(text) == time for text, time in said)


def _differs(what: str, row: object, told: object) -> Iterator[str]:
    if row != told:
        yield f"the order's {what} is {_shown(row)}, its history says {_shown(told)}"


def _shown(value: object) -> str:
    return to_text(value) if isinstance(value, Decimal) else str(value)


def _optional(value: Decimal | None) -> str | None:
    return None if value is None else to_text(value)
