"""How the prices of an order stand to the market's."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from hub_money import to_text
from hub_order.domain import AT_ONCE, HUNDRED, Side
from hub_order.risk.facts import Facts
from hub_order.risk.prices import WIDE, market_price, on_tick, trail_of


def market_data_stale(facts: Facts) -> str | None:
    """While the market is open its price must be a current one; what is filled at once needs that always."""
    needed = (facts.session_open and not facts.opening) or facts.draft.time_in_force in AT_ONCE
    if market_price(facts) is None or (needed and not facts.fresh):
        return f"There is no current price of {facts.draft.symbol}."
    return None


def stop_wrong_side(facts: Facts) -> str | None:
    """The market must still have to go there, else the stop is reached before it is set."""
    stop, market = facts.draft.stop_price, market_price(facts)
    if stop is None or market is None:
        return None
    if facts.draft.side is Side.BUY and stop <= market:
        return (
            f"The stop of a purchase lies above the market ({to_text(market)}), and {to_text(stop)} does not."
        )
    if facts.draft.side is Side.SELL and stop >= market:
        return f"The stop of a sale lies below the market ({to_text(market)}), and {to_text(stop)} does not."
    return None


def limit_out_of_band(facts: Facts) -> str | None:
    """Binds the aggressive side tightly; the passive side only where the price must be a mistake. A limit
    that comes after a stop is measured from the stop: that is where the market will be."""
    draft, market = facts.draft, market_price(facts)
    reference = draft.stop_price if draft.stop_price is not None else market
    if draft.limit_price is None or reference is None:
        return None
    band, sanity = facts.limits.price_band, facts.limits.price_sanity
    if draft.side is Side.BUY:
        lowest, highest = WIDE.divide(reference, sanity), WIDE.multiply(reference, 1 + band)
    else:
        lowest, highest = WIDE.multiply(reference, 1 - band), WIDE.multiply(reference, sanity)
    return _outside(facts, draft.limit_price, lowest, highest)


def stop_out_of_band(facts: Facts) -> str | None:
    """A stop protects, so it may lie far away; only a mistake is refused."""
    stop, market = facts.draft.stop_price, market_price(facts)
    if stop is None or market is None:
        return None
    sanity = facts.limits.price_sanity
    return _outside(facts, stop, WIDE.divide(market, sanity), WIDE.multiply(market, sanity))


def trail_amount_too_large(facts: Facts) -> str | None:
    amount, market = facts.draft.trail_amount, market_price(facts)
    if amount is None or market is None or amount < market:
        return None
    return f"A trail is less than the price, which is {to_text(market)}; {to_text(amount)} is not."


def trail_percent_too_large(facts: Facts) -> str | None:
    percent, market = facts.draft.trail_percent, market_price(facts)
    if percent is None:
        return None
    trail = trail_of(facts.draft, market)
    if percent < HUNDRED and (trail is None or market is None or 0 < trail < market):
        return None
    return f"A trail is a part of the price: above 0 and below 100 per cent; {to_text(percent)} is not."


def _outside(facts: Facts, price: Decimal, lowest: Decimal, highest: Decimal) -> str | None:
    if lowest <= price <= highest:
        return None
    tick = Decimal(0) if facts.instrument is None else facts.instrument.tick_size
    least, most = on_tick(lowest, tick, rounding=ROUND_CEILING), on_tick(highest, tick, rounding=ROUND_FLOOR)
    return (
        f"{to_text(price)} is too far from the market of {facts.draft.symbol}: "
        f"the price must be between {to_text(least)} and {to_text(most)}."
    )
