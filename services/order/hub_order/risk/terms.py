"""Which fields belong to which type of order."""

from __future__ import annotations

from hub_order.domain import AT_ONCE, LIMITED, OrderType, TimeInForce
from hub_order.risk.facts import Draft, Facts

STOPPED = frozenset({OrderType.STOP_LOSS, OrderType.STOP_LIMIT})
STANDING = frozenset({TimeInForce.DAY, TimeInForce.GTC})
NAMES = {
    OrderType.MARKET: "A market order",
    OrderType.LIMIT: "A limit order",
    OrderType.STOP_LOSS: "A stop order",
    OrderType.STOP_LIMIT: "A stop limit order",
    OrderType.TRAILING_STOP: "A trailing stop order",
}


def price_not_allowed(facts: Facts) -> str | None:
    draft = facts.draft
    if draft.limit_price is not None and draft.type not in LIMITED:
        return f"{NAMES[draft.type]} has no limit price."
    return None


def price_required(facts: Facts) -> str | None:
    draft = facts.draft
    return (
        f"{NAMES[draft.type]} needs a limit price."
        if draft.limit_price is None and draft.type in LIMITED
        else None
    )


def stop_not_allowed(facts: Facts) -> str | None:
    draft = facts.draft
    if draft.stop_price is not None and draft.type not in STOPPED:
        return f"{NAMES[draft.type]} has no stop price."
    return None


def stop_at_once(facts: Facts) -> str | None:
    return None if facts.draft.stop_price is None else _waits_at_once(facts.draft)


def stop_required(facts: Facts) -> str | None:
    draft = facts.draft
    return (
        f"{NAMES[draft.type]} needs a stop price."
        if draft.stop_price is None and draft.type in STOPPED
        else None
    )


def trail_amount_not_allowed(facts: Facts) -> str | None:
    return None if facts.draft.trail_amount is None else _has_no_trail(facts.draft)


def trail_percent_not_allowed(facts: Facts) -> str | None:
    return None if facts.draft.trail_percent is None else _has_no_trail(facts.draft)


def trail_at_once(facts: Facts) -> str | None:
    draft = facts.draft
    return None if draft.trail_amount is None and draft.trail_percent is None else _waits_at_once(draft)


def _has_no_trail(draft: Draft) -> str | None:
    return None if draft.type is OrderType.TRAILING_STOP else f"{NAMES[draft.type]} has no trail."


def _waits_at_once(draft: Draft) -> str | None:
    if draft.time_in_force not in AT_ONCE:
        return None
    return f"An order that waits for a stop cannot be {draft.time_in_force}, only DAY or GTC."


def trail_required(facts: Facts) -> str | None:
    draft = facts.draft
    if draft.type is not OrderType.TRAILING_STOP:
        return None
    if (draft.trail_amount is None) == (draft.trail_percent is None):
        return f"{NAMES[draft.type]} needs a trail in money or in per cent, one of the two."
    return None


def quantity_required(facts: Facts) -> str | None:
    draft, instrument = facts.draft, facts.instrument
    if draft.quantity is not None or draft.notional is not None or draft.closing:
        return None
    by_cash = draft.type is OrderType.MARKET and (instrument is None or instrument.fractionable)
    return f"{NAMES[draft.type]} needs a quantity{' or an amount of cash' if by_cash else ''}."


def notional_not_allowed(facts: Facts) -> str | None:
    draft, instrument = facts.draft, facts.instrument
    if draft.notional is None:
        return None
    if draft.quantity is not None:
        return "An order is for a quantity or for an amount of cash, not for both."
    if draft.type is not OrderType.MARKET:
        return f"{NAMES[draft.type]} is for a quantity: only market orders can be for an amount of cash."
    if instrument is not None and not instrument.fractionable:
        return f"{draft.symbol} trades in whole shares: an order for it needs a quantity."
    return None


def extended_hours_not_allowed(facts: Facts) -> str | None:
    """An order that counts on hours that it does not get would wait in vain."""
    draft = facts.draft
    if not draft.extended_hours:
        return None
    if not facts.extended_hours:
        return "Orders work in the regular session only, here."
    if draft.type is not OrderType.LIMIT:
        return f"{NAMES[draft.type]} works in the regular session only; a limit order may work outside of it."
    if facts.instrument is not None and not facts.extended_hours_here:
        return f"{draft.symbol} has no hours outside of its sessions."
    return None


def extended_hours_at_once(facts: Facts) -> str | None:
    draft = facts.draft
    if not draft.extended_hours or draft.time_in_force not in AT_ONCE:
        return None
    return f"An order that works outside of the regular session is DAY or GTC, not {draft.time_in_force}."
