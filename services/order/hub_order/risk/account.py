"""What one account may have and send, and what an order may be worth."""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from hub_money import to_text
from hub_order.domain import AT_ONCE, Side
from hub_order.risk.facts import Facts
from hub_order.risk.prices import LEAST, WIDE, reach, value_of


def order_rate(facts: Facts) -> str | None:
    if facts.retry_after_s is None:
        return None
    most, wait_s = facts.limits.orders_per_minute, math.ceil(facts.retry_after_s)
    return f"An account sends at most {most} orders a minute; it may send the next in {wait_s} s."


def value_too_small(facts: Facts) -> str | None:
    """What is left of a position, or of an order that was filled in part, may be worth little."""
    value, least = value_of(facts), facts.limits.least_value
    if value is None or value >= least or facts.draft.closing or facts.draft.replaces is not None:
        return None
    return f"{_orders(facts)} at least {to_text(least)}, and this is worth {_shown(value, ROUND_FLOOR)}."


def value_too_large(facts: Facts) -> str | None:
    value, most = value_of(facts), facts.limits.most_value
    if value is None or value <= most:
        return None
    return f"{_orders(facts)} at most {to_text(most)}, and this is worth {_shown(value, ROUND_CEILING)}."


def too_many_open_orders(facts: Facts) -> str | None:
    """Of orders that may rest. One that replaces another takes its place; a close is always possible."""
    draft, most = facts.draft, facts.limits.most_open_orders
    others = facts.open_orders - (1 if draft.replaces is not None else 0)
    if others < most or draft.time_in_force in AT_ONCE or draft.closing:
        return None
    return f"An account has at most {most} open orders, and this one has {others}."


def self_crossing(facts: Facts) -> str | None:
    """It could trade with the account's own order on the other side. A price of that is its limit, or of a
    purchase at the market what it costs at most."""
    own, worst = facts.opposing_price, reach(facts)
    if own is None or worst is None:
        return None
    if facts.draft.side is Side.BUY and own <= worst:
        return f"{_open('sale', facts)} {_for('at least', own)}: the order could buy from it."
    if facts.draft.side is Side.SELL and own >= worst:
        return f"{_open('purchase', facts)} {_for('at most', own)}: the order could sell to it."
    return None


def _orders(facts: Facts) -> str:
    return f"An order of {facts.draft.symbol} is worth"


def _shown(value: Decimal, rounding: str) -> str:
    """Rounded away from what is allowed, so that it never reads like that."""
    return to_text(value.quantize(LEAST, rounding=rounding, context=WIDE))


def _open(what: str, facts: Facts) -> str:
    return f"The account has an open {what} of {facts.draft.symbol}"


def _for(bound: str, price: Decimal) -> str:
    return f"for {bound} {to_text(price)}" if price > 0 else "at the market"
