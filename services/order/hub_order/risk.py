"""The rules an order must pass before money is set aside: a table of named, pure checks over the facts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from hub_errors import HubError, Invalid, Refused
from hub_market_client import Instrument
from hub_money import money, multiple_of, to_text
from hub_order.domain import OrderType, Quote, Side, TimeInForce


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What the caller asks for, well-formed but not yet judged."""

    symbol: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    quantity: Decimal
    limit_price: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How far is too far; settings of the service."""

    price_band: Decimal
    price_sanity: Decimal
    price_protection: Decimal
    most_quantity: Decimal
    most_value: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that the rules may look at. The last quote is the reference; only while a session runs must it be
    fresh."""

    draft: Draft
    limits: Limits
    instrument: Instrument | None
    quote: Quote | None
    fresh: bool
    session_open: bool


@dataclass(frozen=True, slots=True)
class Rule:
    """`check` answers the sentence to refuse with, or nothing."""

    code: str
    field: str
    error: type[HubError]
    check: Callable[[Facts], str | None]


def refusal(facts: Facts) -> HubError | None:
    """The first rule that says no, as an error."""
    for rule in RULES:
        sentence = rule.check(facts)
        if sentence is not None:
            return rule.error(sentence, code=rule.code, field=rule.field)
    return None


def protection_price(ask: Decimal, *, fraction: Decimal, tick: Decimal) -> Decimal:
    """The most a purchase at the market may cost per share: the ask and a margin, up to the next tick."""
    ticks = (ask * (1 + fraction) / tick).to_integral_value(rounding=ROUND_CEILING)
    return money(ticks * tick)


def unit_price(facts: Facts) -> Decimal | None:
    """Cash to set aside per share; None for a sale."""
    draft = facts.draft
    if draft.side is Side.SELL:
        return None
    if draft.limit_price is not None:
        return draft.limit_price
    if facts.instrument is None or facts.quote is None:
        return None
    return protection_price(
        facts.quote.ask, fraction=facts.limits.price_protection, tick=facts.instrument.tick_size
    )


def _price_not_allowed(facts: Facts) -> str | None:
    if facts.draft.type is OrderType.MARKET and facts.draft.limit_price is not None:
        return "A market order has no limit price."
    return None


def _price_required(facts: Facts) -> str | None:
    if facts.draft.type is OrderType.LIMIT and facts.draft.limit_price is None:
        return "A limit order needs a limit price."
    return None


def _unknown_symbol(facts: Facts) -> str | None:
    return f"There is no instrument {facts.draft.symbol}." if facts.instrument is None else None


def _not_tradable(facts: Facts) -> str | None:
    if facts.instrument is not None and not facts.instrument.tradable:
        return f"{facts.draft.symbol} cannot be traded."
    return None


def _halted(facts: Facts) -> str | None:
    if facts.instrument is not None and facts.instrument.halted:
        return f"Trading in {facts.draft.symbol} is halted."
    return None


def _tick_size(facts: Facts) -> str | None:
    price = facts.draft.limit_price
    if price is None or facts.instrument is None or multiple_of(price, facts.instrument.tick_size):
        return None
    return f"Prices of {facts.draft.symbol} move in steps of {to_text(facts.instrument.tick_size)}."


def _lot_size(facts: Facts) -> str | None:
    instrument = facts.instrument
    if instrument is None or instrument.fractionable:
        return None
    if multiple_of(facts.draft.quantity, instrument.lot_size):
        return None
    return f"Quantities of {facts.draft.symbol} are multiples of {to_text(instrument.lot_size)}."


def _quantity_too_small(facts: Facts) -> str | None:
    instrument = facts.instrument
    if instrument is None or facts.draft.quantity >= instrument.min_quantity:
        return None
    return f"An order of {facts.draft.symbol} is for at least {to_text(instrument.min_quantity)}."


def _quantity_too_large(facts: Facts) -> str | None:
    most = facts.limits.most_quantity
    if facts.instrument is not None:
        most = min(most, facts.instrument.max_quantity)
    if facts.draft.quantity > most:
        return f"An order of {facts.draft.symbol} is for at most {to_text(most)}."
    return None


def _market_data_stale(facts: Facts) -> str | None:
    """While the market is open its price must be a current one."""
    there = facts.quote is not None and facts.quote.price(facts.draft.side) > 0
    if not there or (facts.session_open and not facts.fresh):
        return f"There is no current price of {facts.draft.symbol}."
    return None


def _price_band(facts: Facts) -> str | None:
    """Binds the aggressive side tightly; the passive side only where the price must be a mistake."""
    price, quote = facts.draft.limit_price, facts.quote
    if price is None or quote is None:
        return None
    band, sanity = facts.limits.price_band, facts.limits.price_sanity
    market = quote.price(facts.draft.side)
    if facts.draft.side is Side.BUY:
        lowest, highest = market / sanity, market * (1 + band)
    else:
        lowest, highest = market * (1 - band), market * sanity
    if lowest <= price <= highest:
        return None
    return f"The price must be between {to_text(money(lowest))} and {to_text(money(highest))}."


def _value_too_large(facts: Facts) -> str | None:
    quote = facts.quote
    price = facts.draft.limit_price or (quote.price(facts.draft.side) if quote else None)
    if price is not None and price * facts.draft.quantity > facts.limits.most_value:
        return f"An order is worth at most {to_text(facts.limits.most_value)}."
    return None


RULES = (
    Rule("price_not_allowed", "limit_price", Invalid, _price_not_allowed),
    Rule("price_required", "limit_price", Invalid, _price_required),
    Rule("unknown_symbol", "symbol", Refused, _unknown_symbol),
    Rule("not_tradable", "symbol", Refused, _not_tradable),
    Rule("halted", "symbol", Refused, _halted),
    Rule("tick_size", "limit_price", Invalid, _tick_size),
    Rule("lot_size", "quantity", Invalid, _lot_size),
    Rule("quantity_too_small", "quantity", Invalid, _quantity_too_small),
    Rule("quantity_too_large", "quantity", Invalid, _quantity_too_large),
    Rule("market_data_stale", "symbol", Refused, _market_data_stale),
    Rule("price_out_of_band", "limit_price", Refused, _price_band),
    Rule("value_too_large", "quantity", Refused, _value_too_large),
)
