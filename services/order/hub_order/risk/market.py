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
    if lowest <= draft.limit_price <= highest:
        return None
    stop = draft.stop_price
    where = _market(facts) if stop is None else f"its stop, {to_text(stop)}"
    least, most = _rounded(facts, lowest, ROUND_CEILING), _rounded(facts, highest, ROUND_FLOOR)
    return (
        f"A limit of {to_text(draft.limit_price)} is too far from {where}: "
        f"it must be between {least} and {most}."
    )


def stop_out_of_band(facts: Facts) -> str | None:
    """A stop protects, so it may lie far away; only a mistake is refused. It is on its own side of the
    market: see stop_wrong_side."""
    draft, market = facts.draft, market_price(facts)
    stop, sanity = draft.stop_price, facts.limits.price_sanity
    if stop is None or market is None:
        return None
    if draft.side is Side.BUY:
        end = WIDE.multiply(market, sanity)
        inside, bound = stop <= end, f"at most {_rounded(facts, end, ROUND_FLOOR)}"
    else:
        end = WIDE.divide(market, sanity)
        inside, bound = stop >= end, f"at least {_rounded(facts, end, ROUND_CEILING)}"
    return (
        None if inside else f"A stop of {to_text(stop)} is too far from {_market(facts)}: it must be {bound}."
    )


def trail_amount_too_large(facts: Facts) -> str | None:
    amount, market = facts.draft.trail_amount, market_price(facts)
    if amount is None or market is None or amount < market:
        return None
    price = f"the price of {facts.draft.symbol}, {to_text(market)}"
    return f"A trail is less than {price}, and {to_text(amount)} is not."


def trail_percent_too_large(facts: Facts) -> str | None:
    percent, market = facts.draft.trail_percent, market_price(facts)
    if percent is None:
        return None
    if percent >= HUNDRED:
        return f"A trail is below 100 per cent, and {to_text(percent)} is not."
    trail = trail_of(facts.draft, market)
    if trail is None or market is None or 0 < trail < market:
        return None
    price = to_text(market)
    return (
        f"A trail of {to_text(percent)} per cent comes to {to_text(trail)} at the price of "
        f"{facts.draft.symbol}, {price}: it must be above 0 and below {price}."
    )


def _market(facts: Facts) -> str:
    """The market with what it gives the order, in words."""
    price = market_price(facts)
    return f"the market of {facts.draft.symbol}" + ("" if price is None else f", {to_text(price)}")


def _rounded(facts: Facts, price: Decimal, rounding: str) -> str:
    """To what the instrument trades at."""
    tick = Decimal(0) if facts.instrument is None else facts.instrument.tick_size
    return to_text(on_tick(price, tick, rounding=rounding))
