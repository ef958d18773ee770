"""Domain values <-> protobuf messages, both ways."""

from hub_position.mapping.accounts import (
    account_state,
    balance,
    books,
    ledger_page,
    movement,
    movements_page,
    position,
    read_before,
    read_cash,
    read_key,
    read_movement_token,
    read_status,
    read_trading_state,
)
from hub_position.mapping.actions import action_progress, read_action
from hub_position.mapping.activities import (
    activities_page,
    activity,
    cut,
    read_activity_token,
    read_until,
    read_wanted,
)
from hub_position.mapping.events import (
    changed_account,
    changed_position,
    read_ending,
    read_replacement,
    read_trade,
    settled_trade,
)
from hub_position.mapping.holds import hold_result, read_hold_price, read_hold_request, unconfirmed_hold
from hub_position.mapping.reconciliation import booked_trade, checked_books, held_order
from hub_position.mapping.values import at_most, read_time, read_uuid
from hub_position.mapping.views import viewed_position

__all__ = [
    "account_state",
    "action_progress",
    "activities_page",
    "activity",
    "at_most",
    "balance",
    "booked_trade",
    "books",
    "changed_account",
    "changed_position",
    "checked_books",
    "cut",
    "held_order",
    "hold_result",
    "ledger_page",
    "movement",
    "movements_page",
    "position",
    "read_action",
    "read_activity_token",
    "read_before",
    "read_cash",
    "read_ending",
    "read_hold_price",
    "read_hold_request",
    "read_key",
    "read_movement_token",
    "read_replacement",
    "read_status",
    "read_time",
    "read_trade",
    "read_trading_state",
    "read_until",
    "read_uuid",
    "read_wanted",
    "settled_trade",
    "unconfirmed_hold",
    "viewed_position",
]
