"""What an order is priced at: what protects it, what is set aside for it, what it is worth."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal

from hub_money import PLACES, money
from hub_order.domain import HUNDRED, ZERO, OrderType, Side, affordable
from hub_order.risk.facts import Draft, Facts

ONE = Decimal(1)
LEAST = Decimal(1).scaleb(-PLACES)
# Wide enough for the product of any two storable numbers and a share.
WIDE = Context(prec=80)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAside:
    """What position is asked to hold: `quantity` at `unit_price`, or `quantity` shares where that is None.

    `by_value`: the quantity is an amount of cash, at a price of 1.
    """

    quantity: Decimal | None
    unit_price: Decimal | None
    by_value: bool = False


def market_price(facts: Facts) -> Decimal | None:
    """What the order's side gets at the last quote; None where there is no such price."""
    price = None if facts.quote is None else facts.quote.price(facts.draft.side)
    return price if price is not None and price > 0 else None


def protection_price(price: Decimal, *, fraction: Decimal, tick: Decimal) -> Decimal:
    """The most a purchase at the market may cost per share: this price and a margin, up to the next tick."""
    return on_tick(WIDE.multiply(price, 1 + fraction), tick, rounding=ROUND_CEILING)


def protection_of(facts: Facts) -> Decimal | None:
    """The order's protection price: of purchases without a limit, from the ask, or from the stop that they
    await; None for all others."""
    draft = facts.draft
    if draft.side is Side.SELL or facts.instrument is None:
        return None
    match draft.type:
        case OrderType.MARKET:
            price = market_price(facts)
        case OrderType.STOP_LOSS:
            price = draft.stop_price
        case OrderType.TRAILING_STOP:
            price = first_stop(facts)
        case _:
            price = None
    if price is None:
        return None
    tick = facts.instrument.tick_size
    return protection_price(price, fraction=facts.limits.price_protection, tick=tick)


def first_stop(facts: Facts) -> Decimal | None:
    """Where a trailing stop stands at acceptance. The side's own price is its first mark: the ask of a
    purchase, the bid of a sale."""
    draft, market = facts.draft, market_price(facts)
    trail = trail_of(draft, market)
    if market is None or trail is None:
        return None
    return market + trail if draft.side is Side.BUY else market - trail


def trail_of(draft: Draft, market: Decimal | None) -> Decimal | None:
    """How far it follows behind this price, in money."""
    if draft.trail_amount is not None:
        return draft.trail_amount
    if draft.trail_percent is None or market is None:
        return None
    return money(WIDE.multiply(market, draft.trail_percent) / HUNDRED)


def unit_price(facts: Facts) -> Decimal | None:
    """Cash to set aside per share (1 where the order is for an amount of cash); None for a sale."""
    draft = facts.draft
    if draft.side is Side.SELL:
        return None
    if draft.by_value:
        return ONE
    return draft.limit_price if draft.limit_price is not None else protection_of(facts)


def quantity_of(facts: Facts) -> Decimal | None:
    """The order's quantity. Of an order for cash what the cash comes to at the last price, to 8 places,
    rounded down; None where there is no price, and of a close whose quantity position will say."""
    draft = facts.draft
    if draft.notional is None:
        return draft.quantity
    price = market_price(facts)
    return None if price is None else affordable(draft.notional, price)


def set_aside(facts: Facts) -> SetAside:
    """What has to be held before the order that passed is accepted."""
    draft = facts.draft
    if draft.by_value:
        return SetAside(quantity=draft.notional, unit_price=ONE, by_value=True)
    return SetAside(quantity=quantity_of(facts), unit_price=unit_price(facts))


def expected_price(facts: Facts) -> Decimal | None:
    """The price by which its value is judged: its limit, else its stop, else the market's. A sale whose limit
    lies below the market gets the market's."""
    draft, market = facts.draft, market_price(facts)
    if draft.limit_price is not None:
        better = market is not None and draft.type is OrderType.LIMIT and draft.side is Side.SELL
        return max(draft.limit_price, market) if better and market is not None else draft.limit_price
    return draft.stop_price if draft.stop_price is not None else market


def value_of(facts: Facts) -> Decimal | None:
    """What the order is worth in cash; None where that cannot be said yet."""
    if facts.draft.notional is not None:
        return facts.draft.notional
    price, quantity = expected_price(facts), facts.draft.quantity
    return None if price is None or quantity is None else WIDE.multiply(price, quantity)


def reach(facts: Facts) -> Decimal | None:
    """The worst price at which the order could trade at once: its limit, or the market's and the margin of
    protection. None for an order that awaits its stop: where the market is by then, nobody knows."""
    draft, market = facts.draft, market_price(facts)
    if draft.awaits_stop:
        return None
    if draft.limit_price is not None:
        return draft.limit_price
    if draft.side is Side.BUY:
        return protection_of(facts)
    return None if market is None else max(WIDE.multiply(market, 1 - facts.limits.price_protection), ZERO)


def on_tick(price: Decimal, tick: Decimal, *, rounding: str = ROUND_FLOOR) -> Decimal:
    """The nearest price in that direction that the instrument trades at, above zero where there is one."""
    if tick <= 0:
        return money(price)
    ticks = WIDE.divide(price, tick).to_integral_value(rounding=rounding)
    return money(WIDE.multiply(ticks, tick))
