"""Whether the instrument trades, and in which steps and sizes."""

from __future__ import annotations

from decimal import Decimal

from hub_market_client import Instrument
from hub_money import multiple_of, to_text
from hub_order.domain import AT_ONCE
from hub_order.risk.facts import Facts
from hub_order.risk.prices import LEAST, quantity_of


def unknown_symbol(facts: Facts) -> str | None:
    return f"There is no instrument {facts.draft.symbol}." if facts.instrument is None else None


def not_tradable(facts: Facts) -> str | None:
    if facts.instrument is not None and not facts.instrument.tradable:
        return f"{facts.draft.symbol} cannot be traded."
    return None


def halted(facts: Facts) -> str | None:
    if facts.instrument is not None and facts.instrument.halted:
        return f"Trading in {facts.draft.symbol} is halted."
    return None


def market_closed(facts: Facts) -> str | None:
    """What is filled at once or not at all cannot wait for the open."""
    draft = facts.draft
    if facts.session_open or draft.time_in_force not in AT_ONCE:
        return None
    until = "" if facts.opens_at is None else f" until {facts.opens_at:%Y-%m-%d %H:%M} UTC"
    return f"The market of {draft.symbol} is closed{until}: {draft.time_in_force} orders cannot wait for it."


def limit_off_tick(facts: Facts) -> str | None:
    return _off_tick(facts, facts.draft.limit_price)


def stop_off_tick(facts: Facts) -> str | None:
    return _off_tick(facts, facts.draft.stop_price)


def lot_of(instrument: Instrument | None) -> Decimal | None:
    """What quantities are multiples of; None where it trades in fractions."""
    if instrument is None or instrument.fractionable or instrument.lot_size <= 0:
        return None
    return instrument.lot_size


def lot_size(facts: Facts) -> str | None:
    lot, quantity = lot_of(facts.instrument), facts.draft.quantity
    if lot is None or quantity is None or multiple_of(quantity, lot):
        return None
    return (
        f"Quantities of {facts.draft.symbol} are multiples of {to_text(lot)}, and {to_text(quantity)} is not."
    )


def quantity_too_small(facts: Facts) -> str | None:
    """What is left of a position, or of an order that was filled in part, may be small."""
    draft, quantity = facts.draft, quantity_of(facts)
    if quantity is None or facts.instrument is None:
        return None
    least = Decimal(0) if draft.closing or draft.replaces is not None else facts.instrument.min_quantity
    if quantity > 0 and quantity >= least:
        return None
    least = max(least, LEAST)
    return (
        f"An order of {draft.symbol} is for at least {to_text(least)}, and this is for {to_text(quantity)}."
    )


def quantity_too_large(facts: Facts) -> str | None:
    most, quantity = facts.limits.most_quantity, quantity_of(facts)
    if facts.instrument is not None:
        most = min(most, facts.instrument.max_quantity)
    if quantity is None or quantity <= most:
        return None
    symbol = facts.draft.symbol
    return f"An order of {symbol} is for at most {to_text(most)}, and this is for {to_text(quantity)}."


def _off_tick(facts: Facts, price: Decimal | None) -> str | None:
    if price is None or facts.instrument is None:
        return None
    tick = facts.instrument.tick_size
    if tick <= 0 or multiple_of(price, tick):
        return None
    symbol = facts.draft.symbol
    return f"Prices of {symbol} move in steps of {to_text(tick)}, and {to_text(price)} is between two."
