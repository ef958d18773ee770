"""Domain values to protobuf and back."""

from hub_order.mapping.events import (
    accepted_event,
    carried_quote,
    closed_event,
    executed_event,
    replaced_event,
    triggered_event,
)
from hub_order.mapping.messages import execution_message, optional, order_message, quote, timestamp
from hub_order.mapping.reconciliation import reconciliation_message
from hub_order.mapping.requests import (
    Close,
    Filter,
    Replacement,
    Submission,
    closing,
    id_of,
    order_filter,
    page_start,
    page_token,
    replacement,
    submission,
    uuid,
)
from hub_order.mapping.words import SIDE_NUMBERS, SIDES, STATUSES, TIME_IN_FORCE_NUMBERS, TYPE_NUMBERS

__all__ = [
    "SIDES",
    "SIDE_NUMBERS",
    "STATUSES",
    "TIME_IN_FORCE_NUMBERS",
    "TYPE_NUMBERS",
    "Close",
    "Filter",
    "Replacement",
    "Submission",
    "accepted_event",
    "carried_quote",
    "closed_event",
    "closing",
    "executed_event",
    "execution_message",
    "id_of",
    "optional",
    "order_filter",
    "order_message",
    "page_start",
    "page_token",
    "quote",
    "reconciliation_message",
    "replaced_event",
    "replacement",
    "submission",
    "timestamp",
    "triggered_event",
    "uuid",
]
