"""The words of an order's life, and which state may follow which: the transition table is data."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Side(StrEnum):
    BUY = "BUY"
    SELL = "SELL"


class OrderType(StrEnum):
    MARKET = "MARKET"
    LIMIT = "LIMIT"
    STOP_LOSS = "STOP_LOSS"
    STOP_LIMIT = "STOP_LIMIT"
    TRAILING_STOP = "TRAILING_STOP"


LIMITED = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT})
STOPS = frozenset({OrderType.STOP_LOSS, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP})


class TimeInForce(StrEnum):
    DAY = "DAY"
    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"


AT_ONCE = frozenset({TimeInForce.IOC, TimeInForce.FOK})


class Status(StrEnum):
    PENDING = "PENDING"
    PROCESSING = "PROCESSING"
    PARTIALLY_EXECUTED = "PARTIALLY_EXECUTED"
    EXECUTED = "EXECUTED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"
    REPLACED = "REPLACED"
    FAILED = "FAILED"


_ENDS = frozenset({Status.EXECUTED, Status.CANCELLED, Status.EXPIRED, Status.REPLACED, Status.FAILED})

TRANSITIONS: Mapping[Status, frozenset[Status]] = {
    Status.PENDING: _ENDS | {Status.PROCESSING, Status.PARTIALLY_EXECUTED},
    Status.PROCESSING: _ENDS | {Status.PARTIALLY_EXECUTED},
    Status.PARTIALLY_EXECUTED: _ENDS,
    Status.EXECUTED: frozenset(),
    Status.CANCELLED: frozenset(),
    Status.EXPIRED: frozenset(),
    Status.REPLACED: frozenset(),
    Status.FAILED: frozenset(),
}
OPEN = frozenset(status for status, following in TRANSITIONS.items() if following)
RESTING = OPEN - {Status.PENDING}


class Reason(StrEnum):
    """Why an order ended, where its state alone does not say it."""

    PRICE_PROTECTION = "PRICE_PROTECTION"
    STALE = "STALE"
    ABANDONED = "ABANDONED"
    INSUFFICIENT_FUNDS = "INSUFFICIENT_FUNDS"
    NOT_FILLED_AT_ONCE = "NOT_FILLED_AT_ONCE"
    REJECTED_BY_VENUE = "REJECTED_BY_VENUE"
    NOT_REPLACED = "NOT_REPLACED"
    SESSION_ENDED = "SESSION_ENDED"
    CORPORATE_ACTION = "CORPORATE_ACTION"


# Who ends orders because their shares are no longer what they were.
CORPORATE_ACTIONS = "corporate_actions"


def end_reason(status: Status, actor: str) -> str:
    """Why an order ended whose end was asked of its venue."""
    if status is Status.EXPIRED:
        return Reason.SESSION_ENDED
    return Reason.CORPORATE_ACTION if actor == CORPORATE_ACTIONS else ""


class IllegalTransitionError(Exception):
    """A state that may not follow; asking for one is a defect of the caller."""
